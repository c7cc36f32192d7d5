"""The real server as a child process, and what a test does with it over HTTP.

``server`` is one for the whole session, for tests that leave it as it was but for boards and accounts of their own. ``own_server`` starts
and ends with its test, which may kill it.
"""

import asyncio
import contextlib
import http.client
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from tests.postgres import PostgresForTests

ROOT: Final = Path(__file__).resolve().parents[2]
ADMIN_PASSWORD: Final = "administrators-password-of-the-tests"
PASSWORD: Final = "members-password-of-the-tests"
READY_SECONDS_MAX: Final = 60
END_SECONDS_MAX: Final = 30

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an HTTP call gave."""

    status: int
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def code(self) -> str:
        return str(self.json["code"])


@dataclass(frozen=True, slots=True)
class Someone:
    """An account that is signed in."""

    id: str
    handle: str
    name: str
    token: str


@dataclass(slots=True)
class ServerProcess:
    """``python -m parley_server`` on a port of its own.

    Attributes:
        folder: its data and its log.
        environment: settings beyond the usual ones.
        answers: everything that HTTP answered, for tests that look for what must not be there.
    """

    folder: Path
    environment: Mapping[str, str]
    port: int = 0
    process: "subprocess.Popen[bytes] | None" = None
    answers: list[bytes] = field(default_factory=list)
    people: dict[str, Someone] = field(default_factory=dict)

    @property
    def log(self) -> bytes:
        """Everything that it printed, over all of its starts."""
        return (self.folder / "server.log").read_bytes()

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/ws"

    def start(self) -> None:
        """Start it, on the data of the time before, and wait until it is ready."""
        self.port = self.port or free_port()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")} | {
            "PARLEY_PORT": str(self.port),
            "PARLEY_DATA_DIR": str(self.folder / "data"),
            "PARLEY_ADMIN_PASSWORD": ADMIN_PASSWORD,
            "PARLEY_IDENTITY": "unverified",
            "PARLEY_LOG_FORMAT": "json",
            "PYTHONPATH": os.pathsep.join(
                [*(str(ROOT / name) for name in ("protocol", "server", "clients")), os.environ.get("PYTHONPATH", "")]
            ),
            **self.environment,
        }
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "parley_server"],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        until = time.monotonic() + READY_SECONDS_MAX
        while True:
            with contextlib.suppress(OSError):
                if self.request("GET", "/readyz").status == 200:
                    return
            assert self.process.poll() is None, self.log.decode()
            assert time.monotonic() < until, self.log.decode()
            time.sleep(0.05)

    def interrupt(self) -> int:
        """Ask it to end and wait; return its exit status."""
        return self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it without a word, and wait."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it if it runs."""
        if self.process is not None:
            try:
                self.interrupt()
            except subprocess.TimeoutExpired:
                self.kill()
                raise

    def _end(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        status = self.process.wait(END_SECONDS_MAX)
        self.process = None
        return status

    # HTTP.

    def request(
        self, method: str, path: str, body: object = None, *, token: str | None = None, data: bytes | None = None
    ) -> Answer:
        """Make a call and wait for its answer; ``data`` goes out as it is."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        if body is not None:
            data = json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            answer = Answer(response.status, response.read())
        finally:
            connection.close()
        self.answers.append(answer.raw)
        return answer

    async def call(
        self, method: str, path: str, body: object = None, *, token: str | None = None, data: bytes | None = None
    ) -> Answer:
        """Make a call while the test's loop runs on."""
        return await asyncio.to_thread(self.request, method, path, body, token=token, data=data)

    def sign_in(self, handle: str, password: str = PASSWORD) -> Someone:
        """Open a session."""
        made = self.request("POST", "/v1/sessions", {"handle": handle, "password": password})
        assert made.status == 201, made.raw
        account = made.json["account"]
        return Someone(account["id"], account["handle"], account["display_name"], made.json["token"])

    @property
    def admin(self) -> Someone:
        """The administrator."""
        if "admin" not in self.people:
            self.people["admin"] = self.sign_in("admin", ADMIN_PASSWORD)
        return self.people["admin"]

    def person(self, handle: str) -> Someone:
        """A member that tests share: made on the first call."""
        if handle not in self.people:
            self.people[handle] = self.newcomer(handle)
        return self.people[handle]

    def newcomer(self, handle: str | None = None) -> Someone:
        """A member of the test's own."""
        handle = handle or f"member-{next(_numbers)}"
        made = self.request("POST", "/v1/accounts", {"handle": handle, "display_name": handle.title(), "password": PASSWORD})
        assert made.status == 201, made.raw
        return self.sign_in(handle)

    def board(self, *, visibility: str = "public", moderator: Someone | None = None) -> str:
        """Make a board of the test's own."""
        slug = f"board-{next(_numbers)}"
        made = self.request(
            "POST",
            "/v1/boards",
            {"slug": slug, "name": slug.title(), "summary": "A test's own.", "visibility": visibility},
            token=self.admin.token,
        )
        assert made.status == 201, made.raw
        if moderator is not None:
            self.role(slug, moderator, "moderator")
        return slug

    def role(self, board: str, someone: Someone, role: str) -> None:
        """Give a role on a board."""
        done = self.request("PUT", f"/v1/boards/{board}/roles/{someone.id}", {"role": role}, token=self.admin.token)
        assert done.status == 200, done.raw

    def rule(self, term: str, effect: str, *, boards: list[str] | None = None) -> str:
        """Put a rule in force that acts on a word."""
        rule = f"rule-{next(_numbers)}"
        document = {
            "id": rule,
            "policy": "spam",
            "severity": "medium",
            "effect": effect,
            "fail": "hold",
            "fields": ["body"],
            "boards": boards or ["*"],
            "match": {"terms": [term]},
            "examples": {"must": [f"some {term} here"], "must_not": ["a plain sentence"]},
        }
        made = self.request("POST", "/v1/rules", document, token=self.admin.token)
        assert made.status == 201, made.raw
        live = self.request("POST", f"/v1/rules/{rule}/activate", {}, token=self.admin.token)
        assert live.status == 200, live.raw
        return rule

    def history(self, board: str, *, token: str | None = None) -> list[dict[str, Any]]:
        """The whole log of a board as HTTP gives it."""
        events: list[dict[str, Any]] = []
        while True:
            after = events[-1]["seq"] if events else 0
            page = self.request("GET", f"/v1/boards/{board}/events?after={after}&limit=500", token=token)
            assert page.status == 200, page.raw
            if not page.json["events"]:
                return events
            events += page.json["events"]


def free_port() -> int:
    """A port of the loopback that nobody has now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextlib.contextmanager
def server_process(environment: Mapping[str, str]) -> Iterator[ServerProcess]:
    """A server that ends with the block, and its folder with it."""
    folder = Path(tempfile.mkdtemp(prefix="parley-server-"))
    folder.chmod(0o711)  # when we are root PostgreSQL runs as another user, who must get through
    made = ServerProcess(folder, environment)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def server_url(postgres: PostgresForTests) -> Iterator[str]:
    """The database of the shared server, for what a test must bring about behind its back."""
    url = postgres.create()
    yield url
    postgres.drop(url)


@pytest.fixture(scope="session")
def server(server_url: str) -> Iterator[ServerProcess]:
    """The server that tests share, without rate limits."""
    with server_process({"PARLEY_DATABASE_URL": server_url, "PARLEY_LIMITS": "off"}) as made:
        yield made


@pytest.fixture(scope="module")
def limited_server(postgres: PostgresForTests) -> Iterator[ServerProcess]:
    """A server with rate limits."""
    url = postgres.create()
    with server_process({"PARLEY_DATABASE_URL": url}) as made:
        yield made
    postgres.drop(url)


StartServer = Callable[[Mapping[str, str]], ServerProcess]


@pytest.fixture
def own_server() -> Iterator[StartServer]:
    """Starts servers that end with the test; without ``PARLEY_DATABASE_URL`` each has a PostgreSQL of its own."""
    with contextlib.ExitStack() as stack:
        yield lambda environment: stack.enter_context(server_process({"PARLEY_LIMITS": "off", **environment}))
