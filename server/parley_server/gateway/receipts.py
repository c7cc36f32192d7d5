"""How the notice of a retraction reaches its readers: when each peer acknowledged it, and who is cut because it did not (P3).

The kernel is asked at the moments of ``SAMPLES_S``, a slice of readers at a time. What had left for a peer when its post was hidden cannot
be prevented; where the peer has not acknowledged it after ``IN_FLIGHT_S``, the connection is reset, so that nothing is sent again. Who has
not acknowledged the notice after ``RECEIPT_S`` and had the text is reset as well, and meets the tombstone when it resumes.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from parley_protocol import codes
from parley_protocol.ids import PostId, TakedownId
from parley_server import limits
from parley_server.clock import World
from parley_server.domain.receipts import Receipt, spread_of
from parley_server.gateway.counts import Counts
from parley_server.gateway.rooms import Reader
from parley_server.gateway.tasks import Tasks

SAMPLES_S: Final = tuple(
    ms / 1_000 for ms in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 250, 384, 512, 768, 1_024, 1_536, 2_000)
)
"""When the kernel is asked, after acceptance: twice for each doubling. ``IN_FLIGHT_S`` and ``RECEIPT_S`` are among them."""

assert limits.IN_FLIGHT_S in SAMPLES_S and SAMPLES_S[-1] == limits.RECEIPT_S


@dataclass(slots=True, eq=False)
class Notice:
    """A connection that was told.

    Attributes:
        given: it may have the text.
        end: position in its stream at which it has the notice; ``None`` until it was asked for.
    """

    reader: Reader
    given: bool
    end: int | None = None

    def is_with_peer(self) -> bool:
        """Say whether the peer has acknowledged it, or all that was sent meanwhile besides."""
        lanes = self.reader.lanes
        if lanes.paused and lanes.lag is not None and lanes.lag.control:
            return False  # It may be one of those that wait in the control lane.
        if lanes.sink.all_acknowledged():
            return True
        progress = lanes.sink.progress()
        if progress is None:
            return False
        if self.end is None:
            self.end = progress.taken
        return progress.acknowledged >= self.end


@dataclass(slots=True, eq=False)
class Round:
    """Posts of one board that were hidden together, and the readers whom that concerns.

    Attributes:
        posts: with the takedown of each, once it is committed.
        waiting: who was told and has not acknowledged.
        doubts: who may have had the text on the way, each with the position of its end.
        took_us: of those who acknowledged.
        over: the figures do not change any more.
    """

    posts: dict[PostId, TakedownId | None]
    accepted_at_us: int
    began: float
    given: int = 0
    told: int = 0
    reset: int = 0
    stragglers: int = 0
    waiting: list[Notice] = field(default_factory=list)
    doubts: list[tuple[Reader, int]] = field(default_factory=list)
    took_us: list[int] = field(default_factory=list)
    over: bool = False

    def sample(self, notices: Sequence[Notice], now: float) -> list[Notice]:
        """Note who has the notice by ``now``; return who has not. A connection that ended counts as neither."""
        left: list[Notice] = []
        for notice in notices:
            if notice.reader.lanes.closed:
                continue
            if notice.is_with_peer():
                self.took_us.append(round((now - self.began) * 1_000_000))
            else:
                left.append(notice)
        return left

    def unacknowledged(self) -> list[Reader]:
        """Return whose peer does not have the text that was on its way; nobody is in doubt any more."""
        doubts, self.doubts = self.doubts, []
        late: list[Reader] = []
        for reader, end in doubts:
            # Also where the closing handshake is under way; only a connection that is gone has no progress any more.
            progress = reader.lanes.sink.progress()
            if progress is not None and progress.acknowledged < end:
                late.append(reader)
        return late

    def late(self) -> list[Reader]:
        """Return who may have the text and has not acknowledged the notice; nobody is waited for any more."""
        waiting, self.waiting = self.waiting, []
        return [notice.reader for notice in waiting if notice.given and not notice.reader.lanes.closed]

    def receipt(self, takedown: TakedownId) -> Receipt:
        """Write the receipt of one of the posts."""
        return Receipt(
            takedown,
            self.accepted_at_us,
            self.given,
            self.told,
            self.reset,
            len(self.took_us),
            self.stragglers,
            round(limits.RECEIPT_S * 1_000_000),
            spread_of(self.took_us),
        )


class Receipts:
    """The rounds under way on this node.

    Attributes:
        on_receipt: called with each receipt, once its figures are final and its takedown is committed.
        on_acknowledged: called with the seconds that each notice took.
    """

    def __init__(self, world: World, tasks: Tasks, counts: Counts) -> None:
        self._world = world
        self._tasks = tasks
        self._counts = counts
        self._by_post: dict[PostId, Round] = {}
        self._followed = 0
        self.on_receipt: list[Callable[[Receipt], None]] = []
        self.on_acknowledged: list[Callable[[float], None]] = []

    def __len__(self) -> int:
        return len(self._by_post)

    def begin(self, posts: Sequence[PostId]) -> Round:
        """Accept the retraction of posts; what follows is measured from here."""
        made = Round(dict.fromkeys(posts), self._world.now_us(), asyncio.get_running_loop().time())
        for post in posts:
            self._by_post[post] = made
        return made

    def cut(self, made: Round, reader: Reader) -> None:
        """Reset a connection that may hold the text of a round."""
        made.reset += 1
        self._counts.resets += 1
        reader.cut(codes.STALE)

    def tell(self, made: Round, reader: Reader, *, given: bool) -> None:
        """Note that a connection was told."""
        made.told += 1
        made.given += given
        self._counts.told += 1
        made.waiting.append(Notice(reader, given))

    def follow(self, made: Round) -> None:
        """Everybody was told: see to it that they have it."""
        size = len(made.waiting) + len(made.doubts)
        if self._followed + size > limits.NOTICES_MAX:
            # What may be on its way cannot be looked after: then it is cut off, as where the kernel can tell nothing.
            for reader, _ in made.doubts:
                self.cut(made, reader)
            made.waiting.clear()
            made.doubts.clear()
        if made.waiting or made.doubts:
            self._tasks.start(self._follow(made, size))
        else:
            self._end(made)

    def recorded(self, post: PostId, takedown: TakedownId) -> None:
        """Note the takedown of a post that was hidden here."""
        made = self._by_post.get(post)
        if made is None:
            return
        made.posts[post] = takedown
        if made.over:
            self._hand_over(made, post, takedown)

    def sweep(self, hides: Callable[[PostId], bool]) -> None:
        """Forget rounds of posts that came to nothing here: no takedown of theirs was heard of while they were hidden."""
        for post in [post for post, made in self._by_post.items() if made.over and not hides(post)]:
            del self._by_post[post]

    async def _follow(self, made: Round, size: int) -> None:
        loop = asyncio.get_running_loop()
        self._followed += size
        try:
            for due_s in SAMPLES_S:
                await asyncio.sleep(made.began + due_s - loop.time())
                if due_s == limits.IN_FLIGHT_S:
                    for reader in made.unacknowledged():
                        self.cut(made, reader)
                await self._sample(made)
                if not (made.waiting or made.doubts):
                    break
            for reader in made.late():
                made.stragglers += 1
                self._counts.stragglers += 1
                reader.cut(codes.STALE)
        finally:
            self._followed -= size
        self._end(made)

    async def _sample(self, made: Round) -> None:
        loop = asyncio.get_running_loop()
        waiting, left = made.waiting, list[Notice]()
        for start in range(0, len(waiting), limits.RECEIPT_SLICE):
            known = len(made.took_us)
            left += made.sample(waiting[start : start + limits.RECEIPT_SLICE], loop.time())
            for took_us in made.took_us[known:]:
                for observe in self.on_acknowledged:
                    observe(took_us / 1_000_000)
            # Others have their turn.
            await asyncio.sleep(0)
        made.waiting = left

    def _end(self, made: Round) -> None:
        made.over = True
        for post, takedown in made.posts.items():
            if takedown is not None:
                self._hand_over(made, post, takedown)

    def _hand_over(self, made: Round, post: PostId, takedown: TakedownId) -> None:
        if self._by_post.get(post) is made:
            del self._by_post[post]
        for take in self.on_receipt:
            take(made.receipt(takedown))
