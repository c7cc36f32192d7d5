"""Chat transcripts as entries to post. Pure.

Four shapes: JSON lines (``{author, body, at?}``, or the events that ``parley export`` writes), CSV and TSV with a header, and plain
text with one ``author: text`` (or ``<author> text``) per line. Names of columns and keys are those that are usual.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

Shape: TypeAlias = Literal["jsonl", "csv", "tsv", "text"]

AUTHOR_NAMES: Final = ("author", "user", "username", "name", "nick", "from", "sender")
BODY_NAMES: Final = ("body", "text", "message", "content", "msg", "test_case")
AT_NAMES: Final = ("at", "time", "timestamp", "date", "ts")
SHAPES: Final[dict[str, Shape]] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", ".tab": "tsv"}
"""Shapes by the end of a file's name; any other is plain text."""

_SPOKEN: Final = re.compile(r"(?:<(?P<nick>[^<>]{1,64})>|(?P<author>[^:\s][^:]{0,63}):)\s+(?P<body>.*\S)\s*")


@dataclass(frozen=True, slots=True)
class Entry:
    """One post. ``author``: ``None`` where the transcript names nobody; ``at_s``: seconds since the epoch."""

    author: str | None
    body: str
    at_s: float | None = None


class BadTranscript(Exception):
    """A line that cannot be read; the message names it."""


def entries(lines: Iterable[str], shape: Shape, *, author: str | None = None, body: str | None = None) -> Iterator[Entry]:
    """Read a transcript.

    Args:
        lines: of the file, with their ends.
        shape: how they are written.
        author: name of the author's column or key, where it is none of the usual ones.
        body: name of the body's.

    Raises:
        BadTranscript: a line that cannot be read, or no column that could be the body.
    """
    authors = (author,) if author is not None else AUTHOR_NAMES
    bodies = (body,) if body is not None else BODY_NAMES
    match shape:
        case "text":
            yield from _spoken(lines)
        case "jsonl":
            yield from _json_lines(lines, authors, bodies)
        case "csv" | "tsv":
            yield from _columns(lines, "," if shape == "csv" else "\t", authors, bodies)


def _spoken(lines: Iterable[str]) -> Iterator[Entry]:
    for text in lines:
        if not text.strip():
            continue
        if (said := _SPOKEN.fullmatch(text.strip())) is not None:
            yield Entry((said["nick"] or said["author"]).strip(), said["body"])
        else:
            yield Entry(None, text.strip())


def _json_lines(lines: Iterable[str], authors: tuple[str, ...], bodies: tuple[str, ...]) -> Iterator[Entry]:
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            held = json.loads(text)
        except ValueError as error:
            raise BadTranscript(f"line {number} is no JSON: {error}") from None
        if not isinstance(held, dict):
            raise BadTranscript(f"line {number} is no JSON object")
        if held.get("type", "posted") != "posted":
            # An export holds every kind of event; a transcript is what was said.
            continue
        yield _entry(held, number, authors, bodies, micros="type" in held)


def _columns(lines: Iterable[str], delimiter: str, authors: tuple[str, ...], bodies: tuple[str, ...]) -> Iterator[Entry]:
    rows = csv.DictReader(lines, delimiter=delimiter)
    try:
        if not any(name in (rows.fieldnames or ()) for name in bodies):
            raise BadTranscript(f"no column of {', '.join(rows.fieldnames or ())} is the text; name it with --body-column")
        for row in rows:
            yield _entry(row, rows.line_num, authors, bodies, micros=False)
    except csv.Error as error:
        raise BadTranscript(f"line {rows.line_num}: {error}") from None


def _entry(held: Mapping[str, object], number: int, authors: tuple[str, ...], bodies: tuple[str, ...], *, micros: bool) -> Entry:
    """Make an entry of one record. ``micros``: a number in its time is microseconds, as on the wire."""
    body = _first(held, bodies)
    if not isinstance(body, str) or not body.strip():
        raise BadTranscript(f"line {number} has no text")
    author = _first(held, authors)
    if isinstance(author, Mapping):
        author = author.get("name")
    return Entry(str(author) if author not in (None, "") else None, body, _seconds(_first(held, AT_NAMES), number, micros))


def _first(held: Mapping[str, object], names: tuple[str, ...]) -> object:
    return next((held[name] for name in names if name in held), None)


def _seconds(at: object, number: int, micros: bool) -> float | None:
    if at is None or at == "":
        return None
    if isinstance(at, int | float):
        return at / 1_000_000 if micros else float(at)
    try:
        return float(str(at))
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(str(at))
    except ValueError:
        raise BadTranscript(f"line {number}: {at!r} is no time") from None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def handle_of(author: str) -> str:
    """Make a handle of an author's name: lower-case letters, digits and hyphens of ASCII, 3 to 32; others spelled by number."""
    kept = "".join(
        char if char.isascii() and char.isalnum() else "-" if char.isascii() else f"u{ord(char):x}" for char in author.lower()
    )
    handle = re.sub("-+", "-", kept).strip("-")[:32].strip("-")
    return handle if len(handle) >= 3 else f"{handle or 'x'}-author"


def due_s(first_at_s: float | None, at_s: float | None, index: int, *, rate: float | None, speed: float | None) -> float:
    """Say when an entry is due, in seconds after the start.

    ``speed`` × the transcript's own pace where both times are known, else ``rate`` entries per second, else at once.
    """
    if speed and first_at_s is not None and at_s is not None:
        return max(0.0, (at_s - first_at_s) / speed)
    return index / rate if rate else 0.0
