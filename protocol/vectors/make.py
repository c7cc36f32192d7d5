"""Write the golden vectors beside this file: ``PYTHONPATH=protocol python protocol/vectors/make.py``.

Every run writes the same bytes; a change of a committed file is a change of the wire, and wants a reason.

Files: ``frames.json`` every frame in both formats; ``accepts.json`` other bytes that mean the same; ``rejects.json`` bytes that
are no frame, with the code that answers; ``replica.json`` events of one board and the picture that they end in.

Source: protocol/SPEC.md, "Conformance".
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgpack

from parley_protocol import codes, limits
from parley_protocol.codec import JSON, MSGPACK, encode
from parley_protocol.codes import Code
from parley_protocol.fields import plan, to_map
from parley_protocol.frames import (
    CLIENT_FRAMES,
    SERVER_FRAMES,
    Ack,
    Alert,
    Author,
    Beat,
    BoardState,
    Bye,
    CaseChanged,
    Claim,
    ClientFrame,
    Cursor,
    Decide,
    Delete,
    Deleted,
    Edit,
    Edited,
    Error,
    Event,
    Gap,
    Gone,
    Held,
    Hello,
    Ok,
    Ping,
    Pong,
    Post,
    Posted,
    Presence,
    React,
    Reacted,
    Read,
    Refuse,
    Release,
    Restore,
    Restored,
    Retract,
    Retracted,
    Self,
    ServerFrame,
    Standing,
    Subscribe,
    Suppress,
    Typing,
    Unsubscribe,
    Unsuppress,
    VerdictNotice,
    Watch,
    Welcome,
)
from parley_protocol.ids import AccountId, BoardId, CaseId, PostId, SessionId, TakedownId
from parley_protocol.replica import Replica

Map: TypeAlias = dict[str, Any]

BOARD: Final = BoardId("lobby")
EPOCH: Final = "0190a6e1-7c00-7000-8000-0000000000e1"
ANN: Final = Author(AccountId("0190a6e1-7c00-7000-8000-00000000000a"), "Ann Ångström")
MOD: Final = AccountId("0190a6e1-7c00-7000-8000-00000000000b")
POST: Final = PostId("0190a6e1-7c00-7000-8000-000000000001")
OTHER: Final = PostId("0190a6e1-7c00-7000-8000-000000000002")
TAKEDOWN: Final = TakedownId("0190a6e1-7c00-7000-8000-0000000000d1")
CASE: Final = CaseId("0190a6e1-7c00-7000-8000-0000000000c1")
AT: Final = 1_720_000_000_000_000
BODY: Final = 'Hello, "room" – 你好 👋\n\tsecond line'
REASON: Final = "An advertisement, posted in many boards."

CLIENT: Final[tuple[ClientFrame, ...]] = (
    Hello(1, "example/1.0", "token-of-a-session", (Cursor(BOARD, EPOCH, 41), Cursor(BoardId("tea"), EPOCH, 0))),
    Subscribe(1, BOARD, EPOCH, 41, ("posted", "edited", "deleted")),
    Unsubscribe("request-2", BOARD),
    Typing(BOARD, ANN.id),
    Read(BOARD, 42),
    Post(limits.SEQ_MAX, BOARD, "nonce-1", BODY, OTHER, ("attachment-1",)),
    Edit(4, POST, 1, "Hello again"),
    Delete(5, POST),
    React(6, POST, "👍", False),
    Retract(7, POST, "spam", REASON),
    Restore(8, POST, "It was a quotation."),
    Release(9, POST, "Harmless."),
    Refuse(10, POST, "spam", REASON),
    Watch(11, "site", 17),
    Ack(12, 18),
    Claim(13, CASE, 1),
    Decide(14, CASE, 2, "retract", "spam", REASON),
    Ping("p-1"),
)
"""One of each client frame, with every field."""

GAP: Final = Gap(42, 99, "window")
SERVER: Final[tuple[ServerFrame, ...]] = (
    Posted(BOARD, 1, POST, ANN, BODY, AT, 1, OTHER),
    Edited(BOARD, 2, POST, ANN, "Hello again", AT + 1, 2),
    Deleted(BOARD, 3, POST, AT + 2),
    Reacted(BOARD, 4, POST, MOD, "👍", True, AT + 3),
    Retracted(BOARD, 5, POST, "spam", REASON, TAKEDOWN, AT + 4),
    Restored(BOARD, 6, POST, ANN, "Hello again", AT + 5, AT, 2, OTHER),
    Gone(BOARD, limits.SEQ_MAX, POST),
    Welcome(
        1,
        SessionId("0190a6e1-7c00-7000-8000-0000000000f1"),
        {"body_bytes_max": 8192, "frame_bytes_max": 65536},
        20_000,
        Self(ANN.id, "ann", ANN.name, "member"),
        (BoardState(BOARD, EPOCH, 120, False, GAP), BoardState(BoardId("tea"), EPOCH, 0, True)),
    ),
    Ok(7, POST, 42, AT, 2, BOARD, EPOCH, 120, False, GAP, TAKEDOWN, CASE),
    Held(3, POST),
    Suppress(BOARD, POST),
    Unsuppress(BOARD, POST),
    VerdictNotice(POST, "retracted", "spam", REASON, TAKEDOWN, "/v1/appeals", True),
    Alert(18, CASE, "high", "spam", "inline", "free c•••••", 3, AT, BOARD, "casino-spam", POST, 2),
    CaseChanged(CASE, 2, "claimed", MOD),
    Presence(BOARD, 1_000),
    Typing(BOARD, ANN.id),
    Beat(AT, {"lobby": 120, "tea": 0}),
    Error(
        "conflict",
        "Someone else changed it first.",
        13,
        "case",
        1_500,
        Standing(CASE, 3, "decided", MOD, "retract", "spam", REASON),
    ),
    Bye("restart", "The server restarts.", 2_000),
    Pong("p-1", AT),
)
"""One of each server frame, with every field."""


def frames() -> list[Map]:
    """Write each frame with every field, and once more with only those that it must have."""
    found: list[Map] = []
    for side, whole in (("client", CLIENT), ("server", SERVER)):
        for full in whole:
            for name, frame in ((full.type, full), (f"{full.type}, least", least(full))):
                if name == full.type or frame != full:
                    found.append(
                        {
                            "name": name,
                            "side": side,
                            "frame": to_map(frame),
                            "msgpack": encode(MSGPACK, frame).hex(),
                            "json": encode(JSON, frame).decode(),
                        }
                    )
    return found


def least(frame: Any) -> Any:
    """Return the frame with its optional fields left out."""
    shape: Any = type(frame)
    return shape(**{field.name: getattr(frame, field.name) for field in plan(shape) if field.required})


def accepts() -> Iterator[Map]:
    """Write bytes that another writer may choose, with the frame that they mean."""
    ping, post = {"type": "ping", "id": 1}, {"type": "post", "id": 1, "board": "lobby", "nonce": "n", "body": "é😀"}
    yield _case("unknown keys are ignored", "msgpack", msgpack.packb({**ping, "later": {"x": [1.5, None, b"\x00"]}}), frame=ping)
    yield _case("unknown keys are ignored", "json", b'{"type":"ping","later":{"x":[1.5,null,1e999]},"id":1}', frame=ping)
    yield _case("null is absent", "json", b'{"type":"watch","id":1,"scope":"site","after":null}', frame=_watch())
    yield _case("null is absent", "msgpack", msgpack.packb({**_watch(), "after": None}), frame=_watch())
    yield _case("the type stands last, spaces between", "json", b' { "id" : 1 ,\r\n\t"type" : "ping" } ', frame=ping)
    yield _case(
        "escapes mean the characters",
        "json",
        rb'{"type":"post","id":1,"board":"lobby","nonce":"n","body":"\u00e9\ud83d\ude00"}',
        frame=post,
    )
    yield _case(
        "an integer in more bytes than it needs",
        "msgpack",
        bytes.fromhex("82a474797065a470696e67a26964cf0000000000000001"),
        frame=ping,
    )
    yield _case(
        "a string, a map in longer headers", "msgpack", bytes.fromhex("de0002d90474797065da000470696e67a2696401"), frame=ping
    )
    yield _case("of a repeated key the last stands", "json", b'{"type":"ping","id":2,"id":1}', frame=ping)
    yield _case(
        "of a repeated key the last stands", "msgpack", bytes.fromhex("83a474797065a470696e67a2696402a2696401"), frame=ping
    )


def rejects() -> Iterator[Map]:
    """Write bytes that are no client frame, with the code and the request that the answer names."""
    for name, data in (
        ("no bytes", b""),
        ("half a map", b"\x82\xa4type"),
        ("bytes after the value", msgpack.packb({"type": "ping", "id": 1}) + b"\x00"),
        ("a list", b"\x91\x01"),
        ("a number", b"\x01"),
        ("the byte that means nothing", b"\xc1"),
        ("a length of 4 GiB", b"\xdd\xff\xff\xff\xff"),
        ("a string of 4 GiB", b"\x81\xdb\xff\xff\xff\xff"),
        ("an extension of 4 GiB", b"\x81\xa1x\xc9\xff\xff\xff\xff\x01"),
        ("a key that is a number", b"\x81\x01\x01"),
        ("a key that is a list", b"\x81\x90\x01"),
        ("2,000 lists in each other", b"\x81\xa1x" + b"\x91" * 2_000 + b"\x01"),
        ("a timestamp of impossible length", b"\x81\xa1x\xc7\x05\xff\x00\x00\x00\x00\x00"),
    ):
        yield _reject(name, "msgpack", data, codes.MALFORMED)
    for name, data in (
        ("no bytes", b""),
        ("half a map", b'{"type":'),
        ("two values", b'{"type":"ping","id":1}{}'),
        ("a list", b"[]"),
        ("null", b"null"),
        ("not UTF-8", b'{"type":"ping","id":"\xff"}'),
        ("a byte order mark", b'\xef\xbb\xbf{"type":"ping","id":1}'),
        ("NaN", b'{"type":"ping","id":NaN}'),
        ("Infinity", b'{"type":"ping","id":1,"x":-Infinity}'),
        ("a number of 5,000 digits", b'{"type":"ping","id":' + b"9" * 5_000 + b"}"),
        ("30,000 lists in each other", b'{"x":' + b"[" * 30_000 + b"]" * 30_000 + b"}"),
        ("a control character in a string", b'{"type":"ping","id":"\x00"}'),
        ("a comma at the end", b'{"type":"ping","id":1,}'),
    ):
        yield _reject(name, "json", data, codes.MALFORMED)
    for codec in (MSGPACK, JSON):
        for name, value, code, re in (
            ("no type", {"id": 5}, codes.UNKNOWN_TYPE, 5),
            ("a type that is a number", {"type": 1, "id": "r"}, codes.UNKNOWN_TYPE, "r"),
            ("an unknown type", {"type": "shout", "id": 5}, codes.UNKNOWN_TYPE, 5),
            ("a type in capitals", {"type": "PING", "id": 5}, codes.UNKNOWN_TYPE, 5),
            ("a server frame", to_map(SERVER[0]), codes.UNKNOWN_TYPE, None),
            ("a field that is missing", {"type": "delete", "id": 5}, codes.BAD_FIELD, 5),
            ("a field that is null and must be there", {"type": "delete", "id": 5, "post": None}, codes.BAD_FIELD, 5),
            ("a field of the wrong type", {"type": "delete", "id": 5, "post": 6}, codes.BAD_FIELD, 5),
            ("a string that is empty", {"type": "delete", "id": 5, "post": ""}, codes.BAD_FIELD, 5),
            ("an id one byte too long", {"type": "delete", "id": 5, "post": "é" * 32 + "x"}, codes.BAD_FIELD, 5),
            ("an integer below its range", {"type": "ack", "id": 5, "alert": -1}, codes.BAD_FIELD, 5),
            ("an integer above its range", {"type": "ack", "id": 5, "alert": 2**53}, codes.BAD_FIELD, 5),
            ("a fraction", {"type": "ack", "id": 5, "alert": 1.5}, codes.BAD_FIELD, 5),
            ("a whole number written as a fraction", {"type": "ack", "id": 5, "alert": 1.0}, codes.BAD_FIELD, 5),
            ("a boolean for an integer", {"type": "ack", "id": 5, "alert": True}, codes.BAD_FIELD, 5),
            ("an integer for a boolean", {"type": "react", "id": 5, "post": "p", "emoji": "x", "on": 1}, codes.BAD_FIELD, 5),
            (
                "a word that is none of the words",
                {"type": "decide", "id": 5, "case": "c", "rev": 1, "action": "x"},
                codes.BAD_FIELD,
                5,
            ),
            ("too many entries", {**_watch("subscribe"), "board": "b", "kinds": ["x"] * 17}, codes.BAD_FIELD, 1),
            ("a wrong entry in a list", {**_watch("subscribe"), "board": "b", "kinds": [7]}, codes.BAD_FIELD, 1),
            (
                "a map that lacks a field",
                {"type": "hello", "v": 1, "resume": [{"board": "b", "seq": 1}]},
                codes.BAD_FIELD,
                None,
            ),
            ("a request id that is below its range", {"type": "ping", "id": -1}, codes.BAD_FIELD, None),
            ("a request id that is too long", {"type": "ping", "id": "x" * 65}, codes.BAD_FIELD, None),
            ("a request id that is a list", {"type": "ping", "id": [1]}, codes.BAD_FIELD, None),
        ):
            yield _reject(name, codec.name, codec.dump(value), code, re)
    too_large = {"type": "post", "id": 1, "board": "b", "nonce": "n", "body": "x" * limits.FRAME_BYTES_MAX}
    yield _reject("a message over the limit", "json", JSON.dump(too_large), codes.TOO_LARGE)
    yield _reject("a lone surrogate", "json", rb'{"type":"delete","id":5,"post":"\ud800"}', codes.NOT_TEXT, 5)
    yield _reject("surrogates in the wrong order", "json", rb'{"type":"delete","id":5,"post":"\udc00\ud800"}', codes.NOT_TEXT, 5)
    not_text = msgpack.packb({"type": "delete", "id": 5}).replace(b"\x82", b"\x83", 1) + b"\xa4post"
    yield _reject("a lone surrogate", "msgpack", not_text + b"\xa3\xed\xa0\x80", codes.NOT_TEXT, 5)
    yield _reject("not UTF-8", "msgpack", not_text + b"\xa1\xff", codes.NOT_TEXT, 5)
    yield _reject("an overlong slash", "msgpack", not_text + b"\xa2\xc0\xaf", codes.NOT_TEXT, 5)
    yield _reject("raw bytes for a string", "msgpack", not_text + b"\xc4\x01p", codes.BAD_FIELD, 5)
    yield _reject("an extension for a string", "msgpack", not_text + b"\xd4\x05p", codes.BAD_FIELD, 5)
    yield _reject("a timestamp for a string", "msgpack", not_text + b"\xd6\xff\x00\x00\x00\x01", codes.BAD_FIELD, 5)


def replica() -> Iterator[Map]:
    """Write events in the order of their arrival, and the picture and the cursor that they end in."""
    posted, edited = Posted(BOARD, 1, POST, ANN, "Hello", AT, 1), Edited(BOARD, 2, POST, ANN, "Hello again", AT + 1, 2)
    retracted = Retracted(BOARD, 3, POST, "spam", REASON, TAKEDOWN, AT + 2)
    restored = Restored(BOARD, 4, POST, ANN, "Hello again", AT + 3, AT, 2)
    second = Posted(BOARD, 2, OTHER, ANN, "Second", AT + 1, 1, POST)
    thumb = Reacted(BOARD, 3, POST, MOD, "👍", True, AT + 2)
    suppress, unsuppress = Suppress(BOARD, POST), Unsuppress(BOARD, POST)
    sequences: tuple[tuple[str, tuple[Event | Suppress | Unsuppress, ...]], ...] = (
        ("a post", (posted,)),
        ("two posts, the later one first", (second, posted)),
        ("an edit", (posted, edited)),
        ("an edit before its post", (edited, posted)),
        ("an edit of a post that is not held", (edited,)),
        ("an old post replayed with its latest text", (dataclasses.replace(posted, body="Hello again", rev=2), edited)),
        ("a retraction", (posted, edited, retracted)),
        ("a retraction that comes first", (retracted, edited, posted)),
        ("a replay of a retracted post", (Gone(BOARD, 1, POST), Gone(BOARD, 2, POST), retracted)),
        ("an edit beside the tombstone of its post", (Gone(BOARD, 1, POST), edited)),
        ("a restored post", (posted, edited, retracted, restored)),
        ("a restored post, the other way round", (restored, retracted, edited, posted)),
        ("a restored post whose old places read as gone", (Gone(BOARD, 1, POST), Gone(BOARD, 2, POST), retracted, restored)),
        ("a restored post that was stopped again", (posted, edited, retracted, Gone(BOARD, 4, POST))),
        ("a deleted post, with its retraction undone", (posted, edited, retracted, restored, Deleted(BOARD, 5, POST, AT + 4))),
        ("a deletion before everything", (Deleted(BOARD, 5, POST, AT + 4), restored, posted)),
        ("suppress", (posted, suppress)),
        ("suppress before its post", (suppress, posted)),
        ("suppress, then an edit that was under way", (posted, suppress, edited)),
        ("suppress, the retraction, a restoration", (posted, edited, suppress, retracted, restored)),
        ("suppress of a post that was restored before", (posted, edited, retracted, restored, suppress, restored)),
        ("suppress that came to nothing", (posted, suppress, unsuppress)),
        ("suppress that came to nothing, before its post", (suppress, unsuppress, posted)),
        ("suppress that came to nothing, with an edit that came as gone", (posted, suppress, Gone(BOARD, 2, POST), unsuppress)),
        ("the same, once the edit was read from history", (posted, suppress, Gone(BOARD, 2, POST), unsuppress, edited)),
        ("a post that came as gone under a suppress that came to nothing", (suppress, Gone(BOARD, 1, POST), unsuppress, posted)),
        (
            "suppress, the retraction, an unsuppress that a server would not send",
            (posted, edited, suppress, retracted, unsuppress),
        ),
        ("an earlier retraction under a suppress that came to nothing", (posted, suppress, retracted, restored, unsuppress)),
        ("a gone before a suppress that came to nothing", (Gone(BOARD, 1, POST), edited, suppress, unsuppress)),
        ("unsuppress of a post that is not held", (unsuppress, posted)),
        ("a gone that names no post", (posted, Gone(BOARD, 2))),
        ("reactions", (posted, second, thumb, dataclasses.replace(thumb, seq=4, account=ANN.id))),
        ("a reaction taken back before it was given", (posted, second, dataclasses.replace(thumb, seq=4, on=False), thumb)),
        ("repeats", (posted, posted, edited, posted, edited, retracted, posted, retracted)),
        ("a hole", (posted, retracted)),
    )
    for name, events in sequences:
        reader = Replica(BOARD, EPOCH)
        for event in events:
            reader.apply(event)
        yield {
            "name": name,
            "events": [to_map(event) for event in events],
            "cursor": reader.seq,
            "picture": [
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
                for view in reader.posts()
            ],
        }


def files() -> dict[str, str]:
    """Return every file's name and text."""
    parts: dict[str, list[Map]] = {
        "frames.json": frames(),
        "accepts.json": list(accepts()),
        "rejects.json": list(rejects()),
        "replica.json": list(replica()),
    }
    return {name: json.dumps(part, ensure_ascii=False, indent=1) + "\n" for name, part in parts.items()}


def _watch(kind: str = "watch") -> Map:
    return {"type": kind, "id": 1, "scope": "site"}


def _case(name: str, form: str, data: bytes | None, **more: object) -> Map:
    assert data is not None
    return {"name": name, "format": form, "hex": data.hex(), **more}


def _reject(name: str, form: str, data: bytes, code: Code, re: int | str | None = None) -> Map:
    more: Mapping[str, object] = {} if re is None else {"re": re}
    # A long run of one byte is written once with its count, so that the file stays readable.
    return {"name": name, "format": form, "parts": _runs(data), "code": code.name, **more}


def _runs(data: bytes) -> list[list[Any]]:
    """Return ``data`` as pairs [hex, how often]; runs of 64 or more equal bytes stand alone."""
    parts: list[list[Any]] = []
    start = at = 0
    while at < len(data):
        end = at
        while end < len(data) and data[end] == data[at]:
            end += 1
        if end - at >= 64:
            if start < at:
                parts.append([data[start:at].hex(), 1])
            parts.append([data[at : at + 1].hex(), end - at])
            start = end
        at = end
    if start < len(data):
        parts.append([data[start:].hex(), 1])
    return parts


assert {type(frame) for frame in CLIENT} == set(CLIENT_FRAMES.values())
assert {type(frame) for frame in SERVER} == set(SERVER_FRAMES.values())

if __name__ == "__main__":
    for name, text in files().items():
        (Path(__file__).parent / name).write_text(text, encoding="utf-8")
