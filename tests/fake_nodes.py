"""Fakes of the living nodes and of kept answers; see tests/fakes.py."""

from collections.abc import Callable

from parley_protocol import codes
from parley_server.domain.answers import Refused
from parley_server.domain.hints import NodeId
from parley_server.ports import Change, NodeState, Reply, Seen
from parley_server.store.bounds import KEPT_ANSWERS_S, NODE_LEASE_S, UNDER_WAY_S
from tests.fake_world import FakeWorld, Kept, Step, no_step


class FakeNodes:
    """``ports.Nodes`` in memory. ``seconds``: the database's clock."""

    def __init__(self, world: FakeWorld, step: Step = no_step, seconds: Callable[[], float] = lambda: 0.0) -> None:
        self._world = world
        self._step = step
        self._seconds = seconds

    async def beat(self, state: NodeState) -> Seen:
        await self._step("beat")
        self._world.nodes[state.node] = (state, self._seconds())
        await self._step("beat committed")
        return self._look(state.node)

    async def look(self, node: NodeId) -> Seen:
        await self._step("look")
        return self._look(node)

    def _look(self, node: NodeId) -> Seen:
        alive_since = self._seconds() - NODE_LEASE_S
        living = (state for name, (state, beat) in sorted(self._world.nodes.items()) if name != node and beat > alive_since)
        return Seen(len(self._world.changes), tuple(living))

    async def leave(self, node: NodeId) -> None:
        await self._step("leave")
        self._world.nodes.pop(node, None)

    async def changes(self, after: int, limit: int) -> list[Change]:
        await self._step("changes")
        return self._world.changes[after : after + limit]


class FakeKeptAnswers:
    """``ports.KeptAnswers`` in memory."""

    def __init__(self, world: FakeWorld, step: Step = no_step) -> None:
        self._world = world
        self._step = step

    async def begin(self, who: str, key: str, digest: bytes, at_us: int) -> Reply | Refused | None:
        await self._step("begin request")
        kept = self._world.answers.get((who, key))
        age_us = 0 if kept is None else at_us - kept.at_us
        if kept is None or age_us >= (UNDER_WAY_S if kept.reply is None else KEPT_ANSWERS_S) * 1_000_000:
            self._world.answers[who, key] = Kept(digest, at_us)
            return None
        if kept.digest != digest:
            return Refused(codes.NONCE_REUSED, "The Idempotency-Key belongs to another request.", scope="Idempotency-Key")
        if kept.reply is None:
            return Refused(codes.LIMITED, "The same request is under way.", scope="Idempotency-Key", retry_after_ms=1_000)
        return kept.reply

    async def end(self, who: str, key: str, reply: Reply | None) -> None:
        await self._step("end request")
        if reply is None:
            self._world.answers.pop((who, key), None)
        elif (kept := self._world.answers.get((who, key))) is not None:
            kept.reply = reply
