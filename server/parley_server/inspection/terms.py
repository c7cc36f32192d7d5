"""Terms of rules, looked for all at once in the normalised text.

A term matches as a word where its script separates words: ``ass`` is not in ``class``. In scripts that are written without spaces, or
that hang particles on a word, it matches anywhere.
"""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from ahocorasick_rs import AhoCorasick

from parley_server.domain.rules import BadRule, Rule
from parley_server.domain.verdict import Finding
from parley_server.inspection.normalise import Normaliser, normalise, origin
from parley_server.ports import Item

NAME: Final = "terms"

_NO_WORDS: Final = (
    # Line-break classes ID, CJ, H2 and H3 (Han, kana, bopomofo, Hangul; UAX #14) and SA: "complex context" scripts of
    # South-East Asia, whose words only a dictionary can tell apart.
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x0F00, 0x0FFF),  # Tibetan: a mark after each syllable, none after a word
    (0x1000, 0x109F),  # Myanmar
    (0x1100, 0x11FF),  # Hangul Jamo
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19DF),  # Tai Le, New Tai Lue
    (0x1A20, 0x1AAF),  # Tai Tham
    (0x1B00, 0x1B7F),  # Balinese
    (0x2E80, 0x2FDF),  # radicals
    (0x3005, 0x3007),
    (0x3021, 0x318F),  # kana, bopomofo, Hangul compatibility
    (0x31A0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xA980, 0xA9DF),  # Javanese
    (0xA9E0, 0xA9FF),
    (0xAA60, 0xAADF),  # Myanmar, Tai Viet
    (0xA960, 0xA97F),
    (0xAC00, 0xD7FF),  # Hangul
    (0xF900, 0xFAFF),
    (0x11700, 0x1174F),  # Ahom
    (0x1AFF0, 0x1B16F),
    (0x20000, 0x3FFFF),
)


class Terms:
    """The check of all rules with terms. Use ``fault`` on each rule first: terms without visible letters cannot be compiled."""

    name = NAME
    local = True

    def __init__(self, rules: Sequence[Rule], read: Normaliser) -> None:
        self.rules = tuple(rule for rule in rules if rule.match.terms)
        self._read = read
        by_term: dict[str, list[int]] = {}
        for n, rule in enumerate(self.rules):
            for term in {normalise(term) for term in rule.match.terms}:
                by_term.setdefault(term, []).append(n)
        self._rules_of = tuple(tuple(of) for of in by_term.values())
        self._edges = tuple((_is_word(term[0]), _is_word(term[-1])) for term in by_term)
        self._automaton = AhoCorasick(by_term, store_patterns=False)

    async def inspect(self, item: Item) -> Sequence[Finding]:
        """Return one finding for each rule that a term of met the text: the first place in it."""
        text = self._read(item.text)
        # Overlapping, since a hit that is no whole word would hide one that begins inside it.
        hits = self._automaton.find_matches_as_indexes(text, overlapping=True)
        if not hits:
            return ()
        places: dict[int, tuple[int, int]] = {}
        for n, first, end in hits:
            left, right = self._edges[n]
            if (left and first and _is_word(text[first - 1])) or (right and end < len(text) and _is_word(text[end])):
                continue
            for rule in self._rules_of[n]:
                if rule not in places and self.rules[rule].covers(item.board, item.field):
                    places[rule] = (first, end)
        if not places:
            return ()
        at = origin(item.text)
        return tuple(
            Finding(self.rules[rule].head, NAME, item.field, at.span(first, end), text[first:end])
            for rule, (first, end) in places.items()
        )


def fault(rule: Rule) -> BadRule | None:
    """Return the first term that reads as nothing."""
    for n, term in enumerate(rule.match.terms):
        if not normalise(term):
            return BadRule(f"match.terms[{n}]", "It has no visible letter.")
    return None


@lru_cache(maxsize=8_192)
def _is_word(letter: str) -> bool:
    """Say whether ``letter`` belongs to a word: a letter, mark or digit of a script that has words."""
    if letter.isascii():
        return letter.isalnum()
    if any(first <= ord(letter) <= last for first, last in _NO_WORDS):
        return False
    return unicodedata.category(letter)[0] in "LMN"
