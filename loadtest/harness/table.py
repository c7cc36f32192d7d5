"""Figures to text: medians, spread, percentiles, aligned columns; and the JSON file of a run."""

import json
import math
import shlex
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from harness.machine import this_machine


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Return ``median (least–most)``; the median alone where there is one value."""
    median = f"{statistics.median(values):.{digits}f}"
    return median if len(values) == 1 else f"{median} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the least value that ``percent`` of ``values`` do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align rows under a header: the first two columns left, the rest right."""
    table = [header, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in table
    )


def report(title: str, body: str, notes: Sequence[str] = ()) -> str:
    """Return a whole result: title, table, notes, and the command and machine that made it."""
    lines = [title, "", body, "", *notes, f"command: {shlex.join(sys.argv)}", f"machine: {this_machine()}"]
    return "\n".join(lines)


def write_json(path: Path, result: Mapping[str, object]) -> None:
    """Write a run's figures, every round of it, with the command and the machine."""
    document = {"command": shlex.join(sys.argv), "machine": asdict(this_machine()), **result}
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
