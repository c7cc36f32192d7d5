"""A run as Markdown with plots beside it.

``bench.py`` writes it. To write it again: ``python loadtest/report.py RESULT.json DIR``.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from harness.figures import RATIO, Figure, Outcome
from harness.judgement import Finding
from harness.result import Result, ScenarioResult
from harness.stats import spread
from harness.svg import Bar, bars, distributions, number

PREFACE: Final = (
    "A figure is the median of its rounds, with the least and the greatest. `x` is a quotient of two subjects, taken within a round. "
    "`!` marks figures for which the harness itself was the limit. What is measured, and when not to believe it: loadtest/README.md."
)


def write_report(result: Result, folder: Path) -> None:
    """Write ``report.md`` and its plots into a folder; plots of an earlier run there are removed."""
    for old in folder.glob("*.svg"):
        old.unlink()
    pictures: dict[str, str] = {}
    text = render(result, pictures)
    for name, picture in pictures.items():
        (folder / name).write_text(picture, encoding="utf-8")
    (folder / "report.md").write_text(text, encoding="utf-8")


def render(result: Result, pictures: dict[str, str]) -> str:
    """Return the report's Markdown.

    Args:
        result: of a run.
        pictures: filled with the plots, by the names of their files.
    """
    failures = [f"{one.name}: {what}" for one in result.scenarios for what in one.failures()]
    lines = [
        f"# Load report, {result.effort}",
        "",
        f"- command: `{result.command}`, {result.took_s:.0f} s",
        f"- machine: {result.machine}",
        f"- baseline: {result.baseline or 'none for this kind of machine'}",
        f"- result: {'**FAILED**' if failures else 'every threshold held'}",
        "",
        PREFACE,
        "",
        *(f"- {failure}" for failure in failures),
        "",
    ]
    for one in result.scenarios:
        lines += _scenario(one, pictures)
    return "\n".join(lines).rstrip() + "\n"


def _scenario(one: ScenarioResult, pictures: dict[str, str]) -> list[str]:
    lines = [f"## {one.name}", "", one.question, "", f"`{one.command}`, {one.took_s:.0f} s", ""]
    if one.failed or one.outcome.skipped:
        return [*lines, f"**{'Failed' if one.failed else 'Skipped'}**: {one.failed or one.outcome.skipped}", ""]
    plain = [figure for figure in one.outcome.figures if figure.unit != RATIO]
    ratios = [figure for figure in one.outcome.figures if figure.unit == RATIO]
    lines += _table(("figure", "of", "value", "unit", "samples"), [_row(figure) for figure in plain])
    if ratios:
        lines += _table(("quotient", "of", "value", "unit", "samples"), [_row(figure) for figure in ratios])
    if one.findings:
        lines += _table(("threshold", "value", "limit", "says"), [_finding(finding) for finding in one.findings])
    lines += [
        f"Receiving end: {one.outcome.swarm_share * 100:.0f} % of a core at most; sending end: {one.outcome.authors_share * 100:.0f} %.",
        *(f"- {note}" for note in one.outcome.notes),
        *(f"- not measured: {name}: {why}" for name, why in one.outcome.absent.items()),
        "",
    ]
    for title, picture in [*_bars(plain), *_curves(one.outcome)]:
        name = f"{one.name}-{_slug(title)}.svg"
        pictures[name] = picture
        lines += [f"![{title}]({name})", ""]
    return lines


def _row(figure: Figure) -> tuple[str, ...]:
    value = spread(figure.rounds, figure.digits) + (" !" if figure.busy else "")
    return figure.name, figure.of, value, figure.unit, f"{figure.samples:,}"


def _finding(finding: Finding) -> tuple[str, ...]:
    value, limit = ("" if each is None else number(each) for each in (finding.value, finding.limit))
    return (
        finding.figure,
        value,
        limit,
        f"**{finding.word}**: {finding.says}" if finding.fails else f"{finding.word}: {finding.says}",
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(header)} |", f"|{' --- |' * len(header)}", *(f"| {' | '.join(row)} |" for row in rows), ""]


def _bars(figures: Sequence[Figure]) -> list[tuple[str, str]]:
    """Draw each figure that several subjects have."""
    drawn = []
    for name in dict.fromkeys(figure.name for figure in figures):
        rows = [figure for figure in figures if figure.name == name]
        if len(rows) > 1 and any(figure.value for figure in rows):
            ordered = sorted(rows, key=lambda figure: figure.value)
            cells = [Bar(figure.of, figure.value, min(figure.rounds), max(figure.rounds)) for figure in ordered]
            drawn.append((name, bars(name, rows[0].unit, cells)))
    return drawn


def _curves(outcome: Outcome) -> list[tuple[str, str]]:
    """Draw each distribution, with one line for each subject."""
    return [
        (f"{name}, distribution", distributions(name, [(one.of, one.points) for one in outcome.curves if one.name == name]))
        for name in dict.fromkeys(one.name for one in outcome.curves)
    ]


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    Path(sys.argv[2]).mkdir(parents=True, exist_ok=True)
    write_report(Result.read(Path(sys.argv[1])), Path(sys.argv[2]))
