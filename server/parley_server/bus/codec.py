"""Hints to bytes and back.

A message is a msgpack array ``[version, node, lane, number, ask, [[kind, value], …]]``. Events and statements of reasons stand in it as they
stand on the wire. A newer node may send kinds and fields that this one does not know: they are left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

import msgspec

from parley_protocol.fields import BadField, build, to_map
from parley_protocol.frames import Deleted, Edited, Event, Gone, Posted, Reacted, Restored, Retracted, VerdictNotice
from parley_protocol.ids import AccountId
from parley_protocol.limits import ID_BYTES_MAX
from parley_server.domain.hints import (
    Alerted,
    BoardChanged,
    CaseMoved,
    Committed,
    Counted,
    Hide,
    Hint,
    Lift,
    NodeId,
    PersonChanged,
    RulesChanged,
    SessionClosed,
    Settle,
    Told,
    Typed,
)

VERSION: Final = 1

EVENTS: Final[Mapping[str, type[Event]]] = {
    cls.type: cls for cls in (Posted, Edited, Deleted, Reacted, Retracted, Restored, Gone)
}

PLAIN: Final[Mapping[str, type[Hint]]] = {
    "hide": Hide,
    "settle": Settle,
    "lift": Lift,
    "person": PersonChanged,
    "session": SessionClosed,
    "board": BoardChanged,
    "rules": RulesChanged,
    "alerted": Alerted,
    "case": CaseMoved,
    "counted": Counted,
    "typed": Typed,
}
"""Kinds that hold nothing of the wire, each with what it becomes."""

_KINDS: Final = {cls: kind for kind, cls in PLAIN.items()}
_COMMITTED: Final = "committed"
_TOLD: Final = "told"

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder().decode
H = TypeVar("H")


class Lane(StrEnum):
    """Which way a message takes."""

    URGENT = "urgent"
    ORDINARY = "ordinary"
    ANSWER = "answer"


_LANES: Final = {lane.value: lane for lane in Lane}


class Garbled(ValueError):
    """Bytes that are no message of any version."""


@dataclass(frozen=True, slots=True)
class Message:
    """What one node gives to the others at once.

    Attributes:
        number: rises by one with each message of its node's lane, so that a lost one shows.
        ask: what an answer refers to; 0 asks for none.
        unknown: hints left out because a newer version made them.
        garbled: hints left out because they are not what their kind says.
    """

    node: NodeId
    lane: Lane
    number: int
    ask: int
    hints: tuple[Hint, ...]
    unknown: int = 0
    garbled: int = 0


def encode_hint(hint: Hint) -> bytes:
    """Write one hint, ready to stand in a message."""
    match hint:
        case Committed(event):
            return _pack((_COMMITTED, to_map(event)))
        case Told(account, verdict):
            return _pack((_TOLD, {"account": account, "verdict": to_map(verdict)}))
        case _:
            return _pack((_KINDS[type(hint)], hint))


def encode(node: NodeId, lane: Lane, number: int, ask: int, hints: Sequence[bytes]) -> bytes:
    """Write a message of encoded hints."""
    return _pack((VERSION, node, lane, number, ask, [msgspec.Raw(hint) for hint in hints]))


def head(node: NodeId) -> bytes:
    """Return what every message of ``node`` begins with, so that one's own are known without reading them."""
    return _pack((VERSION, node, 0, 0, 0, ()))[: len(_pack(VERSION)) + len(_pack(node)) + 1]


def decode(data: bytes) -> Message:
    """Read a message; what a newer node adds is counted and left out.

    Raises:
        Garbled: it is no message.
    """
    try:
        held = _unpack(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Garbled(str(error)) from None
    match held:
        case [int(version), str(node), *_] if version > VERSION:
            return Message(NodeId(node), Lane.ORDINARY, 0, 0, (), unknown=1)
        case [int(version), str(node), str(lane), int(number), int(ask), list(parts), *_] if version == VERSION:
            if lane not in _LANES or not 0 < len(node) <= ID_BYTES_MAX:
                raise Garbled("no such lane, or no such node")
            return _message(Message(NodeId(node), _LANES[lane], number, ask, ()), parts)
        case _:
            raise Garbled("not a message")


def _message(empty: Message, parts: list[object]) -> Message:
    hints: list[Hint] = []
    unknown = garbled = 0
    for part in parts:
        match part:
            case [str(kind), value]:
                try:
                    hint = _hint(kind, value)
                except (BadField, msgspec.ValidationError):
                    garbled += 1
                    continue
                if hint is None:
                    unknown += 1
                else:
                    hints.append(hint)
            case _:
                garbled += 1
    return Message(empty.node, empty.lane, empty.number, empty.ask, tuple(hints), unknown, garbled)


def _hint(kind: str, value: object) -> Hint | None:
    """Read one hint; ``None`` if its kind is not known.

    Raises:
        BadField: an event or a statement of reasons that is none.
        ValidationError: likewise anything else.
    """
    if kind == _COMMITTED:
        named = value.get("type") if isinstance(value, dict) else None
        cls = EVENTS.get(named) if isinstance(named, str) else None
        return None if cls is None else Committed(build(cls, value))
    if kind == _TOLD:
        told = value if isinstance(value, dict) else {}
        return Told(msgspec.convert(told.get("account"), AccountId), build(VerdictNotice, told.get("verdict")))
    plain = PLAIN.get(kind)
    return None if plain is None else msgspec.convert(value, plain)
