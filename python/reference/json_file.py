"""JSON as we commit it: two spaces, lists of numbers on one line, UTF-8, one final newline."""

import json
import re
from pathlib import Path
from typing import Any

NUMBER_LIST = re.compile(r"\[\s+(-?\d[\d.e+-]*(?:,\s+-?\d[\d.e+-]*)*)\s+\]")


def write_json(path: Path, value: Any) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    # A newline inside a string is escaped, so only real lists span lines.
    text = NUMBER_LIST.sub(lambda match: "[" + " ".join(match[1].split()) + "]", text)
    path.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
