"""The plain reading of a text: codes decoded, lookalikes and marks gone; and the packed one: without separators, leet as letters.

Terms are read the same way, so that it does not matter which of two lookalikes is the plain one. Sources: UTS #39 §4 (skeletons; the
table is of letters that look like ASCII ones, and of no others), UAX #15.
"""

import re
import unicodedata
from typing import Final

from parley_server.inspection.normalise import normalise
from parley_server.inspection.views import decode, tables
from parley_server.inspection.views.mapping import Mapped, whole

LEET: Final = {
    "0": "o", "1": "il", "3": "e", "4": "a", "5": "s", "6": "gb", "7": "t", "8": "b", "9": "g",
    "@": "a", "$": "s", "!": "il", "|": "il", "+": "t", "€": "e", "£": "l", "¢": "c", "¥": "y",
}  # fmt: skip
"""The letters that a digit or a symbol stands for."""

# Blocks of marks that change no letter's meaning in the scripts that look like Latin; the vowels of other scripts are marks too, and stay.
_MARKS: Final = (
    (0x0300, 0x036F), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F),
)  # fmt: skip
_CACHED_MAX: Final = 32_768


class _Memo(dict[int, str]):
    """A table for ``str.translate`` that fills itself, up to a bound."""

    def __missing__(self, point: int) -> str:
        made = self.make(chr(point))
        if len(self) < _CACHED_MAX:
            self[point] = made
        return made

    def make(self, letter: str) -> str:
        """Return what stands for a letter."""
        raise NotImplementedError


class _Plain(_Memo):
    """Letters without their marks, lookalikes as the ASCII letters that they look like."""

    def make(self, letter: str) -> str:
        if letter < "\x80":
            return letter
        look = tables.lookalikes().get(letter)
        if look is not None:
            return look
        bare = "".join(part for part in unicodedata.normalize("NFD", letter) if not is_mark(part))
        if bare == letter:
            return letter
        looks = tables.lookalikes()
        # Hangul syllables and other letters come back in one piece.
        return unicodedata.normalize("NFC", "".join(looks.get(part, part) for part in bare))


class _Packed(_Memo):
    """Nothing for separators, a letter for leet, one letter for ``i`` and ``l``, which ``1`` stands for both."""

    def make(self, letter: str) -> str:
        if letter in LEET:
            return _packed_letter(LEET[letter][0])
        if unicodedata.category(letter)[0] in "LNM":
            return _packed_letter(letter)
        return ""


class _Solid(_Memo):
    """As ``_Packed``, but what is punctuation to most people separates: ``f!u!c!k``."""

    def make(self, letter: str) -> str:
        return "" if letter in "!|+" else PACK[ord(letter)]


def _packed_letter(letter: str) -> str:
    return "i" if letter == "l" else letter


def is_mark(letter: str) -> bool:
    """Say whether ``letter`` is a mark that can be put on any letter."""
    return any(first <= ord(letter) <= last for first, last in _MARKS)


PLAIN: Final = _Plain()
PACK: Final = _Packed()
SOLID: Final = _Solid()
# Letters that neither carry marks nor look like Latin ones: general punctuation, CJK with its forms, Hangul syllables, most emoji. A text of these and ASCII
# is read without the table, which costs 100 ns a letter.
_OTHER: Final = re.compile(
    "[^\x00-\x7f\u2000-\u200a\u2010-\u2016\u2018-\u201f\u3001-\u3006\u3008-\u302f\u3041-\u3096\u30a1-\u30fa\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uff01-\uff5e"
    "\U0001f300-\U0001f64f\U0001f900-\U0001f9ff]"
)
_INNER_SYMBOL: Final = re.compile(r"[!|+]")


def plain(text: str) -> str:
    """Return the plain reading.

    A fixed point: ``plain(plain(x)) == plain(x)``. Whitespace is as in ``normalise``. Linear in the text.
    """
    read = _letters(text)
    if not decode.may_decode(read):
        return read
    for _ in decode.rounds():
        decoded = decode.decode(read)
        if decoded == read:
            return read
        read = _letters(decoded)
    return _letters(decode.silence(read))


def plain_mapped(text: str) -> Mapped:
    """Return the plain reading with its places."""
    read = _letters_mapped(whole(text))
    if not decode.may_decode(read.text):
        return read
    for _ in decode.rounds():
        decoded = read.replaced(decode.cut)
        if decoded.text == read.text:
            return read
        read = _letters_mapped(decoded)
    return _letters_mapped(read.replaced(lambda of: [(letter, n, n + 1) for n, letter in enumerate(decode.silence(of))]))


def packed(read: str) -> tuple[str, ...]:
    """Return the packed readings of a plain one: one, or two where a symbol may be a letter or a separator."""
    first = read.translate(PACK)
    return (first, read.translate(SOLID)) if _INNER_SYMBOL.search(read) else (first,)


def places(read: str, table: _Memo) -> list[int]:
    """Return the position in the plain reading of each letter of the packed one that ``table`` makes (one letter for one, or none)."""
    return [n for n, letter in enumerate(read) if table[ord(letter)]]


def _letters(text: str) -> str:
    if _OTHER.search(text) is None:
        return normalise(text)
    read = normalise(text.translate(PLAIN))
    if read.isascii():
        return read
    # Folding makes marks (İ) and lookalikes (Σ); they go by the same table, and what that leaves is folded again.
    return normalise(read.translate(PLAIN))


def _letters_mapped(text: Mapped) -> Mapped:
    if _OTHER.search(text.text) is None:
        return text.normalised()
    read = text.translated(PLAIN).normalised()
    return read if read.text.isascii() else read.translated(PLAIN).normalised()
