"""The client: one conversation with a server that survives its connections.

The shell around ``session.Session``: one task reads the socket, hands frames to the session and does what its steps say; callers'
requests go through the session too. Nothing else holds state about the conversation.
"""

import asyncio
import os
import random as randomness
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import TracebackType
from typing import Self

from parley_client.address import websocket_url
from parley_client.connection import Broken, Link, OnRaw, open_websocket
from parley_client.errors import ConnectionEnded, Interrupted, ParleyError
from parley_client.inbox import Inbox
from parley_client.limits import LIMIT_RETRIES_MAX, LIMIT_WAIT_MS_MAX
from parley_client.retry import Closed
from parley_client.session import SITE, Answer, Request, Session, Step, Unsure, with_id
from parley_client.values import (
    CaseAnswer,
    Connected,
    EditedAnswer,
    GapEvent,
    HeldAnswer,
    Incoming,
    PostedAnswer,
    StoppedAnswer,
    SubscriptionStarted,
)
from parley_protocol import codes, frames
from parley_protocol.codec import FormatName
from parley_protocol.frames import (
    Ack,
    Action,
    BoardState,
    Claim,
    ClientFrame,
    Cursor,
    Decide,
    Delete,
    Deleted,
    Edit,
    Edited,
    Error,
    Gone,
    Held,
    Ok,
    Ping,
    Pong,
    Post,
    Posted,
    React,
    Reacted,
    Read,
    Refuse,
    Release,
    Restore,
    Restored,
    Retract,
    Retracted,
    Subscribe,
    Typing,
    Unsubscribe,
    Watch,
    Welcome,
)
from parley_protocol.ids import RANDOM_BYTES, BoardId, CaseId, PostId, RequestId, uuid7

Clock = Callable[[], float]
"""Monotonic seconds."""


class Client:
    """A connection to Parley that reconnects and resumes by itself.

    Use as ``async with Client(url, token) as client``; then iterate over it for events, and call its methods for requests. Requests
    that are made while the connection is down wait for it, up to ``request_timeout_s``.

    A request in flight when the connection breaks is repeated on the next one; a post is published once all the same.

    Every request raises ``ParleyError`` where the server says no, ``Interrupted`` where the answer to a repeat leaves open whether it
    was done, ``ConnectionEnded`` where there is no coming back, and ``TimeoutError``.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        format: FormatName = "msgpack",
        client: str = "parley-client/0.1",
        wait_on_limit: bool = True,
        request_timeout_s: float = 30.0,
        open_timeout_s: float | None = 15.0,
        on_raw: OnRaw | None = None,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Callable[[], float] = randomness.random,
        inbox: Inbox | None = None,
    ) -> None:
        """Describe the connection; nothing is opened yet.

        Args:
            url: the server, as ``ws://host:port`` or ``http://host:port`` (or wss, https).
            token: of an account or a bot; without one the connection is a guest's and can only read.
            format: ``msgpack`` or ``json``.
            client: the program's name and version, for the operator.
            wait_on_limit: wait and repeat where the server answers ``limited``, instead of raising.
            request_timeout_s: longest wait for an answer, reconnects included.
            open_timeout_s: longest wait for the first ``welcome``; ``None`` to wait for a server that is not up yet.
            on_raw: sees every message as it came off the socket, for audits.
            clock: monotonic seconds.
            sleep: waits that many seconds.
            random: numbers in 0 ≤ n < 1, for jitter.
            inbox: another bound for events that wait for the caller.

        Raises:
            ValueError: ``url`` is no address of a server.
        """
        self._url = websocket_url(url)
        self._format: FormatName = format
        self._on_raw = on_raw
        self._wait_on_limit = wait_on_limit
        self._request_timeout_s = request_timeout_s
        self._open_timeout_s = open_timeout_s
        self._clock, self._sleep, self._random = clock, sleep, random
        self._session = Session(token, client)
        self._inbox = inbox if inbox is not None else Inbox()
        self._answers: dict[RequestId, asyncio.Future[Answer]] = {}
        self._consumed: dict[BoardId, Cursor] = {}
        self._link: Link | None = None
        self._up = asyncio.Event()
        self._ended: ConnectionEnded | None = None
        self._last_failure = "the server did not answer"
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            ConnectionEnded: the server refuses this client, or did not welcome it within ``open_timeout_s``.
        """
        self._task = asyncio.create_task(self._run(), name="parley client")
        try:
            async with asyncio.timeout(self._open_timeout_s):
                await self._up.wait()
            if self._ended is not None:
                raise self._ended
        except TimeoutError:
            await self.close()
            raise ConnectionEnded("unreachable", self._last_failure) from None
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the connection."""
        await self.close()

    async def close(self) -> None:
        """Close the connection; iteration ends, and requests in flight raise ``ConnectionEnded``."""
        if self._task is None:
            return
        self._end(ConnectionEnded("closed", "This client was closed."))
        task, self._task = self._task, None
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            # Ours; a cancellation of the caller's own task is seen by the await that it interrupts.
            if (current := asyncio.current_task()) is not None and current.cancelling():
                raise

    def __aiter__(self) -> Self:
        """Iterate over events, in the order of each board's log. One iteration at a time."""
        return self

    async def __anext__(self) -> Incoming:
        """Wait for the next event.

        Raises:
            ConnectionEnded: there is no coming back.
        """
        try:
            event = await self._inbox.get()
        except ConnectionEnded as error:
            if error.code == "closed":
                raise StopAsyncIteration from None
            raise
        self._note(event)
        return event

    @property
    def account(self) -> frames.Self | None:
        """The account of this connection; ``None`` for a guest."""
        return self._session.welcome.account if self._session.welcome is not None else None

    @property
    def welcome(self) -> Welcome | None:
        """The latest ``welcome``, with the limits that the server announces."""
        return self._session.welcome

    @property
    def connected(self) -> bool:
        """Whether the connection is up now."""
        return self._session.state == "up"

    def cursor(self, board: str) -> Cursor | None:
        """Return the place of the last event that iteration gave of a board; keep it to resume in another process."""
        return self._consumed.get(BoardId(board))

    # Members.

    async def subscribe(self, board: str, cursor: Cursor | None = None, kinds: tuple[str, ...] = ()) -> BoardState:
        """Follow a board: what came after ``cursor`` and then live, or from now on.

        ``kinds`` narrows what the server sends (``posted``, ``edited``, …; retractions always come).
        """
        answer = await self._done(
            Subscribe(
                self._session.next_id(),
                BoardId(board),
                cursor.epoch if cursor is not None else None,
                cursor.seq if cursor is not None else None,
                kinds,
            )
        )
        return BoardState(BoardId(board), answer.epoch or "", answer.head or 0, bool(answer.recovered), answer.gap)

    async def unsubscribe(self, board: str) -> None:
        """Stop following a board."""
        await self._done(Unsubscribe(self._session.next_id(), BoardId(board)))
        self._consumed.pop(BoardId(board), None)

    async def post(
        self, board: str, body: str, *, nonce: str | None = None, reply_to: str | None = None
    ) -> PostedAnswer | HeldAnswer:
        """Publish a post, exactly once per ``nonce`` (a fresh one by default).

        After ``TimeoutError``, the same nonce and body again find out whether it was published.
        """
        reply = PostId(reply_to) if reply_to is not None else None
        frame = Post(self._session.next_id(), BoardId(board), nonce or self._nonce(), body, reply)
        match await self._asked(frame):
            case Ok() as ok if ok.post is not None and ok.seq is not None:
                return PostedAnswer(ok.post, ok.seq, ok.at or 0)
            case Held() as held:
                return HeldAnswer(held.post)
            case other:
                raise _unexpected(frame, other)

    async def edit(self, post: str, rev: int, body: str) -> EditedAnswer | HeldAnswer:
        """Replace the body of one's own post; ``rev`` is the revision that was seen."""
        frame = Edit(self._session.next_id(), PostId(post), rev, body)
        match await self._asked(frame):
            case Ok() as ok:
                return EditedAnswer(ok.seq or 0, ok.rev or rev + 1)
            case Held() as held:
                return HeldAnswer(held.post)
            case other:
                raise _unexpected(frame, other)

    async def delete(self, post: str) -> int:
        """Remove one's own post. Return the seq of the event."""
        return (await self._done(Delete(self._session.next_id(), PostId(post)))).seq or 0

    async def react(self, post: str, emoji: str, *, on: bool = True) -> int | None:
        """Add a reaction, or take it back. Return the seq of the event; ``None`` if that is how it stood already."""
        return (await self._done(React(self._session.next_id(), PostId(post), emoji, on))).seq

    async def typing(self, board: str) -> None:
        """Say that one is writing. Droppable: nothing is sent while the connection is down."""
        await self._send(self._session.tell(Typing(BoardId(board))))

    async def read(self, board: str, seq: int) -> None:
        """Say that one has read a board up to ``seq``; as droppable as ``typing``."""
        await self._send(self._session.tell(Read(BoardId(board), seq)))

    async def ping(self) -> int:
        """Return the server's clock, microseconds since the epoch."""
        frame = Ping(self._session.next_id())
        answer = await self._asked(frame)
        if isinstance(answer, Pong):
            return answer.at
        raise _unexpected(frame, answer)

    # Moderators.

    async def watch(self, scope: str = SITE, after: int | None = None) -> int:
        """Follow the alerts of the site or of one board: those after ``after``, or all that nobody acknowledged.

        Returns the head of the alert stream. Alerts come at least once: a reconnect resumes after the last one received.
        """
        return (await self._done(Watch(self._session.next_id(), scope, after))).head or 0

    async def ack(self, alert: int) -> None:
        """Say that a person has seen an alert."""
        await self._done(Ack(self._session.next_id(), alert))

    async def claim(self, case: str, rev: int) -> CaseAnswer:
        """Take a case; ``conflict`` carries the standing decision in ``error.standing``."""
        return _case(await self._done(Claim(self._session.next_id(), CaseId(case), rev)), case)

    async def decide(
        self, case: str, rev: int, action: Action, *, policy: str | None = None, reason: str | None = None
    ) -> CaseAnswer:
        """Decide a case; ``dismiss`` leaves the post as it is. ``conflict`` as in ``claim``."""
        frame = Decide(self._session.next_id(), CaseId(case), rev, action, policy, reason)
        return _case(await self._done(frame), case)

    async def retract(self, post: str, policy: str, reason: str) -> StoppedAnswer:
        """Stop a published post everywhere."""
        return _stopped(await self._done(Retract(self._session.next_id(), PostId(post), policy, reason)))

    async def restore(self, post: str, reason: str) -> StoppedAnswer:
        """Undo a retraction."""
        return _stopped(await self._done(Restore(self._session.next_id(), PostId(post), reason)))

    async def release(self, post: str, reason: str | None = None) -> StoppedAnswer:
        """Publish a withheld post or edit."""
        return _stopped(await self._done(Release(self._session.next_id(), PostId(post), reason)))

    async def refuse(self, post: str, policy: str, reason: str) -> StoppedAnswer:
        """End a withheld post or edit unpublished."""
        return _stopped(await self._done(Refuse(self._session.next_id(), PostId(post), policy, reason)))

    # Requests.

    async def _done(self, frame: Request) -> Ok:
        answer = await self._asked(frame)
        if isinstance(answer, Ok):
            return answer
        raise _unexpected(frame, answer)

    async def _asked(self, frame: Request) -> Ok | Held | Pong:
        """Send a request and wait for its answer; wait out ``limited`` where the caller wants that."""
        for retries in range(LIMIT_RETRIES_MAX + 1):
            answer = await self._answer(frame)
            match answer:
                case Unsure(error):
                    raise Interrupted(type(frame).type, error.code)
                case Error():
                    wait_ms = answer.retry_after_ms
                    patient = self._wait_on_limit and retries < LIMIT_RETRIES_MAX and answer.code == codes.LIMITED.name
                    if not patient or wait_ms is None or wait_ms > LIMIT_WAIT_MS_MAX:
                        raise ParleyError.of(answer)
                    await self._sleep(wait_ms / 1000)
                    frame = with_id(frame, self._session.next_id())
                case _:
                    return answer
        raise AssertionError("the last try returns or raises")

    async def _answer(self, frame: Request) -> Answer:
        if self._ended is not None:
            raise self._ended
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        send = self._session.ask(frame)
        self._answers[frame.id] = answer
        self._inbox.be_patient(patient=True)
        try:
            async with asyncio.timeout(self._request_timeout_s):
                await self._send(send)
                return await answer
        finally:
            self._answers.pop(frame.id, None)
            self._session.forget(frame.id)
            self._inbox.be_patient(patient=bool(self._answers))

    async def _send(self, send: tuple[ClientFrame, ...]) -> None:
        """Hand frames to the connection that is up. If it breaks, the reading task finds out, and the session repeats."""
        link = self._link
        if link is None:
            return
        try:
            for frame in send:
                await link.send(frame)
        except Broken:
            return

    def _nonce(self) -> str:
        return uuid7(time.time_ns() // 1000, os.urandom(RANDOM_BYTES))

    # The reading task.

    async def _run(self) -> None:
        """Connect, again and again, until there is no coming back."""
        try:
            while True:
                closed = await self._converse()
                self._last_failure = closed.why
                ending = self._session.closed(closed, self._clock(), self._random())
                await self._take(Step(settled=ending.settled, deliver=ending.deliver))
                if isinstance(ending.next, ConnectionEnded):
                    self._end(ending.next)
                    return
                await self._sleep(ending.next.after_s)
        except Exception as error:
            # A mistake of the SDK: nobody may wait for ever on a task that is gone.
            self._end(ConnectionEnded("internal", f"The client made a mistake: {error!r}"))
            raise

    async def _converse(self) -> Closed:
        """Make one connection and serve it to its end."""
        try:
            link = await open_websocket(self._url, self._format, self._on_raw)
        except Broken as broken:
            return broken.closed
        self._link = link
        try:
            await link.send(self._session.opened())
            while True:
                try:
                    # Only this wait counts: while the inbox is full nothing is read, and the silence is our own.
                    async with asyncio.timeout(self._session.silence_s):
                        frame = await link.receive()
                except TimeoutError:
                    return Closed("the server is silent")
                step = self._session.received(frame, self._clock())
                await self._take(step)
                if step.drop is not None:
                    return Closed(step.drop)
        except Broken as broken:
            return broken.closed
        finally:
            self._link = None
            await link.close()

    async def _take(self, step: Step) -> None:
        """Do what the session says."""
        for request, answer in step.settled:
            waiting = self._answers.get(request)
            if waiting is not None and not waiting.done():
                waiting.set_result(answer)
        for event in step.deliver:
            if isinstance(event, Connected):
                self._up.set()
            await self._inbox.put(event)
        if self._link is not None:
            for frame in step.send:
                await self._link.send(frame)

    def _end(self, error: ConnectionEnded) -> None:
        """Let everybody who waits know that nothing comes any more."""
        if self._ended is not None:
            return
        self._ended = error
        self._inbox.close(error)
        self._up.set()
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_exception(error)

    def _note(self, event: Incoming) -> None:
        """Remember how far the caller is."""
        match event:
            case SubscriptionStarted(state=state, after=after):
                self._consumed[state.board] = Cursor(state.board, state.epoch, after)
            case Posted() | Edited() | Deleted() | Reacted() | Retracted() | Restored() | Gone():
                held = self._consumed.get(event.board)
                if held is not None:
                    self._consumed[event.board] = replace(held, seq=event.seq)
            case GapEvent(board=board, last=last):
                held = self._consumed.get(board)
                if held is not None:
                    self._consumed[board] = replace(held, seq=max(held.seq, last))
            case _:
                pass


def _case(answer: Ok, case: str) -> CaseAnswer:
    return CaseAnswer(answer.case or CaseId(case), answer.rev or 0, answer.takedown)


def _stopped(answer: Ok) -> StoppedAnswer:
    return StoppedAnswer(answer.takedown, answer.seq)


def _unexpected(frame: Request, answer: object) -> ParleyError:
    """Name an answer that does not fit its request; a server of another version."""
    return ParleyError("bad_answer", f"{type(frame).type} was answered with {type(answer).__name__}")
