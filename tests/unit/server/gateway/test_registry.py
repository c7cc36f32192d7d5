"""The registry: who is here, who is on the way in, and whom the end of a session binds."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from parley_protocol import codes
from parley_protocol.codes import Code
from parley_protocol.frames import ServerFrame
from parley_protocol.ids import AccountId, SessionId
from parley_server import limits
from parley_server.clock import World
from parley_server.gateway.hub import Hub
from parley_server.gateway.registry import Registry
from parley_server.pipeline.accounts import Accounts, token_hash
from parley_server.pipeline.directory import Directory
from parley_server.ports import Session
from tests.fakes import FakeBoardLog, FakePeople, FakeWorld
from tests.samples import nobody_else
from tests.unit.server.gateway.room import Desk

ANNA = AccountId("anna")
STORED = Session(SessionId("s1"), ANNA, None)


@dataclass(eq=False)
class Somebody:
    """A connection that keeps what it is told."""

    session: SessionId
    account: AccountId | None = ANNA
    expires_at_us: int | None = None
    reader: Any = None
    closed: list[tuple[Code, int | None]] = field(default_factory=list)

    def send(self, frame: ServerFrame) -> None:
        raise AssertionError(frame)

    def close(self, code: Code, *, after_ms: int | None = None) -> None:
        self.closed.append((code, after_ms))

    def recheck(self) -> None:
        raise AssertionError


class Lobby:
    """A registry, and the accounts whose sessions it binds."""

    def __init__(self) -> None:
        stored = FakeWorld()
        stored.sessions[token_hash("token")] = STORED
        self.registry = Registry(Hub(FakeBoardLog(stored)), World())
        people = FakePeople(stored)
        self.accounts = Accounts(people, Directory(people), self.registry, nobody_else(), World())


async def test_the_end_of_a_session_closes_its_connections_and_no_others() -> None:
    lobby = Lobby()
    here, other = Somebody(STORED.session), Somebody(SessionId("s2"))
    for member in (here, other):
        assert lobby.registry.enter(member)
    await lobby.accounts.sign_out(STORED)
    assert (here.closed, other.closed) == ([(codes.REVOKED, None)], [])


async def test_p14_a_session_that_ends_while_its_hello_is_answered_is_not_welcomed() -> None:
    lobby = Lobby()
    member = Somebody(STORED.session)
    # Read before the session ended ...
    held = await lobby.accounts.greet("token")
    assert held == STORED
    await lobby.accounts.sign_out(STORED)
    # ... and used after.
    assert not lobby.registry.enter(member) and lobby.registry.size == 0
    assert not isinstance(await lobby.accounts.greet("token"), Session)


async def test_ended_sessions_are_forgotten_after_a_while() -> None:
    lobby = Lobby()
    lobby.registry.close_session(ANNA, STORED.session)
    late = Somebody(STORED.session)
    assert not lobby.registry.enter(late)
    lobby.registry.sweep(asyncio.get_running_loop().time() + limits.CLOSED_SESSIONS_S + 1)
    assert lobby.registry.enter(late)


async def test_a_connection_that_takes_nothing_is_given_no_beats() -> None:
    desk = Desk()
    registry = Registry(desk.hub, World())
    quick, slow = await desk.line(), await desk.line(full=True)
    for number, line in enumerate((quick, slow)):
        registry.enter(Somebody(SessionId(f"s{number}"), reader=line.reader))
    desk.hub.pause(slow.reader, 0.0)
    for _ in range(len(registry._slices)):
        registry.sweep(0.0)
    assert "beat" in quick.said()
    assert slow.said() == [] and slow.reader.lanes.lag is not None and slow.reader.lanes.lag.control_bytes == 0
