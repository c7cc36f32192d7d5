"""The codec is total: whatever bytes come, ``decode`` ends in a frame or in a ``ProtocolError``, and writing undoes reading."""

import json
from collections.abc import Callable
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from parley_protocol.codec import JSON, MSGPACK, Codec, decode_client, decode_server, encode
from parley_protocol.codes import CODES
from parley_protocol.errors import ProtocolError
from parley_protocol.fields import to_map
from parley_protocol.frames import CLIENT_FRAMES, SERVER_FRAMES, ClientFrame, ServerFrame
from parley_protocol.limits import FRAME_BYTES_MAX
from tests.fuzz.strategies import CLIENT, SERVER

Decode = Callable[[Codec, bytes], ClientFrame | ServerFrame]
both = pytest.mark.parametrize("codec", [MSGPACK, JSON], ids=["msgpack", "json"])
sides = pytest.mark.parametrize("decode", [decode_client, decode_server], ids=["client", "server"])

NAMES = sorted(
    {"type", *CLIENT_FRAMES, *SERVER_FRAMES}
    | {name for cls in [*CLIENT_FRAMES.values(), *SERVER_FRAMES.values()] for name in cls.__dataclass_fields__}
)
KEYS = st.sampled_from(NAMES) | st.text(max_size=4)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.text(),
    st.sampled_from(NAMES),
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=12,
)
MAPS = st.builds(
    lambda kind, rest: {**rest, "type": kind},
    st.sampled_from([*CLIENT_FRAMES, *SERVER_FRAMES]),
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=12),
)


def assert_total(decode: Decode, codec: Codec, data: bytes) -> None:
    """Decode ``data``; what is a frame must come back the same, and what is none must have a code of the table."""
    try:
        frame = decode(codec, data)
    except ProtocolError as error:
        assert CODES[error.code.name] is error.code
        assert error.re is None or isinstance(error.re, int | str)
        if error.re is not None:
            encode(codec, SERVER_FRAMES["ok"](re=error.re))  # type: ignore[call-arg]  # the class is Ok
        return
    assert decode(codec, encode(codec, frame)) == frame


@both
@sides
@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=200))
@example(data=b"\x81\xa4type\xa4ping\xc1")
@example(data=b"\x81\xd6\xff\x00\x00\x00\x01\x01")
def test_any_bytes_end_in_a_frame_or_in_a_protocol_error(decode: Decode, codec: Codec, data: bytes) -> None:
    assert_total(decode, codec, data)


@sides
@settings(max_examples=300, deadline=None)
@given(text=st.text(st.sampled_from('{}[]":,\\u0123456789dDeE+-.ntrfalsyp \x00\ud800é'), max_size=60))
def test_any_json_like_text_ends_in_a_frame_or_in_a_protocol_error(decode: Decode, text: str) -> None:
    assert_total(decode, JSON, text.encode("utf-8", "surrogatepass"))


@both
@sides
@settings(max_examples=300, deadline=None)
@given(value=VALUES | MAPS)
def test_any_value_ends_in_a_frame_or_in_a_protocol_error(decode: Decode, codec: Codec, value: Any) -> None:
    data = json.dumps(value).encode() if codec is JSON else msgpack.packb(value, unicode_errors="surrogatepass")
    assert data is not None
    assert_total(decode, codec, data)


@both
@sides
@settings(max_examples=300, deadline=None)
@given(frame=CLIENT | SERVER, data=st.data())
def test_a_broken_frame_ends_in_a_frame_or_in_a_protocol_error(
    decode: Decode, codec: Codec, frame: ClientFrame | ServerFrame, data: st.DataObject
) -> None:
    whole = encode(codec, frame)
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 8)))
    assert_total(decode, codec, whole[:start] + data.draw(st.binary(max_size=8)) + whole[end:])


@both
@settings(max_examples=400, deadline=None)
@given(frame=CLIENT)
def test_reading_undoes_writing_for_every_client_frame(codec: Codec, frame: ClientFrame) -> None:
    data = encode(codec, frame)
    assert len(data) <= FRAME_BYTES_MAX
    assert decode_client(codec, data) == frame


@both
@settings(max_examples=400, deadline=None)
@given(frame=SERVER)
def test_reading_undoes_writing_for_every_server_frame(codec: Codec, frame: ServerFrame) -> None:
    assert decode_server(codec, encode(codec, frame)) == frame


@settings(max_examples=200, deadline=None)
@given(frame=CLIENT | SERVER)
def test_an_independent_library_reads_what_is_written(frame: ClientFrame | ServerFrame) -> None:
    assert msgspec.msgpack.decode(encode(MSGPACK, frame)) == msgspec.json.decode(encode(JSON, frame)) == to_map(frame)
