"""A reader: the library's client protocol, the wire's codec and the replica, with the habits of a patient program."""

from collections.abc import Callable
from random import Random
from typing import Final

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from parley_protocol import codec as wire
from parley_protocol import codes, frames
from parley_protocol.frames import BoardState, ClientFrame, Cursor, Ok, Post, ServerFrame, Subscribe, Watch
from parley_protocol.ids import AccountId, BoardId
from parley_protocol.replica import Replica
from tests.simulation.network import Wire
from tests.simulation.node import Node

WRITES: Final = (frames.Posted, frames.Edited, frames.Restored, frames.Retracted, frames.Deleted, frames.Reacted, frames.Gone)


class Client:
    """One program of one account.

    Attributes:
        wire: its connection, if it has one.
        welcomed: whether it may ask on it.
        following: boards whose events it gets there.
        asked: requests without an answer there.
        unanswered: posts of earlier connections that may or may not be stored; their nonces find out.
        replicas: what it knows of each board, over all connections.
        alerts: numbers of the alerts that it got, over all connections.
        faults: what a client can hold against the server.
    """

    def __init__(self, name: str, account: AccountId | None, boards: tuple[BoardId, ...], form: str, *, watches: bool) -> None:
        self.name = name
        self.account = account
        self.token = None if account is None else f"token-{account}"
        self.boards = boards
        self.watches = watches
        self.wire: Wire | None = None
        self.welcomed = False
        self.following: set[BoardId] = set()
        self.resumed: dict[BoardId, int] = {}
        self.asked: dict[int | str, ClientFrame] = {}
        self.unanswered: list[Post] = []
        self.replicas: dict[BoardId, Replica] = {}
        self.alerts: list[int] = []
        self.faults: list[tuple[str, str]] = []
        self.refused: list[str] = []
        self._form = form
        self._codec = wire.JSON if form == "json" else wire.MSGPACK
        self._numbers = 0
        self._protocol: ClientProtocol | None = None

    def connect(self, node: Node, number: int, random: Random) -> None:
        """Open a connection; hello follows the handshake."""
        assert self.wire is None
        self.wire = node.open(number, random, self)
        self._protocol = ClientProtocol(
            parse_uri("ws://parley/v1/ws"), subprotocols=[Subprotocol(f"parley.v1.{self._form}")], max_size=None
        )
        self._protocol.send_request(self._protocol.connect())
        self._flush()

    def ask(self, make: Callable[[int], ClientFrame]) -> None:
        """Send a request."""
        if self._protocol is not None and self._protocol.state is State.OPEN:
            self._numbers += 1
            frame = make(self._numbers)
            self.asked[self._numbers] = frame
            self.tell(frame)

    def tell(self, frame: ClientFrame) -> None:
        """Send a frame."""
        if self._protocol is None or self._protocol.state is not State.OPEN:
            return
        data = wire.encode(self._codec, frame)
        if self._form == "json":
            self._protocol.send_text(data)
        else:
            self._protocol.send_binary(data)
        self._flush()

    def hang_up(self) -> None:
        """Lose the connection."""
        if self.wire is not None:
            self.wire.hang_up()

    def decode(self, data: bytes) -> ServerFrame:
        """Read one message in this client's format."""
        return wire.decode_server(self._codec, data)

    # The connection calls these.

    def receive(self, data: bytes) -> None:
        """Take bytes that arrived."""
        protocol = self._protocol
        if protocol is None:
            return
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Response):
                if event.status_code == 101:
                    self._greet()
            elif isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY):
                self._take(self.decode(bytes(event.data)))
        self._flush()

    def lost(self) -> None:
        """Note that the connection is gone; what was asked and not answered may have been done."""
        self.unanswered += [frame for frame in self.asked.values() if isinstance(frame, Post)]
        self.asked.clear()
        self.following.clear()
        self.welcomed = False
        self.wire = None
        self._protocol = None

    # Inside.

    def _flush(self) -> None:
        assert self._protocol is not None
        for data in self._protocol.data_to_send():
            if data and self.wire is not None:
                self.wire.send(data)

    def _greet(self) -> None:
        self.resumed = {board: replica.seq for board, replica in self.replicas.items()}
        resume = tuple(Cursor(board, replica.epoch, replica.seq) for board, replica in self.replicas.items())
        self.tell(frames.Hello(1, "simulation", self.token, resume))

    def subscribe(self, board: BoardId) -> None:
        """Follow a board, from what is known of it."""
        replica = self.replicas.get(board)
        epoch, seq = (None, 0) if replica is None else (replica.epoch, replica.seq)
        self.ask(lambda n: Subscribe(n, board, epoch, seq))

    def _take(self, frame: ServerFrame) -> None:
        match frame:
            case frames.Welcome():
                self.welcomed = True
                for state in frame.boards:
                    self._begin(state)
                for board in self.boards:
                    if board not in self.following:
                        self.subscribe(board)
                if self.watches:
                    after = max(self.alerts, default=0)
                    self.ask(lambda n: Watch(n, "site", after))
            case Ok():
                asked = self.asked.pop(frame.re, None)
                if isinstance(asked, Subscribe):
                    assert frame.epoch is not None and frame.head is not None
                    self._begin(BoardState(asked.board, frame.epoch, frame.head, bool(frame.recovered), frame.gap))
            case frames.Held():
                self.asked.pop(frame.re, None)
            case frames.Error():
                self._refused(frame)
            case frames.Alert():
                self.alerts.append(frame.n)
            case frames.Suppress():
                if frame.board in self.replicas:
                    self.replicas[frame.board].apply(frame)
            case frames.Posted() | frames.Edited() | frames.Restored() | frames.Retracted() | frames.Deleted():
                self._apply(frame)
            case frames.Reacted() | frames.Gone():
                self._apply(frame)
            case frames.Bye(code="internal"):
                self.faults.append(("server", f"{self.name} was told: internal"))
            case _:
                pass

    def _begin(self, state: BoardState) -> None:
        self.following.add(state.board)
        if state.board not in self.replicas:
            self.replicas[state.board] = Replica(state.board, state.epoch)
        self.replicas[state.board].begin(state.epoch, state.head, state.gap)

    def _apply(self, event: frames.Event) -> None:
        if event.board not in self.following:
            self.faults.append(("P5", f"{self.name} got {event.type} of {event.board} before it followed"))
            return
        replica = self.replicas[event.board]
        if event.seq != replica.seq + 1:
            self.faults.append(("P5", f"{self.name} got seq {event.seq} of {event.board} after {replica.seq}"))
        replica.apply(event)

    def _refused(self, frame: frames.Error) -> None:
        self.refused.append(frame.code)
        asked = self.asked.pop(frame.re, None) if frame.re is not None else None
        if isinstance(asked, Post) and frame.code == codes.UNAVAILABLE.name:
            self.unanswered.append(asked)
        if isinstance(asked, Watch):
            # The only way to ask again at the same place is to come back.
            self.hang_up()
        if frame.re is None and frame.scope is not None and frame.code == codes.REVOKED.name:
            self.following.discard(BoardId(frame.scope))
