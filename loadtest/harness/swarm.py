"""N followers of Parley boards in one process (native/swarm.c): told over its stdin to stall, to lose its connections, to look out."""

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Literal, Self, TypeAlias

from harness.lines import LineProcess
from harness.native import program
from harness.stats import Histogram, parse_histogram

Kind: TypeAlias = Literal["healthy", "slow", "recovery"]
_KINDS: Final[dict[Kind, int]] = {"healthy": 0, "slow": 1, "recovery": 2}
BOARD_PREFIX: Final = "load-"


@dataclass(frozen=True, slots=True)
class SwarmCount:
    """Totals since the start.

    Attributes:
        live: connections that follow their board now.
        deliveries: stamped bodies that came to connections that are not slow; ``slow_deliveries`` to those that are.
        holes: seqs that were jumped over without a declared gap; ``gaps``: that lay in one.
        repeats: events at or below the cursor.
        epochs: times that a board's log was another than before.
        lost: connections that ended after they had followed; ``refused``: handshakes that were not answered with 101.
        errors: frames of this type.
        resumed: subscriptions that began from a cursor; ``recovered``: of those, since this was
            last asked as a histogram, that have all their board held then.
    """

    live: int
    deliveries: int
    slow_deliveries: int
    frames: int
    bytes: int
    reads: int
    holes: int
    repeats: int
    gaps: int
    epochs: int
    lost: int
    refused: int
    errors: int
    resumed: int
    recovered: int
    cpu_us: int


@dataclass(frozen=True, slots=True)
class Tracked:
    """What connections were told of a post that was looked out for; those that were slow stand apart.

    Attributes:
        hidden: how many were told to hide it; ``missing``: were not.
        late: got a body that lay beyond the mark; ``reordered``: got one after they were told to hide it.
        hidden_us: when each of the ``hidden`` was told, in microseconds since the moment that was asked for.
    """

    hidden: int
    missing: int
    late: int
    reordered: int
    slow_hidden: int
    slow_late: int
    hidden_us: tuple[int, ...]


class Swarm:
    """Connections that follow their boards: number i the board i mod ``boards``."""

    def __init__(self, process: LineProcess, size: int, boards: int) -> None:
        self._process = process
        self.size = size
        self._boards = boards
        self._slow: frozenset[int] = frozenset()

    @classmethod
    @asynccontextmanager
    async def start(
        cls, port: int, size: int, hellos: Sequence[bytes] = (), *, prefix: str = BOARD_PREFIX, boards: int = 1
    ) -> AsyncIterator[Self]:
        """Connect all, some at a time; the block begins when every one follows its board.

        Args:
            port: on loopback.
            size: how many connections.
            hellos: frames in MessagePack, one or as many as there are accounts. None: a plain WebSocket server, as native/floor.c.
            prefix: of the boards' names, before their number.
            boards: how many boards.

        Raises:
            NoCompiler: it cannot be built.
        """
        with tempfile.NamedTemporaryFile("w", prefix="parley-hellos-") as file:
            file.writelines(hello.hex() + "\n" for hello in hellos)
            file.flush()
            options = ["-H", file.name, "-B", prefix, "-n", str(boards)] if hellos else []
            argv = [*program("swarm").argv, *options, str(port), str(size)]
            async with LineProcess.start("swarm", argv) as process:
                await process.hear("READY")
                yield cls(process, size, boards)

    def followers(self, board: int) -> int:
        """Return how many connections that are not slow follow a board."""
        return sum(1 for i in range(board, self.size, self._boards) if i not in self._slow)

    async def count(self) -> SwarmCount:
        """Ask what has come so far."""
        await self._process.say("count")
        pairs = (word.partition("=") for word in await self._process.hear("count"))
        return SwarmCount(**{name: int(value) for name, _, value in pairs})

    async def histogram(self, kind: Kind) -> Histogram:
        """Return what was counted since this was last asked."""
        await self._process.say(f"histogram {_KINDS[kind]}")
        return parse_histogram(await self._process.hear("histogram"))

    async def expect(self, deliveries: int) -> None:
        """Ask to be told by ``reached`` once this many deliveries came to connections that are not slow."""
        await self._process.say(f"until {deliveries}")

    async def reached(self) -> int:
        """Wait for what ``expect`` asked; return when the last delivery was read, on ``time.monotonic_ns``'s clock."""
        _, at_ns = await self._process.hear("until")
        return int(at_ns)

    async def heads(self) -> list[int]:
        """Return, for each board, the least seq that a follower of it has."""
        await self._process.say("boards")
        return [int(word) for word in await self._process.hear("boards")]

    async def stall(self, per_mille: int) -> int:
        """Let this many of a thousand stop reading, evenly spread; they count as slow until this is called again. Returns how many."""
        await self._process.say(f"stall {per_mille}")
        self._slow = frozenset(i for i in range(self.size) if (i + 1) * per_mille // 1000 > i * per_mille // 1000)
        return len(self._slow)

    async def unstall(self) -> None:
        """Let them read again."""
        await self._process.say("unstall")

    async def drop(self) -> None:
        """Close every connection at once; each comes back after a delay of its own, as SPEC.md asks of clients."""
        await self._process.say("drop")

    async def track(self, post: str) -> int:
        """Look out for a post from now on; returns the number under which ``mark`` and ``tracked`` know it."""
        await self._process.say(f"track {post}")
        [number] = await self._process.hear("track")
        return int(number)

    async def mark(self, number: int) -> None:
        """Note how far each connection's bytes have come: what lies beyond arrived later."""
        await self._process.say(f"mark {number}")

    async def tracked(self, number: int, since_ns: int) -> Tracked:
        """Return what the connections were told of a post, in microseconds since ``since_ns`` on ``time.monotonic_ns``'s clock."""
        await self._process.say(f"tracked {number} {since_ns}")
        _, *words = await self._process.hear("tracked")
        counts = {name: int(value) for name, equals, value in (word.partition("=") for word in words) if equals}
        return Tracked(**counts, hidden_us=tuple(int(word) for word in words if "=" not in word))
