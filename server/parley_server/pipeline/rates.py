"""How often somebody may do something: token buckets, one for each who."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from parley_server.limits import BUCKETS_MAX


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_us: int


class Rates:
    """``per_s`` acts a second in the long run, ``burst`` at once."""

    def __init__(self, per_s: float, burst: int) -> None:
        self._per_us = per_s / 1_000_000
        self._burst = burst
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()

    def take(self, who: Hashable, now_us: int) -> int | None:
        """Take one turn.

        Returns:
            ``None`` if ``who`` may act, else the milliseconds after which it may.
        """
        bucket = self._buckets.get(who)
        if bucket is None:
            if len(self._buckets) >= BUCKETS_MAX:
                self._buckets.popitem(last=False)
            bucket = self._buckets[who] = _Bucket(float(self._burst), now_us)
        else:
            self._buckets.move_to_end(who)
            bucket.tokens = min(self._burst, bucket.tokens + max(0, now_us - bucket.at_us) * self._per_us)
            bucket.at_us = now_us
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return None
        return int((1 - bucket.tokens) / self._per_us / 1_000) + 1
