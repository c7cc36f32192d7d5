"""One WebSocket: bytes in, messages out, and the closing handshake. What the messages mean is the session's part.

The protocol itself is ``websockets``' Sans-I/O ``ServerProtocol``; content goes around it, as messages framed once for all their readers.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from typing import Final, Protocol, cast

from websockets.exceptions import NegotiationError, PayloadTooBig
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from parley_protocol import codes
from parley_protocol.codec import SUBPROTOCOLS
from parley_protocol.codes import Code
from parley_protocol.limits import FRAME_BYTES_MAX
from parley_server.gateway.lanes import Lanes, Sink, TransportSink
from parley_server.gateway.registry import Registry
from parley_server.gateway.wire import FORMATS
from parley_server.limits import CLOSE_WITHIN_S, SEND_BUFFER_BYTES

# The library logs every connection at INFO; the session logs what matters, once.
_quiet: Final = logging.getLogger("parley.websocket")
_quiet.setLevel(logging.CRITICAL)

_FORM_OF: Final = {
    name: index for index, codec in enumerate(FORMATS) for name, form in SUBPROTOCOLS.items() if form == codec.name
}


class Inbound(Protocol):
    """Who takes the messages of one connection."""

    def received(self, data: bytes) -> None:
        """Take one whole message."""
        ...

    def paused(self) -> None:
        """The transport is full."""
        ...

    def resumed(self) -> None:
        """The transport has room again."""
        ...

    def close(self, code: Code) -> None:
        """Say why, then close: the message that came is none that can be handed on."""
        ...

    def lost(self) -> None:
        """The connection is gone."""
        ...


class _ServerProtocol(ServerProtocol):
    """The library's, with our own close number for a message over the limit."""

    def fail(self, code: CloseCode | int, reason: str = "") -> None:
        if code == CloseCode.MESSAGE_TOO_BIG:
            code, reason = codes.TOO_LARGE.close or code, codes.TOO_LARGE.name
        super().fail(code, reason)


class WebSocket(asyncio.Protocol):
    """A connection after its request was recognised as a WebSocket handshake."""

    __slots__ = ("_begin", "_inbound", "_parts", "_protocol", "_registry", "_sink", "_transport", "lanes")

    def __init__(
        self,
        registry: Registry,
        begin: "Callable[[WebSocket, Lanes], Inbound]",
        sink: Callable[[asyncio.Transport], Sink] = TransportSink,
    ) -> None:
        """``sink``: what writes to a transport, and knows how far its bytes have come."""
        self._registry = registry
        self._begin = begin
        self._sink = sink
        self._inbound: Inbound | None = None
        self._parts: list[bytes] | None = None
        self._protocol = _ServerProtocol(select_subprotocol=_select, max_size=FRAME_BYTES_MAX, logger=_quiet)
        self._transport: asyncio.Transport | None = None
        self.lanes: Lanes | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over a transport; its first bytes follow."""
        # uvloop's transports have the interface without the base class.
        taken = self._transport = cast("asyncio.Transport", transport)
        # No buffer of ours before the kernel's: each write is tried at once, and a pause says exactly that the kernel is full.
        taken.set_write_buffer_limits(high=0)
        sock = taken.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        """Feed the protocol and hand on what it found."""
        protocol = self._protocol
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Request):
                self._accept(event)
            elif isinstance(event, Frame):
                self._frame(event)
        if self._inbound is not None and isinstance(protocol.parser_exc, PayloadTooBig):
            self._inbound.close(codes.TOO_LARGE)
        self._flush()

    def eof_received(self) -> None:
        """The peer sends no more."""
        self._protocol.receive_eof()
        self._flush()

    def pause_writing(self) -> None:
        """The kernel takes no more for now."""
        if self._inbound is not None:
            self._inbound.paused()

    def resume_writing(self) -> None:
        """The kernel took everything."""
        if self._inbound is not None:
            self._inbound.resumed()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the session; nothing is sent any more."""
        self._registry.met(self)
        if self.lanes is not None:
            self.lanes.closed = True
        if self._inbound is not None:
            self._inbound.lost()
            self._inbound = None
        self._transport = None

    def expire(self) -> None:
        """The closing handshake took too long."""
        if self._transport is not None:
            self._transport.abort()

    def pause_reading(self) -> None:
        """Take no more requests for now."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take requests again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self, code: Code) -> None:
        """Begin the closing handshake with the code's number; a transport that takes nothing is reset instead."""
        lanes = self.lanes
        if self._transport is None or lanes is None or lanes.closed:
            return
        lanes.closed = True
        if lanes.paused:
            lanes.sink.reset()
            return
        if self._protocol.state is OPEN:
            self._protocol.send_close(code.close or 1000, code.name)
        self._flush()
        self._registry.expect(self, CLOSE_WITHIN_S)

    def reset(self) -> None:
        """Drop the connection with everything unsent (P3)."""
        if self.lanes is not None:
            self.lanes.closed = True
            self.lanes.sink.reset()

    def _accept(self, request: Request) -> None:
        """Answer the handshake; on success the session begins."""
        response = self._protocol.accept(request)
        self._protocol.send_response(response)
        if response.status_code == 101 and self._transport is not None:
            chosen = self._protocol.subprotocol
            form = _FORM_OF[chosen] if chosen is not None else _FORM_OF["parley.v1.json"]
            self._flush()
            self.lanes = Lanes(form, self._sink(self._transport))
            self._inbound = self._begin(self, self.lanes)

    def _frame(self, frame: Frame) -> None:
        """Put the fragments of a message together; the protocol answers pings and closes itself."""
        if frame.opcode is Opcode.CLOSE:
            if self.lanes is not None:
                self.lanes.closed = True
            return
        if (
            frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)
            or self._inbound is None
            or self.lanes is None
            or self.lanes.closed
        ):
            return
        if frame.opcode is not Opcode.CONT and FORMATS[self.lanes.form].text != (frame.opcode is Opcode.TEXT):
            # A message of the other kind is none of this connection's format, whatever it holds.
            self._inbound.close(codes.MALFORMED)
            return
        if self._parts is None and frame.fin:
            self._inbound.received(bytes(frame.data))
            return
        self._parts = self._parts or []
        if frame.data:  # Empty fragments count towards no limit: they are not kept.
            self._parts.append(bytes(frame.data))
        if frame.fin:
            data = b"".join(self._parts)
            self._parts = None
            self._inbound.received(data)

    def _flush(self) -> None:
        """Write what the protocol wants to say: pongs, its half of a close, the end of the stream."""
        transport = self._transport
        if transport is None:
            return
        for data in self._protocol.data_to_send():
            if data:
                transport.write(data)
            elif isinstance(self._protocol.parser_exc, PayloadTooBig) and transport.can_write_eof():
                # The peer is still sending what is too large: closing now would reset the connection before it reads why.
                transport.write_eof()
                self._registry.expect(self, CLOSE_WITHIN_S)
                return
            else:
                transport.close()
                return
        if self._protocol.close_expected() and not transport.is_closing():
            if self.lanes is not None:
                self.lanes.closed = True
            self._registry.expect(self, CLOSE_WITHIN_S)


def _select(protocol: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Choose the first of ours that the client offers; none offered means JSON, for a person with a general tool."""
    for name in SUBPROTOCOLS:
        if name in offered:
            return Subprotocol(name)
    if offered:
        raise NegotiationError("none of these subprotocols is spoken here")
    return None
