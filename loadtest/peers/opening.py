"""What a raw WebSocket reader sends to become a subscriber, and how long the frames that it then gets are. Pure."""

from collections.abc import Callable
from typing import Final

from harness.readers import Opening

TOPIC: Final = "load.room"
"""The subject or topic that every reader follows."""
SOCKETIO_EVENT: Final = "posted"

NUMBER: Final = "%d"
"""In a text message of an opening: replaced by the reader's number, from 0."""


def fitting(payload_bytes: int, message: Callable[[int], bytes]) -> int:
    """Return the length of the body with which ``message`` makes ``payload_bytes`` in all.

    Raises:
        ValueError: no body fits: the envelope alone is longer.
    """
    for body_bytes in range(payload_bytes, -1, -1):
        if len(message(body_bytes)) == payload_bytes:
            return body_bytes
    raise ValueError(f"no message of {payload_bytes} bytes")


# NATS: its text protocol, over binary frames. Source: docs.nats.io, "Client Protocol".


def nats_opening() -> list[Opening]:
    """Connect, subscribe; the PONG says that the subscription stands."""
    return [Opening(f'CONNECT {{"verbose":false,"pedantic":false}}\r\nSUB {TOPIC} 1\r\nPING\r\n'.encode(), wait=True)]


def nats_message(body_bytes: int) -> bytes:
    """Return what a subscriber gets for a message of ``body_bytes``."""
    return f"MSG {TOPIC} 1 {body_bytes}\r\n".encode() + b"x" * body_bytes + b"\r\n"


def nats_publication(payload_bytes: int) -> bytes:
    """Return the publisher's command, so that a subscriber gets ``payload_bytes`` in all."""
    body = b"x" * fitting(payload_bytes, nats_message)
    return f"PUB {TOPIC} {len(body)}\r\n".encode() + body + b"\r\n"


# MQTT 3.1.1. Source: OASIS MQTT Version 3.1.1, sections 2.2, 3.1, 3.3 and 3.8.


def mqtt_opening() -> list[Opening]:
    """Connect without keepalive, subscribe at QoS 0."""
    return [Opening(mqtt_connect()), Opening(mqtt_subscribe(), wait=True)]


def mqtt_connect() -> bytes:
    """Return a CONNECT packet: clean session, keepalive 0 (none), the client's id left to the broker."""
    return _mqtt_packet(0x10, _mqtt_string("MQTT") + b"\x04\x02\x00\x00" + _mqtt_string(""))


def mqtt_subscribe() -> bytes:
    """Return a SUBSCRIBE packet for the topic at QoS 0, packet id 1."""
    return _mqtt_packet(0x82, b"\x00\x01" + _mqtt_string(TOPIC) + b"\x00")


def mqtt_message(body_bytes: int) -> bytes:
    """Return a PUBLISH packet at QoS 0: the same bytes from the publisher and to the subscriber."""
    return _mqtt_packet(0x30, _mqtt_string(TOPIC) + b"x" * body_bytes)


def mqtt_publication(payload_bytes: int) -> bytes:
    """Return a PUBLISH packet of ``payload_bytes`` in all."""
    return mqtt_message(fitting(payload_bytes, mqtt_message))


MQTT_PING: Final = b"\xc0\x00"
MQTT_PONG: Final = b"\xd0\x00"


def _mqtt_string(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2) + data


def _mqtt_packet(kind: int, rest: bytes) -> bytes:
    size, digits = len(rest), b""
    while True:
        size, digit = divmod(size, 128)
        digits += bytes([digit | (0x80 if size else 0)])
        if not size:
            return bytes([kind]) + digits + rest


# Engine.IO 4 and Socket.IO 5, over a WebSocket from the start. Source: socket.io/docs/v4, "The Engine.IO protocol" and "The
# Socket.IO protocol".

SOCKETIO_PATH: Final = "/socket.io/?EIO=4&transport=websocket"


def socketio_opening() -> list[Opening]:
    """Connect to the main namespace, once the server's handshake packet is there."""
    return [Opening(b"40", text=True, wait=True)]


def socketio_message(body_bytes: int) -> bytes:
    """Return what a reader gets for an event whose one argument is a text of ``body_bytes``."""
    return f'42["{SOCKETIO_EVENT}","{"x" * body_bytes}"]'.encode()


def socketio_body(payload_bytes: int) -> str:
    """Return the argument with which an event has ``payload_bytes`` in all."""
    return "x" * fitting(payload_bytes, socketio_message)
