"""What nodes tell each other survives the way, and no bytes whatever end the bus that reads them."""

import contextlib
import dataclasses
import types
from enum import Enum
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgpack
from hypothesis import example, given
from hypothesis import strategies as st

from parley_protocol.limits import SEQ_MAX
from parley_server.bus import codec
from parley_server.bus.codec import Garbled, Lane, Message
from parley_server.domain.hints import Committed, Hint, NodeId, Told
from parley_server.domain.takedowns import Case
from tests.fuzz.strategies import frames_of

NODE: Final = NodeId("host-1a2b3c")


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Return what a field of a hint may hold."""
    if get_origin(hint) in (Union, types.UnionType):
        return st.one_of([st.none() if kind is type(None) else values(kind) for kind in get_args(hint)])
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    if hint is bool:
        return st.booleans()
    if hint is int:
        return st.integers(0, SEQ_MAX)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(list(hint))
    if hint is Case or hint in get_args(Hint):
        return of(hint)
    # A class of the wire has its own bounds; what is left is a name.
    return frames_of(hint) if dataclasses.is_dataclass(hint) else st.text(max_size=64)


def of(cls: type[Any]) -> st.SearchStrategy[Any]:
    """Return hints of one class."""
    hints = get_type_hints(cls)
    return st.builds(cls, **{field.name: values(hints[field.name]) for field in dataclasses.fields(cls)})


HINTS: Final[st.SearchStrategy[Hint]] = st.one_of([of(cls) for cls in get_args(Hint)])
SCALARS: Final = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(max_size=8)
KINDS: Final = st.sampled_from([*codec.PLAIN, "committed", "told", "of a newer version"])
VALUES: Final[st.SearchStrategy[Any]] = st.recursive(
    SCALARS | KINDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=6),
    max_leaves=12,
)
PARTS: Final = st.lists(st.tuples(KINDS, VALUES) | VALUES, max_size=4)


def test_every_hint_has_its_kind() -> None:
    assert {*codec.PLAIN.values(), Committed, Told} == {*get_args(Hint)}


@given(
    st.lists(HINTS, max_size=5), st.sampled_from([Lane.URGENT, Lane.ORDINARY]), st.integers(1, SEQ_MAX), st.integers(0, SEQ_MAX)
)
def test_what_is_read_is_what_was_written(hints: list[Hint], lane: Lane, number: int, ask: int) -> None:
    data = codec.encode(NODE, lane, number, ask, [codec.encode_hint(hint) for hint in hints])
    assert codec.decode(data) == Message(NODE, lane, number, ask, tuple(hints))
    assert data.startswith(codec.head(NODE))
    assert not data.startswith(codec.head(NodeId("host-1a2b3"))) and not data.startswith(codec.head(NodeId("host-1a2b3d")))


@given(HINTS, st.dictionaries(st.just("of a newer version"), SCALARS, min_size=1))
def test_a_field_that_a_newer_version_adds_is_left_out(hint: Hint, more: dict[str, Any]) -> None:
    kind, held = msgpack.unpackb(codec.encode_hint(hint))
    data = codec.encode(NODE, Lane.URGENT, 1, 0, [msgpack.packb([kind, held | more])])
    assert codec.decode(data).hints == (hint,)


@given(st.binary(max_size=200))
@example(b"")
@example(b"\x90")
@example(b"\x91" * 2_000)
def test_any_bytes_are_a_message_or_garbled(data: bytes) -> None:
    with contextlib.suppress(Garbled):
        codec.decode(data)


@given(st.integers(0, 3), st.text(max_size=70), st.text(max_size=8) | st.sampled_from(["urgent", "ordinary"]), PARTS | VALUES)
def test_any_array_is_a_message_or_garbled(version: int, node: str, lane: str, parts: object) -> None:
    try:
        message = codec.decode(msgpack.packb([version, node, lane, 1, 0, parts]))
    except Garbled:
        return
    if version == codec.VERSION:
        assert isinstance(parts, list) and len(message.hints) + message.unknown + message.garbled == len(parts)
    else:
        assert version > codec.VERSION and message.unknown == 1 and not message.hints
