"""Resident memory of a connection that follows a board and hears nothing, beside servers that keep nothing."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from harness import machine, private
from harness.beside import Beside, Program
from harness.figures import Outcome
from harness.lines import ChildError
from harness.parley import Parley
from harness.readers import Readers
from harness.room import guest_hello, member_hello
from harness.swarm import BOARD_PREFIX, Swarm
from peers.catalogue import TRANSPORTS
from peers.probe import choose, look

FIRST: Final = 100
"""Connected before the first reading, so that what a server allocates once is not divided among the others."""
SETTLE_S: Final = 1.5
PAYLOAD_BYTES: Final = 400
"""Of the messages that a peer makes ready, and that nobody sends."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured. Parley's connections carry tokens of so many ``accounts`` (0: they are guests).

    ``peers``: names of transports in peers/catalogue.py, or ``all``.
    """

    connections: int
    accounts: int
    rounds: int
    peers: Sequence[str]


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes: the server's own; of the whole machine, TCP buffers and the kernel's small objects."""

    server: int
    tcp: int
    slab: int


@dataclass(frozen=True, slots=True)
class Round:
    """KiB per connection. TCP and slab hold both ends of each connection, so that the server's part is about half."""

    server: float
    tcp: float
    slab: float
    connect_s: float


async def run(size: Size) -> Outcome:
    """Measure fresh servers: memory once taken is seldom given back."""
    outcome = Outcome()
    present, outcome.absent = look(choose(TRANSPORTS, size.peers), private_network=private.inside())
    outcome.notes += [one.note() for one in present]
    rounds: dict[str, list[Round]] = {}
    for _ in range(size.rounds):
        async with _parley(size) as (rss, connect):
            rounds.setdefault("parley", []).append(await measure(size.connections, rss, connect))
        for one in present:
            if (name := one.peer.name) in outcome.absent:
                continue
            try:
                async with _beside(one.peer.program, size) as (rss, connect):
                    rounds.setdefault(name, []).append(await measure(size.connections, rss, connect))
            except (ChildError, TimeoutError) as error:
                outcome.absent[name] = f"broke off: {error}"
                rounds.pop(name, None)
    for name, done in rounds.items():
        count = size.connections * size.rounds
        outcome.add("resident memory per connection", name, "KiB", [one.server for one in done], count)
        outcome.add("TCP buffers per connection, both ends", name, "KiB", [one.tcp for one in done], count)
        outcome.add("kernel slab per connection, both ends", name, "KiB", [one.slab for one in done], count)
        outcome.add("connections opened", name, "per s", [size.connections / one.connect_s for one in done], count)
    memory = {figure.of: figure for figure in outcome.figures if figure.name == "resident memory per connection"}
    for name, figure in memory.items():
        if name != "parley":
            outcome.divide("resident memory per connection", memory["parley"], figure)
    return outcome


async def measure(connections: int, rss: Callable[[], int], connect: "Connect") -> Round:
    """Read the memory, connect, read it again."""

    def memory() -> Memory:
        return Memory(rss(), machine.tcp_memory_bytes(), machine.slab_bytes())

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(connect(FIRST))
        await asyncio.sleep(SETTLE_S)
        before, start = memory(), time.monotonic()
        await stack.enter_async_context(connect(connections))
        connect_s = time.monotonic() - start
        await asyncio.sleep(SETTLE_S)
        after = memory()
    each = connections * 1024
    return Round(
        (after.server - before.server) / each, (after.tcp - before.tcp) / each, (after.slab - before.slab) / each, connect_s
    )


Connect = Callable[[int], AbstractAsyncContextManager[Swarm | Readers]]


@asynccontextmanager
async def _parley(size: Size) -> AsyncIterator[tuple[Callable[[], int], Connect]]:
    async with Parley.start() as server:
        await server.board(f"{BOARD_PREFIX}0")
        hellos = [member_hello(token) for token in await server.bots(size.accounts, "load-reader")] or [guest_hello()]
        yield server.rss_bytes, lambda count: Swarm.start(server.port, count, hellos)


@asynccontextmanager
async def _beside(what: Program, size: Size) -> AsyncIterator[tuple[Callable[[], int], Connect]]:
    async with Beside.start(what, FIRST + size.connections, PAYLOAD_BYTES) as server:

        @asynccontextmanager
        async def connect(count: int) -> AsyncIterator[Readers]:
            async with server.readers(count) as readers:
                yield readers
                if (await readers.count()).closed:
                    raise ChildError(f"{what.name} hung up on readers that heard nothing")

        yield server.rss_bytes, connect
