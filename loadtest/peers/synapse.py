"""Peer that stores: Matrix Synapse on PostgreSQL. It has no WebSocket: readers are long-polling syncs of this process."""

import asyncio
import itertools
import json
import os
import secrets
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import asyncpg

from harness import machine
from harness.lines import ChildError
from harness.meter import Cpu
from harness.readers import Count
from parley_server import embedded_postgres
from peers.catalogue import SYNAPSE_PYTHON
from peers.external import free_ports, running
from peers.matrix import (
    CREATE_ROOM,
    LOGGING,
    REGISTER,
    configuration,
    join_path,
    messages_in,
    registration,
    send_path,
    sync_query,
)

CALL_WITHIN_S: Final = 120.0
DELIVERED_WITHIN_S: Final = 120.0
KEYS_WITHIN_S: Final = 60.0
DATABASE: Final = "synapse"


@dataclass(frozen=True, slots=True)
class Synapse:
    """A running server."""

    http: aiohttp.ClientSession
    pid: int
    database_pid: int
    database_url: str
    secret: str

    def cpu(self) -> Cpu:
        """Return the CPU time used so far."""
        database = [self.database_pid, *machine.descendants(self.database_pid)[1]]
        return Cpu(machine.cpu_us(self.pid), sum(machine.cpu_ticks_us(pid) for pid in database))

    async def call(self, method: str, path: str, token: str, body: object = None, **query: str) -> dict[str, Any]:
        """Make one call and return its JSON.

        Raises:
            ChildError: the server answered with anything but 200.
        """
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.http.request(method, path, json=body, params=query, headers=headers) as response:
            if response.status != 200:
                raise ChildError(f"synapse: {method} {path}: {response.status} {(await response.text())[:500]}")
            answer = await response.json()
        assert isinstance(answer, dict)
        return answer

    async def stored(self) -> int:
        """Ask the database how many messages it holds."""
        connection = await asyncpg.connect(self.database_url)
        try:
            return int(await connection.fetchval("SELECT count(*) FROM events WHERE type = 'm.room.message'"))
        finally:
            await connection.close()

    async def account(self, name: str) -> str:
        """Make an account and return its token."""
        nonce = (await self.call("GET", REGISTER, ""))["nonce"]
        return str((await self.call("POST", REGISTER, "", registration(nonce, name, self.secret)))["access_token"])

    async def room(self, owner: str) -> str:
        """Make a room that everybody may join; return its id."""
        return str((await self.call("POST", CREATE_ROOM, owner, {"preset": "public_chat"}))["room_id"])

    async def joined(self, name: str, room: str) -> str:
        """Make an account that stands in the room; return its token."""
        token = await self.account(name)
        await self.call("POST", join_path(room), token, {})
        return token


@asynccontextmanager
async def start(folder: Path) -> AsyncIterator[Synapse]:
    """Start Synapse with an empty database in ``folder``, on a PostgreSQL like Parley's own.

    Raises:
        DidNotStart: see peers/external.py.
    """
    async with AsyncExitStack() as stack:
        database = await embedded_postgres.start(folder / "postgres")
        stack.push_async_callback(database.stop)
        connection = await asyncpg.connect(database.url)
        await connection.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
        await connection.close()
        [port] = free_ports(1)
        secret = secrets.token_hex(16)
        config = folder / "homeserver.yaml"
        url = database.url.rpartition("/")[0] + "/" + DATABASE
        config.write_text(json.dumps(configuration(port, folder, url, secret)), encoding="utf-8")
        (folder / "log.yaml").write_text(json.dumps(LOGGING), encoding="utf-8")
        argv = [str(SYNAPSE_PYTHON), "-m", "synapse.app.homeserver", "--config-path", str(config)]
        # PYTHONPATH would bring this environment's packages into Synapse's.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        keys = [*argv, "--generate-keys"]
        await asyncio.to_thread(subprocess.run, keys, check=True, cwd=folder, env=environment, timeout=KEYS_WITHIN_S)
        server = stack.enter_context(running(argv, folder, [port], environment))
        http = aiohttp.ClientSession(
            f"http://127.0.0.1:{port}",
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=CALL_WITHIN_S),
        )
        await stack.enter_async_context(http)
        yield Synapse(http, server.pid, database.pid, url, secret)


class SyncReaders:
    """Readers in one room: each asks for what is new, and asks again. They run in this process, so they show as *authors %*."""

    def __init__(self, count: int) -> None:
        self._each = [0] * count
        self._answers = 0
        self._bytes = 0
        self._wanted = 0
        self._reached = asyncio.Event()
        self._reached_ns = 0

    @classmethod
    @asynccontextmanager
    async def start(cls, server: Synapse, room: str, tokens: Sequence[str]) -> AsyncIterator["SyncReaders"]:
        """Begin to read; the block begins when every reader knows where the room stands."""
        readers = cls(len(tokens))
        first = [
            str((await server.call("GET", "/_matrix/client/v3/sync", token, **sync_query(None)))["next_batch"])
            for token in tokens
        ]
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(readers._follow(server, room, token, since, number))
                for number, (token, since) in enumerate(zip(tokens, first, strict=True))
            ]
            yield readers
            for task in tasks:
                task.cancel()

    async def count(self) -> Count:
        """Return totals since the start; an answer of the server counts as a frame and as a read."""
        total = sum(self._each)
        return Count(total, self._answers, self._bytes, self._answers, min(self._each), max(self._each), closed=0, cpu_us=0)

    async def expect(self, deliveries: int) -> None:
        """Ask to be told by ``reached``."""
        self._wanted = deliveries
        self._reached.clear()
        self._look()

    async def reached(self) -> int:
        """Wait for what ``expect`` asked; return when it was so, on ``time.monotonic_ns``'s clock."""
        async with asyncio.timeout(DELIVERED_WITHIN_S):
            await self._reached.wait()
        return self._reached_ns

    def _look(self) -> None:
        if not self._reached.is_set() and sum(self._each) >= self._wanted:
            self._reached_ns = time.monotonic_ns()
            self._reached.set()

    async def _follow(self, server: Synapse, room: str, token: str, since: str, number: int) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        while True:
            async with server.http.get("/_matrix/client/v3/sync", params=sync_query(since), headers=headers) as response:
                data = await response.read()
                if response.status != 200:
                    raise ChildError(f"synapse: sync: {response.status} {data[:500]!r}")
            answer = json.loads(data)
            since = answer["next_batch"]
            new = messages_in(answer, room)
            if new:
                self._each[number] += new
                self._answers += 1
                self._bytes += len(data)
                self._look()


class MatrixAuthor:
    """An account that posts to the room and does not read."""

    def __init__(self, server: Synapse, token: str, room: str) -> None:
        self._server = server
        self._token = token
        self._room = room
        self._transactions = itertools.count()

    def make(self, texts: Sequence[str]) -> list[str]:
        """Return drafts: their texts, the library makes the request."""
        return list(texts)

    async def publish(self, drafts: Sequence[str], in_flight_max: int) -> list[int]:
        """Send messages, at most ``in_flight_max`` of them unanswered; return the nanoseconds that each took."""
        waiting = iter(drafts)
        took_ns: list[int] = []

        async def one_after_the_other() -> None:
            for text in waiting:
                path = send_path(self._room, f"{next(self._transactions)}")
                start_ns = time.monotonic_ns()
                await self._server.call("PUT", path, self._token, {"msgtype": "m.text", "body": text})
                took_ns.append(time.monotonic_ns() - start_ns)

        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight_max):
                group.create_task(one_after_the_other())
        return took_ns
