"""One measured window: what the server, its database, the harness and the whole machine spent in it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from harness import machine

BUSY: Final = 0.9
"""A part of the harness that uses more than this of one core may have slowed the server down, or made it join more."""


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU time used so far, in microseconds: by the server's own processes, and by its embedded database."""

    server_us: float
    database_us: float


@dataclass(frozen=True, slots=True)
class Spent:
    """What a window took. Shares are of one core, ``idle`` and ``steal`` of all cores together."""

    wall_us: float
    server_us: float
    database_us: float
    harness_share: float
    idle_share: float
    steal_share: float

    @property
    def server_share(self) -> float:
        """Share of one core that the server used."""
        return self.server_us / self.wall_us


class Meter:
    """Reads every clock when it is made, and again when it is stopped."""

    def __init__(self, cpu: Callable[[], Cpu]) -> None:
        self._cpu = cpu
        self._cores = machine.core_time()
        self._harness_us = time.process_time_ns() / 1000
        self._start = cpu()
        self._wall_ns = time.monotonic_ns()

    def stop(self) -> Spent:
        """Return what was spent since the meter was made."""
        wall_us = (time.monotonic_ns() - self._wall_ns) / 1000
        end = self._cpu()
        harness_us = time.process_time_ns() / 1000 - self._harness_us
        cores = machine.core_time()
        total_us = max(1, cores.total_us - self._cores.total_us)
        return Spent(
            wall_us,
            end.server_us - self._start.server_us,
            end.database_us - self._start.database_us,
            harness_us / wall_us,
            (cores.idle_us - self._cores.idle_us) / total_us,
            (cores.steal_us - self._cores.steal_us) / total_us,
        )
