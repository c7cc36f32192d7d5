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

import asyncpg

from harness import machine
from harness.lines import ChildError
from harness.meter import Cpu

READY_WITHIN_S: Final = 90.0
CALL_WITHIN_S: Final = 30.0
STOP_WITHIN_S: Final = 30.0
LOG_TAIL_BYTES: Final = 4_000
CALLS_AT_ONCE: Final = 4
POLICY: Final = "spam"
"""A policy that the catalogue has from the first start."""


class Parley:
    """One running server and its administrator's token."""

    name: Final = "parley"

    def __init__(self, folder: Path) -> None:
        self.port = _free_port()
        self.socket_url = f"ws://127.0.0.1:{self.port}/v1/ws"
        self.admin_token = ""
        self._password = secrets.token_urlsafe(18)
        self._data = folder / "data"
        self._log = folder / "server.log"
        self._process: asyncio.subprocess.Process | None = None
        self._database: asyncpg.Connection[asyncpg.Record] | None = None

    @classmethod
    @asynccontextmanager
    async def start(cls) -> AsyncIterator[Self]:
        """Start a server with an empty store and no rate limits; the block begins when it is ready.

        Raises:
            ChildError: it ended or was not ready in time; the end of its log is in the message.
        """
        with tempfile.TemporaryDirectory(prefix="parley-load-", ignore_cleanup_errors=True) as folder:
            _let_pass(Path(folder))
            server = cls(Path(folder))
            try:
                await server._begin()
                server.admin_token = await server.sign_in("admin", server._password)
                yield server
            finally:
                await server._end()

    @property
    def pid(self) -> int:
        """The server's process."""
        assert self._process is not None
        return self._process.pid

    async def restart(self) -> None:
        """End the server as an operator does (SIGTERM), and start it again on the same port and store.

        Raises:
            ChildError: as ``start``.
        """
        await self._end()
        await self._begin()

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

    async def bots(self, count: int, name: str) -> list[str]:
        """Make bots and return a token of each: accounts without a password, whose hashing would take most of the time."""
        turns = asyncio.Semaphore(CALLS_AT_ONCE)

        async def make(number: int) -> str:
            async with turns:
                document = {"handle": f"{name}-{number}", "display_name": f"{name} {number}".title()}
                return str((await self.call("POST", "/v1/bots", document))["token"])

        return list(await asyncio.gather(*map(make, range(count))))

    def database_url(self, name: str = "parley") -> str:
        """Return the address of a database of the embedded PostgreSQL, for a superuser of it."""
        folder = self._data / "postgres"
        port = (folder / "cluster" / "postmaster.pid").read_text("utf-8").splitlines()[3]
        return f"postgresql://parley:{(folder / 'password').read_text('utf-8').strip()}@127.0.0.1:{port}/{name}"

    async def metrics(self) -> dict[str, float]:
        """Read /metrics: each sample without labels, by its name."""
        _, text = await asyncio.to_thread(self._http, "GET", "/metrics")
        pairs = (line.split() for line in text.decode().splitlines() if line and line[0] != "#" and "{" not in line)
        return {name: float(value) for name, value, *_ in pairs}

    async def transactions(self) -> int:
        """Return the transactions that PostgreSQL has ended in the server's database, without those that ask this.

        A statement outside of an explicit transaction is one. A backend reports what it did when it is idle, once a second at most: wait
        two seconds after what is to be counted.
        """
        if self._database is None:
            # Another database than the server's, so that our own statements are not counted.
            self._database = await asyncpg.connect(self.database_url("postgres"), ssl=False)
        assert self._database is not None
        query = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = 'parley'"
        return int(await self._database.fetchval(query))

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

    async def _begin(self) -> None:
        """Start the process and wait until it is ready."""
        settings = {
            "PARLEY_HOST": "127.0.0.1",
            "PARLEY_PORT": str(self.port),
            "PARLEY_DATA_DIR": str(self._data),
            "PARLEY_ADMIN_PASSWORD": self._password,
            "PARLEY_IDENTITY": "unverified",
            "PARLEY_LIMITS": "off",
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")}
        with self._log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "parley_server",
                env=kept | settings,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                while not await asyncio.to_thread(self._is_ready):
                    if self._process.returncode is not None:
                        raise ChildError(f"the server ended with {self._process.returncode}; {self._said()}")
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise ChildError(f"the server was not ready within {READY_WITHIN_S:.0f} s; {self._said()}") from None

    async def _end(self) -> None:
        """Ask the server to end, and make it end where it does not."""
        if self._database is not None:
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self._database.close(timeout=STOP_WITHIN_S)
            self._database = None
        process = self._process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    def _said(self) -> str:
        tail = self._log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")
        return f"the end of its log:\n{tail}"

    def _is_ready(self) -> bool:
        try:
            return self._http("GET", "/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False


def _let_pass(folder: Path) -> None:
    """Open a folder to passing through: started by root, the embedded database runs as another user, in a folder below."""
    folder.chmod(0o711)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
