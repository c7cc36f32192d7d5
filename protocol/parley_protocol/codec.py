"""Bytes to frames and back: two formats, the same maps.

``decode_client`` and ``decode_server`` are total: any bytes end in a frame or in a ``ProtocolError``. A ``Codec`` only turns
bytes into plain values; what makes a plain value a frame is checked once, in ``fields.build``, whichever library read them.

Source: protocol/SPEC.md, "Encoding".
"""

import json
from collections.abc import Mapping
from typing import Final, Literal, Protocol, TypeAlias, TypeVar

import msgpack

from parley_protocol import codes
from parley_protocol.errors import ProtocolError
from parley_protocol.fields import BadField, build, to_map
from parley_protocol.frames import CLIENT_FRAMES, SERVER_FRAMES, ClientFrame, ServerFrame
from parley_protocol.ids import RequestId
from parley_protocol.limits import FRAME_BYTES_MAX, ID_BYTES_MAX, SEQ_MAX

FormatName: TypeAlias = Literal["msgpack", "json"]
F = TypeVar("F")

SUBPROTOCOLS: Final[dict[str, FormatName]] = {"parley.v1.msgpack": "msgpack", "parley.v1.json": "json"}
"""WebSocket subprotocols and the format each one speaks; the first is the server's preference."""


class Codec(Protocol):
    """One way to write plain values (maps, lists, strings, integers, booleans, null)."""

    @property
    def name(self) -> FormatName:
        """The format's name."""
        ...

    @property
    def text(self) -> bool:
        """Whether a message is a WebSocket text message."""
        ...

    def load(self, data: bytes) -> object:
        """Read one value; strings may hold lone surrogates, which ``build`` then names.

        Raises:
            ValueError: ``data`` is no value of this format.
        """
        ...

    def dump(self, value: Mapping[str, object]) -> bytes:
        """Write one map."""
        ...


class MsgpackCodec:
    """MessagePack by the ``msgpack`` package."""

    name: FormatName = "msgpack"
    text: bool = False

    def load(self, data: bytes) -> object:
        """Read one MessagePack value; a map's key that is neither text nor raw bytes is refused.

        Raw bytes and extensions come out as what no field takes, so they pass only under a key that nobody knows.
        """
        try:
            value: object = msgpack.unpackb(data, raw=False, strict_map_key=True, unicode_errors="surrogateescape")
        except (ValueError, RecursionError, msgpack.UnpackException) as error:
            raise ValueError(str(error)) from None
        return value

    def dump(self, value: Mapping[str, object]) -> bytes:
        """Write a map as MessagePack."""
        packed = msgpack.packb(value)
        assert packed is not None
        return packed


class JsonCodec:
    """JSON by the standard library."""

    name: FormatName = "json"
    text: bool = True

    def load(self, data: bytes) -> object:
        """Read one JSON value in UTF-8; NaN and infinities are refused."""
        try:
            value: object = json.loads(data.decode(), parse_constant=_no_constant)
        except RecursionError:
            raise ValueError("nested too deep") from None
        return value

    def dump(self, value: Mapping[str, object]) -> bytes:
        """Write a map as compact JSON in UTF-8."""
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


MSGPACK: Final[Codec] = MsgpackCodec()
JSON: Final[Codec] = JsonCodec()


def decode_client(codec: Codec, data: bytes) -> ClientFrame:
    """Parse one WebSocket message from a client.

    Args:
        codec: the connection's format.
        data: one whole message, at most ``FRAME_BYTES_MAX`` bytes.

    Returns:
        A frame whose fields are in range; a body's own rules are judged later, by domain/text.py.

    Raises:
        ProtocolError: malformed, oversized, unknown or out of range. ``error.code.close`` is set where the connection cannot
            go on.

    Source: protocol/SPEC.md, "Client frames".
    """
    if len(data) > FRAME_BYTES_MAX:
        raise ProtocolError(codes.TOO_LARGE, f"{len(data)} bytes, at most {FRAME_BYTES_MAX}")
    return _decode(codec, data, CLIENT_FRAMES)


def decode_server(codec: Codec, data: bytes) -> ServerFrame:
    """Parse one WebSocket message from a server; the counterpart of ``decode_client``.

    Raises:
        ProtocolError: as ``decode_client``; ``unknown_type`` is to be ignored, so that a newer server can be read.

    Source: protocol/SPEC.md, "Server frames".
    """
    return _decode(codec, data, SERVER_FRAMES)


def encode(codec: Codec, frame: ClientFrame | ServerFrame) -> bytes:
    """Write one frame as one WebSocket message."""
    return codec.dump(to_map(frame))


def _decode(codec: Codec, data: bytes, frames: Mapping[str, type[F]]) -> F:
    """Read a map, find its class, build it."""
    try:
        value = codec.load(data)
    except ValueError:
        raise ProtocolError(codes.MALFORMED, f"not {codec.name}") from None
    if not isinstance(value, dict):
        raise ProtocolError(codes.MALFORMED, "not a map")
    re = _request_id(value.get("id"))
    kind = value.get("type")
    cls = frames.get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise ProtocolError(codes.UNKNOWN_TYPE, "no such type", re=re)
    try:
        return build(cls, value)
    except BadField as error:
        raise ProtocolError(error.code, f"{error.path} {error}", re=re) from None


def _request_id(value: object) -> RequestId | None:
    """Return the request's id if it can be echoed."""
    if type(value) is int and 0 <= value <= SEQ_MAX:
        return value
    if isinstance(value, str) and value.isascii() and 1 <= len(value) <= ID_BYTES_MAX:
        return value
    return None


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no number")
