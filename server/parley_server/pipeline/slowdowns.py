"""Authors whom a rule made wait between their posts on a board, for a while. Counted by this process alone."""

from collections import OrderedDict
from dataclasses import dataclass

from parley_protocol.ids import AccountId, BoardId
from parley_server.limits import SLOW_FOR_S, SLOWED_MAX


@dataclass(slots=True)
class _Slow:
    wait_us: int
    until_us: int
    posted_us: int


class SlowDowns:
    """Who waits how long, at most ``SLOWED_MAX`` of them."""

    def __init__(self) -> None:
        self._slow: OrderedDict[tuple[AccountId, BoardId], _Slow] = OrderedDict()

    def impose(self, account: AccountId, board: BoardId, wait_s: int, now_us: int) -> None:
        """Make an author wait ``wait_s`` between two posts, for ``SLOW_FOR_S`` from now on."""
        if (account, board) not in self._slow and len(self._slow) >= SLOWED_MAX:
            self._slow.popitem(last=False)
        self._slow[account, board] = _Slow(wait_s * 1_000_000, now_us + SLOW_FOR_S * 1_000_000, now_us)

    def wait_ms(self, account: AccountId, board: BoardId, now_us: int) -> int | None:
        """Return how long an author must still wait, ``None`` if it may post now; a post that may be is counted as made."""
        slow = self._slow.get((account, board))
        if slow is None:
            return None
        if now_us >= slow.until_us:
            del self._slow[account, board]
            return None
        left_us = slow.posted_us + slow.wait_us - now_us
        if left_us > 0:
            return left_us // 1_000 + 1
        slow.posted_us = now_us
        return None
