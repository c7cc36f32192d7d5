"""Two kinds of plot as SVG text: bars with their spread, and distributions over a logarithmic axis. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

COLOURS: Final = ("#1f6f8b", "#d1495b", "#66a182", "#8d6a9f", "#edae49", "#5c5c5c", "#2e4057", "#b0713c")
"""Told apart in print and by most people who do not see all colours; the first is Parley's."""
WIDTH: Final = 760
LEFT: Final = 200
RIGHT: Final = 110
TOP: Final = 44
ROW: Final = 26
PLOT_HEIGHT: Final = 260
SIGNIFICANT: Final = 3


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its length, and the least and the greatest of what its length is the median of."""

    label: str
    value: float
    least: float
    most: float


def bars(title: str, unit: str, rows: Sequence[Bar]) -> str:
    """Draw horizontal bars from 0, in the order given, with a line from the least to the greatest value."""
    height = TOP + ROW * len(rows) + 16
    scale = (WIDTH - LEFT - RIGHT) / (max(row.most for row in rows) or 1.0)
    parts = [_text(12, 22, f"{title} ({unit})", weight="bold")]
    for i, row in enumerate(rows):
        y, colour = TOP + ROW * i, COLOURS[0] if row.label.startswith("parley") else COLOURS[5]
        parts += [
            _text(LEFT - 8, y + 15, row.label, anchor="end"),
            f'<rect x="{LEFT}" y="{y + 3}" width="{max(1.0, row.value * scale):.1f}" height="{ROW - 10}" fill="{colour}"/>',
        ]
        if row.most > row.least:
            first, last, middle = LEFT + row.least * scale, LEFT + row.most * scale, y + 3 + (ROW - 10) / 2
            parts.append(f'<path d="M{first:.1f} {middle}H{last:.1f}" stroke="#111" stroke-width="1.5"/>')
        parts.append(_text(LEFT + row.most * scale + 6, y + 15, number(row.value)))
    return _page(height, parts)


def distributions(title: str, series: Sequence[tuple[str, Sequence[tuple[float, float]]]]) -> str:
    """Draw the share of values (0 to 1) that are not above so many milliseconds, for each of some subjects.

    Args:
        title: above the plot.
        series: a name each, with points (milliseconds, share), both rising.
    """
    xs = [ms for _, points in series for ms, _ in points if ms > 0] or [1.0]
    first, last = math.floor(math.log10(min(xs))), math.ceil(math.log10(max(xs)))
    last = max(last, first + 1)
    bottom, left = TOP + PLOT_HEIGHT, 60

    def x(ms: float) -> float:
        share = (math.log10(max(ms, 10.0**first)) - first) / (last - first)
        return left + share * (WIDTH - left - 24)

    def y(share: float) -> float:
        return bottom - share * PLOT_HEIGHT

    parts = [_text(12, 22, title, weight="bold"), _text(WIDTH - 24, bottom + 34, "milliseconds", anchor="end")]
    for exponent in range(first, last + 1):
        for digit in (1, 2, 5):
            ms = digit * 10.0**exponent
            if x(ms) > WIDTH - 20:
                continue
            parts.append(f'<path d="M{x(ms):.1f} {TOP}V{bottom}" stroke="#ddd"/>')
            parts.append(_text(x(ms), bottom + 16, number(ms), anchor="middle"))
    for share in (0.0, 0.25, 0.5, 0.75, 0.99):
        parts.append(f'<path d="M{left} {y(share):.1f}H{WIDTH - 24}" stroke="{"#bbb" if share == 0.99 else "#ddd"}"/>')
        parts.append(_text(left - 6, y(share) + 4, f"{share * 100:.0f} %", anchor="end"))
    for i, (name, points) in enumerate(series):
        colour = COLOURS[i % len(COLOURS)]
        steps = f"M{x(points[0][0]):.1f} {y(0):.1f}" + "".join(f"H{x(ms):.1f}V{y(share):.1f}" for ms, share in points)
        parts.append(f'<path d="{steps}" fill="none" stroke="{colour}" stroke-width="2"/>')
        legend = bottom + 52 + 18 * i
        parts.append(f'<path d="M{left} {legend - 4}h24" stroke="{colour}" stroke-width="3"/>')
        parts.append(_text(left + 32, legend, name))
    return _page(bottom + 60 + 18 * len(series), parts)


def number(value: float) -> str:
    """Write a number with three significant digits, without an exponent."""
    if value == 0:
        return "0"
    digits = max(0, SIGNIFICANT - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}">{escape(text)}</text>'


def _page(height: float, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" viewBox="0 0 {WIDTH} {height:.0f}"'
    style = ' font-family="system-ui, sans-serif" font-size="12" fill="#111">'
    return "\n".join([head + style, '<rect width="100%" height="100%" fill="#fff"/>', *parts, "</svg>"]) + "\n"
