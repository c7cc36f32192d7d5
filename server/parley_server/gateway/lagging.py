"""Readers that are behind: who they are, and how they get what they miss.

A reader whose transport is full leaves its group and keeps a cursor. When it drains it is served from there, a bounded segment at a time,
out of the ring or, behind it, out of PostgreSQL; each event is rendered at that moment (P2). A resume is the same thing.
"""

import asyncio
from collections.abc import Iterable, Mapping

import structlog

from parley_protocol import codes
from parley_protocol.frames import Edited, Event, Posted, Restored
from parley_protocol.ids import BoardId
from parley_server import limits
from parley_server.gateway.counts import Counts
from parley_server.gateway.fence import Fence
from parley_server.gateway.hotlog import Kinds, kind_of
from parley_server.gateway.lanes import Tail
from parley_server.gateway.rooms import Reader, Room
from parley_server.gateway.suppressions import Suppressions
from parley_server.gateway.tasks import Tasks
from parley_server.gateway.wire import message
from parley_server.ports import BoardLog, Unavailable

log = structlog.get_logger(__name__)


class Lagging:
    """The readers of this node that are behind on at least one board.

    Attributes:
        paused: those whose transport is full.
    """

    def __init__(
        self,
        store: BoardLog,
        rooms: Mapping[BoardId, Room],
        suppressions: Suppressions,
        fence: Fence,
        tasks: Tasks,
        counts: Counts,
    ) -> None:
        self._store = store
        self._rooms = rooms
        self._suppressions = suppressions
        self._fence = fence
        self._tasks = tasks
        self._counts = counts
        self._reads = asyncio.Semaphore(limits.CATCH_UPS_MAX)
        self.paused: set[Reader] = set()

    def begin(self, reader: Reader, room: Room, cursor: int) -> None:
        """Take a reader that follows ``room`` and has its events up to ``cursor``; it becomes live when it has caught up."""
        room.stalled.add(reader)
        reader.lanes.behind().cursors[room.board] = cursor
        self.serve(reader)

    def leave(self, reader: Reader, room: Room) -> None:
        """Forget that a reader is behind on a board that it follows no more."""
        room.stalled.discard(reader)
        if reader.lanes.lag is not None:
            reader.lanes.lag.cursors.pop(room.board, None)
        if reader.catching_up is not None:
            # It may be reading this very board; what is still behind is served again.
            reader.catching_up.cancel()
            reader.catching_up = None
            asyncio.get_running_loop().call_soon(self.serve, reader)

    def pause(self, reader: Reader, now: float) -> None:
        """The kernel takes no more: the reader leaves its groups and keeps cursors."""
        self._counts.lagged += 1
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
            if lag is None or lanes.paused or lanes.closed or reader.catching_up is not None or not self._fence.holds():
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
                reader.catching_up = self._tasks.start(self._catch_up(reader, room))
                return
            else:
                entries = []
                for entry in hot.after(cursor):
                    if entry.event.seq > room.flushed:
                        break
                    entries.append(entry)
                self._segment(reader, board, ((e.event, e.kind, e.encoded(lanes.form)) for e in entries))
        asyncio.get_running_loop().call_soon(self.serve, reader)

    def cut_stalled(self, now: float) -> None:
        """Cut the connections that took nothing for too long."""
        for reader in list(self.paused):
            lag = reader.lanes.lag
            if lag is not None and now - lag.since > limits.STALL_S_MAX:
                self._counts.slow_cuts += 1
                reader.cut(codes.SLOW)

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
            self._counts.writes += 1
            self._counts.deliveries += len(parts)
            reader.said = 0
            lanes.sink.write(b"".join(parts))

    async def _catch_up(self, reader: Reader, room: Room) -> None:
        """Serve a reader that is behind the ring from the store."""
        try:
            lag = reader.lanes.lag
            assert lag is not None, room.board
            async with self._reads:
                self._counts.store_reads += 1
                events = await self._store.read(room.board, lag.cursors[room.board], limits.READ_EVENTS)
            # The store may be ahead of this node: what the live readers do not have yet reaches this one with them, once.
            events = [event for event in events if event.seq <= room.flushed]
            # A restoration whose post an act hides may not leave, and must not read as gone for ever: this reader waits as the live ones do.
            early = next((place for place, event in enumerate(events) if self._suppressions.too_early(event)), len(events))
            if events and early == 0:
                await asyncio.sleep(limits.HEAL_AGAIN_S)
            del events[early:]
            form = reader.lanes.form
            while events and not reader.lanes.closed and room.board in reader.groups:
                if reader.lanes.paused or not self._fence.holds():
                    # What is left is read again when the transport drains: nothing read earlier may be written later.
                    break
                before = lag.cursors[room.board]
                rendered = (self._suppressions.rendered(event) for event in events)
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
