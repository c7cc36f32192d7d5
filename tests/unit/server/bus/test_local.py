"""What a bus in memory does at its bounds, and without anybody else."""

import asyncio

from parley_protocol.ids import AccountId, BoardId
from parley_server import limits
from parley_server.bus.local import Exchange, LocalBus
from parley_server.domain.hints import Hint, NodeId, PersonChanged, Typed
from tests.simulation.loop import VirtualLoop, run

A, B = NodeId("a"), NodeId("b")


def typed(number: int) -> Typed:
    return Typed(BoardId("general"), AccountId(str(number)))


async def test_a_node_alone_asks_nobody_and_waits_for_nobody() -> None:
    alone = LocalBus(A)
    alone.send(typed(1))
    assert alone.up and await alone.ask(PersonChanged(AccountId("1")), frozenset({B}), 60.0) == frozenset()


def test_what_was_sent_too_long_ago_is_not_taken() -> None:
    async def work(_: VirtualLoop) -> list[Hint]:
        exchange, taken = Exchange(), list[Hint]()
        a, b = LocalBus(A, exchange), LocalBus(B, exchange)
        busy = asyncio.Event()

        async def take(hint: Hint) -> None:
            taken.append(hint)
            await busy.wait()

        running = asyncio.create_task(b.run(take))
        await asyncio.sleep(0)
        a.send(typed(1))
        await asyncio.sleep(1.0)
        a.send(typed(2))
        await asyncio.sleep(1.0)
        a.send(typed(3))
        await asyncio.sleep(limits.HINT_AGE_S_MAX - 0.5)
        busy.set()
        await asyncio.sleep(0.1)
        assert b.counts.ordinary_dropped == 1
        running.cancel()
        return taken

    assert run(work) == [typed(1), typed(3)]


async def test_what_a_node_does_not_take_is_bounded() -> None:
    bus = LocalBus(B, exchange := Exchange())
    exchange.join(bus)
    sender = LocalBus(A, exchange)
    for number in range(limits.ORDINARY_HINTS_MAX + 2):
        sender.send(typed(number))
    assert bus.counts.ordinary_dropped == 2 and len(bus._ordinary) == limits.ORDINARY_HINTS_MAX
    assert bus._ordinary[0].hint == typed(2)


async def test_a_bus_that_was_replaced_does_not_take_its_successor_out() -> None:
    exchange = Exchange()
    first, second = LocalBus(A, exchange), LocalBus(A, exchange)
    exchange.join(first)
    exchange.join(second)
    exchange.leave(first)
    assert exchange.up(A)
