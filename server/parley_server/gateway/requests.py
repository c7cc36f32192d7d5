"""What a client that was welcomed may ask for, and what comes of it.

Each decision is made from the directory as of now, never from what was known at hello.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol, assert_never

import structlog

from parley_protocol import codes, frames
from parley_protocol import limits as wire_limits
from parley_protocol.codes import Code
from parley_protocol.frames import BoardState, ClientFrame, Error, Held, Ok, Pong, RequestRef, ServerFrame
from parley_protocol.ids import AccountId, BoardId
from parley_server.domain.access import Act, may
from parley_server.domain.answers import Refused
from parley_server.domain.takedowns import Filed
from parley_server.gateway.desk import Desk
from parley_server.gateway.hotlog import kinds_of
from parley_server.gateway.rooms import Reader
from parley_server.pipeline.watching import Watch
from parley_server.ports import Unavailable

log = structlog.get_logger(__name__)


class Asker(Protocol):
    """A connection that asks. ``watch``: of the alerts, if it has one."""

    account: AccountId | None
    reader: Reader
    watch: Watch | None

    def send(self, frame: ServerFrame) -> None:
        """Send a frame on the control lane."""
        ...

    def refuse(self, re: RequestRef | None, no: Refused) -> None:
        """Send a domain's no."""
        ...

    def request(self, re: RequestRef, work: Coroutine[Any, Any, None]) -> None:
        """Run what must wait beside the connection's other requests, within their bound."""
        ...

    def close(self, code: Code, *, after_ms: int | None = None) -> None:
        """Say why, then close."""
        ...


def begin(desk: Desk, asker: Asker, frame: ClientFrame) -> None:
    """Answer at once what needs no waiting; begin the rest."""
    match frame:
        case frames.Hello():
            asker.send(Error(codes.AGAIN.name, codes.AGAIN.says))
        case frames.Ping():
            asker.send(Pong(frame.id, desk.world.now_us()))
        case frames.Typing():
            _typing(desk, asker, frame)
        case frames.Read():
            _read(desk, asker, frame)
        case frames.Unsubscribe():
            _unsubscribe(desk, asker, frame)
        case frames.Subscribe():
            asker.request(frame.id, _subscribe(desk, asker, frame))
        case frames.Watch():
            asker.request(frame.id, _watch(desk, asker, frame))
        case _:
            asker.request(frame.id, _answered(desk, asker, frame))


async def _answered(desk: Desk, asker: Asker, frame: ClientFrame) -> None:
    """Do a request and send its answer."""
    person = desk.directory.present(asker.account)
    done: Ok | Held | Filed | Refused | None
    match frame:
        case frames.Post():
            done = await desk.publisher.post(person, frame)
        case frames.Edit():
            done = await desk.publisher.edit(person, frame)
        case frames.Delete():
            done = await desk.publisher.delete(person, frame)
        case frames.React():
            done = await desk.publisher.react(person, frame)
        case frames.Retract():
            done = await desk.moderation.retract(person, frame.post, frame.policy, frame.reason)
        case frames.Restore():
            done = await desk.moderation.restore(person, frame.post, frame.reason)
        case frames.Release():
            done = await desk.moderation.release(person, frame.post, frame.reason)
        case frames.Refuse():
            done = await desk.moderation.refuse(person, frame.post, frame.policy, frame.reason)
        case frames.Decide():
            done = await desk.moderation.decide(person, frame)
        case frames.Claim():
            done = await desk.moderation.claim(person, frame)
        case frames.Ack():
            done = await desk.watching.acknowledge(person, frame.alert)
        case _:
            raise AssertionError(f"{frame.type} is answered elsewhere")
    match done:
        case Ok() | Held():
            asker.send(done)
        case Filed():
            seq = done.event.seq if done.event is not None else None
            case = done.case
            asker.send(Ok(frame.id, post=done.post, seq=seq, rev=case.rev, takedown=done.takedown, case=case.case))
        case Refused():
            asker.refuse(frame.id, done)
        case None:
            asker.send(Ok(frame.id))
        case _:
            assert_never(done)


async def _subscribe(desk: Desk, asker: Asker, frame: frames.Subscribe) -> None:
    """Follow a board: the answer, what was missed, then live."""
    kinds = kinds_of(frame.kinds)
    if kinds is None:
        return asker.refuse(frame.id, Refused(codes.BAD_FIELD, "There is no such kind of event.", scope="kinds"))
    state = await start_of(desk, asker, frame.board, frame.epoch, frame.seq)
    if isinstance(state, Refused):
        return asker.refuse(frame.id, state)
    if asker.reader.lanes.closed:
        return None
    # After the waiting: requests of one connection run beside each other, and must not pass the limit together.
    if frame.board not in asker.reader.groups and len(asker.reader.groups) >= wire_limits.SUBSCRIPTIONS_MAX:
        return asker.refuse(frame.id, Refused(codes.LIMITED, scope="subscriptions", retry_after_ms=1_000))
    # A board that is followed already is followed anew, from here.
    desk.hub.leave(asker.reader, frame.board)
    asker.send(Ok(frame.id, board=state.board, epoch=state.epoch, head=state.head, recovered=state.recovered, gap=state.gap))
    return desk.hub.follow(asker.reader, state, kinds, frame.seq)


async def start_of(desk: Desk, asker: Asker, board: BoardId, epoch: str | None, seq: int | None) -> BoardState | Refused:
    """Say where a subscription starts, if the person may read the board, also after the waiting."""
    no = may(desk.directory.present(asker.account), Act.READ, desk.directory.board(board))
    if no is not None:
        return no
    state = await desk.hub.join(board, epoch, seq)
    no = may(desk.directory.present(asker.account), Act.READ, desk.directory.board(board))
    return no or state


def _unsubscribe(desk: Desk, asker: Asker, frame: frames.Unsubscribe) -> None:
    if frame.board not in asker.reader.groups:
        asker.refuse(frame.id, Refused(codes.NOT_SUBSCRIBED))
        return
    desk.hub.leave(asker.reader, frame.board)
    asker.send(Ok(frame.id, board=frame.board))


def _typing(desk: Desk, asker: Asker, frame: frames.Typing) -> None:
    person = desk.directory.present(asker.account)
    no = may(person, Act.PUBLISH, desk.directory.board(frame.board), verified_only=desk.publisher.verified_only)
    if no is not None or person.account is None:
        asker.refuse(None, no or Refused(codes.UNAUTHENTICATED))
        return
    desk.hub.typing(asker.reader, frame.board, person.account, asyncio.get_running_loop().time())


def _read(desk: Desk, asker: Asker, frame: frames.Read) -> None:
    """Take a read mark. It is kept for as long as the board is followed; unread counts follow from it and the head."""
    if frame.board not in asker.reader.groups:
        asker.refuse(None, Refused(codes.NOT_SUBSCRIBED, scope=frame.board))
    elif frame.seq > desk.hub.heads(asker.reader).get(frame.board, 0):
        asker.refuse(None, Refused(codes.BAD_CURSOR, scope=frame.board))


async def _watch(desk: Desk, asker: Asker, frame: frames.Watch) -> None:
    """Follow the alerts: the answer, what was missed, then live."""
    watching = desk.watching
    watch = await watching.open(asker.account, frame.scope, frame.after, asker.send, lambda: not asker.reader.lanes.paused)
    if isinstance(watch, Refused):
        asker.refuse(frame.id, watch)
        return
    if asker.reader.lanes.closed:
        return
    if asker.watch is not None:
        watching.leave(asker.watch)
    asker.watch = watch
    asker.send(Ok(frame.id, head=watch.head))
    try:
        await watching.follow(watch)
    except Unavailable as error:
        # The request was answered already; what it began cannot go on, so the client comes back with its cursor.
        log.warning("watch_failed", account=asker.account, cause=str(error))
        asker.close(codes.OVERLOADED, after_ms=1_000)
