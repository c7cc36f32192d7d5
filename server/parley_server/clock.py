"""Time and randomness of the running server, handed to whoever needs them; tests hand in their own."""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from parley_protocol.ids import RANDOM_BYTES, uuid7

_PIECES: Final = 256
_pieces: list[bytes] = []


def _now_us() -> int:
    return time.time_ns() // 1_000


def awake_s() -> float:
    """Return seconds of a clock that is never set and goes on while the machine sleeps, where it has one (Linux)."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def _random(size: int) -> bytes:
    """Return random bytes; those of ids come from a store that asks the kernel once for ``_PIECES`` of them."""
    if size != RANDOM_BYTES:
        return os.urandom(size)
    while True:
        try:
            # One step, so that no two threads get the same piece.
            return _pieces.pop()
        except IndexError:
            block = os.urandom(_PIECES * size)
            _pieces.extend(block[first : first + size] for first in range(0, len(block), size))


@dataclass(frozen=True, slots=True)
class World:
    """Where time and new ids come from.

    Attributes:
        now_us: microseconds since the epoch.
        random: that many random bytes.
    """

    now_us: Callable[[], int] = _now_us
    random: Callable[[int], bytes] = _random

    def new_id(self) -> str:
        """Make an id that sorts by time."""
        return uuid7(self.now_us(), self.random(RANDOM_BYTES))
