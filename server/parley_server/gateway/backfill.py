"""Rings that are extended back to readers who missed more than is in them: the store is read once for a board, not once for each reader.

After a restart every ring is empty, and everybody who comes back misses the same events. The first of them has the ring read on
backwards, page by page; the others wait for it, and all are served out of it. A text that was read and is stopped before it lands reads as
``gone`` (P2). Once nobody needs what is beyond a ring's usual bounds, it is let go.
"""

import asyncio
from collections.abc import Callable

import structlog

from parley_protocol.frames import Event
from parley_server.gateway.counts import Counts
from parley_server.gateway.hotlog import Depth, HotLog
from parley_server.gateway.rooms import Reader, Room
from parley_server.gateway.tasks import Tasks
from parley_server.limits import HEAL_AGAIN_S
from parley_server.ports import BoardLog, Unavailable

log = structlog.get_logger(__name__)


class Backfill:
    """The rings that are being extended, and those that are longer than usual.

    Attributes:
        depth: how far back they may reach.
    """

    def __init__(
        self,
        store: BoardLog,
        depth: Depth,
        stopped: Callable[[Event], bool],
        tasks: Tasks,
        counts: Counts,
        reached: Callable[[Reader], None],
        beyond: Callable[[Reader, Room], None],
    ) -> None:
        """Make it of what it works with.

        Args:
            stopped: says whether the body of an event's post may not be shown now.
            reached: is told of each reader that waited and whose events the ring now holds.
            beyond: is told of each one that waited in vain.
        """
        self._store = store
        self.depth = depth
        self._stopped = stopped
        self._tasks = tasks
        self._counts = counts
        self._reached = reached
        self._beyond = beyond
        self._long: set[Room] = set()

    def wait(self, reader: Reader, room: Room) -> bool:
        """Let a reader wait until the ring of ``room`` was extended to it; false if the ring has no room for that."""
        assert room.hot is not None, room.board
        if not room.extending:
            if not self._spare(room, room.hot):
                return False
            room.extending = True
            self._tasks.start(self._extend(room, room.hot))
        room.behind.add(reader)
        return True

    def shorten(self) -> None:
        """Let go what no reader needs of the rings that are longer than usual."""
        for room in list(self._long):
            hot = room.hot
            assert hot is not None, room.board
            if room.extending:
                continue
            needed = hot.head
            for reader in room.stalled:
                lag = reader.lanes.lag
                cursor = lag.cursors.get(room.board) if lag is not None else None
                # Whoever is further back than this ring is no reason to keep it.
                if cursor is not None and hot.first - 1 <= cursor < needed:
                    needed = cursor
            hot.shorten(needed)
            if not hot.long:
                self._long.discard(room)

    def _spare(self, room: Room, hot: HotLog) -> bool:
        """Say whether a page can be added in front; a ring at its usual bounds becomes a long one, if there are not too many."""
        if hot.spare < self.depth.page and not hot.long and len(self._long) < self.depth.long_rings:
            hot.long = True
            self._long.add(room)
        return hot.spare >= self.depth.page

    async def _extend(self, room: Room, hot: HotLog) -> None:
        """Read pages before the ring until it reaches every reader that waits, or cannot reach further."""
        further = True
        try:
            while room.behind and further:
                further = self._spare(room, hot) and await self._page(room, hot)
                for reader in self._here(room, hot):
                    room.behind.discard(reader)
                    self._reached(reader)
        finally:
            room.extending = False
        left, room.behind = room.behind, set()
        for reader in left:
            self._beyond(reader, room)

    async def _page(self, room: Room, hot: HotLog) -> bool:
        """Read the page before the ring and put it there; false if nothing came of it."""
        first = hot.first
        after = max(0, first - 1 - self.depth.page)
        try:
            self._counts.store_reads += 1
            events = await self._store.read(room.board, after, first - 1 - after)
        except Unavailable as error:
            log.warning("backfill_failed", board=room.board, cause=str(error))
            await asyncio.sleep(HEAL_AGAIN_S)
            return True
        # A ring that let events go meanwhile does not join the page any more; the next one is read from where it begins now.
        return hot.prepend(events, self._stopped) > 0 or hot.first > first

    def _here(self, room: Room, hot: HotLog) -> list[Reader]:
        """Return those who wait and whose cursor the ring holds by now."""
        return [
            reader for reader in room.behind if (lag := reader.lanes.lag) is not None and lag.cursors[room.board] >= hot.first - 1
        ]
