"""inspection/normalise.py: what reads alike becomes alike, and its place in the original is known."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from parley_server.inspection.normalise import IGNORABLE, Normaliser, normalise, origin

# Letters that fold, compose, decompose, vanish or are spaces meet far more often here than in any text.
_TEXTS = st.text(
    st.one_of(
        st.sampled_from(
            "aſKßŐİΣς"
            "\u0345\u0301\u0327\u034f\u200b\u200d\ufe0f\u00ad\u00a0\u3000\u1100\u1161\u11a8\uffa0ﬁ㍿ﾊﾞ①Å\u0f71\u0f80\n\t \u00a8\u037a"
        ),
        st.characters(codec="utf-8"),
    ),
    max_size=12,
)


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("Free  CASINO\there\n", "free casino here"),
        ("ＦＲＥＥ\u3000ｃａｓｉｎｏ", "free casino"),
        ("ca\u200bsi\u00adno", "casino"),
        ("ca\u2060si\ufeffno\U000e0020", "casino"),
        ("STRASSE straße", "strasse strasse"),
        ("e\u034f\u0301", "é"),
        ("ﬁnd ①", "find 1"),
        ("ㅤ", ""),
        ("", ""),
        ("赌场\u3000优惠", "赌场 优惠"),
        ("ΣΊΣΥΦΟΣ", "σίσυφοσ"),
    ],
)
def test_texts_that_look_alike_read_alike(text: str, reads: str) -> None:
    assert normalise(text) == reads


@given(_TEXTS)
@example("\u1100\u200b\u1161")
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once


def test_every_letter_by_itself_is_a_fixed_point_and_has_a_place() -> None:
    for point in (*range(0xD800), *range(0xE000, 0x3134F), *range(0xE0000, 0xE1000)):
        read = normalise(chr(point))
        assert normalise(read) == read, hex(point)
        assert len(origin(chr(point)).spans) == len(read), hex(point)


@given(_TEXTS)
def test_every_normalised_letter_has_a_place_in_the_original(text: str) -> None:
    spans = origin(text).spans
    assert len(spans) == len(normalise(text))
    assert all(0 <= first < end <= len(text) for first, end in spans)
    assert list(spans) == sorted(spans)


@given(_TEXTS, st.data())
def test_a_place_reads_as_what_was_found_there(text: str, data: st.DataObject) -> None:
    read = normalise(text)
    if not read:
        return
    first = data.draw(st.integers(0, len(read) - 1))
    end = data.draw(st.integers(first + 1, len(read)))
    begins, ends = origin(text).span(first, end)
    assert read[first:end].strip() in normalise(text[begins:ends])


def test_a_place_covers_what_hides_inside_it() -> None:
    text = "a  fr\u200bée!"
    assert origin(text).span(2, 6) == (3, 8)


def test_every_format_character_is_ignored_unless_it_is_shown() -> None:
    shown = {
        *range(0x0600, 0x0606), 0x06DD, 0x070F, 0x0890, 0x0891, 0x08E2, 0x110BD, 0x110CD,  # Prepended_Concatenation_Mark
        *range(0x13430, 0x13440),  # joiners of hieroglyphs
    }  # fmt: skip
    ignored = {point for first, last in IGNORABLE for point in range(first, last + 1)}
    formats = {point for point in range(0x110000) if unicodedata.category(chr(point)) == "Cf"}
    assert formats - ignored == shown & formats


def test_the_remembered_text_is_not_mistaken_for_another() -> None:
    read = Normaliser()
    assert [read("A"), read("A"), read("B"), read("A"), read("")] == ["a", "a", "b", "a", ""]
