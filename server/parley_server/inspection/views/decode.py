"""Letters written as codes: HTML's character references, percent-encoding, punycode.

What is decoded may be a code again, so that one pass reads a chain of ``&amp;amp;…`` or ``%2525…`` to its end, and a bounded number of
passes reads codes inside codes. What is still a code then is no text that a browser would show: its marks become spaces.
"""

import html
import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from parley_server.domain.bounds import DECODE_ROUNDS_MAX

_CODE: Final = re.compile(
    r"&(?:amp;)*(?P<entity>#[0-9]{1,8};?|#x[0-9a-f]{1,8};?|[a-z][a-z0-9]{1,31};)"
    r"|(?P<percent>(?:%(?:25)*[0-9a-f]{2})+)"
    r"|(?P<puny>(?<![a-z0-9-])xn--[a-z0-9-]{1,59}(?![a-z0-9-]))",
    re.IGNORECASE,
)
_CHAIN: Final = re.compile(r"%(?:25)*(?=[0-9a-f]{2})", re.IGNORECASE)
_MARKS: Final = re.compile(r"[&%]|xn--", re.IGNORECASE)


def may_decode(text: str) -> bool:
    """Say whether there may be a code in a folded text: most have none, and this is all that they cost."""
    return "%" in text or "&" in text or "xn--" in text


def decode(text: str) -> str:
    """Read the codes of a text once. What is no valid code stays as it is."""
    return "".join(letters for letters, _, _ in cut(text))


def cut(text: str) -> Iterator[tuple[str, int, int]]:
    """Return what ``decode`` makes of which part of the text, in order."""
    at = 0
    for code in _CODE.finditer(text):
        yield from ((letter, n, n + 1) for n, letter in enumerate(text[at : code.start()], at))
        at = code.end()
        if code["entity"]:
            yield from _placed(_entity(code["entity"]), code)
        elif code["puny"]:
            yield from _placed(_puny(code[0]), code)
        else:
            yield from _percent(code[0], code.start())
    yield from ((letter, n, n + 1) for n, letter in enumerate(text[at:], at))


def silence(text: str) -> str:
    """Take the marks of codes out of a text, letter by letter, so that nothing in it is a code."""
    return _MARKS.sub(lambda mark: " " * len(mark[0]), text)


def rounds() -> range:
    """Return the passes that a text gets."""
    return range(DECODE_ROUNDS_MAX)


def _placed(read: str | None, code: re.Match[str]) -> Iterator[tuple[str, int, int]]:
    """Return what was read of a code, or its own letters one by one if it is none."""
    if read is None:
        return ((letter, n, n + 1) for n, letter in enumerate(code[0], code.start()))
    return iter([(read, code.start(), code.end())])


def _entity(name: str) -> str | None:
    read = html.unescape("&" + name)
    return None if read == "&" + name or not _is_text(read) else read


def _percent(run: str, first: int) -> Iterator[tuple[str, int, int]]:
    """Read a run of encoded bytes as UTF-8; a byte that belongs to no letter stays as it is written."""
    places = [0]
    values = bytearray()
    while places[-1] < len(run):
        mark = _CHAIN.match(run, places[-1])
        assert mark is not None, "a run is made of codes"
        values.append(int(run[mark.end() : mark.end() + 2], 16))
        places.append(mark.end() + 2)
    n = 0
    for letter in values.decode(errors="surrogateescape"):
        begin = n
        n += 1 if "\udc80" <= letter <= "\udcff" else len(letter.encode())
        if _is_text(letter):
            yield letter, first + places[begin], first + places[n]
        else:
            yield from ((run[at], first + at, first + at + 1) for at in range(places[begin], places[n]))


def _puny(code: str) -> str | None:
    try:
        read = code[4:].lower().encode("ascii").decode("punycode")
    except (UnicodeError, ValueError, OverflowError):
        return None
    return read if read and _is_text(read) else None


def _is_text(letters: str) -> bool:
    """Say whether what was decoded could stand in a post: no control characters but whitespace, no lone surrogates."""
    return all(letter.isspace() or unicodedata.category(letter) not in ("Cc", "Cs") for letter in letters)
