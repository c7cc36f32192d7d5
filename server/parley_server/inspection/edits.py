"""Words that are one slip away from a term: two neighbouring letters swapped, or one left out.

All terms are asked at once. A word is known by the sum of its letters' hashes, which does not hang on their order: a swap keeps the sum, and
a deletion takes one letter's hash from it. So each term is stored under its own sum and that without each of its letters, a word is
looked up once, and what comes up is compared letter by letter. 8 bytes an entry: 100,000 terms of eight letters take 7 MB.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from enum import Enum
from hashlib import blake2b
from typing import Final

LETTERS_MIN: Final = 4
"""Least letters of a term. ``gay`` without a letter is ``ga``, ``gy`` or ``ay``, which may be anything."""

_BUCKETS: Final = 256  # a sort holds the interpreter's lock: 2 ms for each of these at 100,000 terms, half a second for all at once
_TERM_BITS: Final = 24
_KEY_BITS: Final = 48
_KEY_MASK: Final = (1 << 39) - 1
_LETTERS_MAX: Final = 4_096


class Slip(Enum):
    """What happened to a term's letters."""

    SWAP = "swap"
    DELETION = "deletion"


class Edits:
    """Which of ``terms`` a word may be a slip of. Terms are letters, words of them parted by one space."""

    __slots__ = ("_hashes", "_letters", "_terms", "words")

    def __init__(self, terms: Iterable[tuple[int, str]]) -> None:
        self._terms = tuple((n, term) for n, term in terms if sum(map(len, term.split(" "))) >= LETTERS_MIN)
        assert len(self._terms) < 1 << _TERM_BITS, "domain/bounds.py allows fewer"
        buckets: list[list[int]] = [[] for _ in range(_BUCKETS)]
        hashes = self._letters = _Letters()
        for at, (_, term) in enumerate(self._terms):
            whole = sum(map(hashes.__getitem__, term))
            for key in {whole, *(whole - hashes[letter] for letter in term if letter != " ")}:
                buckets[key & (_BUCKETS - 1)].append((key >> 8 & _KEY_MASK) << _TERM_BITS | at)
        for bucket in buckets:
            bucket.sort()
        self._hashes = tuple(array("Q", bucket) for bucket in buckets)
        self.words = tuple(sorted({term.count(" ") + 1 for _, term in self._terms}))

    def __len__(self) -> int:
        return len(self._terms)

    def find(self, word: str) -> Iterator[tuple[int, str, Slip]]:
        """Return number and letters of each term that ``word`` is one slip away from, in the order of terms."""
        hashes = self._letters
        key = sum([hashes[letter] for letter in word])
        bucket = self._hashes[key & (_BUCKETS - 1)]
        wanted = key >> 8 & _KEY_MASK
        at = bisect_left(bucket, wanted << _TERM_BITS)
        while at < len(bucket) and bucket[at] >> _TERM_BITS == wanted:
            n, term = self._terms[bucket[at] & (1 << _TERM_BITS) - 1]
            if len(term) == len(word) + 1:
                if is_deletion(term, word):
                    yield n, term, Slip.DELETION
            elif len(term) == len(word) and is_swap(term, word):
                yield n, term, Slip.SWAP
            at += 1


def is_swap(term: str, word: str) -> bool:
    """Say whether exactly two neighbouring letters of ``term`` changed places."""
    differ = [n for n, (a, b) in enumerate(zip(term, word, strict=True)) if a != b]
    if len(differ) != 2 or differ[1] != differ[0] + 1:
        return False
    first, second = differ
    return term[first] == word[second] and term[second] == word[first] and " " not in (term[first], term[second])


def is_deletion(term: str, word: str) -> bool:
    """Say whether ``word`` is ``term`` without one letter."""
    at = deleted_at(term, word)
    return term[at] != " " and term[:at] + term[at + 1 :] == word


def deleted_at(term: str, word: str) -> int:
    """Return the place of the letter that is missing; of two same neighbours, the second."""
    return next((n for n, (a, b) in enumerate(zip(term, word, strict=False)) if a != b), len(word))


class _Letters(dict[str, int]):
    """A hash for each letter, the same in every process."""

    def __missing__(self, letter: str) -> int:
        made = int.from_bytes(blake2b(letter.encode(), digest_size=_KEY_BITS // 8).digest())
        if len(self) < _LETTERS_MAX:
            self[letter] = made
        return made
