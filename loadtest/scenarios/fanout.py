"""Server CPU per delivery: Parley beside a plain C ``send()`` loop and other servers, in one run, to readers of one kind.

One at a time: the next post leaves when every reader has the last one. Under load: the others write bursts, Parley gets a window of
posts in flight.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias

from harness.authors import SUBPROTOCOL, Author, Draft, bodies, open_authors, publish_all
from harness import private
from harness.beside import FLOOR, Beside, Program, floor
from harness.figures import Outcome
from harness.lines import ChildError
from harness.meter import BUSY, Cpu, Meter, Spent
from harness.parley import Parley
from harness.readers import Count, Opening, Readers, Wanted
from harness.room import guest_hello
from harness.stats import percentile
from parley_protocol.codec import MSGPACK, encode
from parley_protocol.frames import Author as PostAuthor
from parley_protocol.frames import Posted, Subscribe
from parley_protocol.ids import AccountId, BoardId, PostId
from peers.catalogue import TRANSPORTS
from peers.probe import choose, look

BOARD: Final = "load-room"
BOARD_ALONE: Final = "load-alone"
"""A board that nobody follows: posting there costs what a post costs without its deliveries."""
PARLEY: Final = "parley"
ALONE: Final = "parley, nobody reads"
BURST_ROUNDS: Final = 10
"""Under load a program beside Parley writes this many joined frames to every reader before the harness waits for the readers."""
SETTLE_S: Final = 1.0
FAILURES: Final = (ChildError, TimeoutError)
"""What a server raises that breaks off."""

Mode: TypeAlias = Literal["one at a time", "under load"]
MODES: Final[tuple[Mode, ...]] = ("one at a time", "under load")


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured. ``one`` and ``load`` are the posts of a window in each mode; ``in_flight`` is over all authors.

    ``peers``: names of transports in peers/catalogue.py, or ``all``.
    """

    readers: int
    authors: int
    in_flight: int
    joined: int
    body_bytes: int
    one: int
    load: int
    rounds: int
    terms: int
    peers: Sequence[str]

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


class Sender:
    """A program that sends on command."""

    def __init__(self, name: str, beside: Beside, readers: Readers, joined: int) -> None:
        self.name = name
        self.readers: Following | None = readers
        self.cpu = beside.cpu
        self._beside = beside
        self._joined = joined

    def plan(self, mode: Mode, posts: int) -> Plan:
        """One frame a step, or a burst of joined ones."""
        if mode == "one at a time":
            return Plan(posts, [lambda: self._beside.send(1, 1)] * posts)
        bursts = max(1, round(posts / (BURST_ROUNDS * self._joined)))
        return Plan(bursts * BURST_ROUNDS * self._joined, [lambda: self._beside.send(BURST_ROUNDS, self._joined)] * bursts)


class Board:
    """One board of a Parley server, with its authors and its readers (none: what a post costs by itself)."""

    def __init__(self, server: Parley, board: str, authors: Sequence[Author], readers: Readers | None, size: Size) -> None:
        self.name = PARLEY if readers else ALONE
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
    for step, send in enumerate(plan.steps, 1):
        start_ns = time.monotonic_ns()
        if subject.readers and before:
            await subject.readers.expect(before.deliveries + plan.posts * readers * step // len(plan.steps))
        await send()
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
    """Return the length of a ``posted`` frame such as the readers get from Parley: the others send as much."""
    uuid = "0" * 36
    author = PostAuthor(AccountId(uuid), "Load-Author 0")
    body = "x" * size.body_bytes
    frame = Posted(BoardId(BOARD), 1_000, PostId(uuid), author, body, at=time.time_ns() // 1000, rev=1)
    return len(encode(MSGPACK, frame))


@asynccontextmanager
async def open_sender(what: Program, size: Size) -> AsyncIterator[Sender]:
    """Start a program and its readers."""
    async with (
        Beside.start(what, size.readers, posted_bytes(size)) as beside,
        beside.readers(delivery_bytes_min=size.body_bytes) as readers,
    ):
        await beside.ready()
        yield Sender(what.name, beside, readers, size.joined)


@asynccontextmanager
async def open_parley(size: Size) -> AsyncIterator[list[Board]]:
    """Start a Parley server with its readers, who are guests, and its authors; return its two boards."""
    async with Parley.start() as server:
        for board in (BOARD, BOARD_ALONE):
            await server.board(board)
        if size.terms:
            await server.dictionary(size.terms)
        tokens = await server.bots(size.authors, "load-author")
        subscribe = encode(MSGPACK, Subscribe(id=1, board=BoardId(BOARD)))
        wanted = Wanted(
            server.port,
            size.readers,
            path="/v1/ws",
            subprotocol=SUBPROTOCOL,
            opening=(Opening(guest_hello()), Opening(subscribe)),
            prelude=2,  # welcome, ok
            delivery_bytes_min=size.body_bytes,
        )
        async with Readers.start(wanted) as readers, open_authors(server.socket_url, tokens) as authors:
            yield [Board(server, BOARD, authors, readers, size), Board(server, BOARD_ALONE, authors, None, size)]


async def in_turns(
    subjects: Sequence[Subject], posts: Callable[[str, Mode], int], readers: int, rounds: int, needed: Container[str]
) -> tuple[Results, dict[str, str]]:
    """Warm all servers up with a quarter of a window, then measure rounds of them all, beginning with another one each time.

    Args:
        subjects: the servers, their readers connected.
        posts: of a window, by a server's name and the mode.
        readers: of each server.
        rounds: how many.
        needed: servers whose failure ends the run; another one is left out from there on.

    Returns:
        The windows; and the servers that failed, with their errors: one that lost or repeated a delivery has no figure, which would
        be that of other work.
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
                    failed[subject.name] = f"broke off: {error}"
                    continue
                if number >= 0:
                    results[subject.name, mode].append(window)
    return {key: windows for key, windows in results.items() if key[0] not in failed}, failed


async def run(size: Size) -> Outcome:
    """Measure everything, in rounds that begin with another server each time."""
    outcome = Outcome()
    present, absent = look(choose(TRANSPORTS, size.peers), private_network=private.inside())
    outcome.absent |= absent
    async with AsyncExitStack() as stack:
        subjects: list[Subject] = [await stack.enter_async_context(open_sender(floor(), size))]
        for one in present:
            try:
                subjects.append(await stack.enter_async_context(open_sender(one.peer.program, size)))
            except FAILURES as error:
                outcome.absent[one.peer.name] = f"did not start: {error}"
            else:
                outcome.notes.append(one.note())
        subjects += await stack.enter_async_context(open_parley(size))
        await asyncio.sleep(SETTLE_S)
        needed = {FLOOR, PARLEY, ALONE}
        results, failed = await in_turns(subjects, lambda _, mode: size.posts(mode), size.readers, size.rounds, needed)
    outcome.absent |= failed
    tell(results, outcome)
    return outcome


def tell(results: Results, outcome: Outcome) -> None:
    """Turn windows into figures."""
    for (name, mode), windows in results.items():
        busy = any(max(window.reader_share, window.spent.harness_share) > BUSY for window in windows)
        outcome.swarm_share = max(outcome.swarm_share, *(window.reader_share for window in windows))
        outcome.authors_share = max(outcome.authors_share, *(window.spent.harness_share for window in windows))
        what = f"CPU per {'delivery' if windows[0].deliveries else 'post'}, {mode}"
        samples = sum(window.deliveries or window.posts for window in windows)
        outcome.add(what, name, "us", [window.per_delivery_us for window in windows], samples, busy=busy)
        if windows[0].deliveries:
            joined = [window.deliveries / window.reads for window in windows]
            outcome.add(f"frames that a read brings, {mode}", name, "count", joined, samples)
            outcome.add(f"bytes of a delivery, {mode}", name, "B", [window.bytes / window.deliveries for window in windows], samples)
        if mode == "one at a time" and windows[0].deliveries:
            for percent in (50, 99):
                last = [percentile(window.last_ms, percent) for window in windows]
                posts = sum(window.posts for window in windows)
                outcome.add(f"to the last reader, p{percent}", name, "ms", last, posts, busy=busy)
    for mode in MODES:
        followed, alone = results[PARLEY, mode], results[ALONE, mode]
        fan_out = [(a.spent.server_us - a.posts * b.per_delivery_us) / a.deliveries for a, b in zip(followed, alone, strict=True)]
        outcome.add(f"CPU per delivery, {mode}, the posts' own cost taken off", PARLEY, "us", fan_out, len(fan_out))
        outcome.add(f"posts, {mode}", ALONE, "per s", [b.posts / b.spent.wall_us * 1e6 for b in alone], len(alone))
        for name in sorted({name for name, _ in results} - {PARLEY, ALONE}):
            outcome.compare(f"CPU per delivery, {mode}", PARLEY, name)
    outcome.compare("to the last reader, p50", PARLEY, FLOOR)
