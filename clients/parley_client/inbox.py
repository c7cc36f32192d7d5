"""Events that wait for the caller: one bounded queue in which a retraction overtakes."""

import asyncio
from collections import deque
from dataclasses import dataclass

from parley_client.limits import INBOX_EVENTS_MAX, INBOX_OVERFLOW_MAX
from parley_client.values import Incoming
from parley_protocol.frames import Deleted, Edited, Event, Gone, Posted, Restored, Retracted, Suppress, Unsuppress


@dataclass(frozen=True, slots=True)
class _Covered:
    """An event whose post is suppressed: it reads as ``Gone`` unless that is taken back while it waits."""

    event: Posted | Edited | Restored

    def gone(self) -> Gone:
        return Gone(self.event.board, self.event.seq, self.event.post)


class Inbox:
    """A queue from the reader of the socket to the caller.

    The body of a post that is stopped while it waits here is not handed out any more: its events read as ``Gone``. A ``suppress``
    goes to the front, so that a caller who is behind hides the post at once; an ``unsuppress`` waits its turn, behind it.
    """

    def __init__(self, events_max: int = INBOX_EVENTS_MAX, overflow_max: int = INBOX_OVERFLOW_MAX) -> None:
        self.events_max = events_max
        self.overflow_max = overflow_max
        self.patient = False
        """Whether a request is in flight, whose answer must not wait behind a full queue."""
        self._events: deque[Incoming | _Covered] = deque()
        self._some = asyncio.Event()
        self._room = asyncio.Event()
        self._closed: BaseException | None = None

    def __len__(self) -> int:
        return len(self._events)

    async def put(self, event: Incoming) -> None:
        """Add an event; wait while the queue is full."""
        while len(self._events) >= self._most():
            self._room.clear()
            await self._room.wait()
        if isinstance(event, Suppress | Unsuppress | Retracted | Deleted):
            self._cover(event)
        if isinstance(event, Suppress):
            # What takes an earlier one back is out of date, and would come behind this one.
            self._events = deque(held for held in self._events if held != Unsuppress(event.board, event.post))
            self._events.appendleft(event)
        else:
            self._events.append(event)
        self._some.set()

    async def get(self) -> Incoming:
        """Take the next event.

        Raises:
            BaseException: what ``close`` was given, once the queue is empty.
        """
        while not self._events:
            if self._closed is not None:
                raise self._closed
            self._some.clear()
            await self._some.wait()
        event = self._events.popleft()
        self._room.set()
        return event.gone() if isinstance(event, _Covered) else event

    def be_patient(self, *, patient: bool) -> None:
        """Let the queue grow past its bound, up to ``overflow_max``, or stop doing so."""
        self.patient = patient
        if patient:
            self._room.set()

    def close(self, error: BaseException) -> None:
        """No event comes any more; ``get`` raises ``error`` after the last one."""
        self._closed = error
        self._some.set()

    def _most(self) -> int:
        return self.overflow_max if self.patient else self.events_max

    def _cover(self, word: Suppress | Unsuppress | Retracted | Deleted) -> None:
        """Change what the waiting events of a post read as."""
        for place, held in enumerate(self._events):
            event = held.event if isinstance(held, _Covered) else held
            if isinstance(event, Posted | Edited | Restored) and event.post == word.post:
                self._events[place] = _read_as(event, word)


def _read_as(event: Posted | Edited | Restored, word: Suppress | Unsuppress | Retracted | Deleted) -> Event | _Covered:
    match word:
        case Suppress():
            return _Covered(event)
        case Unsuppress():
            return event
        case _:
            return _Covered(event).gone()
