"""How a text is read before anything is looked for in it.

Two texts that a reader takes for the same should read alike: letter case, compatibility forms (full width, ligatures), invisible
code points and runs of whitespace are folded away. Lookalike letters and other disguises are not; that is the work of later readings.

Sources: Unicode 14 §3.13 and UAX #15 (NFKC, case folding), §5.21 (default-ignorable code points).
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

NAME: Final = "fold"
VERSION: Final = 1
"""Rises with every change of what ``normalise`` returns for any text. The result also hangs on ``unicodedata.unidata_version``."""

IGNORABLE: Final = (
    # Property Default_Ignorable_Code_Point of DerivedCoreProperties.txt, Unicode 14. Unassigned code points of the ranges
    # belong to the property, so that it holds for later versions of Unicode too.
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x061C, 0x061C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
    # Interlinear annotation: format characters outside the property, invisible wherever annotations are not rendered.
    (0xFFF9, 0xFFFB),
)
"""Ranges of code points that are not shown, both ends included."""

# A character class: finding that there is none is about five times as fast as translating every letter.
_IGNORED: Final = re.compile("[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in IGNORABLE) + "]+")


def normalise(text: str) -> str:
    """Return the text as checks read it.

    Deterministic, and a fixed point: ``normalise(normalise(x)) == normalise(x)``. Whitespace at the ends is gone, every run of it
    inside is one space.
    """
    if text.isascii():
        return " ".join(text.lower().split())
    return " ".join(_letters(text).split())


class Normaliser:
    """``normalise``, remembering the last text: the checks of one rule set read the same item one after the other."""

    __slots__ = ("_read", "_text")

    def __init__(self) -> None:
        self._text = ""
        self._read = ""

    def __call__(self, text: str) -> str:
        """Return ``normalise(text)``."""
        if text != self._text:
            self._read = normalise(text)
            self._text = text
        return self._read


@dataclass(frozen=True, slots=True)
class Origin:
    """Where each letter of a normalised text comes from: ``first`` and ``end`` (excluded) in the original, by position."""

    spans: tuple[tuple[int, int], ...]

    def span(self, first: int, end: int) -> tuple[int, int]:
        """Return the original's span of the normalised span ``first`` … ``end`` (excluded, not empty)."""
        return self.spans[first][0], self.spans[end - 1][1]


def origin(text: str) -> Origin:
    """Map ``normalise(text)`` back to ``text``. Costs some µs per 10 letters: ask when something was found."""
    spans: list[tuple[int, int]] = []
    space: tuple[int, int] | None = None
    for first, end, letters in _clusters(text):
        for letter in letters:
            if letter.isspace():
                space = (space[0] if space else first, end)
                continue
            if space and spans:
                spans.append(space)
            space = None
            spans.append((first, end))
    return Origin(tuple(spans))


def _letters(text: str) -> str:
    """Fold everything but whitespace.

    The order is that of a compatibility caseless match (Unicode §3.13, D146). The invisible goes first, since it keeps marks from
    their letters; no compatibility form stands for something invisible that is not invisible itself.
    """
    text = _IGNORED.sub("", text)
    if not unicodedata.is_normalized("NFKC", text):
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", text).casefold())
    return unicodedata.normalize("NFKC", text.casefold())


def _clusters(text: str) -> list[tuple[int, int, str]]:
    """Cut a text where its parts fold by themselves: (first, end, folded)."""
    cuts = [n for n, letter in enumerate(text) if n == 0 or _begins(letter)]
    return [(first, end, _cluster(text[first:end])) for first, end in pairwise([*cuts, len(text)])]


def _cluster(letters: str) -> str:
    return letters.lower() if letters.isascii() else _letters(letters)


@lru_cache(maxsize=4_096)
def _begins(letter: str) -> bool:
    """Say whether ``letter`` never joins what stands before it: no mark, nothing invisible, no inner part of a Hangul syllable."""
    if letter.isascii():
        return True
    folded = _letters(letter)
    if not folded or unicodedata.category(letter)[0] == "M" or unicodedata.category(folded[0])[0] == "M":
        return False
    return not "\u1160" <= folded[0] <= "\u11ff"
