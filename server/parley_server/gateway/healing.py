"""Holes in what a node was told of a board's log, and how the store fills them.

An event may come before its predecessor, twice, or never: another task or another node committed it and nobody could say so. What comes
too early is set aside; after a short wait the store is asked for what follows the ring (P5).
"""

import asyncio
from collections.abc import Callable

from parley_protocol.frames import Event
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
                    self._publish(event)
                self._counts.healed += hot.head - before
                room.pending = {seq: event for seq, event in room.pending.items() if seq > hot.head}
                if not room.pending and not room.unsure and len(events) < limits.READ_EVENTS:
                    return
                if hot.head == before:
                    await asyncio.sleep(limits.HEAL_AGAIN_S)
        finally:
            room.healing = False
