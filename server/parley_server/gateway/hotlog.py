"""The latest events of one board in memory: each body in one slot, each event encoded once per format.

The ring knows no sockets. Whoever reads asks for the bytes after its cursor, and gets them as of that moment: a slot that was blanked
since reads as ``gone``, one that was edited reads as its latest text. That is what makes a retraction reach slow readers.

Source: design, "Hot log: slots and cursors, not queues of copies"; decision 0004.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import IntFlag
from itertools import islice
from typing import Final

from parley_protocol.frames import Deleted, Edited, Event, Gone, Posted, Reacted, Restored, Retracted
from parley_protocol.ids import BoardId, PostId
from parley_server.gateway.wire import FORMATS, message
from parley_server.limits import RING_BYTES_MAX, RING_EVENTS_MAX

_NOT_YET: Final = 2**31
"""Size of a message that was never made."""


class Kinds(IntFlag):
    """What a subscription asks for; ``ALWAYS`` cannot be filtered out."""

    POSTED = 1
    EDITED = 2
    DELETED = 4
    REACTED = 8
    PRESENCE = 16
    TYPING = 32
    ALWAYS = 64
    ALL = 127


_KIND_OF: dict[type[Event], Kinds] = {
    Posted: Kinds.POSTED,
    Edited: Kinds.EDITED,
    Deleted: Kinds.DELETED,
    Reacted: Kinds.REACTED,
    Retracted: Kinds.ALWAYS,
    Restored: Kinds.ALWAYS,
    Gone: Kinds.ALWAYS,
}


def kind_of(event: Event) -> Kinds:
    """Return the kind that a filter asks about."""
    return _KIND_OF[type(event)]


def kinds_of(names: tuple[str, ...]) -> Kinds | None:
    """Read ``subscribe.kinds``; empty asks for all, an unknown name gives ``None``."""
    if not names:
        return Kinds.ALL
    asked = Kinds.ALWAYS
    for name in names:
        kind = Kinds.__members__.get(name.upper())
        if kind is None or kind in (Kinds.ALWAYS, Kinds.ALL):
            return None
        asked |= kind
    return asked


@dataclass(slots=True, eq=False)
class Slot:
    """The one place in memory that holds a post's body.

    Attributes:
        entries: the events in the ring that show it.
        covered: nothing that is read shows it, until it is blanked or uncovered.
    """

    body: str
    rev: int
    covered: bool = False
    entries: "list[Entry]" = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Entry:
    """One event in the ring, without its body.

    Attributes:
        messages: encoded once for each format that was asked for.
        least: for each format, the size of its shortest message so far: at least so many bytes went to whoever was given it.
        weight: what it counts towards ``RING_BYTES_MAX``.
    """

    event: Event
    kind: Kinds
    slot: Slot | None
    messages: list[bytes | None]
    weight: int
    least: list[int] = field(default_factory=lambda: [_NOT_YET] * len(FORMATS))

    def encoded(self, form: int) -> bytes:
        """Return the event as one WebSocket message, as of now."""
        held = self.messages[form]
        if held is None:
            held = self.messages[form] = message(self.now(), form)
            self.least[form] = min(self.least[form], len(held))
        return held

    def now(self) -> Event:
        """Return the event with its slot's text; ``gone`` while that is covered."""
        if self.slot is not None and isinstance(self.event, Posted | Edited | Restored):
            if self.slot.covered:
                return Gone(self.event.board, self.event.seq, self.event.post)
            return replace(self.event, body=self.slot.body, rev=self.slot.rev)
        return self.event


@dataclass(slots=True, eq=False)
class HotLog:
    """A board's ring. ``head`` is the seq of its newest event; the ring holds the events ``first`` … ``head`` without a gap.

    ``trimmed``: events left it since it was made, so that somebody may have been given one that it does not hold any more.
    """

    board: BoardId
    epoch: str
    head: int
    ring: deque[Entry] = field(default_factory=deque)
    slots: dict[PostId, Slot] = field(default_factory=dict)
    bytes: int = 0
    trimmed: bool = False

    @property
    def first(self) -> int:
        """Return the seq of the oldest event in the ring, ``head + 1`` if it is empty."""
        return self.head - len(self.ring) + 1

    def append(self, event: Event, *, stopped: bool = False, covered: bool = False) -> Entry:
        """Add the event that follows ``head``.

        An edit renews the slot, so that older events of the post show the new text; a retraction or a deletion blanks it.

        Args:
            stopped: its post was stopped after it; it is ``gone`` from the start, and no text is kept.
            covered: its post is being stopped, which may come to nothing.
        """
        assert event.seq == self.head + 1, f"{self.board}: seq {event.seq} after {self.head}"
        self.head = event.seq
        slot: Slot | None = None
        match event:
            case Posted() | Edited() | Restored() if not stopped:
                slot = self._fill(event.post, event.body, event.rev)
                kept: Event = replace(event, body="")
            case Posted() | Edited() | Restored():
                kept = Gone(self.board, event.seq, event.post)
            case Retracted() | Deleted():
                self.blank(event.post)
                kept = event
            case _:
                kept = event
        entry = Entry(kept, kind_of(kept), slot, [None] * len(FORMATS), _weight(event))
        if slot is not None:
            slot.entries.append(entry)
            if covered or slot.covered:
                _cover(slot, covered=True)
        self.ring.append(entry)
        self.bytes += entry.weight
        self._trim()
        return entry

    def blank(self, post: PostId) -> list[Entry]:
        """Forget the body of ``post``: its events read as ``gone`` from now on. Returns them, oldest first."""
        slot = self.slots.pop(post, None)
        if slot is None:
            return []
        for entry in slot.entries:
            entry.event = Gone(self.board, entry.event.seq, post)
            entry.kind = Kinds.ALWAYS
            entry.slot = None
            entry.messages = [None] * len(FORMATS)
        slot.body = ""
        return slot.entries

    def cover(self, post: PostId) -> list[Entry]:
        """Let the events of ``post`` read as ``gone`` for now. Returns them, oldest first."""
        slot = self.slots.get(post)
        if slot is None:
            return []
        _cover(slot, covered=True)
        return slot.entries

    def uncover(self, post: PostId) -> None:
        """Let the events of a covered post show its text again."""
        slot = self.slots.get(post)
        if slot is not None:
            _cover(slot, covered=False)

    def after(self, seq: int) -> Iterator[Entry]:
        """Iterate over the entries above ``seq``, which must not lie before the ring."""
        start = seq - self.first + 1
        assert start >= 0, f"{self.board}: {seq} lies before the ring"
        if start > len(self.ring) // 2:
            # A deque is slow in its middle: walk back from the end for the few newest.
            newest = [self.ring[index] for index in range(start, len(self.ring))]
            return iter(newest)
        return iter(list(self.ring)[start:])

    def back_from(self, seq: int) -> Iterator[Entry]:
        """Iterate from the entry at ``seq`` (at most ``head``) to older ones; nothing if the ring is past it."""
        return islice(reversed(self.ring), self.head - seq, None)

    def _fill(self, post: PostId, body: str, rev: int) -> Slot:
        """Put a text into the post's slot, unless a later revision is there already."""
        slot = self.slots.get(post)
        if slot is None:
            slot = self.slots[post] = Slot(body, rev)
        elif rev >= slot.rev:
            slot.body, slot.rev = body, rev
            for entry in slot.entries:
                entry.messages = [None] * len(FORMATS)
        return slot

    def _trim(self) -> None:
        """Let the oldest events go until the ring is within its bounds."""
        while len(self.ring) > RING_EVENTS_MAX or (self.bytes > RING_BYTES_MAX and len(self.ring) > 1):
            entry = self.ring.popleft()
            self.trimmed = True
            self.bytes -= entry.weight
            if entry.slot is not None:
                entry.slot.entries.remove(entry)
                post = entry.event.post
                if not entry.slot.entries and post is not None:
                    del self.slots[post]


def _cover(slot: Slot, *, covered: bool) -> None:
    """Change what a slot's events read as."""
    slot.covered = covered
    for entry in slot.entries:
        entry.kind = Kinds.ALWAYS if covered else kind_of(entry.event)
        entry.messages = [None] * len(FORMATS)


def _weight(event: Event) -> int:
    """Estimate the memory of an event: its body, and what every event costs."""
    return 512 + (len(event.body) if isinstance(event, Posted | Edited | Restored) else 0)
