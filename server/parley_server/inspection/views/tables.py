"""Tables of letters and of ordinary words, read from ``inspection/data/`` when first asked for.

``data/make_tables.py`` makes them, ``data/SOURCES.md`` names where they come from. They hold letters, sounds and hashes of dictionaries;
no term of any rule.
"""

import gzip
from collections.abc import Mapping
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from typing import Final

VERSION: Final = 1
"""Rises with every change of a table: the same text may then read otherwise."""

UNICODE: Final = "15.0"
"""Version of Unicode that the lookalikes (UTS #39) and the sounds (Unihan) are of."""

_DATA: Final = files("parley_server.inspection") / "data"


class Words:
    """A set of words, as a Bloom filter: one word in 300 that is not in it seems to be, always the same ones."""

    __slots__ = ("_bits", "_hashes", "_size")

    def __init__(self, stored: bytes) -> None:
        self._hashes = stored[0]
        self._bits = stored[1:]
        self._size = 8 * len(self._bits)

    def __contains__(self, word: str) -> bool:
        digest = int.from_bytes(blake2b(word.encode(), digest_size=8).digest())
        step = digest >> 32 | 1
        bits, size = self._bits, self._size
        for n in range(self._hashes):
            at = (digest + n * step) % size
            if not bits[at >> 3] >> (at & 7) & 1:
                return False
        return True


@cache
def lookalikes() -> Mapping[str, str]:
    """Return what looks like ASCII letters or digits (small ones), by letter outside ASCII."""
    return _pairs("lookalikes.txt.gz")


@cache
def simplified() -> Mapping[int, str]:
    """Return the simplified letter by the code point of a traditional one, for ``str.translate``."""
    return {ord(old): new for old, new in _pairs("simplified.txt.gz").items()}


@cache
def sounds() -> Mapping[str, tuple[str, ...]]:
    """Return the readings of each Han letter in pinyin without tones (``v`` for ``ü``), the commonest first."""
    found: dict[str, tuple[str, ...]] = {}
    for line in _lines("syllables.txt.gz"):
        syllable, first, letters = line.partition(":")
        if not first:
            syllable, _, letters = line.partition("+")
        for letter in letters:
            found[letter] = (*found.get(letter, ()), syllable)
    return found


@cache
def parts() -> Mapping[str, tuple[str, ...]]:
    """Return the Han letters that components make, in the order in which they are tried, by the two or three of them."""
    common = ordinary_letters()
    found: dict[str, list[str]] = {}
    for line in _lines("parts.txt.gz"):
        letter, _, of = line.partition("=")
        found.setdefault(of, []).append(letter)
    return {of: tuple(sorted(letters, key=lambda letter: letter not in common)) for of, letters in found.items()}


@cache
def english() -> Words:
    """Return the ordinary words of English, names among them, as letters of ASCII: what is one of them is no disguise of another."""
    return Words((_DATA / "english.bloom").read_bytes())


@cache
def chinese() -> Words:
    """Return the ordinary words of Chinese of two to four letters, simplified."""
    return Words((_DATA / "chinese.bloom").read_bytes())


@cache
def ordinary_letters() -> frozenset[str]:
    """Return the thousand commonest letters of Chinese."""
    return frozenset(_lines("common.txt.gz")[0])


def _pairs(name: str) -> dict[str, str]:
    return {line[0]: line[2:] for line in _lines(name)}


def _lines(name: str) -> list[str]:
    return gzip.decompress((_DATA / name).read_bytes()).decode().split("\n")[:-1]
