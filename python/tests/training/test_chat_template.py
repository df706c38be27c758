"""The demo model's template is the one in the code, and calls of tools can be written into it."""

import json
from pathlib import Path

from training.tokenizer import CHAT_TEMPLATE

REPOSITORY = Path(__file__).resolve().parents[3]


def test_the_committed_model_has_the_template_of_the_code() -> None:
    config = json.loads((REPOSITORY / "models/vora-tiny/base/tokenizer_config.json").read_text(encoding="utf-8"))
    assert config["chat_template"] == CHAT_TEMPLATE
