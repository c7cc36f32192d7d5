"""The committed golden vectors against this package, and against msgspec, which shares no code with it."""

import importlib.util
import json
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from parley_protocol.codec import JSON, MSGPACK, Codec, decode_client, decode_server, encode
from parley_protocol.codes import CODES
from parley_protocol.errors import ProtocolError
from parley_protocol.fields import build, to_map
from parley_protocol.frames import CLIENT_FRAMES, SERVER_FRAMES, ClientFrame, Event, ServerFrame, Suppress, Unsuppress
from parley_protocol.ids import BoardId
from parley_protocol.replica import Replica

FOLDER: Final = Path(__file__).parents[3] / "protocol" / "vectors"
CODECS: Final[dict[str, Codec]] = {"msgpack": MSGPACK, "json": JSON}


def read(name: str) -> list[Any]:
    entries: list[Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return entries


def decode(side: str, codec: Codec, data: bytes) -> ClientFrame | ServerFrame:
    return decode_client(codec, data) if side == "client" else decode_server(codec, data)


def each(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("entry", [pytest.param(entry, id=entry["name"]) for entry in read(name)])


@each("frames.json")
def test_every_frame_reads_and_writes_as_its_vector(entry: Any) -> None:
    frame = (CLIENT_FRAMES if entry["side"] == "client" else SERVER_FRAMES)[entry["frame"]["type"]]
    for codec, data in ((MSGPACK, bytes.fromhex(entry["msgpack"])), (JSON, entry["json"].encode())):
        held = decode(entry["side"], codec, data)
        assert type(held) is frame
        assert to_map(held) == entry["frame"]
        assert encode(codec, held) == data


@each("frames.json")
def test_an_independent_library_reads_every_frame_as_the_same_map(entry: Any) -> None:
    assert msgspec.msgpack.decode(bytes.fromhex(entry["msgpack"])) == entry["frame"]
    assert msgspec.json.decode(entry["json"]) == entry["frame"]


@each("frames.json")
def test_what_an_independent_library_writes_is_read_here(entry: Any) -> None:
    frame = decode(entry["side"], JSON, entry["json"].encode())
    assert decode(entry["side"], MSGPACK, msgspec.msgpack.encode(entry["frame"])) == frame
    assert decode(entry["side"], JSON, msgspec.json.encode(entry["frame"])) == frame


def test_every_frame_of_both_sides_has_a_vector() -> None:
    named = {(entry["side"], entry["frame"]["type"]) for entry in read("frames.json")}
    assert named == {("client", name) for name in CLIENT_FRAMES} | {("server", name) for name in SERVER_FRAMES}


@each("accepts.json")
def test_other_bytes_with_the_same_meaning_are_accepted(entry: Any) -> None:
    assert to_map(decode_client(CODECS[entry["format"]], bytes.fromhex(entry["hex"]))) == entry["frame"]


@each("rejects.json")
def test_bytes_that_are_no_frame_are_answered_with_their_code(entry: Any) -> None:
    data = b"".join(bytes.fromhex(text) * times for text, times in entry["parts"])
    with pytest.raises(ProtocolError) as caught:
        decode_client(CODECS[entry["format"]], data)
    assert caught.value.code is CODES[entry["code"]]
    assert caught.value.re == entry.get("re")


@each("replica.json")
def test_events_end_in_their_picture(entry: Any) -> None:
    events: list[Event | Suppress | Unsuppress] = [build(SERVER_FRAMES[value["type"]], value) for value in entry["events"]]  # type: ignore[misc]  # all are events
    replica = Replica(BoardId("lobby"), "e1")
    for event in events:
        replica.apply(event)
    assert replica.seq == entry["cursor"]
    assert [
        {
            "post": view.post,
            "place": view.place,
            "author": to_map(view.author),
            "body": view.body,
            "at": view.at,
            "rev": view.rev,
            "reply_to": view.reply_to,
            "reactions": dict(view.reactions),
        }
        for view in replica.posts()
    ] == entry["picture"]


def test_the_generator_writes_the_committed_files() -> None:
    spec = importlib.util.spec_from_file_location("parley_vectors_make", FOLDER / "make.py")
    assert spec is not None and spec.loader is not None
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    written: dict[str, str] = make.files()
    assert written == {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
