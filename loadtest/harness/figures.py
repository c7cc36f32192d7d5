"""What a scenario found: figures with all their rounds, curves, and what a reader of them must know. Pure."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

Unit: TypeAlias = Literal["us", "ms", "KiB", "MiB", "per s", "%", "count", "B", "x"]
RATIO: Final = "x"
"""The unit of a quotient of two figures of the same run: the only kind that a threshold may be set for."""


BEYOND: Final = 1e9
"""What something divided by nothing counts as: JSON has no infinity, and every threshold is below it."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of one subject.

    Attributes:
        name: what was measured.
        of: whose figure it is; of a quotient, ``parley/floor``.
        rounds: one value for each round, in their order.
        samples: how many measurements all rounds together stand on: deliveries, posts, connections.
        busy: whether the harness may have been the limit (more than ``meter.BUSY`` of a core): not to be believed.
    """

    name: str
    of: str
    unit: Unit
    rounds: tuple[float, ...]
    samples: int
    busy: bool = False

    @property
    def value(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.rounds)

    @property
    def digits(self) -> int:
        """How many digits behind the point say something."""
        greatest = max(abs(value) for value in self.rounds)
        return 0 if greatest >= 1000 or all(value == int(value) for value in self.rounds) else 1 if greatest >= 30 else 2

    @property
    def key(self) -> str:
        """How a threshold and a baseline name it."""
        return f"{self.name}: {self.of}"


def quotient(name: str, above: Figure, below: Figure) -> Figure:
    """Divide two figures round by round, so that a slow minute of the machine is on both sides; 0 by 0 is 0."""
    rounds = tuple(a / b if b else (0.0 if a == 0 else BEYOND) for a, b in zip(above.rounds, below.rounds, strict=True))
    of = f"{above.of}/{below.of}"
    return Figure(name, of, RATIO, rounds, min(above.samples, below.samples), above.busy or below.busy)


@dataclass(frozen=True, slots=True)
class Curve:
    """A distribution for a plot: points (milliseconds, share of values that are not above)."""

    name: str
    of: str
    points: tuple[tuple[float, float], ...]


@dataclass(slots=True)
class Outcome:
    """Everything that one scenario found.

    Attributes:
        swarm_share: greatest use of one core by the receiving end in any window.
        authors_share: the same of the sending end, which runs in the harness itself.
        absent: subjects that could not be measured, each with the reason.
        skipped: why nothing at all was measured; empty if something was.
        broken: what was not as it must be, whatever the speed: a post lost, a body after its retraction. Each fails the run.
    """

    figures: list[Figure] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    swarm_share: float = 0.0
    authors_share: float = 0.0
    skipped: str = ""

    def find(self, key: str) -> Figure | None:
        """Return the figure of this key."""
        return next((figure for figure in self.figures if figure.key == key), None)

    def add(self, name: str, of: str, unit: Unit, rounds: Sequence[float], samples: int, *, busy: bool = False) -> Figure:
        """Note a figure and return it."""
        figure = Figure(name, of, unit, tuple(rounds), samples, busy)
        self.figures.append(figure)
        return figure

    def divide(self, name: str, above: Figure, below: Figure) -> None:
        """Note a quotient."""
        self.figures.append(quotient(name, above, below))

    def compare(self, name: str, of: str, beside: str) -> None:
        """Note the quotient of two subjects' figures of one name; nothing where one of them was not measured."""
        above, below = self.find(f"{name}: {of}"), self.find(f"{name}: {beside}")
        if above is not None and below is not None:
            self.divide(name, above, below)
