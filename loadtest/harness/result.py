"""What a whole run found, and its file."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.figures import Curve, Figure, Outcome
from harness.judgement import Finding
from harness.machine import Machine
from harness.scenario import Effort


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """One scenario of a run. ``command`` makes its figures again; ``failed``: why there are none."""

    name: str
    question: str
    command: str
    sizes: dict[str, Any]
    took_s: float
    outcome: Outcome
    findings: list[Finding]
    failed: str = ""

    def failures(self) -> list[str]:
        """Return everything that the run fails of."""
        worse = [f"{one.figure}: {_number(one.value)}, {one.says}" for one in self.findings if one.fails]
        return [*([self.failed] if self.failed else []), *(f"broken: {one}" for one in self.outcome.broken), *worse]


@dataclass(frozen=True, slots=True)
class Result:
    """A run. ``baseline``: the file that it was compared with; empty for none."""

    command: str
    effort: Effort
    machine: Machine
    took_s: float
    baseline: str
    scenarios: list[ScenarioResult]

    def write(self, path: Path) -> None:
        """Write everything, each figure as a row that stands by itself."""
        document = asdict(self)
        document["rows"] = [
            {
                "scenario": one.name,
                "figure": figure.key,
                "value": figure.value,
                "unit": figure.unit,
                "min": min(figure.rounds),
                "max": max(figure.rounds),
                "rounds": len(figure.rounds),
                "samples": figure.samples,
                "busy": figure.busy,
                "swarm_percent": round(one.outcome.swarm_share * 100, 1),
                "command": one.command,
                "machine": str(self.machine),
            }
            for one in self.scenarios
            for figure in one.outcome.figures
        ]
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "Result":
        """Read what ``write`` wrote."""
        held = json.loads(path.read_text(encoding="utf-8"))
        scenarios = [
            ScenarioResult(
                **{key: value for key, value in one.items() if key not in {"outcome", "findings"}},
                outcome=_outcome(one["outcome"]),
                findings=[Finding(**finding) for finding in one["findings"]],
            )
            for one in held["scenarios"]
        ]
        return cls(held["command"], held["effort"], Machine(**held["machine"]), held["took_s"], held["baseline"], scenarios)


def _outcome(held: dict[str, Any]) -> Outcome:
    figures = [Figure(**(figure | {"rounds": tuple(figure["rounds"])})) for figure in held["figures"]]
    curves = [Curve(one["name"], one["of"], tuple((ms, share) for ms, share in one["points"])) for one in held["curves"]]
    return Outcome(**(held | {"figures": figures, "curves": curves}))


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3g}"
