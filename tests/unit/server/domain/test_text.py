"""domain/text.py: what a body may be made of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley_protocol import codes, limits
from parley_protocol.codes import Code
from parley_server.domain.text import check_body


@pytest.mark.parametrize(
    "body",
    [
        "hello",
        "two\nlines\tand a tab",
        "\n\nx",
        "a" * limits.BODY_BYTES_MAX,
        "赌" * (limits.BODY_BYTES_MAX // 3),
        "สวัสดีครับ น้ำ ที่นี่",
        "שָׁלוֹם עוֹלָם",
        "नमस्ते दुनिया, क्षत्रिय",
        "السَّلَامُ عَلَيْكُمْ",
        "👩‍👩‍👧‍👦 ❤️ 🏳️‍🌈 👍🏽",
        "e\u0301" * 100,
        "mixed \u2067שלום\u2069 and LRM\u200e",
        "x" + "\u0301" * limits.BODY_MARKS_RUN_MAX,
        "0",
    ],
)
def test_ordinary_text_of_any_script_passes(body: str) -> None:
    assert check_body(body) is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("", codes.EMPTY_BODY),
        ("   ", codes.EMPTY_BODY),
        ("\n\t\n", codes.EMPTY_BODY),
        ("\u200b\u2060\ufeff", codes.EMPTY_BODY),
        ("\u3000\u00a0", codes.EMPTY_BODY),
        ("\u2800", codes.EMPTY_BODY),
        ("\u3164\u115f\uffa0", codes.EMPTY_BODY),
        ("\u0301", codes.EMPTY_BODY),
        ("\u00ad", codes.EMPTY_BODY),
        ("a" * (limits.BODY_BYTES_MAX + 1), codes.BODY_TOO_LONG),
        ("é" * (limits.BODY_BYTES_MAX // 2) + "x", codes.BODY_TOO_LONG),
        ("\ud800", codes.BODY_NOT_TEXT),
        ("ok \udfff", codes.BODY_NOT_TEXT),
        ("nul \x00", codes.BODY_NOT_TEXT),
        ("\x1b[31mred", codes.BODY_NOT_TEXT),
        ("carriage\r\n", codes.BODY_NOT_TEXT),
        ("delete\x7f", codes.BODY_NOT_TEXT),
        ("next\x85line", codes.BODY_NOT_TEXT),
        ("x \u202egnp.exe", codes.BODY_NOT_TEXT),
        ("\u202aembedded\u202c", codes.BODY_NOT_TEXT),
        ("x" + "\u0301" * (limits.BODY_MARKS_RUN_MAX + 1), codes.BODY_NOT_TEXT),
        ("x" + "\u0301" * 10_000, codes.BODY_TOO_LONG),
        ("x" + "\u0301" * 4_000, codes.BODY_NOT_TEXT),
        ("x" + "\u0301\u200d" * 20, codes.BODY_NOT_TEXT),
    ],
)
def test_what_is_no_text_is_refused(body: str, code: Code) -> None:
    refused = check_body(body)
    assert refused is not None
    assert refused.code is code


@given(st.text(alphabet=st.characters(), max_size=40))
def test_any_string_has_an_answer_and_what_passes_is_utf8_within_the_limit(body: str) -> None:
    if check_body(body) is None:
        assert 0 < len(body.encode()) <= limits.BODY_BYTES_MAX
        assert "\x00" not in body
