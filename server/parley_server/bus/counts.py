"""What a bus did since it started, for metrics."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """Numbers of hints, unless it says otherwise.

    Attributes:
        urgent_dropped: those that found their lane full.
        ordinary_dropped: likewise, and those that waited too long.
        messages: those that Redis took; hints sent per message is how much was joined.
        missed: messages of other nodes that were sent and did not arrive.
        unknown: made by a newer version; left out.
        garbled: messages and hints that nobody can read; left out.
        failed: those that raised while they were taken.
        broken: connections that were lost.
    """

    urgent_sent: int = 0
    ordinary_sent: int = 0
    urgent_received: int = 0
    ordinary_received: int = 0
    urgent_dropped: int = 0
    ordinary_dropped: int = 0
    messages: int = 0
    missed: int = 0
    unknown: int = 0
    garbled: int = 0
    failed: int = 0
    broken: int = 0
