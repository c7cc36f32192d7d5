"""A bus inside one process: for the only node of a site, or for several nodes that an ``Exchange`` joins."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from parley_server import limits
from parley_server.bus.asking import Asked
from parley_server.bus.counts import Counts
from parley_server.bus.taking import Take, Taking
from parley_server.domain.hints import Hint, NodeId, Urgent


@dataclass(frozen=True, slots=True)
class Parcel:
    """A hint on its way. ``sent_s``: when, by the loop's clock; ``acted``: how its taker says so."""

    hint: Hint
    sent_s: float
    acted: Callable[[NodeId], None]


class Exchange:
    """Joins the buses of one process. What is sent arrives at once, and in order."""

    def __init__(self) -> None:
        self._joined: dict[NodeId, LocalBus] = {}

    def join(self, bus: "LocalBus") -> None:
        """Let a bus take what the others send."""
        self._joined[bus.node] = bus

    def leave(self, bus: "LocalBus") -> None:
        """Take a bus out again."""
        if self._joined.get(bus.node) is bus:
            del self._joined[bus.node]

    def up(self, node: NodeId) -> bool:
        """Say whether ``node`` can reach the others."""
        return node in self._joined

    def give(self, sender: NodeId, parcel: Parcel) -> None:
        """Give a parcel to everybody else."""
        for node, bus in list(self._joined.items()):
            if node != sender:
                self.carry(sender, node, partial(bus.arrive, parcel))

    def carry(self, sender: NodeId, to: NodeId, arrive: Callable[[], None]) -> None:
        """Bring something from one node to another, where ``arrive`` takes it."""
        arrive()


class LocalBus:
    """``ports.Bus`` in memory. Without an exchange nobody else is there."""

    def __init__(
        self,
        node: NodeId,
        exchange: Exchange | None = None,
        counts: Counts | None = None,
        asked: Callable[[float], None] = lambda _: None,
    ) -> None:
        self.node = node
        self.counts = counts or Counts()
        self._exchange = exchange
        self._asked = asked
        self._urgent: deque[Parcel] = deque()
        self._ordinary: deque[Parcel] = deque()
        self._urgent_arrived = asyncio.Event()
        self._ordinary_arrived = asyncio.Event()

    @property
    def up(self) -> bool:
        return self._exchange is None or self._exchange.up(self.node)

    def send(self, hint: Hint) -> None:
        self._give(hint, lambda _: None)

    async def ask(self, hint: Urgent, nodes: frozenset[NodeId], within_s: float) -> frozenset[NodeId]:
        if self._exchange is None:
            return frozenset()
        asked = Asked(nodes - {self.node})
        self._give(hint, partial(self._answer, asked))
        await asked.wait(within_s, self._asked)
        return asked.acted

    def arrive(self, parcel: Parcel) -> None:
        """Take a parcel of another node; ``run`` acts on it."""
        if isinstance(parcel.hint, Urgent):
            self._urgent.append(parcel)
            if len(self._urgent) > limits.URGENT_HINTS_MAX:
                self._urgent.popleft()
                self.counts.urgent_dropped += 1
            self._urgent_arrived.set()
        else:
            self._ordinary.append(parcel)
            if len(self._ordinary) > limits.ORDINARY_HINTS_MAX:
                self._ordinary.popleft()
                self.counts.ordinary_dropped += 1
            self._ordinary_arrived.set()

    async def run(self, take: Take) -> None:
        taking = Taking(take, self.counts)
        if self._exchange is not None:
            self._exchange.join(self)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._run_urgent(taking))
                group.create_task(self._run_ordinary(taking))
        finally:
            if self._exchange is not None:
                self._exchange.leave(self)
            await taking.end()

    async def _run_urgent(self, taking: Taking) -> None:
        while True:
            await self._urgent_arrived.wait()
            while self._urgent:
                parcel = self._urgent.popleft()
                await taking.urgent(parcel.hint, partial(parcel.acted, self.node))
            self._urgent_arrived.clear()

    async def _run_ordinary(self, taking: Taking) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._ordinary_arrived.wait()
            while self._ordinary:
                parcel = self._ordinary.popleft()
                if loop.time() - parcel.sent_s > limits.HINT_AGE_S_MAX:
                    self.counts.ordinary_dropped += 1
                else:
                    await taking.ordinary(parcel.hint)
            self._ordinary_arrived.clear()

    def _give(self, hint: Hint, acted: Callable[[NodeId], None]) -> None:
        if self._exchange is None:
            return
        if isinstance(hint, Urgent):
            self.counts.urgent_sent += 1
        else:
            self.counts.ordinary_sent += 1
        self._exchange.give(self.node, Parcel(hint, asyncio.get_running_loop().time(), acted))

    def _answer(self, asked: Asked, node: NodeId) -> None:
        """Bring the answer of another node back."""
        if self._exchange is not None:
            self._exchange.carry(node, self.node, partial(asked.answer, node))
