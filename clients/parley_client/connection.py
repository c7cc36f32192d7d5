"""One WebSocket connection that carries frames. Thin: what they mean is the session's."""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Protocol, TypeAlias

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol

from parley_client.address import is_loopback
from parley_client.limits import CLOSE_S, MESSAGE_BYTES_MAX, OPEN_S, RECEIVE_BUFFER_BYTES, SEND_S
from parley_client.retry import Closed
from parley_protocol import codes
from parley_protocol.codec import JSON, MSGPACK, SUBPROTOCOLS, Codec, FormatName, decode_server, encode
from parley_protocol.errors import ProtocolError
from parley_protocol.frames import ClientFrame, ServerFrame

log = logging.getLogger("parley.client")

OnRaw: TypeAlias = Callable[[bytes], None]
"""Sees each message as it came, before anything reads it."""


class Broken(Exception):
    """The connection is over."""

    def __init__(self, closed: Closed) -> None:
        super().__init__(closed.why)
        self.closed = closed


class Link(Protocol):
    """What the client needs of a connection. Every method may raise ``Broken``."""

    async def send(self, frame: ClientFrame) -> None:
        """Hand one frame to the transport."""
        ...

    async def receive(self) -> ServerFrame:
        """Wait for the next frame; those of unknown type are passed over."""
        ...

    async def close(self) -> None:
        """Close, within ``CLOSE_S``; never raises."""
        ...


class WebSocketLink:
    """A ``Link`` over a real socket."""

    def __init__(self, connection: ClientConnection, codec: Codec, on_raw: OnRaw | None) -> None:
        self._socket = connection
        self._codec = codec
        self._on_raw = on_raw

    async def send(self, frame: ClientFrame) -> None:
        """Hand one frame to the transport; one that takes none for ``SEND_S`` is broken."""
        data = encode(self._codec, frame)
        try:
            async with asyncio.timeout(SEND_S):
                await self._socket.send(data, text=self._codec.text)
        except ConnectionClosed as error:
            raise Broken(_closed(error)) from error
        except TimeoutError as error:
            raise Broken(Closed("the connection takes nothing")) from error

    async def receive(self) -> ServerFrame:
        """Wait for the next frame. The caller bounds the wait."""
        while True:
            try:
                message = await self._socket.recv(decode=False)
            except ConnectionClosed as error:
                raise Broken(_closed(error)) from error
            if self._on_raw is not None:
                self._on_raw(message)
            try:
                return decode_server(self._codec, message)
            except ProtocolError as error:
                if error.code.close is not None:
                    raise Broken(Closed(f"the server broke the protocol ({error})")) from error
                if error.code is not codes.UNKNOWN_TYPE:
                    # An event that is passed over leaves a hole in its board's log, and the session deals with that.
                    log.warning("a frame of the server cannot be read: %s", error)

    async def close(self) -> None:
        """Close; a peer that does not answer is cut after ``CLOSE_S``."""
        await self._socket.close()


async def open_websocket(url: str, format: FormatName, on_raw: OnRaw | None = None) -> WebSocketLink:
    """Connect to a server's WebSocket endpoint.

    Args:
        url: as ``address.websocket_url`` gives it.
        format: what the frames are written in.
        on_raw: sees each message as it came.

    Raises:
        Broken: it cannot be reached, or refuses.
    """
    name = next(name for name, known in SUBPROTOCOLS.items() if known == format)
    try:
        link = await connect(
            url,
            subprotocols=[Subprotocol(name)],
            compression=None,
            proxy=None if is_loopback(url) else True,
            open_timeout=OPEN_S,
            close_timeout=CLOSE_S,
            # The protocol's own beats show more than a ping: a subscription that is silent.
            ping_interval=None,
            max_size=MESSAGE_BYTES_MAX,
        )
        connected: socket.socket | None = link.transport.get_extra_info("socket")
        if connected is not None:
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    except InvalidStatus as error:
        status, after = error.response.status_code, error.response.headers.get("Retry-After", "")
        after_ms = int(after) * 1000 if after.isascii() and after.isdigit() else None
        raise Broken(Closed(f"the server answered the handshake with HTTP {status}", status=status, after_ms=after_ms)) from error
    except (OSError, TimeoutError, InvalidHandshake) as error:
        raise Broken(Closed(f"cannot reach {url}: {str(error) or type(error).__name__}")) from error
    except InvalidURI as error:
        raise ValueError(str(error)) from error
    if link.subprotocol != name:
        await link.close()
        raise Broken(Closed(f"the server does not speak {name}", close=codes.VERSION.close))
    return WebSocketLink(link, JSON if format == "json" else MSGPACK, on_raw)


def _closed(error: ConnectionClosed) -> Closed:
    """Say how a connection ended."""
    if error.rcvd is None:
        return Closed("the connection broke")
    return Closed(error.rcvd.reason or f"the server closed with {error.rcvd.code}", close=error.rcvd.code)
