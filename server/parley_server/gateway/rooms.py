"""One board on this node: its readers in groups, and what each of them was surely given."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

from parley_protocol.codes import Code
from parley_protocol.frames import Event
from parley_protocol.ids import AccountId, BoardId, PostId
from parley_server import limits
from parley_server.gateway.hotlog import Entry, HotLog, Kinds
from parley_server.gateway.lanes import Lanes


@dataclass(slots=True, eq=False)
class Group:
    """Readers of one board that get the same bytes. ``live``: those that keep up; ``size``: all of them; ``turn``: of its last write."""

    form: int
    kinds: Kinds
    live: "set[Reader]" = field(default_factory=set)
    size: int = 0
    turn: int = 0


@dataclass(slots=True, eq=False)
class Room:
    """One board with readers on this node.

    Attributes:
        hot: the ring; ``None`` until its head was read from the store.
        fresh: entries that are in the ring and not yet written to the groups.
        flushed: seq up to which the live readers were given everything.
        pending: committed events whose predecessor is not here yet, by seq.
        unsure: something may be committed that nobody could tell this node of.
        stalled: readers that are behind on this board; their cursors are in their ``Lag``.
    """

    board: BoardId
    hot: HotLog | None = None
    groups: dict[tuple[int, Kinds], Group] = field(default_factory=dict)
    fresh: list[Entry] = field(default_factory=list)
    flushed: int = 0
    pending: dict[int, Event] = field(default_factory=dict)
    stalled: "set[Reader]" = field(default_factory=set)
    opening: "asyncio.Future[HotLog] | None" = None
    flush_at: float = 0.0
    flushing: bool = False
    healing: bool = False
    unsure: bool = False
    idle_since: float | None = None
    counted: int = -1
    typing: dict[AccountId, float] = field(default_factory=dict)

    def readers(self) -> Iterable["Reader"]:
        """Iterate over all readers, live and behind."""
        for group in self.groups.values():
            yield from group.live
        yield from self.stalled

    def count(self) -> int:
        """Return how many connections follow the board."""
        return sum(group.size for group in self.groups.values())


class Reader:
    """A connection as the hub sees it: its lanes, and the group that it reads each board in.

    ``said``: bytes that are no events, written behind everything that its groups were given up to the turn ``said_turn``.
    """

    __slots__ = ("catching_up", "cut", "groups", "lanes", "said", "said_turn")

    def __init__(self, lanes: Lanes, cut: Callable[[Code], None]) -> None:
        self.lanes = lanes
        self.cut = cut
        self.groups: dict[BoardId, Group] = {}
        self.catching_up: asyncio.Task[None] | None = None
        self.said = 0
        self.said_turn = 0

    def turn(self) -> int:
        """Return the turn of the last write to any of its groups."""
        return max((group.turn for group in self.groups.values()), default=0)

    def says(self, size: int) -> None:
        """Note that bytes which are no event were written."""
        turn = self.turn()
        self.said = self.said + size if turn == self.said_turn else size
        self.said_turn = turn

    def said_last(self) -> int:
        """Return how many bytes at least stand behind the last event that it was given."""
        return self.said if self.turn() == self.said_turn else 0


def segments(entries: list[Entry]) -> Iterator[list[Entry]]:
    """Cut fresh entries into segments of at most ``SEGMENT_BYTES_MAX``, by their weight; a longer one stands alone."""
    segment: list[Entry] = []
    size = 0
    for entry in entries:
        if segment and size + entry.weight > limits.SEGMENT_BYTES_MAX:
            yield segment
            segment, size = [], 0
        segment.append(entry)
        size += entry.weight
    if segment:
        yield segment


def last_body(room: Room, reader: Reader, posts: Collection[PostId], seqs: Collection[int]) -> int | None:
    """Say where among the bytes that the peer has not acknowledged a body of ``posts`` may stand (P3).

    Walks back over what the connection was surely given, until that is more than what is not acknowledged. Where the ring does not go
    back so far, nobody can tell, and the body is taken to stand right there: a reader that took nothing while the ring moved on.

    Args:
        seqs: events of the ring that showed the bodies.

    Returns:
        How many bytes at least were given after the last such body; ``None`` if there surely is none among them.
    """
    lanes, hot = reader.lanes, room.hot
    if hot is None or not (seqs or hot.trimmed or lanes.tail is not None):
        return None
    waiting = lanes.sink.unsent()
    if waiting == 0:
        lanes.tail = None
        return None
    # Suppressions, beats and the like come last: a reader of a quiet board is not reset because a beat is on its way.
    said = reader.said_last()
    if waiting <= said:
        return None
    after: int | None = None
    if lanes.tail is not None:
        after = min((held for post in posts if (held := lanes.tail.followed_by(post)) is not None), default=None)
        if after is not None and said + after >= waiting:
            after = None
    given = room.flushed if lanes.lag is None else lanes.lag.cursors.get(room.board, room.flushed)
    kinds = reader.groups[room.board].kinds
    followed = 0
    for entry in hot.back_from(given):
        if entry.event.seq in seqs:
            break
        if entry.kind & kinds:
            # Not what it would be now: an edit since may have made it longer than what was written.
            entry.encoded(lanes.form)
            followed += entry.least[lanes.form]
            if said + followed >= waiting:
                followed = waiting
                break
    else:
        if not hot.trimmed:
            followed = waiting
    if said + followed < waiting:
        after = followed if after is None else min(after, followed)
    return None if after is None else said + after
