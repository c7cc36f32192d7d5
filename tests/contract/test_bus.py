"""What a bus promises, in memory and on Redis."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from typing import Final, TypeAlias

import pytest

from parley_protocol.ids import AccountId, BoardId
from parley_server import limits, ports
from parley_server.bus.counts import Counts
from parley_server.bus.local import Exchange, LocalBus
from parley_server.bus.redis import RedisBus
from parley_server.domain.hints import Alerted, BoardChanged, Hint, NodeId, PersonChanged, Typed
from tests.redis_server import RedisForTests

A, B, C = NodeId("a"), NodeId("b"), NodeId("c")
GENERAL: Final = BoardId("general")
WITHIN_S: Final = 10.0
"""Longest wait for what must come; what came sooner ends it."""

Make: TypeAlias = Callable[[NodeId, Counts], ports.Bus]
_sites = count(1)


class Member:
    """One node: its bus, and what it took. ``held``: whether ``take`` of this hint waits until ``go`` is set."""

    def __init__(self, bus: ports.Bus, counts: Counts) -> None:
        self.bus = bus
        self.counts = counts
        self.begun: list[Hint] = []
        self.taken: list[Hint] = []
        self.held: Callable[[Hint], bool] = lambda _: False
        self.fails: Callable[[Hint], bool] = lambda _: False
        self.go = asyncio.Event()
        self.running = asyncio.create_task(bus.run(self._take))

    async def _take(self, hint: Hint) -> None:
        self.begun.append(hint)
        if self.held(hint):
            await self.go.wait()
        if self.fails(hint):
            raise ValueError("this node cannot do it")
        self.taken.append(hint)

    async def end(self) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)


class Nodes:
    """The nodes of one site."""

    def __init__(self, make: Make) -> None:
        self._make = make
        self.members: dict[NodeId, Member] = {}

    async def start(self, *nodes: NodeId) -> list[Member]:
        """Start nodes; all reach each other on return."""
        for node in nodes:
            counts = Counts()
            self.members[node] = Member(self._make(node, counts), counts)
        for node in nodes:
            await until(lambda node=node: self.members[node].bus.up)  # type: ignore[misc]  # a default argument cannot be typed here
        return [self.members[node] for node in nodes]


async def until(true: Callable[[], bool]) -> None:
    """Wait for what must become true."""
    async with asyncio.timeout(WITHIN_S):
        while not true():
            await asyncio.sleep(0.001)


async def settled(*members: Member) -> None:
    """Wait until everything that was sent before has been taken by everybody: lanes keep their order."""
    for number, sender in enumerate(members):
        mark = Typed(BoardId("mark"), AccountId(str(number)))
        urgent = PersonChanged(AccountId(f"mark {number}"))
        sender.bus.send(mark)
        sender.bus.send(urgent)
        for taker in members:
            if taker is not sender:
                await until(lambda t=taker, m=mark, u=urgent: m in t.taken and u in t.taken)  # type: ignore[misc]  # as above


@pytest.fixture(params=["local", "redis"])
async def nodes(request: pytest.FixtureRequest) -> AsyncIterator[Nodes]:
    if request.param == "local":
        exchange = Exchange()
        started = Nodes(lambda node, counts: LocalBus(node, exchange, counts))
    else:
        redis: RedisForTests = request.getfixturevalue("shared_redis")
        site = f"site-{next(_sites)}"
        started = Nodes(lambda node, counts: RedisBus(redis.url, site, node, counts))
    yield started
    for member in started.members.values():
        await member.end()


def typed(number: int) -> Typed:
    return Typed(GENERAL, AccountId(f"acc-{number}"))


def changed(number: int) -> PersonChanged:
    return PersonChanged(AccountId(f"acc-{number}"))


def said(member: Member, kind: type[Hint]) -> list[Hint]:
    return [hint for hint in member.taken if isinstance(hint, kind) and "mark" not in repr(hint)]


async def test_every_other_node_gets_a_hint_and_its_sender_does_not(nodes: Nodes) -> None:
    a, b, c = await nodes.start(A, B, C)
    a.bus.send(Alerted())
    a.bus.send(BoardChanged(GENERAL))
    b.bus.send(typed(1))
    await settled(a, b, c)
    assert said(a, Typed) == said(c, Typed) == [typed(1)] and not said(b, Typed)
    assert not said(a, Alerted) and said(b, Alerted) == said(c, Alerted) == [Alerted()]
    assert not said(a, BoardChanged) and said(b, BoardChanged) == said(c, BoardChanged) == [BoardChanged(GENERAL)]


async def test_each_lane_keeps_the_order_of_a_sender(nodes: Nodes) -> None:
    a, b = await nodes.start(A, B)
    for number in range(2_000):
        a.bus.send(typed(number))
        if number % 10 == 0:
            a.bus.send(changed(number))
    await settled(a, b)
    assert said(b, Typed) == [typed(number) for number in range(2_000)]
    assert [hint for hint in b.begun if isinstance(hint, PersonChanged)][:-1] == [
        changed(number) for number in range(0, 2_000, 10)
    ]
    assert (a.counts.ordinary_sent, a.counts.urgent_sent) == (2_001, 201)
    assert (b.counts.ordinary_received, b.counts.urgent_received) == (2_001, 201)


async def test_an_urgent_hint_overtakes_ordinary_ones_that_wait(nodes: Nodes) -> None:
    a, b = await nodes.start(A, B)
    b.held = lambda hint: hint == typed(0)
    for number in range(1_000):
        a.bus.send(typed(number))
    await until(lambda: typed(0) in b.begun)
    a.bus.send(changed(1))
    await until(lambda: changed(1) in b.taken)
    assert b.begun == [typed(0), changed(1)]
    b.go.set()
    await settled(a, b)
    assert said(b, Typed) == [typed(number) for number in range(1_000)]


async def test_an_urgent_hint_waits_for_no_other(nodes: Nodes) -> None:
    a, b = await nodes.start(A, B)
    b.held = lambda hint: hint == changed(1)
    a.bus.send(changed(1))
    assert await a.bus.ask(changed(2), frozenset({B}), WITHIN_S) == {B}
    assert b.begun == [changed(1), changed(2)] and b.taken == [changed(2)]


async def test_ordinary_hints_are_taken_one_after_the_other(nodes: Nodes) -> None:
    a, b = await nodes.start(A, B)
    b.held = lambda hint: hint == typed(1)
    a.bus.send(typed(1))
    a.bus.send(typed(2))
    await until(lambda: typed(1) in b.begun)
    # Time enough for the second one, were it not to wait.
    assert await a.bus.ask(changed(1), frozenset({B}), WITHIN_S) == {B}
    assert typed(2) not in b.begun
    b.go.set()
    await until(lambda: b.taken[-2:] == [typed(1), typed(2)])


async def test_a_question_is_answered_by_all_that_acted(nodes: Nodes) -> None:
    a, _, _ = await nodes.start(A, B, C)
    assert await a.bus.ask(changed(1), frozenset({B, C}), WITHIN_S) == {B, C}
    assert nodes.members[B].taken == nodes.members[C].taken == [changed(1)]


async def test_a_question_is_answered_only_when_the_node_has_acted(nodes: Nodes) -> None:
    a, b = await nodes.start(A, B)
    b.held = lambda hint: True
    asking = asyncio.create_task(a.bus.ask(changed(1), frozenset({B}), WITHIN_S))
    await until(lambda: changed(1) in b.begun)
    assert await a.bus.ask(changed(2), frozenset({B}), 0.05) == frozenset()
    assert not asking.done()
    b.go.set()
    assert await asking == {B}


async def test_a_question_ends_in_time_and_says_who_acted_until_then(nodes: Nodes) -> None:
    a, _, c = await nodes.start(A, B, C)
    c.held = lambda hint: True
    assert await a.bus.ask(changed(1), frozenset({B, C, NodeId("gone")}), 0.2) == {B}


async def test_who_failed_has_not_acted_and_goes_on(nodes: Nodes) -> None:
    a, b = await nodes.start(A, B)
    b.fails = lambda hint: hint in (changed(1), typed(1))
    a.bus.send(typed(1))
    assert await a.bus.ask(changed(1), frozenset({B}), 0.2) == frozenset()
    assert await a.bus.ask(changed(2), frozenset({B}), WITHIN_S) == {B}
    a.bus.send(typed(2))
    await until(lambda: typed(2) in b.taken)
    assert b.counts.failed == 2


async def test_a_question_to_nobody_is_answered_at_once_and_heard_by_all(nodes: Nodes) -> None:
    a, b = await nodes.start(A, B)
    assert await a.bus.ask(changed(1), frozenset(), WITHIN_S) == frozenset()
    # One's own node is nobody else.
    assert await a.bus.ask(changed(2), frozenset({A}), WITHIN_S) == frozenset()
    await until(lambda: b.taken == [changed(1), changed(2)])


async def test_questions_in_both_directions_meet(nodes: Nodes) -> None:
    a, b = await nodes.start(A, B)
    asking: list[Awaitable[frozenset[NodeId]]] = []
    for number in range(50):
        asking += [a.bus.ask(changed(number), frozenset({B}), WITHIN_S), b.bus.ask(changed(number), frozenset({A}), WITHIN_S)]
    assert await asyncio.gather(*asking) == [{B}, {A}] * 50


async def test_a_node_that_ended_gets_nothing_and_does_not_answer(nodes: Nodes) -> None:
    a, b = await nodes.start(A, B)
    await b.end()
    assert not b.bus.up and b.running.cancelled()
    assert await a.bus.ask(changed(1), frozenset({B}), 0.1) == frozenset()
    assert a.bus.up and not b.begun


async def test_what_ends_with_the_node_is_cancelled(nodes: Nodes) -> None:
    a, b = await nodes.start(A, B)
    b.held = lambda hint: True
    a.bus.send(changed(1))
    a.bus.send(typed(1))
    await until(lambda: len(b.begun) == 2)
    await b.end()
    b.go.set()
    await asyncio.sleep(0)
    assert not b.taken


async def test_more_urgent_hints_than_may_be_acted_on_at_once_wait(nodes: Nodes) -> None:
    a, b = await nodes.start(A, B)
    b.held = lambda hint: hint != changed(limits.URGENT_TAKES_MAX)
    for number in range(limits.URGENT_TAKES_MAX + 1):
        a.bus.send(changed(number))
    await until(lambda: len(b.begun) == limits.URGENT_TAKES_MAX)
    await asyncio.sleep(0)
    assert changed(limits.URGENT_TAKES_MAX) not in b.begun
    b.go.set()
    await until(lambda: len(b.taken) == limits.URGENT_TAKES_MAX + 1)


async def test_a_bus_that_does_not_run_takes_hints_and_raises_nothing(nodes: Nodes) -> None:
    (a,) = await nodes.start(A)
    await a.end()
    a.bus.send(typed(1))
    a.bus.send(changed(1))
    assert await a.bus.ask(changed(2), frozenset({B}), 0.01) == frozenset()
