"""The joined reading of Chinese: simplified, nothing between letters that a reader skips, split letters put together again.

Codes and lookalikes are of no concern here: the text is the folded one (inspection/normalise.py), so that marks over pinyin are still
there. ``人尔`` becomes ``你`` only where the two are no ordinary word.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from ahocorasick_rs import AhoCorasick

from parley_server.inspection.views import tables
from parley_server.inspection.views.mapping import Mapped

HAN: Final = "\u2e80-\u2fdf\u3007\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U000323af"
_HAN: Final = re.compile(f"[{HAN}]")
# What stands between two letters and is read over; marks that end a clause are none of these (after folding, ``，！？`` are ASCII).
_BETWEEN: Final = re.compile(
    rf"(?<=[{HAN}a-z0-9])[^\w,!?;:()\"'\u3001\u3002\u300a-\u3011]{{1,8}}(?=[{HAN}])|(?<=[{HAN}])[^\w,!?;:()\"'\u3001\u3002\u300a-\u3011]{{1,8}}(?=[a-z0-9])"
    rf"|(?<=[{HAN}])_{{1,8}}(?=[{HAN}])"
)
# Forms of a component that is bound to its place, and the letter that people write for it. Both are known by the second.
_FREE: Final = {
    "亻": "人", "氵": "水", "忄": "心", "扌": "手", "讠": "言", "訁": "言", "钅": "金", "釒": "金", "纟": "丝", "糹": "丝", "糸": "丝", "犭": "犬",
    "饣": "食", "飠": "食", "礻": "示", "衤": "衣", "艹": "草", "灬": "火", "刂": "刀", "攵": "文", "罒": "四", "爫": "爪", "牜": "牛",
    "⺮": "竹", "辶": "走", "冫": "冰", "阝": "耳", "疒": "病", "𧾷": "足", "月": "月", "⺼": "月",
}  # fmt: skip


def has_han(text: str) -> bool:
    """Say whether a text has any Han letter."""
    return not text.isascii() and _HAN.search(text) is not None


def is_han(letter: str) -> bool:
    """Say whether a letter is Han."""
    return _HAN.match(letter) is not None


def simplify(text: str) -> str:
    """Write traditional letters as simplified ones, one for one. A fixed point."""
    return text.translate(tables.simplified())


class Joiner:
    """Makes the joined reading for one set of terms: only letters that a term has are put together, so that other words stay whole."""

    __slots__ = ("_any", "_made")

    def __init__(self, letters: Iterable[str]) -> None:
        wanted = frozenset(letters)
        made: dict[str, str] = {}
        for of, whole in tables.parts().items():
            for letter in whole:
                if letter in wanted:
                    made.setdefault(_free(of), letter)
        self._made = made
        self._any = AhoCorasick(list(made), store_patterns=False)

    def __call__(self, text: str) -> str:
        """Return the joined reading of a folded text.

        A fixed point, and linear in the text: at the end no two or three neighbours make a letter.
        """
        text = _BETWEEN.sub("", simplify(text))
        # Most texts hold no parts of a letter that is looked for; asking costs a tenth of trying.
        if not self._any.find_matches_as_indexes(_free(text)):
            return text
        return "".join(letter for letter, _, _ in self._compose(text))

    def mapped(self, folded: Mapped) -> Mapped:
        """Return the joined reading with its places, given those of the folded text."""
        return folded.translated(tables.simplified()).replaced(_skip).replaced(self._compose)

    def _compose(self, text: str) -> list[tuple[str, int, int]]:
        made: list[tuple[str, int, int]] = []
        for n, letter in enumerate(text):
            made.append((letter, n, n + 1))
            while (whole := self._top(made)) is not None:
                letter_made, count = whole
                made[-count:] = [(letter_made, made[-count][1], n + 1)]
        return made

    def _top(self, made: list[tuple[str, int, int]]) -> tuple[str, int] | None:
        """Return what the last letters make, and of how many it is made. An ordinary word is left alone."""
        for count in (3, 2):
            if len(made) >= count:
                split = "".join(letter for letter, _, _ in made[-count:])
                letter = self._made.get(_free(split))
                if letter is not None and (any(map(_FREE.__contains__, split)) or split not in tables.chinese()):
                    return letter, count
        return None


def is_bound(letter: str) -> bool:
    """Say whether a component stands in texts only as a part of another letter, or nearly so."""
    return letter in _FREE and _FREE[letter] != letter or letter not in tables.ordinary_letters()


def _free(text: str) -> str:
    return text.translate(_FREE_POINTS)


def _skip(text: str) -> Iterator[tuple[str, int, int]]:
    at = 0
    for gap in _BETWEEN.finditer(text):
        yield from ((text[n], n, n + 1) for n in range(at, gap.start()))
        at = gap.end()
    yield from ((text[n], n, n + 1) for n in range(at, len(text)))


_FREE_POINTS: Final = {ord(bound): free for bound, free in _FREE.items()}
