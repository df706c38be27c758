"""Independent PyTorch reference of VoRA: makes the random checkpoint and every golden file of the tests."""
