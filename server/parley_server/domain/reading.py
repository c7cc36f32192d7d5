"""Reading values out of a document, with the place of each fault.

Each reader takes a value and where it stands (``match.terms[3]``), and returns what it means or raises ``Bad``.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, TypeVar

from parley_protocol.ids import is_slug

Map = Mapping[str, object]
T = TypeVar("T")
N = TypeVar("N", bound=StrEnum)

_DURATION: Final = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class Bad(Exception):
    """A fault of a document. ``where``: the key, from the outside in."""

    def __init__(self, where: str, says: str) -> None:
        super().__init__(says)
        self.where = where
        self.says = says


def table(value: object, where: str, *, required: tuple[str, ...], optional: tuple[str, ...]) -> Map:
    """Read a map whose keys are all known; ``where`` is empty for the document itself."""
    if not isinstance(value, Mapping):
        raise Bad(where, "It is not a table.")
    inside = f"{where}." if where else ""
    for key in value:
        if not isinstance(key, str) or key not in required + optional:
            raise Bad(f"{inside}{str(key)[:64]}", f"There is no such key; known are {', '.join(required + optional)}.")
    for key in required:
        if key not in value:
            raise Bad(f"{inside}{key}", "It is missing.")
    return value


def many(value: object, where: str, count_max: int, read: Callable[[object, str], T]) -> tuple[T, ...]:
    """Read a list; entries that stand twice are folded into one, in the order of their first."""
    if not isinstance(value, list | tuple):
        raise Bad(where, "It is not a list.")
    if len(value) > count_max:
        raise Bad(where, f"It has {len(value)} entries of at most {count_max}.")
    return tuple(dict.fromkeys(read(entry, f"{where}[{n}]") for n, entry in enumerate(value)))


def texts(value: object, where: str, count_max: int, bytes_max: int) -> tuple[str, ...]:
    """Read a list of texts."""
    return many(value, where, count_max, lambda entry, at: text(entry, at, bytes_max))


def some(entries: tuple[T, ...], where: str) -> tuple[T, ...]:
    """Refuse an empty list."""
    if not entries:
        raise Bad(where, "It is empty.")
    return entries


def text(value: object, where: str, bytes_max: int) -> str:
    """Read a text that says something."""
    if not isinstance(value, str):
        raise Bad(where, "It is not a string.")
    if not value.strip():
        raise Bad(where, "It is empty.")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise Bad(where, "It holds a lone surrogate.") from None
    if size > bytes_max:
        raise Bad(where, f"It has {size} bytes of at most {bytes_max}.")
    return value


def slug(value: object, where: str) -> str:
    """Read an id."""
    if not isinstance(value, str) or not is_slug(value):
        raise Bad(where, "It is not 1 to 64 of a-z, 0-9 and inner hyphens.")
    return value


def whole(value: object, where: str, least: int, most: int) -> int:
    """Read a whole number; ``true`` is none."""
    if type(value) is not int or not least <= value <= most:
        raise Bad(where, f"It is not a whole number from {least} to {most}.")
    return value


def one_of(kind: type[N], value: object, where: str) -> N:
    """Read one name of several."""
    for name in kind:
        if value == name.value:
            return name
    raise Bad(where, f"It is none of {', '.join(kind)}.")


def duration(value: object, where: str) -> int:
    """Read a time as people write it, ``90s``, ``30m``, ``12h`` or ``7d``; returns seconds."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise Bad(where, "It is no time: write a number and s, m, h or d, such as 12h.")
    return int(found[1]) * _SECONDS[found[2]]


def moment(value: object, where: str) -> int:
    """Read a date with time and offset (RFC 3339); returns microseconds since the epoch."""
    try:
        read = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        read = None
    if read is None or read.tzinfo is None:
        raise Bad(where, "It is no moment: write it such as 2027-01-31T12:00:00Z.")
    return int(read.astimezone(UTC).timestamp()) * 1_000_000
