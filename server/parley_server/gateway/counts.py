"""What the hub and its parts did since the start."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """Read by metrics."""

    deliveries: int = 0
    writes: int = 0
    lagged: int = 0
    resets: int = 0
    slow_cuts: int = 0
    healed: int = 0
    suppressed: int = 0
    told: int = 0
    stragglers: int = 0
    store_reads: int = 0
