"""Files stay small enough to be read at once."""

from pathlib import Path

PYTHON = Path(__file__).parents[1]
MOST_LINES = 300


def test_no_file_is_longer_than_it_may_be() -> None:
    files = [file for part in ("reference", "training", "tests") for file in (PYTHON / part).rglob("*.py")]
    assert len(files) > 60
    lines = {str(file.relative_to(PYTHON)): len(file.read_text().splitlines()) for file in files}
    assert {name: count for name, count in lines.items() if count >= MOST_LINES} == {}
