"""Server CPU per delivery: Parley beside ``websockets.broadcast`` and a plain C ``send()`` loop, in one run, to the same readers.

One at a time: the next post leaves when every reader has the last one. Under load: the peers write bursts, Parley gets a window of
posts in flight. Method and reading: loadtest/README.md.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal, Protocol, TypeAlias

from harness.authors import SUBPROTOCOL, Author, Draft, bodies, open_authors, publish_all
from harness.driver import Started, floor, start_driver, wanted_of
from harness.lines import ChildError
from harness.meter import BUSY, Cpu, Meter, Spent
from harness.native import program
from harness.parley import Parley
from harness.readers import Count, Opening, Readers, Wanted, allow_files
from harness.table import columns, percentile, report, spread, write_json
from parley_protocol.codec import MSGPACK, encode
from parley_protocol.frames import Author as PostAuthor
from parley_protocol.frames import Hello, Posted, Subscribe
from parley_protocol.ids import AccountId, BoardId, PostId
from peers.catalogue import TRANSPORTS, Transport

BOARD: Final = "load-room"
BOARD_ALONE: Final = "load-alone"
"""A board that nobody follows: posting there costs what a post costs without its deliveries."""
BURST_ROUNDS: Final = 10
"""Under load a peer writes this many joined frames to every reader before the harness waits for the readers."""
BROADCAST: Final = next(peer for peer in TRANSPORTS if peer.name == "websockets.broadcast")
SETTLE_S: Final = 1.0
FAILURES: Final = (ChildError, TimeoutError)
"""What a peer that breaks off raises."""

Mode: TypeAlias = Literal["one at a time", "under load"]
MODES: Final[tuple[Mode, ...]] = ("one at a time", "under load")


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured. ``one`` and ``load`` are the posts of a window in each mode."""

    readers: int
    authors: int
    in_flight: int
    joined: int
    body_bytes: int
    one: int
    load: int
    rounds: int
    terms: int

    def posts(self, mode: Mode) -> int:
        """Return the posts of one window."""
        return self.one if mode == "one at a time" else self.load


@dataclass(frozen=True, slots=True)
class Plan:
    """A window's work: ``posts`` in ``steps``, each awaited, and each followed by a wait for its deliveries."""

    posts: int
    steps: Sequence[Callable[[], Awaitable[object]]]


@dataclass(frozen=True, slots=True)
class Window:
    """One measured window of one server.

    Attributes:
        deliveries: posts times readers, checked at the readers.
        reads: what the readers needed to get them; ``deliveries / reads`` tells how many frames arrived joined.
        reader_share: CPU of the readers, as a share of one core.
        last_ms: one at a time, per post: from just before it was sent to the last reader's read. Empty under load.
    """

    posts: int
    deliveries: int
    bytes: int
    reads: int
    reader_share: float
    last_ms: list[float]
    spent: Spent

    @property
    def per_delivery_us(self) -> float:
        """Server CPU per delivery; where nobody reads, per post."""
        return self.spent.server_us / (self.deliveries or self.posts)


Results: TypeAlias = dict[tuple[str, Mode], list[Window]]
"""Every round's windows, by server and mode."""


class Following(Protocol):
    """Readers that are connected: those of ``native/``, or those of a server that has no WebSocket."""

    async def count(self) -> Count:
        """Return what has arrived so far."""
        ...

    async def expect(self, deliveries: int) -> None:
        """Ask to be told by ``reached``; ask before they are sent."""
        ...

    async def reached(self) -> int:
        """Wait for what ``expect`` asked; return when the last delivery was read, on ``time.monotonic_ns``'s clock."""
        ...


class Subject(Protocol):
    """A server under test, its readers connected. ``measure`` treats all of them alike."""

    name: str
    readers: Following | None

    def cpu(self) -> Cpu:
        """Return the CPU time that it has used so far."""
        ...

    def plan(self, mode: Mode, posts: int) -> Plan:
        """Prepare a window, so that nothing but sending is left to do in it."""
        ...


class Peer:
    """A server that sends on command: the floor, ``websockets.broadcast``, any other transport."""

    def __init__(self, name: str, started: Started, readers: Readers, joined: int) -> None:
        self.name = name
        self.readers: Following | None = readers
        self._started = started
        self._joined = joined

    def cpu(self) -> Cpu:
        """Read it from outside, as for Parley."""
        return Cpu(self._started.cpu_us(), 0.0)

    def plan(self, mode: Mode, posts: int) -> Plan:
        """One frame a step, or a burst of joined ones."""
        if mode == "one at a time":
            return Plan(posts, [lambda: self._started.send(1, 1)] * posts)
        bursts = max(1, round(posts / (BURST_ROUNDS * self._joined)))
        return Plan(bursts * BURST_ROUNDS * self._joined, [lambda: self._started.send(BURST_ROUNDS, self._joined)] * bursts)


class Board:
    """One board of a Parley server, with its authors and its readers (none: what a post costs by itself)."""

    def __init__(self, server: Parley, board: str, authors: Sequence[Author], readers: Readers | None, size: Size) -> None:
        self.name = "parley" if readers else "parley, nobody reads"
        self.readers: Following | None = readers
        self.cpu = server.cpu
        self._board = board
        self._authors = authors
        self._size = size
        self._seed = 0

    def plan(self, mode: Mode, posts: int) -> Plan:
        """One post a step, or all of them in one step with a window in flight."""
        self._seed += 1
        texts = bodies(posts, self._size.body_bytes, f"{self._board} {mode} {self._seed}")
        if mode == "one at a time":
            author = self._authors[0]
            return Plan(posts, [_one(author, draft) for draft in author.make(self._board, texts)])
        count = len(self._authors)
        shares = [(author, author.make(self._board, texts[i::count])) for i, author in enumerate(self._authors)]
        return Plan(posts, [lambda: publish_all(shares, self._size.in_flight)])


def _one(author: Author, draft: Draft) -> Callable[[], Awaitable[object]]:
    return lambda: author.publish([draft], 1)


async def measure(subject: Subject, mode: Mode, posts: int, readers: int) -> Window:
    """Run one window.

    Raises:
        ChildError: a reader was cut off, or got more or less than every post once.
    """
    plan = subject.plan(mode, posts)
    before = await subject.readers.count() if subject.readers else None
    last_ms = []
    meter = Meter(subject.cpu)
    for step, run in enumerate(plan.steps, 1):
        start_ns = time.monotonic_ns()
        if subject.readers and before:
            await subject.readers.expect(before.deliveries + plan.posts * readers * step // len(plan.steps))
        await run()
        if subject.readers:
            try:
                last_ms.append((await subject.readers.reached() - start_ns) / 1e6)
            except TimeoutError:
                raise ChildError(f"{subject.name}, {mode}: deliveries stopped at {await subject.readers.count()}") from None
    spent = meter.stop()
    if not subject.readers or not before:
        return Window(plan.posts, 0, 0, 0, 0.0, [], spent)
    after = await subject.readers.count()
    deliveries = after.deliveries - before.deliveries
    if after.closed or deliveries != plan.posts * readers or after.least != after.most:
        raise ChildError(f"{subject.name}, {mode}: expected {plan.posts * readers} deliveries, the readers say {after}")
    return Window(
        plan.posts,
        deliveries,
        after.bytes - before.bytes,
        after.reads - before.reads,
        (after.cpu_us - before.cpu_us) / spent.wall_us,
        last_ms if mode == "one at a time" else [],
        spent,
    )


def posted_bytes(size: Size) -> int:
    """Return the length of a ``posted`` frame such as the readers get from Parley: the peers send as much."""
    uuid = "0" * 36
    author = PostAuthor(AccountId(uuid), "Load-Author-0")
    body = "x" * size.body_bytes
    frame = Posted(BoardId(BOARD), 1_000, PostId(uuid), author, body, at=time.time_ns() // 1000, rev=1)
    return len(encode(MSGPACK, frame))


@asynccontextmanager
async def open_peer(peer: Transport, size: Size) -> AsyncIterator[Peer]:
    """Start a peer and its readers."""
    async with (
        start_driver(peer, size.readers, posted_bytes(size)) as started,
        Readers.start(wanted_of(peer, started.port, size.readers, size.body_bytes)) as readers,
    ):
        await started.ready()
        yield Peer(peer.name, started, readers, size.joined)


@asynccontextmanager
async def open_parley(size: Size) -> AsyncIterator[list[Board]]:
    """Start a Parley server with its readers, who are guests, and its authors; return its two boards."""
    async with Parley.start() as server:
        for board in (BOARD, BOARD_ALONE):
            await server.board(board)
        if size.terms:
            await server.dictionary(size.terms)
        tokens = [await server.member(f"load-author-{number}") for number in range(size.authors)]
        hello = encode(MSGPACK, Hello(v=1, client="loadtest"))
        subscribe = encode(MSGPACK, Subscribe(id=1, board=BoardId(BOARD)))
        wanted = Wanted(
            server.port,
            size.readers,
            path="/v1/ws",
            subprotocol=SUBPROTOCOL,
            opening=(Opening(hello), Opening(subscribe)),
            prelude=2,  # welcome, ok
            delivery_bytes_min=size.body_bytes,
        )
        async with Readers.start(wanted) as readers, open_authors(server.socket_url, tokens) as authors:
            yield [Board(server, BOARD, authors, readers, size), Board(server, BOARD_ALONE, authors, None, size)]


async def in_turns(
    subjects: Sequence[Subject], posts: Callable[[str, Mode], int], readers: int, rounds: int, needed: Container[str]
) -> tuple[Results, dict[str, str]]:
    """Warm all servers up with a quarter of a window, then measure rounds of them all, beginning with another one each time.

    Returns:
        The windows; and the servers that failed, with their errors: one that lost or repeated a delivery has no figure, which would
        be that of other work.

    Raises:
        ChildError: the failure of a server that is ``needed``.
    """
    results: Results = {(subject.name, mode): [] for mode in MODES for subject in subjects}
    failed: dict[str, str] = {}
    for number in range(-1, rounds):
        turn = max(0, number) % len(subjects)
        for mode in MODES:
            for subject in [*subjects[turn:], *subjects[:turn]]:
                if subject.name in failed:
                    continue
                count = posts(subject.name, mode)
                try:
                    window = await measure(subject, mode, count if number >= 0 else max(1, count // 4), readers)
                except FAILURES as error:
                    if subject.name in needed:
                        raise
                    failed[subject.name] = f"{error!r}"
                    continue
                if number >= 0:
                    results[subject.name, mode].append(window)
                    print(f"round {number + 1}: {subject.name}, {mode}: {window.per_delivery_us:.2f} us", file=sys.stderr)
    return {key: windows for key, windows in results.items() if key[0] not in failed}, failed


async def run(size: Size) -> tuple[Results, list[str]]:
    """Measure everything; return the windows by server and mode, and what a reader of the table must know."""
    notes = []
    async with AsyncExitStack() as stack:
        plain = program("floor")
        if not plain.compiled:
            notes.append("no C compiler: the floor and the readers are their Python stand-ins, ratios to the floor are too low")
        subjects: list[Subject] = [
            await stack.enter_async_context(open_peer(floor(plain), size)),
            await stack.enter_async_context(open_peer(BROADCAST, size)),
            *await stack.enter_async_context(open_parley(size)),
        ]
        await asyncio.sleep(SETTLE_S)
        needed = {subject.name for subject in subjects}
        results, _ = await in_turns(subjects, lambda _, mode: size.posts(mode), size.readers, size.rounds, needed)
    return results, notes


def ratio(results: Results, name: str, mode: Mode, beside: str) -> str:
    """Return the median of the rounds' own ratios, so that a slow minute of the machine is on both sides."""
    pairs = zip(results[name, mode], results[beside, mode], strict=True)
    return f"{statistics.median(a.per_delivery_us / b.per_delivery_us for a, b in pairs):.2f}"


def tables(results: Results) -> str:
    """Return the table of deliveries and, below it, what a Parley post costs without and with them."""
    rows = []
    for (name, mode), windows in results.items():
        if not windows[0].deliveries:
            continue
        last_ms = [value for window in windows for value in window.last_ms]
        rows.append(
            [
                name,
                mode,
                spread([window.per_delivery_us for window in windows]),
                ratio(results, name, mode, "floor"),
                ratio(results, name, mode, "websockets.broadcast"),
                spread([window.deliveries / window.reads for window in windows], 1),
                f"{windows[0].bytes / windows[0].deliveries:.0f}",
                f"{percentile(last_ms, 50):.1f}" if last_ms else "",
                f"{percentile(last_ms, 99):.1f}" if last_ms else "",
                *shares(windows),
            ]
        )
    header = [
        "server",
        "mode",
        "CPU us/delivery",
        "x floor",
        "x broadcast",
        "frames/read",
        "bytes",
        "last ms p50",
        "p99",
    ]
    return columns([*header, *SHARES], rows) + "\n\n" + posts_table(results)


SHARES: Final = ("server %", "readers %", "authors %", "idle %", "steal %", "")


def shares(windows: Sequence[Window]) -> list[str]:
    """Return who used the machine, in percent, and a mark where a part of the harness was the busiest it can be."""
    means = [
        statistics.mean(window.spent.server_share for window in windows),
        statistics.mean(window.reader_share for window in windows),
        statistics.mean(window.spent.harness_share for window in windows),
        statistics.mean(window.spent.idle_share for window in windows),
        statistics.mean(window.spent.steal_share for window in windows),
    ]
    return [*(f"{mean * 100:.0f}" for mean in means), "!" if max(means[1:3]) > BUSY else ""]


def posts_table(results: Results) -> str:
    """Return Parley's cost of a post, and its fan-out alone: the window with readers less the posts of the one without."""
    rows = []
    for mode in MODES:
        alone = results["parley, nobody reads", mode]
        rows.append(
            [
                "parley",
                mode,
                spread([window.per_delivery_us for window in alone], 0),
                spread([window.spent.database_us / window.posts for window in alone], 0),
                spread([window.posts / window.spent.wall_us * 1e6 for window in alone], 0),
                spread(fan_out_alone(results, mode)),
            ]
        )
    header = [
        "server",
        "mode",
        "CPU us/post, nobody reads",
        "PostgreSQL us/post",
        "posts/s",
        "fan-out alone, CPU us/delivery",
    ]
    return columns(header, rows)


def fan_out_alone(results: Results, mode: Mode) -> list[float]:
    """Return Parley's CPU per delivery of each round, less what the same posts cost on a board that nobody follows."""
    rounds = zip(results["parley", mode], results["parley, nobody reads", mode], strict=True)
    return [
        (with_readers.spent.server_us - with_readers.posts * alone.per_delivery_us) / with_readers.deliveries
        for with_readers, alone in rounds
    ]


def main() -> None:
    """Read the command, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=1_000)
    parser.add_argument("--authors", type=int, default=4)
    parser.add_argument("--in-flight", type=int, default=64, help="posts without an answer under load, over all authors")
    parser.add_argument("--joined", type=int, default=10, help="frames that a peer writes in a row under load, 1 to 64")
    parser.add_argument("--body-bytes", type=int, default=200)
    parser.add_argument("--one", type=int, default=100, help="posts of a window, one at a time")
    parser.add_argument("--load", type=int, default=400, help="posts of a window, under load")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--terms", type=int, default=1_000, help="terms of the rule that judges every post; 0 for no rule")
    parser.add_argument("--json", type=Path, help="write every round here")
    given = vars(parser.parse_args())
    json_path: Path | None = given.pop("json")
    size = Size(**given)
    allow_files(size.readers)
    results, notes = asyncio.run(run(size))
    title = f"Fan-out to {size.readers} readers, {size.body_bytes}-byte bodies, median of {size.rounds} rounds (least–most)"
    print(report(title, tables(results), notes))
    if json_path:
        flat = [
            {"server": name, "mode": mode, **asdict(window)} for (name, mode), windows in results.items() for window in windows
        ]
        write_json(json_path, {"scenario": "fanout", "size": asdict(size), "windows": flat, "notes": notes})


if __name__ == "__main__":
    main()
