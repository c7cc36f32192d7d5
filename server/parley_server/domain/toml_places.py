"""Where the values of a TOML document stand, so that a fault can be shown with its line and column.

``tomllib`` keeps no places. This reads the same text once more, after ``tomllib`` has accepted it, and so need not know what is wrong
TOML: only where keys, strings, arrays and tables begin and end (TOML 1.0).
"""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Final

_SPACE: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY: Final = re.compile(r"[A-Za-z0-9_-]+|\"(?:[^\"\\]|\\.)*\"|'[^']*'")
_STRING: Final = re.compile(r'"""(?:[^\\]|\\.)*?"""(?!")|\'\'\'.*?\'\'\'(?!\')|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL)
_PLAIN: Final = re.compile(r"[^,\]}#\n]+")


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a text; both count from 1, the column in code points."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


def place_of(text: str, where: str) -> Place:
    """Return where a key path such as ``match.terms[3]`` stands.

    Args:
        text: a document that ``tomllib`` accepts.
        where: the path; of one that is not there, the nearest part of it that is counts, and of none the beginning.
    """
    starts = _Reader(text).read()
    while where and where not in starts:
        cut = max(where.rfind("."), where.rfind("["))
        where = where[:cut] if cut > 0 else ""
    at = starts.get(where, 0)
    return Place(text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1)


class _Reader:
    """One pass over a document, which notes where each path begins."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._starts: dict[str, int] = {}
        self._lists: Counter[str] = Counter()

    def read(self) -> dict[str, int]:
        """Return the offset of every key and every entry of a list, by path."""
        table = ""
        self._skip()
        while self._at < len(self._text):
            if self._next() == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip()
        return self._starts

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _skip(self) -> None:
        found = _SPACE.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _header(self) -> str:
        """Read ``[a.b]`` or ``[[a.b]]``; returns the path of what follows."""
        begin = self._at
        listed = self._text.startswith("[[", self._at)
        self._at += 2 if listed else 1
        path = self._inside(self._keys())
        self._at = self._text.index("]", self._at) + (2 if listed else 1)
        if listed:
            self._starts.setdefault(path, begin)
            self._lists[path] += 1
            path = f"{path}[{self._lists[path] - 1}]"
        self._starts.setdefault(path, begin)
        return path

    def _inside(self, keys: list[str]) -> str:
        """Return the path of a header: a key that names a list of tables means its last one."""
        path = ""
        for n, key in enumerate(keys):
            path = f"{path}.{key}" if path else key
            if n < len(keys) - 1 and self._lists[path]:
                path = f"{path}[{self._lists[path] - 1}]"
        return path

    def _keys(self) -> list[str]:
        """Read a dotted key."""
        keys: list[str] = []
        while True:
            self._skip()
            found = _KEY.match(self._text, self._at)
            assert found is not None, self._at
            keys.append(found[0].strip("\"'"))
            self._at = found.end()
            self._skip()
            if self._next() != ".":
                return keys
            self._at += 1

    def _pair(self, table: str) -> None:
        begin = self._at
        path = ".".join([table, *self._keys()] if table else self._keys())
        self._starts.setdefault(path, begin)
        self._at = self._text.index("=", self._at) + 1
        self._skip()
        self._value(path)

    def _value(self, path: str) -> None:
        if self._next() == "[":
            self._many("]", path)
        elif self._next() == "{":
            self._many("}", path)
        elif found := _STRING.match(self._text, self._at) or _PLAIN.match(self._text, self._at):
            self._at = found.end()

    def _many(self, end: str, path: str) -> None:
        """Read an array or an inline table."""
        self._at += 1
        self._skip()
        n = 0
        while self._next() != end:
            if end == "]":
                self._starts.setdefault(f"{path}[{n}]", self._at)
                self._value(f"{path}[{n}]")
                n += 1
            else:
                self._pair(path)
            self._skip()
            if self._next() == ",":
                self._at += 1
                self._skip()
        self._at += 1
