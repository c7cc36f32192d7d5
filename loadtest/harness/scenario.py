"""A scenario's file: what it asks, its sizes for a quick and for a full run, and the thresholds of its quotients. Pure but for reading.

::

    question = "What does a delivery cost?"
    kind = "fanout"                  # the module in loadtest/scenarios/ that runs it

    [quick]                          # the fields of that module's Size
    readers = 1000

    [full]                           # over those of quick
    readers = 5000

    [[threshold]]
    figure = "CPU per delivery, one at a time: parley/floor"
    max = 3.0                        # at most this
    drift = 1.5                      # and at most this many times what the baseline of this kind of machine says
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

Effort: TypeAlias = Literal["quick", "full"]
FOLDER: Final = Path(__file__).resolve().parent.parent / "scenarios"


class BadScenario(Exception):
    """A scenario's file cannot be used; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """What a quotient may be at most: outright, and as a multiple of the baseline's. ``None``: not asked."""

    figure: str
    max: float | None = None
    drift: float | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """One file. ``full`` holds what differs from ``quick``."""

    name: str
    question: str
    kind: str
    quick: Mapping[str, Any]
    full: Mapping[str, Any]
    thresholds: tuple[Threshold, ...]

    def sizes(self, effort: Effort) -> dict[str, Any]:
        """Return the fields of the kind's Size."""
        return {**self.quick} if effort == "quick" else {**self.quick, **self.full}


def load_all(folder: Path = FOLDER) -> list[Scenario]:
    """Read every file of a folder, in the order of their names."""
    return [parse(path.stem, path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.toml"))]


def parse(name: str, text: str) -> Scenario:
    """Read one file.

    Raises:
        BadScenario: it is no TOML, a key is missing or unknown, or a threshold asks nothing.
    """
    try:
        held = tomllib.loads(text)
        thresholds = tuple(Threshold(**entry) for entry in held.pop("threshold", []))
        scenario = Scenario(name, full=held.pop("full", {}), thresholds=thresholds, **held)
    except (tomllib.TOMLDecodeError, TypeError) as error:
        raise BadScenario(f"{name}: {error}") from None
    for threshold in thresholds:
        if threshold.max is None and threshold.drift is None:
            raise BadScenario(f"{name}: the threshold of {threshold.figure!r} asks nothing")
        if "/" not in threshold.figure.rpartition(": ")[2]:
            raise BadScenario(f"{name}: {threshold.figure!r} is no quotient; a threshold is a ratio, not a time")
    return scenario
