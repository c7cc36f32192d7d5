"""An HTTP server that gives prepared answers and keeps what it was asked."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    method: str
    path: str
    token: str | None
    body: Any


@dataclass(slots=True)
class Answers:
    """What is answered, by ``"METHOD path"`` with its query: a status and a body, several in turn; the last one stays."""

    prepared: dict[str, list[tuple[int, object]]]
    url: str = ""
    asked: list[Asked] = field(default_factory=list[Asked])
    headers: dict[str, str] = field(default_factory=dict[str, str])

    def next(self, key: str) -> tuple[int, object]:
        """Return the next answer."""
        left = self.prepared.get(key)
        if left is None:
            return 404, {"code": "no_route", "title": key}
        return left.pop(0) if len(left) > 1 else left[0]


@contextmanager
def http_server(answers: Mapping[str, object], headers: Mapping[str, str] | None = None) -> Iterator[Answers]:
    """Serve; a body alone is answered with 200, a list of ``(status, body)`` in turn."""
    held = Answers(
        {key: list(answer) if isinstance(answer, list) else [(200, answer)] for key, answer in answers.items()},
        headers=dict(headers or {}),
    )

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            size = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(size)) if size else None
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
            held.asked.append(Asked(self.command, self.path, token, body))
            status, answer = held.next(f"{self.command} {self.path}")
            data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            for name, value in held.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - the names that the base class calls

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    held.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
