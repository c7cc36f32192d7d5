"""Who reads which board, and how committed events reach them.

A reader that keeps up has no state but its place in a group: readers of one board in one format with one filter. When a board has
news, they are joined into one segment per group and written once per connection. A reader whose transport is full leaves its group
and keeps a cursor (``lagging``). A resume is the same thing.

The hub takes only events that the store returned, so it cannot send what is not committed (P4), and only the store can make one.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from parley_protocol import codes
from parley_protocol.frames import BoardState, Deleted, Event, Gap, Restored, Retracted
from parley_protocol.ids import AccountId, BoardId, PostId
from parley_protocol.limits import RESUME_EVENTS_MAX
from parley_server import limits
from parley_server.clock import World
from parley_server.domain.answers import Refused
from parley_server.gateway import droppable
from parley_server.gateway.counts import Counts
from parley_server.gateway.healing import Healing
from parley_server.gateway.hiding import Hiding
from parley_server.gateway.hotlog import HotLog, Kinds
from parley_server.gateway.lagging import Lagging
from parley_server.gateway.receipts import Receipts
from parley_server.gateway.rooms import Group, Reader, Room, segments
from parley_server.gateway.suppressions import Suppressions
from parley_server.gateway.tasks import Tasks
from parley_server.ports import BoardLog, Unavailable


class Hub:
    """All rooms of this node. Every method runs on the event loop; only ``join`` waits for the store."""

    def __init__(self, store: BoardLog, world: World | None = None) -> None:
        """``world``: tells the time at which a retraction is accepted."""
        self._store = store
        self._rooms: dict[BoardId, Room] = {}
        self._suppressions = Suppressions()
        self._tasks = Tasks()
        self._turn = 0
        self.counts: Final = Counts()
        self._healing = Healing(store, self.publish, self._tasks, self.counts)
        self._lagging = Lagging(store, self._rooms, self._suppressions, self._tasks, self.counts)
        self.paused: Final = self._lagging.paused
        self.receipts: Final = Receipts(world or World(), self._tasks, self.counts)
        self._hiding = Hiding(self._rooms, self._suppressions, self.receipts, self.counts, self._control)

    # Readers come and go.

    async def join(self, board: BoardId, epoch: str | None = None, seq: int | None = None) -> BoardState | Refused:
        """Find where a subscription of ``board`` starts; ``follow`` begins it, once the answer is on its way.

        Args:
            board: exists, and its reader may see it.
            epoch: log that ``seq`` belongs to; ``None`` trusts the reader.
            seq: last event that the reader has; ``None`` starts at the head.

        Returns:
            Where it starts; ``bad_cursor`` if ``seq`` is beyond the head of this very log; ``limited`` if no room is left.

        Raises:
            Unavailable: the head could not be read.
        """
        hot = await self._open(board)
        if isinstance(hot, Refused):
            return hot
        # What the live readers have; fresher events follow to all at once.
        head = self._rooms[board].flushed
        if seq is None:
            return BoardState(board, hot.epoch, head, recovered=True)
        if epoch is not None and epoch != hot.epoch:
            return BoardState(board, hot.epoch, head, recovered=False, gap=Gap(1, head, "epoch"))
        if seq > head:
            return Refused(codes.BAD_CURSOR)
        if head - seq > RESUME_EVENTS_MAX:
            gap = Gap(seq + 1, head - RESUME_EVENTS_MAX, "window")
            return BoardState(board, hot.epoch, head, recovered=False, gap=gap)
        return BoardState(board, hot.epoch, head, recovered=True)

    def follow(self, reader: Reader, state: BoardState, kinds: Kinds, seq: int | None) -> None:
        """Begin the subscription that ``join`` answered with ``state``: missed events first, then live."""
        room = self._rooms[state.board]
        hot = room.hot
        assert hot is not None, state.board
        room.idle_since = None
        key = (reader.lanes.form, kinds)
        group = room.groups.get(key)
        if group is None:
            group = room.groups[key] = Group(*key)
        reader.groups[state.board] = group
        group.size += 1
        cursor = state.head if seq is None or (state.gap and state.gap.reason == "epoch") else seq
        if state.gap is not None and state.gap.reason == "window":
            cursor = state.gap.last
        self._hiding.greet(reader, room, state.head)
        if cursor == room.flushed and not reader.lanes.paused:
            group.live.add(reader)
            return
        self._lagging.begin(reader, room, cursor)

    def leave(self, reader: Reader, board: BoardId) -> None:
        """End one subscription."""
        group = reader.groups.pop(board, None)
        room = self._rooms.get(board)
        if group is None or room is None:
            return
        self._hiding.left(reader, board)
        group.live.discard(reader)
        group.size -= 1
        if group.size == 0:
            room.groups.pop((group.form, group.kinds), None)
        self._lagging.leave(reader, room)

    def drop(self, reader: Reader) -> None:
        """End every subscription of a connection that closes; what it was given may still be on its way."""
        for board in list(reader.groups):
            self.leave(reader, board)
        self.paused.discard(reader)

    def gone(self, reader: Reader) -> None:
        """Forget a connection that is no more, and its unsent bytes with it."""
        self.drop(reader)
        self._hiding.parting.pop(reader, None)

    # Events arrive.

    def publish(self, event: Event) -> None:
        """Take a committed event. Earlier, later and repeated ones are put in order by seq."""
        if isinstance(event, Restored):
            self._suppressions.committed(event)
        elif isinstance(event, Retracted):
            self.receipts.recorded(event.post, event.takedown)
        room = self._rooms.get(event.board)
        if room is None:
            return
        hot = room.hot
        if hot is None or event.seq > hot.head + 1 or self._suppressions.too_early(event):
            if hot is None or event.seq > hot.head:
                self._healing.set_aside(room, event)
            return
        if event.seq <= hot.head:
            return
        self._accept(room, hot, event)
        while (
            room.pending
            and (following := room.pending.get(hot.head + 1)) is not None
            and not self._suppressions.too_early(following)
        ):
            self._accept(room, hot, room.pending.pop(following.seq))

    @contextmanager
    def unsure(self, board: BoardId) -> Iterator[None]:
        """Do inside what appends to the board's log: if the answer is lost, its readers get what was committed nevertheless."""
        try:
            yield
        except Unavailable:
            self.refresh(board)
            raise

    def refresh(self, board: BoardId) -> None:
        """Ask the store what a board has beyond its ring: something may have been committed that nobody could tell us of."""
        room = self._rooms.get(board)
        if room is None or room.hot is None:
            return
        self._healing.doubt(room)

    def suppress(self, board: BoardId, post: PostId, *, reset: bool = True) -> Refused | None:
        """Hide a post from everything that leaves from now on, and tell its readers ahead of content (P2, P3).

        ``settle`` or ``lift`` ends it. A connection that may still be sent the body is reset; it meets the tombstone when it resumes.

        Args:
            reset: false for an author's own act, which is no reason to cut anybody off, the author first of all.
        """
        return self._hiding.suppress(board, (post,), reset=reset)

    def suppress_all(self, board: BoardId, posts: Sequence[PostId]) -> Refused | None:
        """Hide posts of one board together: their readers are told in one write, and their receipts have the same figures."""
        return self._hiding.suppress(board, posts, reset=True)

    def settle(self, post: PostId, now: float, seq: int | None = None) -> None:
        """End one ``suppress`` whose act is committed: the post stays hidden here until no query can carry the body any more.

        Args:
            seq: of the event that stopped it, if this is known; a restoration after it shows the post again at once.
        """
        self._hiding.settle(post, now, seq)

    def lift(self, post: PostId) -> None:
        """End one ``suppress`` whose act came to nothing, and show the post again, unless another act hides it or has stopped it.

        The caller has made sure that the store still has the post as published.
        """
        self._hiding.lift(post)

    def hides(self, post: PostId) -> bool:
        """Say whether nothing that leaves this node may show ``post``: every path that read from the store asks this last."""
        return post in self._suppressions

    def rendered(self, event: Event) -> Event:
        """Return an event as it may leave now."""
        return self._suppressions.rendered(event)

    def heads(self, reader: Reader) -> dict[str, int]:
        """Return the head of each board that a connection follows, as far as the live readers were given."""
        return {board: self._rooms[board].flushed for board in reader.groups if board in self._rooms}

    def control(self, reader: Reader, data: bytes) -> None:
        """Send an encoded control frame to one connection."""
        self._control(reader, data)

    def typing(self, reader: Reader, board: BoardId, account: AccountId, now: float) -> None:
        """Tell the board's live readers that somebody writes; too often is dropped."""
        room = self._rooms.get(board)
        if room is not None:
            droppable.typing(room, reader, account, now)

    def sweep(self, now: float) -> None:
        """Once a second: presence, rings without readers, connections that take nothing, retractions that settled."""
        for room in list(self._rooms.values()):
            count = room.count()
            droppable.presence(room, count)
            if count == 0:
                room.idle_since = now if room.idle_since is None else room.idle_since
                if now - room.idle_since > limits.RING_LINGER_S:
                    del self._rooms[room.board]
        self._lagging.cut_stalled(now)
        self._hiding.sweep(now)

    # Transports pause and resume.

    def pause(self, reader: Reader, now: float) -> None:
        """The kernel takes no more: the reader leaves its groups and keeps cursors."""
        self._lagging.pause(reader, now)

    def resume(self, reader: Reader) -> None:
        """The transport is empty again: control first, then what was missed."""
        self._lagging.resume(reader)

    async def close(self) -> None:
        """Stop catching up; connections are closed by their owner."""
        await self._tasks.close()

    # Inside.

    async def _open(self, board: BoardId) -> HotLog | Refused:
        """Return the board's ring, reading its head from the store on the first call."""
        room = self._rooms.get(board)
        if room is not None and room.hot is not None:
            return room.hot
        if room is None:
            if len(self._rooms) >= limits.HOT_BOARDS_MAX and not self._forget_one():
                return Refused(codes.LIMITED, scope="boards", retry_after_ms=10_000)
            room = self._rooms[board] = Room(board)
        if room.opening is None:
            # Events that are committed from here on are set aside in the room, so none is missed between head and ring.
            room.opening = asyncio.ensure_future(self._read_head(room))
        try:
            return await asyncio.shield(room.opening)
        except Unavailable:
            if self._rooms.get(board) is room and room.hot is None:
                del self._rooms[board]
            raise

    async def _read_head(self, room: Room) -> HotLog:
        """Make the ring at the head that the store knows."""
        self.counts.store_reads += 1
        at = await self._store.head(room.board)
        if at is None:
            raise Unavailable(f"no log of board {room.board}")
        hot = room.hot = HotLog(room.board, *at)
        room.flushed = hot.head
        for seq in sorted(room.pending):
            if seq <= hot.head:
                del room.pending[seq]
        if room.pending:
            self.publish(room.pending.pop(min(room.pending)))
        return hot

    def _forget_one(self) -> bool:
        """Make room for a board: the ring without readers for longest goes."""
        idle = [room for room in self._rooms.values() if room.idle_since is not None and not room.count()]
        if not idle:
            return False
        del self._rooms[min(idle, key=lambda room: room.idle_since or 0.0).board]
        return True

    def _accept(self, room: Room, hot: HotLog, event: Event) -> None:
        """Put the next event into the ring, and see that it is written soon."""
        if isinstance(event, Retracted | Deleted):
            self._suppressions.committed(event)
            # Usually done before, by the suppression; not where the store tells of it first.
            self._hiding.stopped(room, event.post, reset=isinstance(event, Retracted))
        covered = self._suppressions.covers(event)
        undecided = covered and event.post is not None and self._suppressions.undecided(event.post)
        entry = hot.append(event, stopped=covered and not undecided, covered=undecided)
        room.fresh.append(entry)
        if not room.flushing:
            room.flushing = True
            loop = asyncio.get_running_loop()
            wait = room.flush_at - loop.time()
            if wait <= 0:
                loop.call_soon(self._flush, room)
            else:
                loop.call_later(wait, self._flush, room)

    def _flush(self, room: Room) -> None:
        """Write the fresh events to every live reader: one segment per group, one write per connection.

        The next flush comes no sooner than this one took, up to ``COALESCE_S_MAX``: an idle board writes at once, a busy one joins.
        """
        room.flushing = False
        fresh, room.fresh = room.fresh, []
        loop = asyncio.get_running_loop()
        began = loop.time()
        for entries in segments(fresh):
            # Before the writes: a reader that pauses in the middle of them has this segment, and no more.
            room.flushed = entries[-1].event.seq
            for group in list(room.groups.values()):
                if not group.live:
                    continue
                parts = [entry.encoded(group.form) for entry in entries if entry.kind & group.kinds]
                if not parts:
                    continue
                data = b"".join(parts)
                self._turn += 1
                group.turn = self._turn
                # A copy: a write may pause its reader, which leaves the group.
                readers = tuple(group.live)
                for reader in readers:
                    reader.lanes.sink.write(data)
                self.counts.writes += len(readers)
                self.counts.deliveries += len(readers) * len(parts)
        ended = loop.time()
        room.flush_at = ended + min(ended - began, limits.COALESCE_S_MAX)

    def _control(self, reader: Reader, data: bytes) -> None:
        """Send on the control lane; a lane that is full ends the connection."""
        if not reader.lanes.paused:
            reader.says(len(data))
        if not reader.lanes.control(data):
            self.counts.slow_cuts += 1
            reader.cut(codes.SLOW)
