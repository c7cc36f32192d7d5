"""How many WebSocket handshakes this process takes, and when those come back that it turns away.

Thousands of clients that were lost at once come back at once. Who is turned away costs one write; who is let in costs a session, a hello
and what it missed, on the thread that serves everybody else. Whoever is turned away is given a turn, so that they do not return together.
"""

import math
from typing import Final

from parley_server.limits import ACCEPTS_BURST, ACCEPTS_PER_S, CONNECTIONS_MAX, RETRY_AFTER_S_MAX, SHUTDOWN_SPREAD_MS

_SHARE: Final = 0.8
"""Part of ``ACCEPTS_PER_S`` that the clients of a server that ends may use on their way back: others come as well."""


class Gate:
    """A token bucket for handshakes, and a queue of turns for those beyond it.

    Attributes:
        refused: handshakes turned away since the start.
    """

    __slots__ = ("_at", "_burst", "_limited", "_per_s", "_tokens", "_turn", "refused")

    def __init__(self, *, limited: bool = True, per_s: int = ACCEPTS_PER_S, burst: int = ACCEPTS_BURST) -> None:
        """Open the gate.

        Args:
            limited: setting ``PARLEY_LIMITS``; the room for connections is bounded either way.
            per_s: handshakes a second, sustained.
            burst: handshakes at once.
        """
        self._limited = limited
        self._per_s = per_s
        self._burst = float(burst)
        self._tokens = self._burst
        self._at = 0.0
        self._turn = 0.0
        self.refused = 0

    def knock(self, now: float, connections: int) -> int | None:
        """Let a handshake in, or turn it away.

        Args:
            now: seconds of the loop's clock.
            connections: open ones.

        Returns:
            ``None`` if it may come in; else the whole seconds after which to try again, 1 to ``RETRY_AFTER_S_MAX``.
        """
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_s)
        self._at = now
        if connections < CONNECTIONS_MAX and (not self._limited or self._tokens >= 1.0):
            self._tokens = max(0.0, self._tokens - 1.0)
            return None
        self.refused += 1
        self._turn = max(self._turn, now) + 1.0 / self._per_s
        if self._turn - now > RETRY_AFTER_S_MAX:
            self._turn = now + 1.0 / self._per_s
        return math.ceil(self._turn - now)


def spread_ms(clients: int) -> int:
    """Return the time over which so many clients come back without being turned away, in milliseconds."""
    return max(SHUTDOWN_SPREAD_MS, math.ceil(clients * 1_000 / (ACCEPTS_PER_S * _SHARE)))
