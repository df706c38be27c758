"""`vora_cli` is shared with the tests of the exports."""

import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "exports"))
# PEFT asks the hub whether the vocabulary changed; the local folder says it as well.
os.environ["HF_HUB_OFFLINE"] = "1"
