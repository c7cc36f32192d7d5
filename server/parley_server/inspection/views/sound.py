"""The sounded reading of Chinese: one code for each syllable, whether it is written as a letter, as pinyin or as a digit.

Syllables that many speakers do not tell apart have one code: ``zh`` and ``z``, ``ch`` and ``c``, ``sh`` and ``s``, ``-ng`` and ``-n`` after a, e, i.
Tones are gone. Codes are private-use code points, so that a sounded text is a string to be searched like any other.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Final, NamedTuple

from parley_server.domain.bounds import READINGS_MAX
from parley_server.inspection.views import tables
from parley_server.inspection.views.letters import is_mark

_FIRST_CODE: Final = 0xE000
_LATIN: Final = re.compile(r"[a-zà-öø-ÿāēīōūǎǐǒǔǖǘǚǜńňǹ\u0300-\u036f]+[1-5]?(?![0-9])|(?<![a-z0-9])[0-9](?![a-z0-9])")
_DIGITS: Final = ("ling", "yi", "er", "san", "si", "wu", "liu", "qi", "ba", "jiu")
_RUN_MAX: Final = 64
_NO_CODE: Final = "\ufffd"


class Syllable(NamedTuple):
    """One letter of a sounded reading. ``sound``: pinyin; ``of``: what is written; ``run``: the whole of the pinyin that it is part of."""

    code: str
    first: int
    end: int
    sound: str
    run: tuple[int, int]


def sounded(joined: str) -> str:
    """Return the sounded reading of a joined text, as a string of codes. What is no syllable stays, and separates."""
    return _LATIN.sub(_coded, joined.translate(_codes()))


def syllables(joined: str) -> list[Syllable]:
    """Return the letters of the sounded reading with what they stand for."""
    made: list[Syllable] = []
    at = 0
    for run in _LATIN.finditer(joined):
        made += _plain(joined, at, run.start())
        cut = _cut(run[0])
        if cut is None:
            made += [Syllable(letter, n, n + 1, "", (n, n + 1)) for n, letter in enumerate(run[0], run.start())]
        else:
            begin = run.start()
            for sound, size in cut:
                made.append(Syllable(code(sound), begin, begin + size, sound, run.span()))
                begin += size
        at = run.end()
    made += _plain(joined, at, len(joined))
    return made


def spellings(term: str) -> tuple[str, ...]:
    """Return the sounded readings of a term in Han letters: of every reading of each, up to a bound; empty if a letter has none."""
    known = tables.sounds()
    each = [tuple(dict.fromkeys(code(sound) for sound in known.get(letter, ()))) for letter in term]
    if not all(each):
        return ()
    found: list[str] = []
    for codes in product(*each):
        found.append("".join(codes))
        if len(found) >= READINGS_MAX:
            break
    return tuple(dict.fromkeys(found))


def sounds_of(letter: str) -> tuple[str, ...]:
    """Return the readings of a Han letter, the commonest first."""
    return tables.sounds().get(letter, ())


def code(sound: str) -> str:
    """Return the code of a syllable."""
    return _code_of()[sound]


def _plain(text: str, first: int, end: int) -> Iterator[Syllable]:
    table = _codes()
    known = tables.sounds()
    for n in range(first, end):
        letter = text[n]
        yield Syllable(table.get(ord(letter), letter), n, n + 1, known.get(letter, ("",))[0], (n, n + 1))


def _coded(run: re.Match[str]) -> str:
    cut = _cut(run[0])
    return run[0] if cut is None else "".join(code(sound) for sound, _ in cut)


def _cut(run: str) -> tuple[tuple[str, int], ...] | None:
    """Cut pinyin into syllables with the letters that each takes, the longest first; ``None`` if it is no pinyin."""
    if len(run) > _RUN_MAX:
        return None
    if run.isdigit():
        return ((_DIGITS[int(run)], 1),)
    letters: list[str] = []
    sizes: list[int] = []
    for letter in run:
        if is_mark(letter) or letter.isdigit():
            if not sizes:
                return None
            if letter == "\u0308" and letters[-1] == "u":
                letters[-1] = "v"
            sizes[-1] += 1
            continue
        parts = unicodedata.normalize("NFD", letter)
        letters.append("v" if parts[0] == "u" and "\u0308" in parts else parts[0])
        sizes.append(1)
    found = _fit("".join(letters))
    if found is None:
        return None
    made: list[tuple[str, int]] = []
    at = 0
    for sound in found:
        made.append((sound, sum(sizes[at : at + len(sound)])))
        at += len(sound)
    return tuple(made)


def _fit(letters: str) -> tuple[str, ...] | None:
    """Cut plain letters into syllables: from the left, the longest that leaves a rest which can be cut."""
    known = _written()
    rest: list[tuple[str, ...] | None] = [None] * (len(letters) + 1)
    rest[len(letters)] = ()
    for first in range(len(letters) - 1, -1, -1):
        for size in range(min(6, len(letters) - first), 0, -1):
            after = rest[first + size]
            sound = letters[first : first + size]
            if after is not None and sound in known:
                rest[first] = (sound, *after)
                break
    return rest[0]


@cache
def _written() -> frozenset[str]:
    """Return every syllable that is written as pinyin: with a vowel."""
    return frozenset(sound for sound in _code_of() if set(sound) & set("aeiouv"))


@cache
def _code_of() -> dict[str, str]:
    sounds = {sound for of in tables.sounds().values() for sound in of}
    blurred = {sound: chr(_FIRST_CODE + n) for n, sound in enumerate(sorted({_blurred(sound) for sound in sounds}))}
    found = {sound: blurred[_blurred(sound)] for sound in sounds}
    # How people type what has ü: without its dots where only it can stand, and with v where only u can.
    found |= {sound[:-2] + "ue": known for sound, known in found.items() if sound.endswith("ve")}
    found |= {sound[0] + "v" + sound[2:]: known for sound, known in found.items() if sound[0] in "jqxy" and sound[1:2] == "u"}
    return found


@cache
def _codes() -> dict[int, str]:
    """Return the code of each Han letter's first reading. Private-use letters of a text are none."""
    of = _code_of()
    table = {ord(known): _NO_CODE for known in of.values()}
    table.update({ord(letter): of[known[0]] for letter, known in tables.sounds().items()})
    return table


def _blurred(sound: str) -> str:
    """Return what stands for all syllables that are not told apart."""
    for retroflex, plain in (("zh", "z"), ("ch", "c"), ("sh", "s")):
        if sound.startswith(retroflex):
            sound = plain + sound[2:]
    return sound[:-1] if sound.endswith(("ang", "eng", "ing")) else sound
