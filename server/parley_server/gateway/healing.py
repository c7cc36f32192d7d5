"""Holes in what a node was told of a board's log, and how the store fills them.

An event may come before its predecessor, twice, or never: another task or another node committed it and nobody could say so. What comes
too early is set aside; after a short wait the store is asked for what follows the ring (P5).
"""

import asyncio
from collections.abc import Callable
from types import TracebackType

from parley_protocol.frames import Event
from parley_protocol.ids import BoardId
from parley_server import limits
from parley_server.gateway.counts import Counts
from parley_server.gateway.rooms import Room
from parley_server.gateway.tasks import Tasks
from parley_server.ports import BoardLog, Unavailable


class Healing:
    """The rooms that wait for a predecessor. ``publish`` takes what the store had, as if it had just been committed."""

    def __init__(self, store: BoardLog, publish: Callable[[Event], None], tasks: Tasks, counts: Counts) -> None:
        self._store = store
        self._publish = publish
        self._tasks = tasks
        self._counts = counts

    def set_aside(self, room: Room, event: Event) -> None:
        """Keep an event whose predecessor is not here; after a short wait, ask the store for the hole."""
        if len(room.pending) >= limits.PENDING_EVENTS_MAX:
            room.pending.clear()
        room.pending[event.seq] = event
        self.soon(room)

    def doubt(self, room: Room) -> None:
        """Ask the store soon: something may have been committed that nobody could tell this node of."""
        room.unsure = True
        self.soon(room)

    def soon(self, room: Room) -> None:
        """Begin to heal a room that has its ring, unless that is under way."""
        if room.hot is not None and not room.healing:
            room.healing = True
            asyncio.get_running_loop().call_later(limits.HOLE_WAIT_S, lambda: self._tasks.start(self._heal(room)))

    def expect(self, room: Room, seq: int) -> None:
        """Ask the store unless the event at ``seq`` comes within a short while: another node committed it."""

        def late() -> None:
            if room.hot is not None and room.hot.head < seq:
                self.doubt(room)

        if room.hot is not None and room.hot.head < seq:
            asyncio.get_running_loop().call_later(limits.HOLE_WAIT_S, late)

    async def reach(self, room: Room, seq: int) -> bool:
        """Wait until the live readers have the event at ``seq``; false if there is none.

        Raises:
            Unavailable: the store did not answer, or not in time.
        """
        at = await self._store.head(room.board)
        if at is None or at[1] < seq:
            return False
        try:
            async with asyncio.timeout(limits.REACH_S):
                while room.flushed < seq:
                    self.doubt(room)
                    await asyncio.sleep(limits.HOLE_WAIT_S)
        except TimeoutError as error:
            raise Unavailable(f"event {seq} of board {room.board} did not come") from error
        return True

    async def _heal(self, room: Room) -> None:
        """Read what follows the ring from the store, until no event waits for a predecessor and nothing can be missing."""
        try:
            while True:
                # Asked each time: the ring may have been made anew.
                hot = room.hot
                assert hot is not None, room.board
                room.unsure = False
                try:
                    events = await self._store.read(room.board, hot.head, limits.READ_EVENTS)
                except Unavailable:
                    room.unsure = True
                    await asyncio.sleep(limits.HEAL_AGAIN_S)
                    continue
                before = hot.head
                for event in events:
                    self._publish(event)
                self._counts.healed += hot.head - before
                room.pending = {seq: event for seq, event in room.pending.items() if seq > hot.head}
                if not room.pending and not room.unsure and len(events) < limits.READ_EVENTS:
                    return
                if hot.head == before:
                    await asyncio.sleep(limits.HEAL_AGAIN_S)
        finally:
            room.healing = False


class Unsure:
    """What ``Hub.unsure`` returns. A class, since a generator's context takes 1 µs more of every post."""

    __slots__ = ("_board", "_refresh")

    def __init__(self, refresh: Callable[[BoardId], None], board: BoardId) -> None:
        self._refresh = refresh
        self._board = board

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if isinstance(error, Unavailable):
            self._refresh(self._board)
