"""Boards of a Parley server with followers and authors: what most scenarios send their posts through, a window at a time."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Self

from harness.authors import Author, Draft, bodies, open_authors
from harness.lines import ChildError
from harness.meter import BUSY, Meter, Spent
from harness.parley import Parley
from harness.stats import Histogram
from harness.swarm import BOARD_PREFIX, Swarm
from parley_protocol.codec import MSGPACK, encode
from parley_protocol.frames import Hello

BODY_BYTES: Final = 200
TERMS: Final = 1_000
"""Terms of the rule that judges every post."""
SETTLE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How posts leave: ``burst`` of them in a row, ``per_s`` over all. Open loop: when the next is due does not wait for any answer."""

    posts: int
    per_s: float
    burst: int = 1


@dataclass(frozen=True, slots=True)
class Window:
    """What one paced window took.

    Attributes:
        deliveries: to connections that are not slow; their latencies, from the sending of a post to its reading.
        lag_ms: how much later than due the latest post left: the harness's own slowness, which is in no latency.
        frames_per_read: how much arrived joined.
        swarm_share: CPU of the receiving end, as a share of one core.
    """

    posts: int
    deliveries: int
    latency: Histogram
    ok_ms: list[float]
    lag_ms: float
    frames_per_read: float
    swarm_share: float
    spent: Spent

    @property
    def busy(self) -> bool:
        """Whether either end of the harness may have been the limit."""
        return max(self.swarm_share, self.spent.harness_share) > BUSY

    @property
    def per_delivery_us(self) -> float:
        """Server CPU per delivery, the posts' own cost included."""
        return self.spent.server_us / self.deliveries

    @property
    def per_post_us(self) -> float:
        """Server CPU per post, deliveries included."""
        return self.spent.server_us / self.posts


def guest_hello() -> bytes:
    """Return the first frame of a guest."""
    return encode(MSGPACK, Hello(v=1, client="loadtest"))


def member_hello(token: str) -> bytes:
    """Return the first frame of an account."""
    return encode(MSGPACK, Hello(v=1, client="loadtest", token=token))


@dataclass(slots=True)
class Room:
    """A server, who follows its boards, and who posts there. Post number i of a window goes to board i mod ``boards``."""

    server: Parley
    swarm: Swarm
    boards: int
    prefix: str
    tokens: Sequence[str]
    connecting_us: float
    """CPU of the server while the followers connected for the first time."""
    stack: AsyncExitStack
    authors: Sequence[Author] = ()
    windows: int = 0
    posted: list[int] = field(default_factory=list)
    """How many posts were made for each board: its head, once all are acknowledged."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        *,
        readers: int,
        authors: int,
        boards: int = 1,
        accounts: int = 0,
        server: Parley | None = None,
        prefix: str = BOARD_PREFIX,
    ) -> AsyncIterator[Self]:
        """Start a server (or use one), make boards, a rule, authors and followers.

        Args:
            readers: connections; number i follows the board i mod ``boards``.
            authors: accounts that post, each on a connection of its own.
            boards: how many.
            accounts: bots among which the followers are divided; 0: they are guests.
            server: runs already, with its rule.
            prefix: of the boards' names.
        """
        async with AsyncExitStack() as stack:
            if server is None:
                server = await stack.enter_async_context(Parley.start())
                await server.dictionary(TERMS)
            for board in range(boards):
                await server.board(f"{prefix}{board}")
            tokens = await server.bots(authors, f"{prefix}author")
            hellos = [member_hello(token) for token in await server.bots(accounts, f"{prefix}reader")] or [guest_hello()]
            before_us = server.cpu().server_us
            swarm = await stack.enter_async_context(Swarm.start(server.port, readers, hellos, prefix=prefix, boards=boards))
            connecting_us = server.cpu().server_us - before_us
            room = cls(server, swarm, boards, prefix, tokens, connecting_us, stack, posted=[0] * boards)
            await room.reopen_authors()
            await asyncio.sleep(SETTLE_S)
            yield room

    async def reopen_authors(self) -> None:
        """Connect the authors, for the first time or again."""
        self.authors = await self.stack.enter_async_context(open_authors(self.server.socket_url, self.tokens))

    def drafts(self, posts: int) -> list[tuple[Author, Draft]]:
        """Make the posts of a window, stamped, so that nothing but sending is left to do in it."""
        self.windows += 1
        made = []
        for number, text in enumerate(bodies(posts, BODY_BYTES, f"{self.prefix} {self.windows}")):
            author, board = self.authors[number % len(self.authors)], number % self.boards
            self.posted[board] += 1
            made.append((author, author.draft(f"{self.prefix}{board}", text, stamped=True)))
        return made

    async def window(self, pace: Pace, *, lost: int = 0) -> Window:
        """Send posts at a pace and wait until everybody who is not slow has them all.

        Args:
            pace: of the window.
            lost: connections that may be lost meanwhile.

        Raises:
            ChildError: a delivery was lost or repeated, a connection was lost, a post was answered with anything but ``ok``.
        """
        drafts = self.drafts(pace.posts)
        turns, more = divmod(pace.posts, self.boards)
        expected = sum((turns + (board < more)) * self.swarm.followers(board) for board in range(self.boards))
        await self.swarm.histogram("healthy")
        before = await self.swarm.count()
        await self.swarm.expect(before.deliveries + expected)
        meter = Meter(self.server.cpu)
        ok_ms, lag_ms = await self.send(drafts, pace)
        try:
            await self.swarm.reached()
        except TimeoutError:
            raise ChildError(f"deliveries stopped: {expected} expected since {before}, now {await self.swarm.count()}") from None
        spent = meter.stop()
        after = await self.swarm.count()
        deliveries = after.deliveries - before.deliveries
        if (deliveries, after.holes, after.repeats) != (
            expected,
            before.holes,
            before.repeats,
        ) or after.lost - before.lost > lost:
            raise ChildError(f"{expected} deliveries expected since {before}, the swarm says {after}")
        return Window(
            pace.posts,
            deliveries,
            await self.swarm.histogram("healthy"),
            ok_ms,
            lag_ms,
            (after.frames - before.frames) / max(1, after.reads - before.reads),
            (after.cpu_us - before.cpu_us) / spent.wall_us,
            spent,
        )

    async def send(self, drafts: Sequence[tuple[Author, Draft]], pace: Pace) -> tuple[list[float], float]:
        """Send posts when they are due; return the milliseconds to each ``ok``, and how much too late the latest left."""
        counts: dict[int, int] = {}
        sent_ns: dict[tuple[int, int], int] = {}
        for author, _ in drafts:
            counts[id(author)] = counts.get(id(author), 0) + 1
        lag_ms = 0.0

        async def answers(author: Author) -> list[float]:
            took: list[float] = []
            while len(took) < counts.get(id(author), 0):
                frame = await author.answer()
                match frame.get("type"):
                    case "ok":
                        took.append((time.monotonic_ns() - sent_ns[id(author), int(frame["re"])]) / 1e6)
                    case "held" | "error" | "bye" | "verdict":
                        raise ChildError(f"a post was answered with {frame}")
            return took

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(answers(author)) for author in self.authors]
            start = time.monotonic()
            for number, (author, draft) in enumerate(drafts):
                if number % pace.burst == 0:
                    due = start + number / pace.per_s
                    # Also where it is late: answers are read meanwhile.
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
                    lag_ms = max(lag_ms, (time.monotonic() - due) * 1000)
                sent_ns[id(author), draft.number] = time.monotonic_ns()
                await author.socket.send(draft.stamped())
        return [value for task in tasks for value in task.result()], lag_ms
