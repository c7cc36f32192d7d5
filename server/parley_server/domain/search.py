"""What a text is found by: its words.

Scripts that put spaces between words give words of letters and digits. Han is written without spaces, so each pair of neighbours is a
word, and each single character too: a query of one character finds it, a longer one finds its pairs.
"""

import re
import unicodedata
from typing import Final

TOKENS_MAX: Final = 512
"""Different tokens of one text. Full: the rest of the text is not found by search; it is shown as ever."""

TOKEN_CHARACTERS_MAX: Final = 64
"""Letters of one word that count. Full: longer words are found by their first letters."""

_HAN: Final = r"\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
# A word may carry marks: Devanagari and Thai write vowels as marks, and so does decomposed Latin that has no composed form.
# Two groups: a run of Han, or a word.
_RUN: Final = re.compile(rf"([{_HAN}]+)|([^\W_{_HAN}]+(?:[\u0300-\u036f\u0900-\u0dff\u0e31-\u0e4e][^\W_{_HAN}]*)*)")
# Every byte of a word in lower case, every other one a space: a table and a split take a fifth of what an expression takes.
_ASCII_WORDS: Final = bytes(ord(chr(code).lower()) if code < 128 and chr(code).isalnum() else 32 for code in range(256))


def tokens(text: str) -> list[str]:
    """Split a text into the words that it is stored under.

    Args:
        text: any text.

    Returns:
        At most ``TOKENS_MAX`` different tokens, in order of appearance: normalised (NFKC) and casefolded, without space, quote or mark
        of punctuation.
    """
    if text.isascii():
        words = text.encode().translate(_ASCII_WORDS).decode().split()
        if max(map(len, words), default=0) > TOKEN_CHARACTERS_MAX:
            words = [word[:TOKEN_CHARACTERS_MAX] for word in words]
        return list(dict.fromkeys(words))[:TOKENS_MAX]
    found: dict[str, None] = {}
    for han, word in _RUN.findall(_fold(text)):
        if han:
            found.update(dict.fromkeys(han))
            found.update(dict.fromkeys(han[i : i + 2] for i in range(len(han) - 1)))
        else:
            found[word[:TOKEN_CHARACTERS_MAX]] = None
        if len(found) >= TOKENS_MAX:
            break
    return list(found)[:TOKENS_MAX]


def query(text: str) -> list[str]:
    """Split what somebody looks for: as ``tokens``, but a run of Han is looked for by its pairs alone, since they say more."""
    words = tokens(text)
    paired = {letter for word in words if len(word) == 2 and _is_han(word) for letter in word}
    return [word for word in words if word not in paired]


def _fold(text: str) -> str:
    """Make texts equal that read the same; casefolding can undo the normal form, so that comes last again."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _is_han(word: str) -> bool:
    run = _RUN.fullmatch(word)
    return run is not None and run[1] is not None
