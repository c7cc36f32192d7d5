"""What a client knows of its conversation with the server, over any number of connections. Pure: no socket, clock or randomness.

The shell (client.py) tells it what happened and does what the returned ``Step`` says. The session owns the cursors of boards
and of the alert stream, the requests that wait for an answer, and the suspicion that a subscription is silent:

- An event at or below its board's cursor is a repeat and is dropped. One past cursor + 1 means that events were lost on the way;
  the connection is dropped once, and the resume brings them. If the same hole is there again, it is a ``GapEvent``.
- A beat that shows a board's head beyond the cursor, twice in a row without an event between, means a silent subscription; the
  connection is dropped. A subscription narrowed by ``kinds`` has holes by right: it is asked for again from its cursor, and where
  that brings nothing either, the head is its cursor.
- A request in flight when the connection breaks goes out again on the next one. A post is published once by its nonce. Where the
  repeat of another request meets an answer that the first one may have caused (``conflict``, ``post_stopped``, …), it ends as ``Unsure``.

Source: protocol/SPEC.md, "Subscriptions" and "Errors and closes".
"""

from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias, assert_never

from parley_client.limits import REQUESTS_MAX, STABLE_S
from parley_client.retry import Closed, ComeBack, Next, what_next
from parley_client.values import Connected, Disconnected, GapEvent, Incoming, SubscriptionEnded, SubscriptionStarted
from parley_protocol import codes
from parley_protocol.awaited import Awaited
from parley_protocol.frames import (
    Ack,
    Alert,
    Beat,
    BoardState,
    Bye,
    CaseChanged,
    Claim,
    ClientFrame,
    Cursor,
    Decide,
    Delete,
    Deleted,
    Edit,
    Edited,
    Error,
    Event,
    Gone,
    Held,
    Hello,
    Ok,
    Ping,
    Pong,
    Post,
    Posted,
    Presence,
    React,
    Reacted,
    Refuse,
    Release,
    Restore,
    Restored,
    Retract,
    Retracted,
    ServerFrame,
    Subscribe,
    Suppress,
    Typing,
    Unsubscribe,
    Unsuppress,
    VerdictNotice,
    Watch,
    Welcome,
)
from parley_protocol.ids import BoardId, RequestId
from parley_protocol.limits import BEAT_MS

VERSION: Final = 1
"""The version of the wire that this client speaks."""

SILENT_BEATS_MAX: Final = 2
"""Beats in a row that may show a head beyond the cursor. Full: reconnect."""

SITE: Final = "site"
"""The scope of ``watch`` that covers every board."""

Request: TypeAlias = (
    Subscribe
    | Unsubscribe
    | Post
    | Edit
    | Delete
    | React
    | Retract
    | Restore
    | Release
    | Refuse
    | Watch
    | Ack
    | Claim
    | Decide
    | Ping
)
"""Client frames that are answered."""

UNSURE: Final = frozenset(
    code.name for code in (codes.CONFLICT, codes.POST_STOPPED, codes.NOT_RETRACTED, codes.NOT_HELD, codes.EDIT_PENDING)
)
"""Codes that the second of two equal requests gets because the first one was done, or because somebody else was faster."""


@dataclass(frozen=True, slots=True)
class Unsure:
    """The connection broke before the answer, and the repeat got ``error``, which the request itself may have caused."""

    error: Error


Answer: TypeAlias = Ok | Held | Pong | Error | Unsure


@dataclass(frozen=True, slots=True)
class Step:
    """What the shell does next, in this order.

    Attributes:
        settled: requests that are over, and how.
        deliver: events for the caller.
        send: frames for the server.
        drop: why this connection is to be closed and made anew.
    """

    settled: tuple[tuple[RequestId, Answer], ...] = ()
    deliver: tuple[Incoming, ...] = ()
    send: tuple[ClientFrame, ...] = ()
    drop: str | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """What the end of a connection leads to. ``next`` is when to come back, or the error that ends it all."""

    settled: tuple[tuple[RequestId, Answer], ...]
    deliver: tuple[Incoming, ...]
    next: Next


@dataclass(slots=True)
class _Followed:
    """One board: where its reader stands in which log."""

    epoch: str
    seq: int
    kinds: tuple[str, ...] = ()
    silent_beats: int = 0
    """Beats in a row, without an event between, that showed a head beyond ``seq``."""
    hole: tuple[int, int] | None = None
    """The events that were missing when the connection was dropped for it."""
    awaited: Awaited = field(default_factory=Awaited)
    """Posts that are suppressed, and why is not known yet."""
    asked_head: int | None = None
    """The head that the server named when a silent narrowed subscription was asked for again."""


@dataclass(slots=True)
class _Pending:
    """A request without answer. ``own``: the session asked, nobody waits. ``sent``: on this connection; ``repeated``: on an earlier one."""

    frame: Request
    own: bool = False
    sent: bool = False
    repeated: bool = False


@dataclass(slots=True)
class Session:
    """The conversation. ``state`` is ``down``, ``greeting`` (hello sent) or ``up`` (welcome received)."""

    token: str | None = None
    client: str = ""
    state: Literal["down", "greeting", "up"] = "down"
    welcome: Welcome | None = None
    _boards: dict[BoardId, _Followed] = field(default_factory=dict[BoardId, _Followed])
    _watches: dict[str, int | None] = field(default_factory=dict[str, int | None])
    _pending: dict[RequestId, _Pending] = field(default_factory=dict[RequestId, _Pending])
    _last_id: int = 0
    _failures: int = 0
    _up_at_s: float | None = None
    _bye: Bye | None = None

    @property
    def silence_s(self) -> float:
        """Longest time without any frame on a live connection, seconds."""
        return 2 * (self.welcome.beat_ms if self.welcome is not None else BEAT_MS) / 1000

    @property
    def waiting(self) -> int:
        """Requests in flight that somebody waits for."""
        return sum(not pending.own for pending in self._pending.values())

    def cursor(self, board: BoardId) -> Cursor | None:
        """Return the last event received of a board that is followed."""
        followed = self._boards.get(board)
        return None if followed is None else Cursor(board, followed.epoch, followed.seq)

    def next_id(self) -> int:
        """Return an id that no request of this session has had, over all its connections."""
        self._last_id += 1
        return self._last_id

    def ask(self, frame: Request) -> tuple[ClientFrame, ...]:
        """Register a request; return what to send now. Before ``welcome`` it waits for it.

        Raises:
            RuntimeError: ``REQUESTS_MAX`` requests are in flight.
        """
        return self._ask(frame, own=False)

    def tell(self, frame: ClientFrame) -> tuple[ClientFrame, ...]:
        """Return a frame that has no answer to send now; nothing while the connection is down, since it would come too late."""
        return (frame,) if self.state == "up" else ()

    def forget(self, request: RequestId) -> None:
        """Nobody waits for this answer any more. A subscription or watch that was asked for stays."""
        pending = self._pending.get(request)
        if pending is None:
            return
        if isinstance(pending.frame, Subscribe | Watch):
            pending.own = True
        else:
            del self._pending[request]

    def opened(self) -> Hello:
        """Return the greeting for a transport that is up, with the cursor of each whole subscription."""
        assert self.state == "down"
        self.state = "greeting"
        self._bye = None
        resume = tuple(Cursor(board, held.epoch, held.seq) for board, held in self._boards.items() if not held.kinds)
        return Hello(VERSION, self.client, self.token, resume)

    def received(self, frame: ServerFrame, now_s: float) -> Step:
        """Take one frame of the server. ``now_s``: a monotonic clock."""
        match frame:
            case Welcome():
                return self._welcomed(frame, now_s)
            case Posted() | Edited() | Deleted() | Reacted() | Retracted() | Restored() | Gone():
                return self._event(frame)
            case Ok() | Held() | Pong():
                return self._answered(frame.re, frame)
            case Error():
                return Step(deliver=(frame,)) if frame.re is None else self._answered(frame.re, frame)
            case Alert():
                return self._alert(frame)
            case Beat():
                return self._beat(frame)
            case Bye():
                self._bye = frame
                return Step()
            case Suppress() | Unsuppress():
                return self._hushed(frame)
            case VerdictNotice() | CaseChanged() | Presence() | Typing():
                return Step(deliver=(frame,))
            case _:
                assert_never(frame)

    def closed(self, closed: Closed, now_s: float, random: float) -> Ending:
        """Take the end of a connection, or of an attempt at one. ``random``: 0 ≤ random < 1."""
        if self._up_at_s is not None and now_s - self._up_at_s >= STABLE_S:
            self._failures = 0
        bye, self._bye, self._up_at_s, self.state = self._bye, None, None, "down"
        following = what_next(closed, bye, self._failures, random)
        self._failures += 1
        settled: list[tuple[RequestId, Answer]] = []
        for request, pending in list(self._pending.items()):
            if isinstance(pending.frame, Unsubscribe):
                # What is not resumed is not followed.
                settled.append((request, Ok(request)))
            elif not pending.own:
                pending.repeated = pending.repeated or pending.sent
                pending.sent = False
                continue
            del self._pending[request]
        for followed in self._boards.values():
            followed.silent_beats, followed.asked_head = 0, None
        why = bye.why if bye is not None else closed.why
        deliver = (Disconnected(why, following.after_s),) if isinstance(following, ComeBack) else ()
        return Ending(tuple(settled), deliver, following)

    def _ask(self, frame: Request, *, own: bool) -> tuple[ClientFrame, ...]:
        if len(self._pending) >= REQUESTS_MAX:
            raise RuntimeError(f"{REQUESTS_MAX} requests are in flight")
        if isinstance(frame, Unsubscribe):
            self._boards.pop(frame.board, None)
        up = self.state == "up"
        self._pending[frame.id] = _Pending(frame, own=own, sent=up)
        return (frame,) if up else ()

    def _welcomed(self, welcome: Welcome, now_s: float) -> Step:
        resumed = self.welcome is not None
        self.welcome, self.state, self._up_at_s = welcome, "up", now_s
        deliver: list[Incoming] = [Connected(welcome.account.handle if welcome.account is not None else None, resumed)]
        states = {state.board: state for state in welcome.boards}
        send: list[ClientFrame] = []
        for board, followed in self._boards.items():
            state = states.get(board)
            if state is not None:
                deliver.extend(self._begin(state, followed))
            else:
                # Narrowed subscriptions have no place in hello, and a board that welcome leaves out owes an answer why.
                send.extend(self._ask(self._subscribe(board, followed), own=True))
        for scope, after in self._watches.items():
            send.extend(self._ask(Watch(self.next_id(), scope, after), own=True))
        for pending in self._pending.values():
            if not pending.sent:
                pending.sent = True
                send.append(pending.frame)
        return Step(deliver=tuple(deliver), send=tuple(send))

    def _subscribe(self, board: BoardId, followed: _Followed) -> Subscribe:
        return Subscribe(self.next_id(), board, followed.epoch, followed.seq, followed.kinds)

    def _begin(self, state: BoardState, followed: _Followed) -> list[Incoming]:
        """Move a board's cursor to where the server goes on, and say what is missing, or what shows again."""
        followed.awaited.begin(state.head, whole=state.gap is None and state.epoch == followed.epoch)
        if state.gap is not None:
            gap = GapEvent(state.board, state.gap.first, state.gap.last, state.gap.reason)
        elif state.epoch != followed.epoch:
            gap = GapEvent(state.board, 1, state.head, "epoch")
        else:
            return [SubscriptionStarted(state, followed.seq), *self._shown_again(state.board, followed)]
        other = state.epoch != followed.epoch
        followed.seq = gap.last if other else max(followed.seq, gap.last)
        followed.epoch = state.epoch
        return [SubscriptionStarted(state, followed.seq), gap]

    def _answered(self, request: RequestId, answer: Ok | Held | Pong | Error) -> Step:
        pending = self._pending.pop(request, None)
        if pending is None:
            # Its caller gave up waiting.
            return Step()
        if pending.own and isinstance(answer, Error) and (code := codes.CODES.get(answer.code)) is not None and code.retry:
            # The backoff of a reconnect is the wait that is asked for, and the resume is the next attempt.
            return Step(drop=f"{type(pending.frame).type} again: {answer.code}")
        deliver: list[Incoming] = []
        match pending.frame, answer:
            case Subscribe() as frame, Ok():
                deliver.extend(self._subscribed(frame, answer))
            case Subscribe(board=board), Error() if board in self._boards:
                del self._boards[board]
                deliver.append(SubscriptionEnded(board, answer.code, answer.message))
            case Watch(scope=scope, after=after), Ok():
                self._watches.setdefault(scope, after)
            case Watch(scope=scope), Error() if scope in self._watches:
                del self._watches[scope]
                deliver.append(answer)
            case _:
                pass
        if pending.own:
            return Step(deliver=tuple(deliver))
        settled: Answer = answer
        if pending.repeated and isinstance(answer, Error) and answer.code in UNSURE:
            settled = Unsure(answer)
        return Step(settled=((request, settled),), deliver=tuple(deliver))

    def _subscribed(self, frame: Subscribe, answer: Ok) -> list[Incoming]:
        epoch, head = answer.epoch or "", answer.head or 0
        state = BoardState(frame.board, epoch, head, bool(answer.recovered), answer.gap)
        if frame.seq is None:
            self._boards[frame.board] = _Followed(epoch, head, frame.kinds)
            return [SubscriptionStarted(state, head)]
        followed = self._boards.setdefault(frame.board, _Followed(frame.epoch or epoch, frame.seq, frame.kinds))
        followed.asked_head = head if state.recovered else None
        return self._begin(state, followed)

    def _event(self, event: Event) -> Step:
        followed = self._boards.get(event.board)
        if followed is None or event.seq <= followed.seq:
            return Step()
        deliver: list[Incoming] = []
        missing = (followed.seq + 1, event.seq - 1)
        if missing[0] <= missing[1] and not followed.kinds:
            if followed.hole is None or followed.hole[0] != missing[0]:
                followed.hole = missing
                return Step(drop=f"events {missing[0]} to {missing[1]} of {event.board} did not come")
            deliver.append(GapEvent(event.board, *missing, "hole"))
        followed.seq = event.seq
        followed.silent_beats, followed.asked_head = 0, None
        if isinstance(event, Retracted | Deleted | Restored):
            followed.awaited.ended(event.post)
        return Step(deliver=(*deliver, event, *self._shown_again(event.board, followed)))

    def _hushed(self, frame: Suppress | Unsuppress) -> Step:
        """Remember what is hidden without an event that says so."""
        followed = self._boards.get(frame.board)
        if followed is not None and isinstance(frame, Suppress):
            followed.awaited.suppressed(frame.post)
        elif followed is not None:
            followed.awaited.ended(frame.post)
        return Step(deliver=(frame,))

    def _shown_again(self, board: BoardId, followed: _Followed) -> list[Incoming]:
        """Make the ``unsuppress`` of what nothing has stopped, as a whole resume shows."""
        return [Unsuppress(board, post) for post in followed.awaited.reached(followed.seq)]

    def _alert(self, alert: Alert) -> Step:
        scopes = [scope for scope in self._watches if scope in (SITE, alert.board)]
        news = [scope for scope in scopes if alert.n > (self._watches[scope] or 0)]
        for scope in news:
            self._watches[scope] = alert.n
        return Step(deliver=(alert,)) if news or not scopes else Step()

    def _beat(self, beat: Beat) -> Step:
        send: list[ClientFrame] = []
        for board, followed in self._boards.items():
            behind = beat.heads.get(board, 0) > followed.seq
            followed.silent_beats = followed.silent_beats + 1 if behind else 0
            if followed.silent_beats < SILENT_BEATS_MAX:
                continue
            if not followed.kinds:
                return Step(drop=f"{board} is silent at {followed.seq} though its head is {beat.heads[board]}")
            followed.silent_beats = 0
            if followed.asked_head is None:
                send.extend(self._ask(self._subscribe(board, followed), own=True))
            else:
                # Asked twice, and nothing came: what lies between is of kinds that this reader left out.
                followed.seq, followed.asked_head = max(followed.seq, followed.asked_head), None
        return Step(send=tuple(send))


def with_id(frame: Request, request: RequestId) -> Request:
    """Return the same request under a new id."""
    return replace(frame, id=request)
