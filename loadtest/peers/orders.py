"""What every driver obeys on its stdin: ``send ROUNDS JOINED``, answered with ``sent DELIVERIES``."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator


def orders() -> Iterator[tuple[int, int]]:
    """Yield rounds and joined of each order, blocking, until stdin ends."""
    for line in sys.stdin:
        yield _read(line)


async def obey(send: Callable[[int, int], Awaitable[int]]) -> None:
    """Carry out orders until stdin ends.

    Args:
        send: given rounds and joined, sends ``joined`` messages in a row to every reader, ``rounds`` times; returns the deliveries.
    """
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        rounds, joined = _read(line.decode())
        say("sent", await send(rounds, joined))


def say(*words: object) -> None:
    """Print one line at once."""
    print(*words, flush=True)


def _read(line: str) -> tuple[int, int]:
    verb, rounds, joined = line.split()
    assert verb == "send"
    return int(rounds), int(joined)
