"""The codec at its edges; most bytes that are no frame stand in the golden vectors (test_vectors.py)."""

import json
from typing import Any

import msgpack
import pytest

from parley_protocol import codes
from parley_protocol.codec import JSON, MSGPACK, SUBPROTOCOLS, Codec, decode_client, decode_server, encode
from parley_protocol.errors import ProtocolError
from parley_protocol.frames import Beat, Delete, Ping, Post, Typing
from parley_protocol.ids import AccountId, BoardId, PostId
from parley_protocol.limits import BODY_BYTES_MAX, FRAME_BYTES_MAX

both = pytest.mark.parametrize("codec", [MSGPACK, JSON], ids=["msgpack", "json"])


def refused(codec: Codec, data: bytes) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        decode_client(codec, data)
    return caught.value


def test_the_server_prefers_msgpack_and_each_subprotocol_names_its_format() -> None:
    assert list(SUBPROTOCOLS.values()) == [MSGPACK.name, JSON.name]
    assert (MSGPACK.text, JSON.text) == (False, True)


@both
def test_a_message_of_exactly_the_limit_is_read_and_one_byte_more_is_not(codec: Codec) -> None:
    room = FRAME_BYTES_MAX - len(encode(codec, Post(1, BoardId("b"), "n", "x" * 60_000))) + 60_000
    whole = encode(codec, Post(1, BoardId("b"), "n", "x" * room))
    assert len(whole) == FRAME_BYTES_MAX
    assert isinstance(decode_client(codec, whole), Post)
    assert refused(codec, encode(codec, Post(1, BoardId("b"), "n", "x" * (room + 1)))).code is codes.TOO_LARGE


@both
def test_a_body_over_its_limit_passes_here_so_that_it_is_answered_with_its_own_code(codec: Codec) -> None:
    frame = Post(1, BoardId("b"), "n", "x" * (BODY_BYTES_MAX + 1))
    assert decode_client(codec, encode(codec, frame)) == frame


@both
def test_control_characters_and_every_plane_survive(codec: Codec) -> None:
    frame = Post(1, BoardId("b"), "n", "\x00\x7f\u0301\u202e\u2028\ufeff\uffff\U0010ffff" + "e" + "\u0301" * 10_000)
    assert decode_client(codec, encode(codec, frame)) == frame


@both
def test_a_client_reads_a_large_message_of_a_server_and_names_an_unknown_type(codec: Codec) -> None:
    beat = Beat(1, {f"board-{n:058d}": n for n in range(1_024)})
    data = encode(codec, beat)
    assert len(data) > FRAME_BYTES_MAX
    assert decode_server(codec, data) == beat
    with pytest.raises(ProtocolError) as caught:
        decode_server(codec, codec.dump({"type": "ping", "id": 1}))
    assert caught.value.code is codes.UNKNOWN_TYPE


@both
def test_typing_reads_the_same_on_both_sides(codec: Codec) -> None:
    frame = Typing(BoardId("b"), AccountId("a"))
    assert decode_client(codec, encode(codec, frame)) == decode_server(codec, encode(codec, frame)) == frame


@both
def test_an_error_names_the_field_and_never_the_text_of_the_peer(codec: Codec) -> None:
    error = refused(codec, codec.dump({"type": "delete", "id": 5, "post": "secret" * 20}))
    assert "post" in error.detail and "secret" not in str(error)
    assert (error.re, error.code.close) == (5, None)


@pytest.mark.parametrize(
    "value",
    [msgpack.Timestamp(1, 2), msgpack.ExtType(5, b"xx"), b"raw", {b"raw": 1}, [[]], 1.5, 2**64 - 1, -(2**63)],
    ids=repr,
)
def test_a_value_that_no_field_takes_is_ignored_where_it_is_unknown_and_refused_where_it_is_not(value: Any) -> None:
    packed = msgpack.packb({"type": "ping", "id": 1, "later": value})
    assert packed is not None and decode_client(MSGPACK, packed) == Ping(1)
    for name in ("post", "id"):
        packed = msgpack.packb({"type": "delete", "id": 1, "post": "p", name: value})
        assert packed is not None and refused(MSGPACK, packed).code is codes.BAD_FIELD


def test_an_extension_is_no_list_although_the_library_makes_it_a_tuple() -> None:
    packed = msgpack.packb({"type": "hello", "v": 1, "resume": msgpack.ExtType(5, b"")})
    assert packed is not None and refused(MSGPACK, packed).code is codes.BAD_FIELD


def test_a_key_of_raw_bytes_is_not_the_key_of_the_same_letters() -> None:
    packed = msgpack.packb({b"type": "ping", "id": 1})
    assert packed is not None and refused(MSGPACK, packed).code is codes.UNKNOWN_TYPE


@pytest.mark.parametrize("depth", [100, 1_000, 60_000])
def test_nesting_ends_in_a_frame_or_in_malformed(depth: int) -> None:
    for codec, data in (
        (JSON, b'{"type":"ping","id":1,"x":' + b"[" * (depth // 2) + b"]" * (depth // 2) + b"}"),
        (MSGPACK, bytes.fromhex("83a474797065a470696e67a2696401a178") + b"\x91" * depth + b"\xc0"),
    ):
        if depth == 100:
            assert decode_client(codec, data) == Ping(1)
        else:
            try:
                assert decode_client(codec, data) == Ping(1)
            except ProtocolError as error:
                assert error.code is codes.MALFORMED


def test_json_is_compact_utf_8() -> None:
    assert encode(JSON, Delete(1, PostId("é"))) == '{"type":"delete","id":1,"post":"é"}'.encode()
    assert json.loads(encode(JSON, Delete(1, PostId("\u2028")))) == {"type": "delete", "id": 1, "post": "\u2028"}
