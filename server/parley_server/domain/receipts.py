"""What a retraction's receipt says: how its notice reached the readers of one node."""

from collections.abc import Sequence
from dataclasses import dataclass

from parley_protocol.ids import TakedownId


@dataclass(frozen=True, slots=True)
class Spread:
    """Times in microseconds, from acceptance on."""

    p50_us: int
    p99_us: int
    max_us: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """How one node told its readers of a retraction. Posts that were hidden together have the same figures.

    Attributes:
        accepted_at_us: when the node took the retraction: from then on nothing that it handed over held the text.
        given: readers of the board whose place was at the post or past it: they were handed the text, or may have read it as history.
        told: connections that the notice was handed to.
        reset: connections cut because the text may have been among bytes that had not left, or was not acknowledged in time.
        acknowledged: of those told, how many peers' kernels acknowledged the notice before the deadline; each time is that of the sample
            which saw it, so at most one step of the schedule too long.
        stragglers: of those told and given, how many did not, and were cut. The rest of those told ended by themselves, or were behind the
            post and never had its text.
    """

    takedown: TakedownId
    accepted_at_us: int
    given: int
    told: int
    reset: int
    acknowledged: int
    stragglers: int
    deadline_us: int
    spread: Spread | None


def spread_of(took_us: Sequence[int]) -> Spread | None:
    """Return the median, the 99th percentile (nearest rank) and the greatest of times; ``None`` of none."""
    if not took_us:
        return None
    ordered = sorted(took_us)

    def rank(percent: int) -> int:
        return ordered[max(0, -(-percent * len(ordered) // 100) - 1)]

    return Spread(rank(50), rank(99), ordered[-1])
