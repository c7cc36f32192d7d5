"""A bus that loses, doubles, delays and shuffles what nodes tell each other, by a seed, and cuts nodes off."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Final

from parley_server.bus.local import Exchange
from parley_server.domain.hints import NodeId
from parley_server.limits import HINT_AGE_S_MAX

SOON_S: Final = 0.001
LOST, DOUBLED, LATE, VERY_LATE = 0.1, 0.1, 0.2, 0.03
"""How often."""


class DisorderedExchange(Exchange):
    """Joins buses as badly as hints allow.

    Attributes:
        calm: nothing is lost, doubled or late.
        cut: nodes that reach nobody, and that nobody reaches.
        lost: hints and answers that never arrived.
    """

    def __init__(self, random: Random) -> None:
        super().__init__()
        self.calm = True
        self.cut: set[NodeId] = set()
        self.lost = 0
        self._random = random

    def up(self, node: NodeId) -> bool:
        return super().up(node) and node not in self.cut

    def carry(self, sender: NodeId, to: NodeId, arrive: Callable[[], None]) -> None:
        there = {sender, to} <= self._joined.keys() - self.cut
        if not there or (not self.calm and self._random.random() < LOST):
            self.lost += 1
            return
        for _ in range(1 if self.calm or self._random.random() >= DOUBLED else 2):
            asyncio.get_running_loop().call_later(SOON_S if self.calm else self._delay_s(), arrive)

    def _delay_s(self) -> float:
        kind = self._random.random()
        if kind < VERY_LATE:
            return self._random.uniform(0.0, 1.5 * HINT_AGE_S_MAX)
        return self._random.uniform(0.0, 0.5 if kind < LATE else 2 * SOON_S)
