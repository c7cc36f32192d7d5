from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from parley_protocol import codes
from parley_protocol.codes import Code
from parley_server.domain.answers import Refused
from parley_server.gateway.http.accounts import SignUp
from parley_server.gateway.http.calls import within
from parley_server.gateway.http.request import parse_body


class Part(Struct):
    name: str
    count: Annotated[int, Meta(ge=1)] = 1


class Whole(Struct):
    parts: list[Part]
    says: str = ""

    def __post_init__(self) -> None:
        within("says", self.says, 4)


def refusal(data: bytes) -> tuple[Code, str | None]:
    no = parse_body(Whole, data)
    assert isinstance(no, Refused), no
    return no.code, no.scope


@pytest.mark.parametrize(
    ("data", "code", "scope"),
    [
        (b"{", codes.BAD_REQUEST, None),
        (b"\xff", codes.BAD_REQUEST, None),
        (b'{"parts": NaN}', codes.BAD_REQUEST, None),
        (b'{"parts": [' + b"[" * 100_000, codes.BAD_FIELD, "parts[0]"),
        (b"[]", codes.BAD_FIELD, None),
        (b"", codes.BAD_FIELD, "parts"),
        (b'{"parts": 3}', codes.BAD_FIELD, "parts"),
        (b'{"parts": [{"count": 2}]}', codes.BAD_FIELD, "parts[0].name"),
        (b'{"parts": [{"name": "x", "count": 0}]}', codes.BAD_FIELD, "parts[0].count"),
        (b'{"parts": [], "says": "12345"}', codes.BAD_FIELD, "says"),
        ('{"parts": [], "says": "ééé"}'.encode(), codes.BAD_FIELD, "says"),
        (b'{"parts": [], "says": "\\ud800"}', codes.NOT_TEXT, "says"),
        (b'{"parts": [{"name": "\\u0000"}]}', codes.NOT_TEXT, "parts.name"),
    ],
)
def test_what_is_wrong_with_a_body_is_named(data: bytes, code: Code, scope: str | None) -> None:
    assert refusal(data) == (code, scope)


def test_unknown_keys_are_ignored() -> None:
    assert parse_body(Whole, b'{"parts": [], "more": 1}') == Whole([])


@given(st.binary() | st.text().map(str.encode) | st.from_regex(rb'\{"(handle|password)": ?.*\}', fullmatch=True))
def test_any_bytes_end_in_a_value_or_a_refusal(data: bytes) -> None:
    assert isinstance(parse_body(SignUp, data), SignUp | Refused)
