import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley_server.domain.canonical import INTEGER_MAX, NotCanonical, canonical

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-INTEGER_MAX, INTEGER_MAX) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4),
    max_leaves=12,
)


def test_keys_stand_in_the_order_of_their_utf_16_code_units() -> None:
    # RFC 8785 §3.2.3.
    given = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }
    assert list(json.loads(canonical(given)).values()) == [
        "Carriage Return",
        "One",
        "Control",
        "Latin Small Letter O With Diaeresis",
        "Euro Sign",
        "Emoji: Grinning Face",
        "Hebrew Letter Dalet With Dagesh",
    ]


def test_strings_and_literals_are_written_as_the_rfc_s_sample_has_them() -> None:
    # RFC 8785 §3.2.2 and §3.2.4, without its fractions.
    given = {"string": '\u20ac$\x0f\nA\'B"\\\\"/', "literals": [None, True, False]}
    assert canonical(given) == (b'{"literals":[null,true,false],"string":"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}')


def test_only_what_json_must_escape_is_escaped() -> None:
    assert canonical("\b\t\n\f\r\x1f\x7f\u2028<") == b'"\\b\\t\\n\\f\\r\\u001f\x7f\xe2\x80\xa8<"'


def test_integers_have_one_form() -> None:
    assert canonical([0, -1, INTEGER_MAX]) == b"[0,-1,9007199254740991]"


@pytest.mark.parametrize("value", [1.0, float("nan"), INTEGER_MAX + 1, {1: "a"}, b"bytes", {"a": [object()]}, "\ud800"])
def test_what_has_no_one_form_is_refused(value: object) -> None:
    with pytest.raises(NotCanonical):
        canonical(value)


@given(VALUES)
def test_what_was_written_reads_back_and_writes_the_same(value: object) -> None:
    written = canonical(value)
    assert json.loads(written) == value
    assert canonical(json.loads(written)) == written
