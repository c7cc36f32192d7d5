"""Resident memory per idle connection: N readers that follow one board of a Parley server and hear nothing.

Method and reading: loadtest/README.md.
"""

import argparse
import asyncio
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from harness import machine
from harness.authors import SUBPROTOCOL
from harness.parley import Parley
from harness.readers import Opening, Readers, Wanted, allow_files
from harness.table import columns, report, spread, write_json
from parley_protocol.codec import MSGPACK, encode
from parley_protocol.frames import Hello, Subscribe
from parley_protocol.ids import BoardId

BOARD: Final = "load-room"
FIRST_READERS: Final = 100
"""Connected before the first reading, so that what the server allocates once is not divided among the others."""
SETTLE_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes: the server's own; of the whole machine, TCP buffers and the kernel's small objects."""

    server: int
    tcp: int
    slab: int


@dataclass(frozen=True, slots=True)
class Round:
    """Bytes per connection. TCP and slab hold both ends of each connection, so that the server's part is about half."""

    server: float
    tcp: float
    slab: float
    connect_s: float


async def measure(connections: int, *, member: bool) -> Round:
    """Start a fresh server (memory once taken is seldom given back), connect, and read its memory before and after."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(Parley.start())
        await server.board(BOARD)
        token = await server.member("load-reader") if member else None
        opening = (
            Opening(encode(MSGPACK, Hello(v=1, client="loadtest", token=token))),
            Opening(encode(MSGPACK, Subscribe(id=1, board=BoardId(BOARD)))),
        )

        async def connect(count: int) -> None:
            wanted = Wanted(server.port, count, path="/v1/ws", subprotocol=SUBPROTOCOL, opening=opening, prelude=2)
            readers = await stack.enter_async_context(Readers.start(wanted))
            await asyncio.sleep(SETTLE_S)
            assert (await readers.count()).closed == 0

        def memory() -> Memory:
            return Memory(server.rss_bytes(), machine.tcp_memory_bytes(), machine.slab_bytes())

        await connect(FIRST_READERS)
        before, start = memory(), time.monotonic()
        await connect(connections)
        connect_s = time.monotonic() - start - SETTLE_S
        after = memory()
        return Round(
            (after.server - before.server) / connections,
            (after.tcp - before.tcp) / connections,
            (after.slab - before.slab) / connections,
            connect_s,
        )


async def run(connections: int, rounds: int, *, member: bool) -> list[Round]:
    """Measure ``rounds`` fresh servers."""
    done = []
    for number in range(rounds):
        done.append(await measure(connections, member=member))
        print(f"round {number + 1}: {done[-1].server / 1024:.2f} KiB", file=sys.stderr)
    return done


def main() -> None:
    """Read the command, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=4_000)
    parser.add_argument("--who", choices=("member", "guest"), default="member", help="with a token (of one account), or without")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write every round here")
    given = parser.parse_args()
    allow_files(given.connections)
    rounds = asyncio.run(run(given.connections, given.rounds, member=given.who == "member"))
    row = [
        "parley",
        given.who,
        spread([one.server / 1024 for one in rounds]),
        spread([one.tcp / 1024 for one in rounds]),
        spread([one.slab / 1024 for one in rounds]),
        spread([given.connections / one.connect_s for one in rounds], 0),
    ]
    header = [
        "server",
        "who",
        "RSS KiB/connection",
        "TCP buffers KiB (both ends)",
        "kernel slab KiB (both ends)",
        "connects/s",
    ]
    title = f"{given.connections} idle connections that follow one board, median of {given.rounds} fresh servers (least–most)"
    print(report(title, columns(header, [row])))
    if given.json:
        write_json(given.json, {"scenario": "idle", "rounds": [asdict(one) for one in rounds]})


if __name__ == "__main__":
    main()
