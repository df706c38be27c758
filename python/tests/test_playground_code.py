"""The Python that the playground shows sends the very body that the page sends, through the openai package."""

import base64
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from reference.paths import REPOSITORY

NODE = REPOSITORY / "node_modules/.bin/node"
WORDS = "An answer."
PICTURE = b"picture" * 100
WISHES = {"model": "vora-tiny", "question": "What does it say?", "maxTokens": 256, "temperature": 0}
HARD = {
    "model": "it's",
    "question": '"It\'s" \\u0000 {picture} \u2028 %s \\\n\U0001f98a',
    "maxTokens": 1,
    "temperature": 0.5,
}
FILE = {"kind": "file", "name": 'it\'s "a".png', "type": "image/png"}
URL = {"kind": "url", "url": "https://pictures.example/a.png?b={c}"}


class Server(ThreadingHTTPServer):
    """Keeps what it is asked, and answers like the worker."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[Any, str]] = []

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(PICTURE)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((body, self.headers["authorization"]))
        choices = [{"index": 0, "delta": {"role": "assistant", "content": WORDS}, "finish_reason": "stop"}]
        chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for event in [json.dumps(chunk | {"choices": choices}), json.dumps(chunk | {"choices": []}), "[DONE]"]:
            self.wfile.write(f"data: {event}\n\n".encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def data_url(kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(PICTURE).decode()}"


@pytest.mark.parametrize("needs_key", [False, True])
@pytest.mark.parametrize("wishes", [WISHES, HARD], ids=["plain", "hard"])
@pytest.mark.parametrize("picture", ["file", "served", "url", None])
def test_python_sends_what_the_page_sends(
    server: Server, tmp_path: Path, picture: str | None, wishes: dict[str, object], needs_key: bool
) -> None:
    served = {"kind": "served", "href": f"{server.origin}/playground/word.png", "type": "image/png"}
    source = {"file": FILE, "served": served, "url": URL, None: None}[picture]
    url = {"file": data_url("image/png"), "served": data_url("image/png"), "url": URL["url"], None: None}[picture]
    request = {"origin": server.origin, "needsKey": needs_key, "wishes": wishes, "picture": source}
    shown = subprocess.run(
        [NODE, "python/tests/playground_code.ts", json.dumps({"request": request, "pictureUrl": url})],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    expected = json.loads(shown.stdout)
    (tmp_path / FILE["name"]).write_bytes(PICTURE)
    said = subprocess.run(
        [sys.executable, "-c", expected["code"]],
        cwd=tmp_path,
        env={"VORA_API_KEY": "the-key"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    assert said.stdout == f"{WORDS}\n"
    assert server.asked == [(expected["body"], "Bearer the-key" if needs_key else "Bearer none")]
