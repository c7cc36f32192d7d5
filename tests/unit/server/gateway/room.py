"""What the tests of the gateway share: events, readers whose transports do as they are told, a store in memory."""

from parley_protocol import codec as pure
from parley_protocol.codes import Code
from parley_protocol.frames import Author, Deleted, Edited, Event, Gone, Posted, Reacted, Restored, Retracted, ServerFrame
from parley_protocol.ids import AccountId, BoardId, PostId, TakedownId
from parley_server.domain.answers import Refused
from parley_server.gateway.hotlog import Kinds
from parley_server.gateway.hub import Hub
from parley_server.gateway.lanes import Lanes, Progress
from parley_server.gateway.rooms import Reader
from tests.fakes import FakeBoardLog, FakeWorld
from tests.samples import a_board, a_draft
from tests.simulation.network import messages

GENERAL = BoardId("general")
ANNA = Author(AccountId("acc-anna"), "Anna")
MSGPACK, JSON = 0, 1
_EVENTS = (Posted, Edited, Deleted, Reacted, Retracted, Restored, Gone)


def posted(seq: int, body: str = "hello", post: str = "") -> Posted:
    return Posted(GENERAL, seq, PostId(post or f"p{seq}"), ANNA, body, 1_000 + seq, 1)


def edited(seq: int, post: str, body: str, rev: int = 2) -> Edited:
    return Edited(GENERAL, seq, PostId(post), ANNA, body, 1_000 + seq, rev)


def restored(seq: int, post: str, body: str = "hello") -> Restored:
    return Restored(GENERAL, seq, PostId(post), ANNA, body, 1_000 + seq, 1_000, 1)


def retracted(seq: int, post: str) -> Retracted:
    return Retracted(GENERAL, seq, PostId(post), "spam", "It advertises.", TakedownId("t1"), 1_000 + seq)


def deleted(seq: int, post: str) -> Deleted:
    return Deleted(GENERAL, seq, PostId(post), 1_000 + seq)


def reacted(seq: int, post: str) -> Reacted:
    return Reacted(GENERAL, seq, PostId(post), AccountId("acc-ben"), "+", on=True, at=1_000 + seq)


class Line:
    """A reader and its sink.

    Attributes:
        full: what is written from now on does not fit.
        waiting: bytes, the last ones, that the peer has not acknowledged.
        left: of these, how many left for the peer.
        blind: the kernel cannot tell.
    """

    def __init__(self, hub: Hub, form: int = MSGPACK) -> None:
        self.hub = hub
        self.form = form
        self.data = b""
        self.full = False
        self.waiting = 0
        self.left = 0
        self.blind = False
        self.taken = 0
        self.cuts: list[str] = []
        self.resets = 0
        self.reader = Reader(Lanes(form, self), self._cut)

    def write(self, data: bytes) -> None:
        self.data += data
        self.taken += len(data)
        if self.full:
            self.waiting += len(data)
            if not self.reader.lanes.paused:
                self.hub.pause(self.reader, 0.0)

    def unsent(self) -> int:
        return self.waiting

    def progress(self) -> Progress | None:
        acknowledged = self.taken - self.waiting
        return None if self.blind else Progress(self.taken, acknowledged + self.left, acknowledged)

    def all_acknowledged(self) -> bool:
        return not self.blind and self.waiting == 0

    def reset(self) -> None:
        self.resets += 1

    def drain(self) -> None:
        """Take everything; the transport has room again."""
        self.full, self.waiting, self.left = False, 0, 0
        self.hub.resume(self.reader)

    def frames(self) -> list[ServerFrame]:
        """Return what was written since the last look."""
        data, self.data = self.data, b""
        codec = pure.JSON if self.form == JSON else pure.MSGPACK
        return [pure.decode_server(codec, payload) for payload in messages(data)]

    def said(self) -> list[str]:
        """Return what was written as type and seq, or type alone."""
        return [f"{frame.type} {frame.seq}" if isinstance(frame, _EVENTS) else frame.type for frame in self.frames()]

    def _cut(self, code: Code) -> None:
        self.cuts.append(code.name)
        self.hub.drop(self.reader)
        self.reader.lanes.closed = True


class Desk:
    """A hub on a store in memory with one board."""

    def __init__(self) -> None:
        self.stored = FakeWorld()
        self.stored.boards[GENERAL] = a_board(GENERAL)
        self.stored.logs[GENERAL] = []
        self.log = FakeBoardLog(self.stored)
        self.hub = Hub(self.log)

    async def post(self, body: str = "hello") -> Posted:
        """Commit a post; nobody is told."""
        done = await self.log.append(a_draft(body, board=GENERAL))
        assert isinstance(done, Posted)
        return done

    async def line(self, seq: int | None = None, *, kinds: Kinds = Kinds.ALL, form: int = MSGPACK, full: bool = False) -> Line:
        """Let a reader follow the board from ``seq``."""
        line = Line(self.hub, form)
        line.full = full
        state = await self.hub.join(GENERAL, None, seq)
        assert not isinstance(state, Refused)
        self.hub.follow(line.reader, state, kinds, seq)
        return line

    def publish(self, *events: Event) -> None:
        for event in events:
            self.hub.publish(event)
