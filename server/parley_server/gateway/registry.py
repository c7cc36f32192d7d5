"""All connections of this node: who is behind each, when it hears a beat, when its time is up.

One sweep a second serves them all, so that a connection needs no timer of its own.
"""

import asyncio
from collections import defaultdict
from typing import Final, Protocol

from parley_protocol import codes
from parley_protocol.codes import Code
from parley_protocol.frames import Beat, ServerFrame
from parley_protocol.ids import AccountId, SessionId
from parley_protocol.limits import BEAT_MS
from parley_server import limits
from parley_server.clock import World
from parley_server.gateway.hub import Hub
from parley_server.gateway.rooms import Reader
from parley_server.gateway.wire import message

_SLICES: Final = BEAT_MS * 3 // 4 // 1_000
"""Connections hear a beat in turn, one slice of them each second. A round is shorter than ``BEAT_MS``: each sweep takes time as well, and
what was announced must hold on a busy server too."""


class Member(Protocol):
    """A connection that said hello."""

    account: AccountId | None
    session: SessionId
    expires_at_us: int | None
    reader: Reader

    def send(self, frame: ServerFrame) -> None:
        """Send a control frame."""
        ...

    def close(self, code: Code, *, after_ms: int | None = None) -> None:
        """Say bye and close."""
        ...

    def recheck(self) -> None:
        """Let go of everything that its account may no longer have."""
        ...


class Expiring(Protocol):
    """A connection that has until a deadline to get somewhere."""

    def expire(self) -> None:
        """Its time is up."""
        ...


class Registry:
    """The connections of this node."""

    def __init__(self, hub: Hub, world: World) -> None:
        self._hub = hub
        self._world = world
        self._slices: list[set[Member]] = [set() for _ in range(_SLICES)]
        self._by_account: defaultdict[AccountId, set[Member]] = defaultdict(set)
        self._deadlines: dict[Expiring, float] = {}
        self._turn = 0
        self._closed: dict[SessionId, float] = {}
        self.size = 0

    def enter(self, member: Member) -> bool:
        """Add a connection that is welcomed; false if its session was revoked a moment ago: who read it from the store before that does not know (P14)."""
        if member.session in self._closed:
            return False
        self.size += 1
        self._slices[hash(member) // 16 % _SLICES].add(member)
        if member.account is not None:
            self._by_account[member.account].add(member)
        return True

    def leave(self, member: Member) -> None:
        """Forget a connection that was welcomed."""
        place = self._slices[hash(member) // 16 % _SLICES]
        if member not in place:
            return
        self.size -= 1
        place.discard(member)
        if member.account is not None:
            of_account = self._by_account[member.account]
            of_account.discard(member)
            if not of_account:
                del self._by_account[member.account]

    def of(self, account: AccountId) -> tuple[Member, ...]:
        """Return the open connections of an account."""
        return tuple(self._by_account.get(account, ()))

    def close_session(self, account: AccountId | None, session: SessionId) -> None:
        """Close the connections of a revoked session, and those of it that are about to enter; ``account``: whose, if known."""
        if len(self._closed) >= limits.CLOSED_SESSIONS_MAX:
            del self._closed[next(iter(self._closed))]
        self._closed[session] = asyncio.get_running_loop().time()
        for member in self.everyone() if account is None else self.of(account):
            if member.session == session:
                member.close(codes.REVOKED)

    def send_away(self, code: Code, spread_ms: int, *, reset: bool) -> None:
        """Close every connection and ask it to come back, spread over a while.

        Args:
            reset: for a node that fell silent: unsent bytes do not leave any more, and who was about to enter does not.
        """
        members = self.everyone()
        for place, member in enumerate(members):
            if reset and member.reader.lanes.sink.unsent():
                member.reader.cut(codes.STALE)
            else:
                member.close(code, after_ms=spread_ms * place // len(members))
        if reset:
            for who in list(self._deadlines):
                who.expire()

    def everyone(self) -> list[Member]:
        """Return all connections."""
        return [member for part in self._slices for member in part]

    def tell(self, account: AccountId, frame: ServerFrame) -> None:
        """Send a control frame to every connection of an account."""
        for member in self.of(account):
            member.send(frame)

    def expect(self, who: Expiring, within_s: float) -> None:
        """Give ``who`` a deadline; a later call moves it."""
        self._deadlines[who] = asyncio.get_running_loop().time() + within_s

    def met(self, who: Expiring) -> None:
        """Take the deadline away."""
        self._deadlines.pop(who, None)

    async def run(self) -> None:
        """Sweep once a second until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(1.0)
            self.sweep(loop.time())

    def sweep(self, now: float) -> None:
        """Beats for one slice, deadlines, expired sessions, and the hub's own sweep."""
        for who in [who for who, deadline in self._deadlines.items() if deadline <= now]:
            del self._deadlines[who]
            who.expire()
        for session in [session for session, at in self._closed.items() if now - at > limits.CLOSED_SESSIONS_S]:
            del self._closed[session]
        at_us = self._world.now_us()
        self._turn = (self._turn + 1) % _SLICES
        cache: dict[tuple[int, tuple[tuple[str, int], ...]], bytes] = {}
        for member in list(self._slices[self._turn]):
            if member.expires_at_us is not None and member.expires_at_us <= at_us:
                member.close(codes.TOKEN_EXPIRED)
                continue
            if member.reader.lanes.paused:
                # It has bytes to take already, and a beat that waits says nothing.
                continue
            heads = self._hub.heads(member.reader)
            key = (member.reader.lanes.form, tuple(heads.items()))
            data = cache.get(key)
            if data is None:
                data = cache[key] = message(Beat(at_us, heads), member.reader.lanes.form)
            self._hub.control(member.reader, data)
        self._hub.sweep(now)

    def recheck(self, account: AccountId) -> None:
        """An account changed: bind its open connections at once (P14)."""
        for member in self.of(account):
            member.recheck()

    def recheck_all(self) -> None:
        """A board changed: bind every open connection at once."""
        for member in self.everyone():
            member.recheck()
