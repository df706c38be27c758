"""What serves the worker to a client: a script of test/support that prints a line of JSON and ends with its input."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from reference.paths import REPOSITORY

NODE = REPOSITORY / "node_modules/.bin/node"
STOP_SECONDS = 20


@contextmanager
def served(script: str) -> Iterator[Any]:
    if not NODE.exists():
        pytest.fail(f"{NODE} is missing. Install it at the repository root: npm ci", pytrace=False)
    command = [str(NODE), f"test/support/{script}"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as line:
        assert line.stdin is not None and line.stdout is not None
        try:
            yield json.loads(line.stdout.readline())
        finally:
            line.stdin.close()
            line.wait(STOP_SECONDS)
