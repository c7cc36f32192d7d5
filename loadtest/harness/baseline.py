"""Quotients of earlier runs, a file for each kind of machine: what drift is told from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.judgement import quotients
from harness.scenario import Effort

if TYPE_CHECKING:
    from harness.result import Result


@dataclass(frozen=True, slots=True)
class Baseline:
    """One file, as far as it is of one effort: sizes differ, so quick and full runs are compared with their like."""

    path: Path
    effort: Effort
    held: Mapping[str, Any]

    @classmethod
    def load(cls, folder: Path, kind: str, effort: Effort) -> "Baseline":
        """Read the file of a kind of machine; there may be none."""
        path = folder / f"{kind}.json"
        return cls(path, effort, json.loads(path.read_text(encoding="utf-8")) if path.exists() else {})

    @property
    def name(self) -> str:
        """The file's name; empty where it says nothing of this effort."""
        return self.path.name if self.effort in self.held else ""

    def quotients(self, scenario: str) -> dict[str, float]:
        """Return what it says of a scenario, by the figures' keys."""
        said: dict[str, float] = self.held.get(self.effort, {}).get("quotients", {}).get(scenario, {})
        return said

    def update(self, result: "Result") -> Path:
        """Write a run's quotients over those of the same scenarios, and keep the others; returns the file."""
        before = self.held.get(self.effort, {}).get("quotients", {})
        fresh = {one.name: quotients(one.outcome) for one in result.scenarios if not one.failed and not one.outcome.skipped}
        said = {"command": result.command, "machine": str(result.machine), "quotients": dict(sorted({**before, **fresh}.items()))}
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_text(json.dumps({**self.held, self.effort: said}, indent=1) + "\n", encoding="utf-8")
        return self.path
