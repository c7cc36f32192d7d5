"""What the codec leaves out, and how it counts it."""

import msgpack

from parley_protocol.ids import AccountId, BoardId
from parley_server.bus import codec
from parley_server.bus.codec import Lane, Message
from parley_server.domain.hints import Committed, NodeId, PersonChanged, Typed
from tests.unit.server.gateway.room import posted

NODE = NodeId("a")
TYPED = Typed(BoardId("general"), AccountId("acc-anna"))


def message(*parts: object) -> Message:
    return codec.decode(msgpack.packb([codec.VERSION, NODE, "ordinary", 1, 0, parts]))


def test_a_kind_of_a_newer_version_is_left_out_and_the_others_are_taken() -> None:
    known = msgpack.unpackb(codec.encode_hint(TYPED))
    assert message(["of a newer version", {"x": 1}], known) == Message(NODE, Lane.ORDINARY, 1, 0, (TYPED,), unknown=1)


def test_an_event_of_a_newer_version_is_left_out() -> None:
    assert message(["committed", {"type": "pinned", "board": "general", "seq": 1}]).unknown == 1


def test_a_whole_message_of_a_newer_version_is_left_out() -> None:
    assert codec.decode(msgpack.packb([2, "a", "whatever", {}])) == Message(NODE, Lane.ORDINARY, 0, 0, (), unknown=1)


def test_a_hint_that_is_not_what_its_kind_says_is_left_out() -> None:
    known = msgpack.unpackb(codec.encode_hint(PersonChanged(AccountId("acc-anna"))))
    found = message(["person", {"account": 7}], ["hide", {"act": "a1"}], ["committed", {"type": "posted"}], 7, known)
    assert found.hints == (PersonChanged(AccountId("acc-anna")),) and (found.unknown, found.garbled) == (0, 4)


def test_an_event_stands_in_a_hint_as_on_the_wire() -> None:
    event = posted(3, "grüß dich")
    assert msgpack.unpackb(codec.encode_hint(Committed(event))) == [
        "committed",
        {
            "type": "posted",
            "board": "general",
            "seq": 3,
            "post": "p3",
            "author": {"id": "acc-anna", "name": "Anna"},
            "body": "grüß dich",
            "at": 1_003,
            "rev": 1,
        },
    ]
