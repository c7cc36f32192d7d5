"""Waiting for what other nodes answer."""

import asyncio
from collections.abc import Callable

from parley_server.domain.hints import NodeId


class Asked:
    """One hint that ``nodes`` are to act on. ``acted``: those of them that did."""

    def __init__(self, nodes: frozenset[NodeId]) -> None:
        self._nodes = nodes
        self.acted: frozenset[NodeId] = frozenset()
        self._all = asyncio.Event()
        if not nodes:
            self._all.set()

    def answer(self, node: NodeId) -> None:
        """Note that a node acted; one that was not asked for, or again, changes nothing."""
        self.acted |= self._nodes & {node}
        if self.acted == self._nodes:
            self._all.set()

    async def wait(self, within_s: float, took: Callable[[float], None]) -> None:
        """Return when all have acted, or the time is over; ``took`` is told the seconds."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(within_s):
                await self._all.wait()
        except TimeoutError:
            pass
        took(loop.time() - began)
