"""Frames to the bytes of WebSocket messages, encoded once for all their readers.

The codecs are msgspec's; what makes a plain value a frame is checked in ``parley_protocol.fields``, as in the SDK.
"""

import struct
from collections.abc import Mapping
from typing import Final

import msgspec

from parley_protocol import codec as pure
from parley_protocol.codec import Codec, FormatName
from parley_protocol.fields import to_map
from parley_protocol.frames import ServerFrame

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder().decode
_write = msgspec.json.Encoder().encode
_read = msgspec.json.Decoder().decode


class FastMsgpack:
    """MessagePack by msgspec; what it cannot read is read again by the reference codec, which names the fault."""

    name: FormatName = "msgpack"
    text: bool = False

    def load(self, data: bytes) -> object:
        """Read one value; see ``Codec.load``."""
        try:
            value: object = _unpack(data)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return pure.MSGPACK.load(data)
        return value

    def dump(self, value: Mapping[str, object]) -> bytes:
        """Write one map."""
        return _pack(value)


class FastJson:
    """JSON by msgspec; what it cannot read is read again by the reference codec, which names the fault."""

    name: FormatName = "json"
    text: bool = True

    def load(self, data: bytes) -> object:
        """Read one value; see ``Codec.load``."""
        try:
            value: object = _read(data)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return pure.JSON.load(data)
        return value

    def dump(self, value: Mapping[str, object]) -> bytes:
        """Write one map."""
        return _write(value)


FORMATS: Final[tuple[Codec, ...]] = (FastMsgpack(), FastJson())
"""The two formats; a connection knows its own by its place here."""

_HEADS: Final = tuple(0x81 if codec.text else 0x82 for codec in FORMATS)


def message(frame: ServerFrame, form: int) -> bytes:
    """Encode ``frame`` as one whole WebSocket message in format ``FORMATS[form]``, ready for any number of sockets."""
    return framed(FORMATS[form].dump(to_map(frame)), form)


def framed(payload: bytes, form: int) -> bytes:
    """Put the WebSocket header of an unmasked, unfragmented message before ``payload`` (RFC 6455 §5.2)."""
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", _HEADS[form], size) + payload
    if size < 65_536:
        return struct.pack("!BBH", _HEADS[form], 126, size) + payload
    return struct.pack("!BBQ", _HEADS[form], 127, size) + payload
