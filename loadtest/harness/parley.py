"""A Parley server of one's own on loopback: started, filled by HTTP, measured, stopped."""

import asyncio
import contextlib
import http.client
import json
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Self

from harness import machine
from harness.lines import ChildError
from harness.meter import Cpu

READY_WITHIN_S: Final = 90.0
CALL_WITHIN_S: Final = 30.0
STOP_WITHIN_S: Final = 30.0
LOG_TAIL_BYTES: Final = 4_000
POLICY: Final = "spam"
"""A policy that the catalogue has from the first start."""


class Parley:
    """One running server and its administrator's token."""

    name: Final = "parley"

    def __init__(self, pid: int, port: int) -> None:
        self.pid = pid
        self.port = port
        self.socket_url = f"ws://127.0.0.1:{port}/v1/ws"
        self.admin_token = ""

    @classmethod
    @asynccontextmanager
    async def start(cls) -> AsyncIterator[Self]:
        """Start a server with an empty store and no rate limits; the block begins when it is ready.

        Raises:
            ChildError: it ended or was not ready in time; the end of its log is in the message.
        """
        with tempfile.TemporaryDirectory(prefix="parley-load-", ignore_cleanup_errors=True) as folder:
            _let_pass(Path(folder))
            port, password = _free_port(), secrets.token_urlsafe(18)
            settings = {
                "PARLEY_HOST": "127.0.0.1",
                "PARLEY_PORT": str(port),
                "PARLEY_DATA_DIR": str(Path(folder) / "data"),
                "PARLEY_ADMIN_PASSWORD": password,
                "PARLEY_IDENTITY": "unverified",
                "PARLEY_LIMITS": "off",
            }
            kept = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")}
            log = Path(folder) / "server.log"
            with log.open("wb") as output:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "parley_server",
                    env=kept | settings,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
            try:
                server = cls(process.pid, port)
                try:
                    await server._ready(process)
                    server.admin_token = await server.sign_in("admin", password)
                except (ChildError, OSError) as error:
                    tail = log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")
                    raise ChildError(f"{error}; end of the server's log:\n{tail}") from error
                yield server
            finally:
                await _stop(process)

    async def sign_in(self, handle: str, password: str) -> str:
        """Return a token."""
        return str((await self.call("POST", "/v1/sessions", {"handle": handle, "password": password}, ""))["token"])

    async def member(self, handle: str) -> str:
        """Make an account and return a token of its."""
        password = secrets.token_urlsafe(18)
        document = {"handle": handle, "display_name": handle.title(), "password": password}
        await self.call("POST", "/v1/accounts", document, "")
        return await self.sign_in(handle, password)

    async def board(self, slug: str) -> None:
        """Make a board."""
        await self.call("POST", "/v1/boards", {"slug": slug, "name": slug, "summary": "Made by a load test."})

    async def dictionary(self, terms: int) -> None:
        """Activate a rule with this many terms, none of which an author of the harness writes."""
        words = [f"zq{number:06d}" for number in range(terms)]
        rule = {
            "id": "load-terms",
            "policy": POLICY,
            "severity": "low",
            "effect": "withhold",
            "fail": "hold",
            "fields": ["body"],
            "boards": ["*"],
            "match": {"terms": words},
            "examples": {"must": [f"well {words[0]} then"], "must_not": ["well then"]},
        }
        await self.call("POST", "/v1/rules", rule)
        await self.call("POST", "/v1/rules/load-terms/activate", {})

    async def call(self, method: str, path: str, body: Mapping[str, object], token: str | None = None) -> dict[str, Any]:
        """Make one HTTP call, by default as the administrator, and return its JSON.

        Raises:
            ChildError: the server answered with a problem; its text is in the message.
            OSError: the server is not there.
        """
        return await asyncio.to_thread(self._call, method, path, body, self.admin_token if token is None else token)

    def cpu(self) -> Cpu:
        """Return the CPU time used so far."""
        own, database = machine.descendants(self.pid)
        return Cpu(
            sum(machine.cpu_us(pid) for pid in [self.pid, *own]),
            # A backend that ends is kept in its parent's count of waited-for children, which only stat has.
            sum(machine.cpu_ticks_us(pid) for pid in database),
        )

    def rss_bytes(self) -> int:
        """Return the resident memory of the server's own processes, without the database's."""
        own, _ = machine.descendants(self.pid)
        return machine.rss_bytes([self.pid, *own])

    def _call(self, method: str, path: str, body: Mapping[str, object], token: str) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        status, text = self._http(method, path, json.dumps(body).encode(), headers)
        if not 200 <= status < 300:
            raise ChildError(f"{method} {path}: {status} {text[:500]!r}")
        answer = json.loads(text or b"{}")
        assert isinstance(answer, dict)
        return answer

    def _http(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        """Make one call on a connection of its own; return status and body."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=CALL_WITHIN_S)) as connection:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return response.status, response.read()

    async def _ready(self, process: asyncio.subprocess.Process) -> None:
        """Wait until ``/readyz`` answers 200."""
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                while not await asyncio.to_thread(self._is_ready):
                    if process.returncode is not None:
                        raise ChildError(f"the server ended with {process.returncode}")
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise ChildError(f"the server was not ready within {READY_WITHIN_S:.0f} s") from None

    def _is_ready(self) -> bool:
        try:
            return self._http("GET", "/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Ask the server to end, and make it end where it does not."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_WITHIN_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _let_pass(folder: Path) -> None:
    """Open a folder to passing through: started by root, the embedded database runs as another user, in a folder below."""
    folder.chmod(0o711)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
