"""The recipe of the demo model vora-tiny: data, base LLM, teacher, VoRA, evaluation, export."""
