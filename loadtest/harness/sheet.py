"""Figures of one run as a table in a terminal: a row for each subject, a column for each figure. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.figures import Figure, Outcome, quotient
from harness.stats import spread


@dataclass(frozen=True, slots=True)
class Column:
    """A column: the figure of this name; with ``beside`` its quotient with that subject's, the row above or ``below`` the line."""

    head: str
    figure: str
    beside: str = ""
    below: bool = False


def sheet(outcome: Outcome, title: str, columns: Sequence[Column]) -> str:
    """Return the table of all subjects that have the first column's figure; a figure that a subject lacks is left blank."""
    subjects = [figure.of for figure in outcome.figures if figure.name == columns[0].figure and "/" not in figure.of]
    rows = [[subject, *(_cell(outcome, column, subject) for column in columns)] for subject in subjects]
    return align([title, *(column.head for column in columns)], rows)


def align(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align rows under a header, the first column to the left."""
    table = [header, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    lines = (
        [cell.rjust(width) if i else cell.ljust(width) for i, (cell, width) in enumerate(zip(row, widths, strict=True))]
        for row in table
    )
    return "\n".join("  ".join(line).rstrip() for line in lines)


def _cell(outcome: Outcome, column: Column, subject: str) -> str:
    own = outcome.find(f"{column.figure}: {subject}")
    if own is None:
        return ""
    if not column.beside:
        return _text(own)
    other = outcome.find(f"{column.figure}: {column.beside}")
    if other is None:
        return ""
    ratio = quotient(column.figure, other, own) if column.below else quotient(column.figure, own, other)
    return f"{ratio.value:.3g}"


def _text(figure: Figure) -> str:
    return spread(figure.rounds, figure.digits) + ("!" if figure.busy else "")
