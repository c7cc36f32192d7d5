"""Time and randomness of the running server, handed to whoever needs them; tests hand in their own."""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from parley_protocol.ids import RANDOM_BYTES, uuid7


def _now_us() -> int:
    return time.time_ns() // 1_000


def awake_s() -> float:
    """Return seconds of a clock that is never set and goes on while the machine sleeps, where it has one (Linux)."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


@dataclass(frozen=True, slots=True)
class World:
    """Where time and new ids come from.

    Attributes:
        now_us: microseconds since the epoch.
        random: that many random bytes.
    """

    now_us: Callable[[], int] = _now_us
    random: Callable[[int], bytes] = os.urandom

    def new_id(self) -> str:
        """Make an id that sorts by time."""
        return uuid7(self.now_us(), self.random(RANDOM_BYTES))
