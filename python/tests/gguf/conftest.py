"""`vora_cli` is shared with the tests of the other exports."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "exports"))
