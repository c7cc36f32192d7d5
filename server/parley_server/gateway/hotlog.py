"""The latest events of one board in memory: each body in one slot, each event encoded once per format.

The ring knows no sockets. Whoever reads asks for the bytes after its cursor, and gets them as of that moment: a slot that was blanked
since reads as ``gone``, one that was edited reads as its latest text. That is what makes a retraction reach slow readers.

Source: design, "Hot log: slots and cursors, not queues of copies"; decision 0004.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntFlag
from itertools import islice
from typing import Final

from parley_protocol.frames import Deleted, Edited, Event, Gone, Posted, Reacted, Restored, Retracted, WithBody
from parley_protocol.ids import BoardId, PostId
from parley_protocol.limits import RESUME_EVENTS_MAX
from parley_server.gateway.wire import FORMATS, message
from parley_server.limits import (
    CATCH_UPS_WAITING_MAX,
    LONG_RING_BYTES_MAX,
    LONG_RING_EVENTS_MAX,
    LONG_RINGS_MAX,
    READ_EVENTS,
    RING_BYTES_MAX,
    RING_EVENTS_MAX,
)

_NOT_YET: Final = 2**31
"""Size of a message that was never made."""

_WEIGHT: Final = 512
"""Bytes that an event without a body counts."""


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


@dataclass(frozen=True, slots=True)
class Depth:
    """How far back a node remembers for its readers; a simulation makes it shallow.

    Attributes:
        events: in a usual ring, with ``bytes``.
        long_events: in one that was extended back to its readers, with ``long_bytes``; of these there are ``long_rings``.
        page: events read from the store at once.
        alone: readers behind their ring that are served from the store one by one, or wait for it.
        resume: events that a reader may be behind and still get all.
    """

    events: int = RING_EVENTS_MAX
    bytes: int = RING_BYTES_MAX
    long_events: int = LONG_RING_EVENTS_MAX
    long_bytes: int = LONG_RING_BYTES_MAX
    long_rings: int = LONG_RINGS_MAX
    page: int = READ_EVENTS
    alone: int = CATCH_UPS_WAITING_MAX
    resume: int = RESUME_EVENTS_MAX


USUAL: Final = Depth()


@dataclass(slots=True, eq=False)
class Slot:
    """The one place in memory that holds a post's body. ``entries``: the events in the ring that show it."""

    body: str
    rev: int
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
        """Return the event with its slot's text."""
        if self.slot is not None and isinstance(self.event, Posted | Edited | Restored):
            return _with_text(self.event, self.slot.body, self.slot.rev)
        return self.event


@dataclass(slots=True, eq=False)
class HotLog:
    """A board's ring. ``head`` is the seq of its newest event; the ring holds the events ``first`` … ``head`` without a gap.

    Attributes:
        depth: its bounds.
        long: whether the bounds of a long ring hold for it.
        trimmed: events left it since it was made, so that somebody may have been given one that it does not hold any more.
    """

    board: BoardId
    epoch: str
    head: int
    depth: Depth = USUAL
    long: bool = False
    ring: deque[Entry] = field(default_factory=deque)
    slots: dict[PostId, Slot] = field(default_factory=dict)
    bytes: int = 0
    trimmed: bool = False

    @property
    def first(self) -> int:
        """Return the seq of the oldest event in the ring, ``head + 1`` if it is empty."""
        return self.head - len(self.ring) + 1

    def append(self, event: Event, *, stopped: bool = False) -> Entry:
        """Add the event that follows ``head``. ``stopped``: its post is being retracted; it reads as ``gone`` from the start.

        An edit renews the slot, so that older events of the post show the new text; a retraction or a deletion blanks it.
        """
        assert event.seq == self.head + 1, f"{self.board}: seq {event.seq} after {self.head}"
        self.head = event.seq
        if isinstance(event, Retracted | Deleted):
            self.blank(event.post)
        entry = self._entry(event, stopped=stopped)
        if entry.slot is not None:
            entry.slot.entries.append(entry)
        self.ring.append(entry)
        self._trim()
        return entry

    def prepend(self, events: Sequence[Event], stopped: Callable[[Event], bool]) -> int:
        """Add what the store had before ``first``, the newest first, as far as it joins the ring and there is room.

        What was read may be older than what the ring knows by now. A post that the ring saw stopped reads as ``gone``, and so does one
        for which ``stopped`` says so; a text that was edited since stays as the ring has it (P2).

        Returns:
            How many were added.
        """
        seen_stopped = {entry.event.post for entry in self.ring if isinstance(entry.event, Retracted | Deleted)}
        added = 0
        for event in reversed(events):
            if event.seq != self.first - 1 or self.spare <= 0:
                break
            entry = self._entry(event, stopped=event.post in seen_stopped or stopped(event))
            if entry.slot is not None:
                entry.slot.entries.insert(0, entry)
            self.ring.appendleft(entry)
            added += 1
        return added

    @property
    def spare(self) -> int:
        """Return how many events can be added without letting one go, if they are short."""
        depth = self.depth
        events, size = (depth.long_events, depth.long_bytes) if self.long else (depth.events, depth.bytes)
        return min(events - len(self.ring), (size - self.bytes) // _WEIGHT)

    def shorten(self, needed: int) -> None:
        """Let go what lies beyond the usual bounds and that nobody needs: up to the event ``needed``. With nothing beyond, it is usual again."""
        while self._beyond(self.depth.events, self.depth.bytes):
            if self.first > needed:
                return
            self._let_go()
        self.long = False

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

    def after(self, seq: int, until: int | None = None) -> Iterator[Entry]:
        """Iterate over the entries above ``seq``, which must not lie before the ring, up to ``until`` or the head."""
        start = seq - self.first + 1
        assert start >= 0, f"{self.board}: {seq} lies before the ring"
        end = len(self.ring) if until is None else min(until - self.first + 1, len(self.ring))
        # By index, not as a copy: whoever is behind takes one segment of them, out of thousands. The ring must not change meanwhile.
        return (self.ring[index] for index in range(start, end))

    def back_from(self, seq: int) -> Iterator[Entry]:
        """Iterate from the entry at ``seq`` (at most ``head``) to older ones; nothing if the ring is past it."""
        return islice(reversed(self.ring), self.head - seq, None)

    def _entry(self, event: Event, *, stopped: bool) -> Entry:
        """Make the entry of an event; its body goes into the slot of its post."""
        slot: Slot | None = None
        kept: Event = event
        if isinstance(event, Posted | Edited | Restored):
            if stopped:
                kept = Gone(self.board, event.seq, event.post)
            else:
                slot = self._fill(event.post, event.body, event.rev)
                kept = _with_text(event, "", event.rev)
        entry = Entry(kept, kind_of(kept), slot, [None] * len(FORMATS), _weight(event))
        self.bytes += entry.weight
        return entry

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
        depth = self.depth
        events, size = (depth.long_events, depth.long_bytes) if self.long else (depth.events, depth.bytes)
        while self._beyond(events, size):
            self._let_go()

    def _beyond(self, events: int, size: int) -> bool:
        return len(self.ring) > events or (self.bytes > size and len(self.ring) > 1)

    def _let_go(self) -> None:
        entry = self.ring.popleft()
        self.trimmed = True
        self.bytes -= entry.weight
        if entry.slot is not None:
            entry.slot.entries.remove(entry)
            post = entry.event.post
            if not entry.slot.entries and post is not None:
                del self.slots[post]


def _with_text(event: WithBody, body: str, rev: int) -> WithBody:
    """Return an event with another text. By hand: ``dataclasses.replace`` asks each field what it is, at twice the price."""
    match event:
        case Posted():
            return Posted(event.board, event.seq, event.post, event.author, body, event.at, rev, event.reply_to)
        case Edited():
            return Edited(event.board, event.seq, event.post, event.author, body, event.at, rev)
        case Restored():
            reply_to = event.reply_to
            return Restored(event.board, event.seq, event.post, event.author, body, event.at, event.posted_at, rev, reply_to)


def _weight(event: Event) -> int:
    """Estimate the memory of an event: its body, and what every event costs."""
    return _WEIGHT + (len(event.body) if isinstance(event, Posted | Edited | Restored) else 0)
