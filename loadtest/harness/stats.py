"""Figures from samples: medians, percentiles, histograms. Pure."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


def percentile(values: Iterable[float], percent: float) -> float:
    """Return the least of ``values`` that ``percent`` of them do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def spread(values: Sequence[float], digits: int) -> str:
    """Return ``median (least–most)``; the median alone where there is one value."""
    median = f"{statistics.median(values):,.{digits}f}"
    return median if len(values) == 1 else f"{median} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"


@dataclass(frozen=True, slots=True)
class Histogram:
    """Durations in microseconds, as counts of buckets.

    Attributes:
        buckets: the least value of each bucket that is not empty, rising, with how many values it has. A bucket is 1.6 % wide.
        max_us: the greatest value itself.
    """

    buckets: tuple[tuple[int, int], ...] = ()
    max_us: int = 0

    @property
    def n(self) -> int:
        """How many values there are."""
        return sum(count for _, count in self.buckets)

    def percentile_ms(self, percent: float) -> float:
        """Return the least value of the bucket that holds the ``percent``-th percentile (nearest rank), in milliseconds.

        Raises:
            ValueError: there are no values.
        """
        rank, seen = max(1, math.ceil(self.n * percent / 100)), 0
        for least, count in self.buckets:
            seen += count
            if seen >= rank:
                return least / 1000
        raise ValueError("a histogram without values has no percentile")

    def cumulated(self) -> list[tuple[float, float]]:
        """Return points (milliseconds, share of the values that are not above) of the distribution, for a plot."""
        seen, points = 0, []
        for least, count in self.buckets:
            seen += count
            points.append((least / 1000, seen / self.n))
        return points

    @classmethod
    def merged(cls, parts: Iterable["Histogram"]) -> "Histogram":
        """Return one histogram of all values."""
        counts: dict[int, int] = {}
        most = 0
        for part in parts:
            most = max(most, part.max_us)
            for least, count in part.buckets:
                counts[least] = counts.get(least, 0) + count
        return cls(tuple(sorted(counts.items())), most)


def parse_histogram(words: Iterable[str]) -> Histogram:
    """Read what ``native/swarm.c`` prints after ``histogram``: ``n=N max=M LEAST:COUNT ...``."""
    buckets, most = [], 0
    for word in words:
        name, _, value = word.partition("=")
        if name == "max":
            most = int(value)
        elif not value:
            least, _, count = word.partition(":")
            buckets.append((int(least), int(count)))
    return Histogram(tuple(buckets), most)
