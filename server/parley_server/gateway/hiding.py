"""Posts that are hidden ahead of their record: what their readers are told, and whom it costs the connection (P2, P3).

A connection whose bytes may hold the text is dealt with by where those bytes are. What has not left this machine is prevented: the connection
is reset at once. What has left is looked after by ``receipts``. Where the kernel can tell nothing, all that is unacknowledged is reset.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

from parley_protocol import codes
from parley_protocol.frames import Suppress, Unsuppress
from parley_protocol.ids import BoardId, PostId
from parley_server.domain.answers import Refused
from parley_server.gateway.counts import Counts
from parley_server.gateway.receipts import Receipts, Round
from parley_server.gateway.rooms import Reader, Room, last_body
from parley_server.gateway.suppressions import Claim, Suppressions
from parley_server.gateway.wire import FORMATS, message

Control = Callable[[Reader, bytes], None]


class Hiding:
    """What the rooms of this node hide. ``parting``: readers that left boards with bytes on their way, and those boards."""

    def __init__(
        self,
        rooms: Mapping[BoardId, Room],
        suppressions: Suppressions,
        receipts: Receipts,
        counts: Counts,
        control: Control,
    ) -> None:
        self._rooms = rooms
        self._suppressions = suppressions
        self._receipts = receipts
        self._counts = counts
        self._control = control
        self.parting: dict[Reader, set[BoardId]] = {}

    def suppress(self, board: BoardId, posts: Sequence[PostId], *, reset: bool) -> Refused | None:
        """Hide posts of one board together; see ``Hub.suppress``. Refused, nothing is hidden."""
        fresh: list[PostId] = []
        for place, post in enumerate(posts):
            match self._suppressions.claim(board, post):
                case Claim.FULL:
                    for claimed in posts[:place]:
                        self._suppressions.lift(claimed)
                    return Refused(codes.LIMITED, scope="retractions", retry_after_ms=1_000)
                case Claim.FURTHER:
                    # Said already, and the event of the first act may be out, which no notice may follow.
                    pass
                case Claim.FIRST:
                    fresh.append(post)
        if fresh:
            self._counts.suppressed += len(fresh)
            self._hide(board, fresh, self._receipts.begin(fresh) if reset else None)
        return None

    def settle(self, post: PostId, now: float, seq: int | None) -> None:
        """End a claim whose act is committed: the text is not needed again."""
        board = self._suppressions.settle(post, now, seq)
        room = self._rooms.get(board) if board is not None else None
        if room is not None and room.hot is not None:
            room.hot.blank(post)

    def lift(self, post: PostId) -> None:
        """End a claim that led to nothing; once nothing else hides the post, its readers are told to show it again."""
        board = self._suppressions.lift(post)
        room = self._rooms.get(board) if board is not None else None
        if room is None:
            return
        if room.hot is not None:
            room.hot.uncover(post)
        notices = _Notices([Unsuppress(room.board, post)])
        for reader in list(room.readers()):
            self._control(reader, notices.encoded(reader.lanes.form))

    def greet(self, reader: Reader, room: Room, head: int) -> None:
        """Tell a new reader of a board what is hidden beyond the events up to ``head``."""
        ahead = self._suppressions.ahead_of(room.board, head)
        if ahead:
            self._control(reader, _Notices([Suppress(room.board, post) for post in ahead]).encoded(reader.lanes.form))

    def stopped(self, room: Room, post: PostId, *, reset: bool) -> None:
        """Forget the text of a post that the store stopped; usually it was hidden before, and nobody is left to cut."""
        seqs = {entry.event.seq for entry in room.hot.blank(post)} if room.hot is not None else set[int]()
        if reset and seqs:
            made = self._receipts.begin([])
            for reader in list(room.readers()):
                self._look_after(made, reader, last_body(room, reader, [post], seqs))
            self._receipts.follow(made)

    def left(self, reader: Reader, board: BoardId) -> None:
        """Remember a reader that leaves a board while bytes of it may be on their way."""
        if reader.lanes.sink.unsent():
            self.parting.setdefault(reader, set()).add(board)

    def sweep(self, now: float) -> None:
        """Once a second: what needs not be remembered any more."""
        for reader in [reader for reader in self.parting if not reader.lanes.sink.unsent()]:
            del self.parting[reader]
        self._suppressions.sweep(now)
        self._receipts.sweep(lambda post: post in self._suppressions)

    # Inside.

    def _hide(self, board: BoardId, posts: Sequence[PostId], made: Round | None) -> None:
        room = self._rooms.get(board)
        if made is not None:
            self._part(board, made)
        if room is not None:
            seqs = {entry.event.seq for post in posts for entry in room.hot.cover(post)} if room.hot is not None else set[int]()
            notices = _Notices([Suppress(board, post) for post in posts])
            among = frozenset(posts)
            for reader in list(room.readers()):
                given = _was_given(room, reader, seqs)
                if made is not None and self._look_after(made, reader, last_body(room, reader, among, seqs)):
                    made.given += 1
                    continue
                self._control(reader, notices.encoded(reader.lanes.form))
                if made is not None and not reader.lanes.closed:
                    self._receipts.tell(made, reader, given=given)
        if made is not None:
            self._receipts.follow(made)

    def _part(self, board: BoardId, made: Round) -> None:
        """Deal with those who left the board. What they were given is not counted any more: it may stand anywhere among their bytes.

        Rare: a ban, an unsubscription or a closing handshake a moment ago.
        """
        for reader in [reader for reader, boards in self.parting.items() if board in boards]:
            if reader.lanes.sink.unsent():
                self._look_after(made, reader, 0)
            else:
                del self.parting[reader]

    def _look_after(self, made: Round, reader: Reader, after: int | None) -> bool:
        """Reset a connection if bytes that have not left may hold the text; returns whether it was.

        Args:
            after: how many bytes at least were given after the text, ``None`` if it is acknowledged.
        """
        if after is None:
            return False
        progress = reader.lanes.sink.progress()
        if progress is None or progress.sent < progress.taken - after:
            self._receipts.cut(made, reader)
            return True
        if progress.acknowledged < progress.taken - after:
            made.doubts.append((reader, progress.taken - after))
        return False


class _Notices:
    """Control frames that go out as one write, encoded once per format."""

    def __init__(self, frames: Sequence[Suppress | Unsuppress]) -> None:
        self._frames = frames
        self._encoded: list[bytes | None] = [None] * len(FORMATS)

    def encoded(self, form: int) -> bytes:
        data = self._encoded[form]
        if data is None:
            data = self._encoded[form] = b"".join(message(frame, form) for frame in self._frames)
        return data


def _was_given(room: Room, reader: Reader, seqs: Collection[int]) -> bool:
    """Say whether a reader's place is at the first event that showed the text, or past it; where the ring has none, all are taken to be."""
    lag = reader.lanes.lag
    place = room.flushed if lag is None else lag.cursors.get(room.board, room.flushed)
    return not seqs or place >= min(seqs)
