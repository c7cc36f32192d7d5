"""Whether a run is as good as it must be: thresholds against its quotients and against a baseline's. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from harness.figures import RATIO, Outcome
from harness.scenario import Threshold

Word: TypeAlias = Literal["ok", "worse", "not measured"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one threshold.

    Attributes:
        value: the quotient's median; ``None``: it was not measured.
        limit: the least of what the threshold allows; ``None`` where it needs a baseline and there is none.
        says: one sentence.
    """

    figure: str
    word: Word
    value: float | None
    limit: float | None
    says: str

    @property
    def fails(self) -> bool:
        """Whether the run fails of it."""
        return self.word == "worse"


def judge(thresholds: Sequence[Threshold], outcome: Outcome, baseline: Mapping[str, float]) -> list[Finding]:
    """Compare a scenario's quotients with its thresholds.

    Args:
        thresholds: of the scenario.
        outcome: of this run.
        baseline: quotients by key, of an earlier run on such a machine; empty for none.

    Returns:
        One finding for each threshold. A quotient that is missing though both its sides were to be had is ``worse``: a threshold that
        silently applies to nothing guards nothing.
    """
    return [_judge(threshold, outcome, baseline.get(threshold.figure)) for threshold in thresholds]


def _judge(threshold: Threshold, outcome: Outcome, before: float | None) -> Finding:
    figure = outcome.find(threshold.figure)
    if figure is None:
        why = outcome.skipped or next(
            (f"no {name}: {why}" for name, why in outcome.absent.items() if name in re.split(r": |/", threshold.figure)), ""
        )
        if why:
            return Finding(threshold.figure, "not measured", None, None, why)
        return Finding(threshold.figure, "worse", None, None, "the scenario has no such figure")
    if figure.busy:
        return Finding(threshold.figure, "not measured", figure.value, None, "the harness itself was the limit")
    if figure.unit != RATIO:
        return Finding(threshold.figure, "worse", figure.value, None, "a threshold is a ratio, not a time")
    limits = [] if threshold.max is None else [(threshold.max, "")]
    if threshold.drift is not None and before is not None:
        limits.append((threshold.drift * before, f", {threshold.drift:g} x the baseline's {before:.3g}"))
    if not limits:
        return Finding(threshold.figure, "ok", figure.value, None, "no baseline to compare with")
    limit, of = min(limits)
    # Not `value > limit`: what is no number passes nothing.
    if figure.value <= limit:
        return Finding(threshold.figure, "ok", figure.value, limit, f"at most {limit:.3g}{of}")
    return Finding(threshold.figure, "worse", figure.value, limit, f"more than {limit:.3g}{of}")


def quotients(outcome: Outcome) -> dict[str, float]:
    """Return what a baseline keeps of an outcome."""
    return {figure.key: round(figure.value, 4) for figure in outcome.figures if figure.unit == RATIO and not figure.busy}
