"""Peer that stores: ejabberd, a room over WebSocket whose messages are archived before they are delivered.

Started as the Erlang program that it is, without ejabberdctl, which reads the stock configuration and listens on every interface;
without Erlang distribution, so no epmd either.
"""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import asyncpg
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from harness import machine
from harness.meter import Cpu
from harness.readers import Wanted
from parley_server import embedded_postgres
from peers.external import free_ports, running
from peers.xmpp import (
    BODY,
    COUNT_QUERY,
    OPENING_FRAMES,
    PATH,
    SUBPROTOCOL,
    archived_count,
    configuration,
    message,
    message_id,
    opening,
)

ANSWER_WITHIN_S: Final = 30.0
LIBRARIES: Final = "usr/lib/*/ejabberd-*/ebin"
SCHEMA: Final = Path("/usr/share/ejabberd/sql/pg.sql")
# As ejabberdctl, but for +sbw*: schedulers that spin while they wait would be counted as work.
ERLANG: Final = ("erl", "+K", "true", "+P", "250000", "+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none", "-noinput")


@dataclass(frozen=True, slots=True)
class Ejabberd:
    """A running server. ``database_pid`` is of its PostgreSQL, where it has one."""

    port: int
    pid: int
    database_pid: int | None

    def cpu(self) -> Cpu:
        """Return the CPU time used so far."""
        own, _ = machine.descendants(self.pid)
        database = [self.database_pid, *machine.descendants(self.database_pid)[1]] if self.database_pid else []
        return Cpu(sum(machine.cpu_us(pid) for pid in [self.pid, *own]), sum(machine.cpu_ticks_us(pid) for pid in database))

    def wanted(self, readers: int) -> Wanted:
        """Return how readers join its room."""
        return Wanted(
            self.port,
            readers,
            path=PATH,
            subprotocol=SUBPROTOCOL,
            opening=opening("reader-%d"),
            prelude=OPENING_FRAMES,
            marker=BODY,
        )


@asynccontextmanager
async def start(folder: Path, *, postgresql: bool) -> AsyncIterator[Ejabberd]:
    """Start ejabberd with an empty archive in ``folder``, in Mnesia or in a PostgreSQL like Parley's own.

    Raises:
        DidNotStart: see peers/external.py.
    """
    async with AsyncExitStack() as stack:
        url, database_pid = None, None
        if postgresql:
            database = await embedded_postgres.start(folder / "postgres")
            stack.push_async_callback(database.stop)
            url, database_pid = database.url, database.pid
            await _make_tables(url)
        [port] = free_ports(1)
        config = folder / "ejabberd.yml"
        config.write_text(json.dumps(configuration(port, url)), encoding="utf-8")
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "ERL_LIBS": _libraries(),
            "ERL_MAX_PORTS": "32000",
            "ERL_CRASH_DUMP_BYTES": "0",
            "EJABBERD_CONFIG_PATH": str(config),
            "EJABBERD_LOG_PATH": str(folder / "ejabberd.log"),
        }
        argv = [*ERLANG, "-mnesia", "dir", json.dumps(str(folder / "mnesia")), "-s", "ejabberd"]
        server = stack.enter_context(running(argv, folder, [port], environment))
        yield Ejabberd(port, server.pid, database_pid)


def _libraries() -> str:
    """Return the folder that holds ejabberd's and its dependencies' code; Erlang's own are found without it."""
    return str(next(Path("/").glob(LIBRARIES)).parent.parent)


async def _make_tables(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(SCHEMA.read_text(encoding="utf-8"))
    finally:
        await connection.close()


class XmppAuthor:
    """A connection that stands in the room as well: one may not speak from outside, so it gets all messages too."""

    def __init__(self, socket: ClientConnection, number: int) -> None:
        self._socket = socket
        self._number = number
        self._made = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, port: int, number: int) -> AsyncIterator[Self]:
        """Connect, and join the room."""
        url = f"ws://127.0.0.1:{port}{PATH}"
        async with connect(
            url, subprotocols=[Subprotocol(SUBPROTOCOL)], compression=None, ping_interval=None, max_queue=None
        ) as socket:
            for step in opening(f"author-{number}"):
                await socket.send(step.payload.decode())
            async with asyncio.timeout(ANSWER_WITHIN_S):
                for _ in range(OPENING_FRAMES):
                    await socket.recv()
            yield cls(socket, number)

    def make(self, texts: Sequence[str]) -> list[tuple[str, str]]:
        """Return messages, each with its id."""
        first = self._made
        self._made += len(texts)
        return [(f"p{self._number}-{i}", message(self._number, i, text)) for i, text in enumerate(texts, first)]

    async def publish(self, drafts: Sequence[tuple[str, str]], in_flight_max: int) -> list[int]:
        """Send messages, at most ``in_flight_max`` of them not yet seen in the room; return the nanoseconds that each took."""
        sent_ns: dict[str, int] = {}
        took_ns: list[int] = []
        waiting = iter(drafts)
        left = len(drafts)
        while len(took_ns) < len(drafts):
            while left and len(sent_ns) < in_flight_max:
                key, stanza = next(waiting)
                left -= 1
                sent_ns[key] = time.monotonic_ns()
                await self._socket.send(stanza)
            async with asyncio.timeout(ANSWER_WITHIN_S):
                seen = message_id(str(await self._socket.recv()))
            if seen in sent_ns:
                took_ns.append(time.monotonic_ns() - sent_ns.pop(seen))
        return took_ns

    async def archived(self) -> int:
        """Ask the room how many messages its archive holds."""
        await self._socket.send(COUNT_QUERY)
        async with asyncio.timeout(ANSWER_WITHIN_S):
            while (count := archived_count(str(await self._socket.recv()))) is None:
                pass
        return count
