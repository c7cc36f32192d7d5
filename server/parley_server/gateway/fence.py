"""Whether this node may still speak (decision 0022).

Other nodes wait for this one before they acknowledge that something is gone, for as long as its lease runs. After that they do not, so
after that nothing may leave here: it may be what they said is gone.
"""

from collections.abc import Callable
from math import inf

from parley_server.clock import awake_s


class Fence:
    """The right to speak, until a moment of this machine's own clock. One process alone needs none to renew: it holds for ever."""

    __slots__ = ("_clock", "_until")

    def __init__(self, clock: Callable[[], float] = awake_s) -> None:
        """``clock``: seconds that go on while the process is stopped and while the machine sleeps."""
        self._clock = clock
        self._until = inf

    def now(self) -> float:
        """Return the clock's time, in seconds."""
        return self._clock()

    def holds(self) -> bool:
        """Say whether anything may leave now; to be asked before each write. Once it does not, only ``raise_until`` makes it."""
        if self._clock() < self._until:
            return True
        self._until = -inf
        return False

    def extend(self, until: float) -> None:
        """Hold for longer, if it still holds."""
        if self.holds():
            self._until = until

    def fall(self) -> None:
        """Let nothing leave from now on."""
        self._until = -inf

    def raise_until(self, until: float) -> None:
        """Hold again: everything that this node keeps in memory was read anew."""
        self._until = until
