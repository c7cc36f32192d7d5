"""Words that a text is found by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley_server.domain.search import TOKEN_CHARACTERS_MAX, TOKENS_MAX, query, tokens


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, hello WORLD!", ["hello", "world"]),
        ("snake_case and 3 numbers", ["snake", "case", "and", "3", "numbers"]),
        ("ＦＵＬＬ width ﬁ", ["full", "width", "fi"]),
        ("Straße", ["strasse"]),
        ("caf\u00e9 cafe\u0301", ["caf\u00e9"]),
        ("北京", ["北", "京", "北京"]),
        ("去北京ok", ["去", "北", "京", "去北", "北京", "ok"]),
        ("हिन्दी लिपि", ["हिन्दी", "लिपि"]),
        ("ภาษาไทย", ["ภาษาไทย"]),
        ("한국어 かな", ["한국어", "かな"]),
        ("مرحبا بك", ["مرحبا", "بك"]),
        ("… — !?", []),
        ("", []),
    ],
)
def test_words_of_a_text(text: str, words: list[str]) -> None:
    assert tokens(text) == words


def test_a_query_of_han_looks_for_pairs_and_for_a_single_character() -> None:
    assert query("北京 见") == ["北京", "见"]
    assert query("京") == ["京"]
    assert query("Fox") == ["fox"]


@given(st.text())
def test_a_text_is_found_by_each_word_of_itself(text: str) -> None:
    assert {*query(text)} <= {*tokens(text)}


@given(st.text())
def test_words_are_stable_and_hold_no_space(text: str) -> None:
    for word in tokens(text):
        assert not any(letter.isspace() for letter in word)
        assert word
        assert len(word) <= TOKEN_CHARACTERS_MAX


def test_a_text_has_a_bounded_number_of_words() -> None:
    assert len(tokens(" ".join(f"w{n}" for n in range(5_000)))) == TOKENS_MAX
    assert len(tokens("é " + " ".join(f"w{n}" for n in range(5_000)))) == TOKENS_MAX
    assert len(tokens("".join(chr(0x4E00 + n) for n in range(5_000)))) == TOKENS_MAX
    assert tokens("x" * 100) == ["x" * TOKEN_CHARACTERS_MAX]


def test_ascii_and_other_texts_give_the_same_words() -> None:
    assert tokens("Rock'n'roll, x-ray 42_7") == tokens("Rock'n'roll, x-ray 42_7 …")
