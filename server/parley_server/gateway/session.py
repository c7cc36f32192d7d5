"""One connection's state, from its hello to its end; what it asks for is done in ``requests``.

Requests of one connection start in the order in which they came and run beside each other, so that posts of one author share a commit.
"""

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, Final

import structlog

from parley_protocol import codes, frames
from parley_protocol import limits as wire_limits
from parley_protocol.codec import decode_client
from parley_protocol.codes import Code
from parley_protocol.errors import ProtocolError
from parley_protocol.frames import BoardState, Bye, ClientFrame, Error, RequestRef, Self, ServerFrame, Welcome
from parley_protocol.ids import AccountId, SessionId
from parley_server import limits
from parley_server.domain.access import Act, may
from parley_server.domain.answers import Refused
from parley_server.domain.people import Person
from parley_server.gateway import requests
from parley_server.gateway.desk import Desk
from parley_server.gateway.hotlog import Kinds
from parley_server.gateway.lanes import Lanes
from parley_server.gateway.rooms import Reader
from parley_server.gateway.websocket import WebSocket
from parley_server.gateway.wire import FORMATS, message
from parley_server.pipeline.watching import Watch, sees_nothing
from parley_server.ports import Unavailable

log = structlog.get_logger(__name__)

VERSION: Final = 1
"""Wire version that is spoken here."""

_ANNOUNCED: Final = (
    "FRAME_BYTES_MAX",
    "BODY_BYTES_MAX",
    "SUBSCRIPTIONS_MAX",
    "RESUME_EVENTS_MAX",
    "HISTORY_EVENTS_MAX",
    "HELLO_WITHIN_MS",
)
_LIMITS: Final[dict[str, int]] = {name.lower(): getattr(wire_limits, name) for name in _ANNOUNCED} | {
    "frames_per_s": limits.FRAMES_PER_S,
    "frames_burst": limits.FRAMES_BURST,
    "posts_per_s": limits.POSTS_PER_S,
    "posts_burst": limits.POSTS_BURST,
    "requests_max": limits.REQUESTS_MAX,
}


class Session:
    """One connection, from its handshake to its end."""

    __slots__ = (
        "_allowance",
        "_allowed_at",
        "_backlog",
        "_desk",
        "_limited",
        "_socket",
        "_tasks",
        "account",
        "expires_at_us",
        "reader",
        "session",
        "watch",
    )

    def __init__(self, desk: Desk, socket: WebSocket, lanes: Lanes) -> None:
        self._desk = desk
        self._socket = socket
        # Frames that came before the welcome was sent; ``None`` from then on.
        self._backlog: list[ClientFrame] | None = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.watch: Watch | None = None
        self._allowance = float(limits.FRAMES_BURST)
        self._allowed_at = 0.0
        self._limited = 0
        self.account: AccountId | None = None
        self.session = SessionId(desk.world.new_id())
        self.expires_at_us: int | None = None
        self.reader = Reader(lanes, self.cut)
        desk.registry.expect(self, wire_limits.HELLO_WITHIN_MS / 1_000)

    # The socket calls these.

    def received(self, data: bytes) -> None:
        """Take one message: answer what cannot be read, hand on what can."""
        try:
            frame = decode_client(FORMATS[self.reader.lanes.form], data)
        except ProtocolError as error:
            if error.code.close is not None:
                self.close(error.code)
            else:
                self.send(Error(error.code.name, error.detail[:200], re=error.re))
                self._too_many(None)
            return
        if self._backlog is not None:
            self._before_welcome(frame, self._backlog)
        elif not self._too_many(getattr(frame, "id", None)):
            requests.begin(self._desk, self, frame)

    def paused(self) -> None:
        """The transport is full."""
        self._desk.hub.pause(self.reader, asyncio.get_running_loop().time())

    def resumed(self) -> None:
        """The transport has room again."""
        self._desk.hub.resume(self.reader)

    def lost(self) -> None:
        """The connection is gone. Requests under way go on: what they do was asked for."""
        desk = self._desk
        desk.registry.met(self)
        desk.hub.gone(self.reader)
        desk.registry.leave(self)
        if self.watch is not None:
            desk.watching.leave(self.watch)
        if self.account is not None:
            desk.directory.leave(self.account)
            self.account = None

    def expire(self) -> None:
        """No hello came in time."""
        self.close(codes.HELLO_LATE)

    # The registry and the hub call these.

    def send(self, frame: ServerFrame) -> None:
        """Send a frame on the control lane."""
        lanes = self.reader.lanes
        if not lanes.closed:
            self._desk.hub.control(self.reader, message(frame, lanes.form))

    def close(self, code: Code, *, after_ms: int | None = None) -> None:
        """Say why, then close."""
        lanes = self.reader.lanes
        if lanes.closed:
            return
        if not lanes.paused:
            lanes.sink.write(message(Bye(code.name, code.says, after_ms), lanes.form))
        self._desk.hub.drop(self.reader)
        self._socket.close(code)

    def cut(self, code: Code) -> None:
        """End a connection that takes nothing, or that may hold what was retracted."""
        self._desk.hub.drop(self.reader)
        if code is codes.STALE:
            self._socket.reset()
        else:
            self.close(code)

    def recheck(self) -> None:
        """Let go of what the account may no longer have; asked at every change of the account or of a board (P14)."""
        desk = self._desk
        person = desk.directory.present(self.account)
        if may_stay(person) is not None:
            self.close(codes.REVOKED)
            return
        for board in list(self.reader.groups):
            no = may(person, Act.READ, desk.directory.board(board))
            if no is not None:
                desk.hub.leave(self.reader, board)
                self.send(Error(codes.REVOKED.name, "Your access to this board was withdrawn.", scope=board))
        if self.watch is not None and sees_nothing(self.watch):
            desk.watching.leave(self.watch)
            self.watch = None
            self.send(Error(codes.REVOKED.name, "You no longer moderate here.", scope="watch"))

    # Its requests call these.

    def refuse(self, re: RequestRef | None, no: Refused) -> None:
        """Send a domain's no."""
        self.send(Error(no.code.name, no.detail or no.code.says, re, no.scope, no.retry_after_ms, no.standing))

    def request(self, re: RequestRef, work: Coroutine[Any, Any, None]) -> None:
        """Run a request; with too many under way, the socket is not read until one is done."""
        self._run(self._guarded(re, work))
        if len(self._tasks) >= limits.REQUESTS_MAX:
            self._socket.pause_reading()

    # Hello.

    def _before_welcome(self, frame: ClientFrame, backlog: list[ClientFrame]) -> None:
        if isinstance(frame, frames.Hello) and not backlog:
            backlog.append(frame)
            self._run(self._welcome(frame))
        elif not backlog:
            self.close(codes.HELLO_FIRST)
        elif len(backlog) > limits.REQUESTS_MAX:
            self.close(codes.ABUSE)
        else:
            # A client may ask before it was welcomed; it is answered after.
            backlog.append(frame)

    async def _welcome(self, hello: frames.Hello) -> None:
        """Find out who it is, answer, follow the boards that it resumes."""
        desk = self._desk
        if hello.v != VERSION:
            self.close(codes.VERSION)
            return
        me: Self | None = None
        if hello.token is not None:
            held = await desk.accounts.identify(hello.token)
            if isinstance(held, Refused):
                self.close(held.code)
                return
            person = await desk.directory.enter(held.account)
            if person is None or self.reader.lanes.closed:
                if person is not None:
                    desk.directory.leave(held.account)
                self.close(codes.BAD_TOKEN)
                return
            self.account, self.session, self.expires_at_us = held.account, held.session, held.expires_at_us
            no = may_stay(person)
            if no is not None:
                self.close(codes.REVOKED)
                return
            me = Self(held.account, person.handle, person.name, person.role)
        starts: list[tuple[BoardState, int]] = []
        for cursor in hello.resume:
            found = await requests.start_of(desk, self, cursor.board, cursor.epoch, cursor.seq)
            if isinstance(found, Refused):
                self.send(Error(found.code.name, found.detail or found.code.says, scope=cursor.board))
            else:
                starts.append((found, cursor.seq))
        if self.reader.lanes.closed:
            return
        # Access is asked again: finding the starts took time, and a change meanwhile bound nobody who had not entered yet.
        person = desk.directory.present(self.account)
        if may_stay(person) is not None:
            self.close(codes.REVOKED)
            return
        for state, _ in starts:
            no = may(person, Act.READ, desk.directory.board(state.board))
            if no is not None:
                self.send(Error(no.code.name, no.code.says, scope=state.board))
        starts = [start for start in starts if may(person, Act.READ, desk.directory.board(start[0].board)) is None]
        desk.registry.met(self)
        desk.registry.enter(self)
        states = tuple(state for state, _ in starts)
        self.send(Welcome(VERSION, self.session, _LIMITS, wire_limits.BEAT_MS, me, states))
        for state, seq in starts:
            if state.board not in self.reader.groups:
                desk.hub.follow(self.reader, state, Kinds.ALL, seq)
        waiting, self._backlog = self._backlog or [], None
        for frame in waiting[1:]:
            requests.begin(self._desk, self, frame)

    # Inside.

    def _too_many(self, re: RequestRef | None) -> bool:
        """Count a frame; beyond the limit say so, beyond patience close."""
        if not self._desk.limited:
            return False
        now = asyncio.get_running_loop().time()
        grown = self._allowance + (now - self._allowed_at) * limits.FRAMES_PER_S if self._allowed_at else self._allowance
        self._allowance = min(float(limits.FRAMES_BURST), grown)
        self._allowed_at = now
        if self._allowance >= 1:
            self._allowance -= 1
            if self._allowance >= limits.FRAMES_BURST / 2:
                self._limited = 0
            return False
        self._limited += 1
        if self._limited > limits.LIMITED_MAX:
            self.close(codes.ABUSE)
        else:
            wait = int((1 - self._allowance) * 1_000 / limits.FRAMES_PER_S) + 1
            self.refuse(re, Refused(codes.LIMITED, scope="frames", retry_after_ms=wait))
        return True

    async def _guarded(self, re: RequestRef, work: Awaitable[None]) -> None:
        """Answer for a world that is down, and for our own mistakes, with the request's id."""
        try:
            await work
        except Unavailable as error:
            log.warning("unavailable", account=self.account, cause=str(error))
            self.refuse(re, Refused(codes.UNAVAILABLE, retry_after_ms=1_000))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if len(self._tasks) == limits.REQUESTS_MAX - 1:
            self._socket.resume_reading()
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, Unavailable):
            self.close(codes.OVERLOADED, after_ms=1_000)
            return
        # The task boundary: our mistake, logged once; the client comes back to a fresh session.
        log.error("session_failed", account=self.account, session=self.session, exc_info=error)
        self.close(codes.INTERNAL)


def may_stay(person: Person) -> Refused | None:
    """Say whether an account may have an open connection at all."""
    return Refused(codes.REVOKED) if person.state != "active" else None
