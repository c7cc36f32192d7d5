"""Patterns of rules: regular expressions by RE2, whose time is linear in the text whatever the pattern.

They are read against the normalised text (folded, whitespace as one space), without regard to case.
"""

from collections.abc import Sequence
from typing import Final, Protocol

import re2  # type: ignore[import-untyped]  # google-re2 ships no types; the part used is written down in _Pattern.

from parley_server.domain.bounds import PATTERN_MEMORY_BYTES
from parley_server.domain.rules import BadRule, Rule
from parley_server.domain.verdict import Finding
from parley_server.inspection.normalise import Normaliser, origin
from parley_server.ports import Item

NAME: Final = "patterns"
_GROUP: Final = 50


class _Match(Protocol):
    def span(self) -> tuple[int, int]: ...


class _Pattern(Protocol):
    def search(self, text: str) -> _Match | None: ...


class Patterns:
    """The check of all rules with patterns. Use ``fault`` on each rule first."""

    name = NAME
    local = True

    def __init__(self, rules: Sequence[Rule], read: Normaliser) -> None:
        self.rules = tuple(rule for rule in rules if rule.match.patterns)
        self._read = read
        each = [(rule, pattern) for rule in self.rules for pattern in rule.match.patterns]
        self._groups = tuple(_Group(each[n : n + _GROUP]) for n in range(0, len(each), _GROUP))

    async def inspect(self, item: Item) -> Sequence[Finding]:
        """Return one finding for each rule that a pattern of met the text: the first of its patterns, at its first place."""
        text = self._read(item.text)
        places: dict[int, tuple[Rule, tuple[int, int]]] = {}
        for group in self._groups:
            for rule, pattern in group.candidates(text):
                if id(rule) in places or not rule.covers(item.board, item.field):
                    continue
                match = pattern.search(text)
                if match is not None:
                    places[id(rule)] = (rule, match.span())
        if not places:
            return ()
        at = origin(item.text)
        return tuple(
            Finding(rule.head, NAME, item.field, at.span(first, end), text[first:end]) for rule, (first, end) in places.values()
        )


class _Group:
    """Patterns behind one that matches where any of them does, so that most texts are read once for all of them.

    RE2's own ``Set`` is not used: where its memory runs out while searching it answers "no match" (re2/set.h), and a miss must never
    be an accident. A single expression goes on without its cache instead.
    """

    def __init__(self, each: Sequence[tuple[Rule, str]]) -> None:
        self._each = tuple((rule, _compile(pattern)) for rule, pattern in each)
        try:
            self._any: _Pattern | None = _compile("|".join(f"(?:{pattern})" for _, pattern in each), len(each))
        except re2.error:
            # Two patterns name a group alike: then each is asked.
            self._any = None

    def candidates(self, text: str) -> tuple[tuple[Rule, _Pattern], ...]:
        if self._any is not None and self._any.search(text) is None:
            return ()
        return self._each


def fault(rule: Rule) -> BadRule | None:
    """Return the first pattern that RE2 refuses, or that matches where there is nothing."""
    for n, text in enumerate(rule.match.patterns):
        try:
            pattern = _compile(text)
        except re2.error as error:
            return BadRule(f"match.patterns[{n}]", _says(error))
        if pattern.search("") is not None:
            return BadRule(f"match.patterns[{n}]", "It matches the empty text, so it would match everything.")
    return None


def _compile(pattern: str, count: int = 1) -> _Pattern:
    """Compile with bounded memory.

    Raises:
        re2.error: not in RE2's syntax, or too large.
    """
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = PATTERN_MEMORY_BYTES * count
    compiled: _Pattern = re2.compile(pattern, options)
    return compiled


def _says(error: Exception) -> str:
    """Turn RE2's message, which the binding gives as bytes, into a sentence."""
    says = error.args[0] if error.args else "RE2 refuses it"
    return f"{says.decode(errors='replace') if isinstance(says, bytes) else says}.".capitalize()
