"""Who reads which board, and how committed events reach them.

A reader that keeps up has no state but its place in a group: readers of one board in one format with one filter. When a board has
news, they are joined into one segment per group and written once per connection. A reader whose transport is full leaves its group
and keeps a cursor; ``serve`` takes it from there, out of the ring or, behind it, out of PostgreSQL. A resume is the same thing.

The hub takes only events that the store returned, so it cannot send what is not committed (P4), and only the store can make one.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import structlog

from parley_protocol import codes
from parley_protocol.frames import (
    BoardState,
    Deleted,
    Edited,
    Event,
    Gap,
    Gone,
    Posted,
    Presence,
    Restored,
    Retracted,
    Suppress,
    Typing,
)
from parley_protocol.ids import AccountId, BoardId, PostId
from parley_protocol.limits import RESUME_EVENTS_MAX
from parley_server import limits
from parley_server.domain.answers import Refused
from parley_server.gateway.hotlog import HotLog, Kinds, kind_of
from parley_server.gateway.lanes import Tail
from parley_server.gateway.rooms import Group, Reader, Room, may_hold, segments
from parley_server.gateway.suppressions import Claim, Suppressions
from parley_server.gateway.wire import FORMATS, message
from parley_server.ports import BoardLog, Unavailable

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Counts:
    """What the hub did since it started; read by metrics."""

    deliveries: int = 0
    writes: int = 0
    lagged: int = 0
    resets: int = 0
    slow_cuts: int = 0
    healed: int = 0
    suppressed: int = 0
    store_reads: int = 0


class Hub:
    """All rooms of this node. Every method runs on the event loop; only ``join`` and the catching up of readers wait for the store."""

    def __init__(self, store: BoardLog) -> None:
        self._store = store
        self._rooms: dict[BoardId, Room] = {}
        self._suppressions = Suppressions()
        self._reads = asyncio.Semaphore(limits.CATCH_UPS_MAX)
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = 0
        # Readers that left boards while bytes of theirs were not with the peer, with those boards.
        self._parting: dict[Reader, set[BoardId]] = {}
        self.paused: set[Reader] = set()
        self.counts: Final = Counts()

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
        if cursor == room.flushed and not reader.lanes.paused:
            group.live.add(reader)
            return
        room.stalled.add(reader)
        reader.lanes.behind().cursors[state.board] = cursor
        self.serve(reader)

    def leave(self, reader: Reader, board: BoardId) -> None:
        """End one subscription."""
        group = reader.groups.pop(board, None)
        room = self._rooms.get(board)
        if group is None or room is None:
            return
        if reader.lanes.sink.unsent():
            self._parting.setdefault(reader, set()).add(board)
        group.live.discard(reader)
        group.size -= 1
        room.stalled.discard(reader)
        if reader.lanes.lag is not None:
            reader.lanes.lag.cursors.pop(board, None)
        if group.size == 0:
            room.groups.pop((group.form, group.kinds), None)
        if reader.catching_up is not None:
            # It may be reading this very board; what is still behind is served again.
            reader.catching_up.cancel()
            reader.catching_up = None
            asyncio.get_running_loop().call_soon(self.serve, reader)

    def drop(self, reader: Reader) -> None:
        """End every subscription of a connection that closes; what it was given may still be on its way."""
        for board in list(reader.groups):
            self.leave(reader, board)
        self.paused.discard(reader)

    def gone(self, reader: Reader) -> None:
        """Forget a connection that is no more, and its unsent bytes with it."""
        self.drop(reader)
        self._parting.pop(reader, None)

    # Events arrive.

    def publish(self, event: Event) -> None:
        """Take a committed event. Earlier, later and repeated ones are put in order by seq."""
        if isinstance(event, Restored):
            self._suppressions.committed(event)
        room = self._rooms.get(event.board)
        if room is None:
            return
        hot = room.hot
        if hot is None or event.seq > hot.head + 1 or self._suppressions.too_early(event):
            if hot is None or event.seq > hot.head:
                self._set_aside(room, event)
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
        room.unsure = True
        self._heal_soon(room)

    def suppress(self, board: BoardId, post: PostId, *, reset: bool = True) -> Refused | None:
        """Hide a post from everything that leaves from now on, and tell its readers ahead of content (P2, P3).

        A connection whose unsent bytes may hold the body is reset; it meets the tombstone when it resumes.

        Args:
            reset: false for an author's own act, which is no reason to cut anybody off, the author first of all.
        """
        match self._suppressions.claim(post):
            case Claim.FULL:
                return Refused(codes.LIMITED, scope="retractions", retry_after_ms=1_000)
            case Claim.FURTHER:
                # Said already, and the event of the first act may be out, which no notice may follow.
                return None
            case Claim.FIRST:
                pass
        self.counts.suppressed += 1
        for reader in [reader for reader, boards in self._parting.items() if reset and board in boards]:
            # What it was given is not counted any more. Rare: a ban, an unsubscription or a closing handshake a moment ago.
            if reader.lanes.sink.unsent():
                self.counts.resets += 1
                reader.cut(codes.STALE)
            else:
                del self._parting[reader]
        room = self._rooms.get(board)
        if room is None:
            return None
        messages: list[bytes | None] = [None] * len(FORMATS)
        for reader in self._blank(room, post, reset=reset):
            form = reader.lanes.form
            data = messages[form]
            if data is None:
                data = messages[form] = message(Suppress(board, post), form)
            self._control(reader, data)
        return None

    def settle(self, post: PostId, now: float, seq: int | None = None) -> None:
        """End one ``suppress`` whose act is committed: the post stays hidden here until no query can carry the body any more.

        Args:
            seq: of the event that stopped it, if this is known; a restoration after it shows the post again at once.
        """
        self._suppressions.settle(post, now, seq)

    def lift(self, post: PostId) -> None:
        """End one ``suppress`` that led to nothing: the post may be shown again, unless another act hides it as well."""
        self._suppressions.lift(post)

    def hides(self, post: PostId) -> bool:
        """Say whether nothing that leaves this node may show ``post``: every path that read from the store asks this last."""
        return post in self._suppressions

    def rendered(self, event: Event) -> Event:
        """Return an event as it may leave now."""
        if isinstance(event, Posted | Edited | Restored) and self._suppressions.covers(event):
            return Gone(event.board, event.seq, event.post)
        return event

    def heads(self, reader: Reader) -> dict[str, int]:
        """Return the head of each board that a connection follows, as far as the live readers were given."""
        return {board: self._rooms[board].flushed for board in reader.groups if board in self._rooms}

    def control(self, reader: Reader, data: bytes) -> None:
        """Send an encoded control frame to one connection."""
        self._control(reader, data)

    def typing(self, reader: Reader, board: BoardId, account: AccountId, now: float) -> None:
        """Tell the board's live readers that somebody writes; too often is dropped."""
        room = self._rooms.get(board)
        if room is None or now - room.typing.get(account, float("-inf")) < limits.TYPING_S:
            return
        if len(room.typing) > limits.PENDING_EVENTS_MAX:
            room.typing.clear()
        room.typing[account] = now
        self._drop_in(room, Kinds.TYPING, Typing(board, account), but=reader)

    def sweep(self, now: float) -> None:
        """Once a second: presence, rings without readers, connections that take nothing, retractions that settled."""
        for room in list(self._rooms.values()):
            count = room.count()
            if count != room.counted:
                room.counted = count
                self._drop_in(room, Kinds.PRESENCE, Presence(room.board, count))
            if count == 0:
                room.idle_since = now if room.idle_since is None else room.idle_since
                if now - room.idle_since > limits.RING_LINGER_S:
                    del self._rooms[room.board]
        for reader in list(self.paused):
            lag = reader.lanes.lag
            if lag is not None and now - lag.since > limits.STALL_S_MAX:
                self.counts.slow_cuts += 1
                reader.cut(codes.SLOW)
        for reader in [reader for reader in self._parting if not reader.lanes.sink.unsent()]:
            del self._parting[reader]
        self._suppressions.sweep(now)

    # Transports pause and resume.

    def pause(self, reader: Reader, now: float) -> None:
        """The kernel takes no more: the reader leaves its groups and keeps cursors."""
        self.counts.lagged += 1
        lanes = reader.lanes
        lanes.paused = True
        lag = lanes.behind()
        lag.since = now
        self.paused.add(reader)
        for board, group in reader.groups.items():
            if board not in lag.cursors:
                room = self._rooms[board]
                group.live.discard(reader)
                room.stalled.add(reader)
                lag.cursors[board] = room.flushed

    def resume(self, reader: Reader) -> None:
        """The transport is empty again: control first, then what was missed."""
        reader.lanes.paused = False
        self.paused.discard(reader)
        reader.lanes.flush_control()
        if not reader.lanes.paused:
            self.serve(reader)

    def serve(self, reader: Reader) -> None:
        """Give a reader what it misses, a segment at a time, until its transport is full or it is live again."""
        lanes = reader.lanes
        for _ in range(limits.SEGMENTS_PER_TURN):
            lag = lanes.lag
            if lag is None or lanes.paused or lanes.closed or reader.catching_up is not None:
                return
            if not lag.cursors:
                lanes.lag = None
                return
            board, cursor = next(iter(lag.cursors.items()))
            room = self._rooms[board]
            hot = room.hot
            assert hot is not None, board
            if cursor >= room.flushed:
                del lag.cursors[board]
                room.stalled.discard(reader)
                reader.groups[board].live.add(reader)
            elif cursor + 1 < hot.first:
                reader.catching_up = self._start(self._catch_up(reader, room))
                return
            else:
                entries = []
                for entry in hot.after(cursor):
                    if entry.event.seq > room.flushed:
                        break
                    entries.append(entry)
                self._segment(reader, board, ((e.event, e.kind, e.encoded(lanes.form)) for e in entries))
        asyncio.get_running_loop().call_soon(self.serve, reader)

    async def close(self) -> None:
        """Stop catching up; connections are closed by their owner."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

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

    def _set_aside(self, room: Room, event: Event) -> None:
        """Keep an event whose predecessor is not here; after a short wait, ask the store for the hole."""
        if len(room.pending) >= limits.PENDING_EVENTS_MAX:
            room.pending.clear()
        room.pending[event.seq] = event
        self._heal_soon(room)

    def _heal_soon(self, room: Room) -> None:
        if room.hot is not None and not room.healing:
            room.healing = True
            asyncio.get_running_loop().call_later(limits.HOLE_WAIT_S, lambda: self._start(self._heal(room)))

    async def _heal(self, room: Room) -> None:
        """Read what follows the ring from the store, until no event waits for a predecessor and nothing can be missing."""
        hot = room.hot
        assert hot is not None, room.board
        try:
            while True:
                room.unsure = False
                try:
                    events = await self._store.read(room.board, hot.head, limits.READ_EVENTS)
                except Unavailable:
                    room.unsure = True
                    await asyncio.sleep(limits.HEAL_AGAIN_S)
                    continue
                before = hot.head
                for event in events:
                    self.publish(event)
                self.counts.healed += hot.head - before
                room.pending = {seq: event for seq, event in room.pending.items() if seq > hot.head}
                if not room.pending and not room.unsure and len(events) < limits.READ_EVENTS:
                    return
                if hot.head == before:
                    await asyncio.sleep(limits.HEAL_AGAIN_S)
        finally:
            room.healing = False

    def _accept(self, room: Room, hot: HotLog, event: Event) -> None:
        """Put the next event into the ring, and see that it is written soon."""
        if isinstance(event, Retracted | Deleted):
            self._suppressions.committed(event)
            # Usually done before, by the suppression; not where the store tells of it first.
            self._blank(room, event.post, reset=isinstance(event, Retracted))
        entry = hot.append(event, stopped=self._suppressions.covers(event))
        room.fresh.append(entry)
        if not room.flushing:
            room.flushing = True
            loop = asyncio.get_running_loop()
            wait = room.flush_at - loop.time()
            if wait <= 0:
                loop.call_soon(self._flush, room)
            else:
                loop.call_later(wait, self._flush, room)

    def _blank(self, room: Room, post: PostId, *, reset: bool) -> list[Reader]:
        """Forget a post's body, and, for a ``reset``, cut whoever may have it among unsent bytes; returns the other readers."""
        seqs = {entry.event.seq for entry in room.hot.blank(post)} if room.hot is not None else set()
        others: list[Reader] = []
        for reader in list(room.readers()):
            if reset and may_hold(room, reader, post, seqs):
                self.counts.resets += 1
                reader.cut(codes.STALE)
            else:
                others.append(reader)
        return others

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

    def _segment(self, reader: Reader, board: BoardId, events: Iterable[tuple[Event, Kinds, bytes]]) -> None:
        """Write one bounded segment to a reader that is behind, and move its cursor."""
        lanes = reader.lanes
        lag = lanes.lag
        assert lag is not None, board
        tail = lanes.tail
        if tail is None:
            tail = lanes.tail = Tail()
        kinds = reader.groups[board].kinds
        parts: list[bytes] = []
        size = 0
        cursor = lag.cursors[board]
        for event, kind, data in events:
            if parts and size + len(data) > limits.SEGMENT_BYTES_MAX:
                break
            cursor = event.seq
            if kind & kinds:
                parts.append(data)
                size += len(data)
                tail.wrote(event.post if isinstance(event, Posted | Edited | Restored) else None, len(data))
        # Before the write, which may pause the reader and look at its cursor.
        lag.cursors[board] = cursor
        lag.since = asyncio.get_running_loop().time()
        if parts:
            self.counts.writes += 1
            self.counts.deliveries += len(parts)
            reader.said = 0
            lanes.sink.write(b"".join(parts))

    async def _catch_up(self, reader: Reader, room: Room) -> None:
        """Serve a reader that is behind the ring from the store."""
        try:
            lag = reader.lanes.lag
            assert lag is not None, room.board
            async with self._reads:
                self.counts.store_reads += 1
                events = await self._store.read(room.board, lag.cursors[room.board], limits.READ_EVENTS)
            # The store may be ahead of this node: what the live readers do not have yet reaches this one with them, once.
            events = [event for event in events if event.seq <= room.flushed]
            form = reader.lanes.form
            while events and not reader.lanes.closed and room.board in reader.groups:
                if reader.lanes.paused:
                    # What is left is read again when the transport drains: nothing read earlier may be written later.
                    break
                before = lag.cursors[room.board]
                rendered = (self.rendered(event) for event in events)
                self._segment(reader, room.board, ((e, kind_of(e), message(e, form)) for e in rendered))
                events = [event for event in events if event.seq > lag.cursors[room.board]]
                assert lag.cursors[room.board] > before, room.board
        except Unavailable as error:
            log.warning("catch_up_failed", board=room.board, cause=str(error))
            reader.cut(codes.OVERLOADED)
        finally:
            if reader.catching_up is asyncio.current_task():
                reader.catching_up = None
        self.serve(reader)

    def _control(self, reader: Reader, data: bytes) -> None:
        """Send on the control lane; a lane that is full ends the connection."""
        if not reader.lanes.paused:
            reader.says(len(data))
        if not reader.lanes.control(data):
            self.counts.slow_cuts += 1
            reader.cut(codes.SLOW)

    def _drop_in(self, room: Room, kind: Kinds, frame: Presence | Typing, but: Reader | None = None) -> None:
        """Write a frame that may be lost to the live readers that asked for it."""
        for group in list(room.groups.values()):
            if kind & group.kinds and group.live:
                data = message(frame, group.form)
                for reader in tuple(group.live):
                    if reader is not but:
                        reader.says(len(data))
                        reader.lanes.sink.write(data)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine as a task of this hub."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
