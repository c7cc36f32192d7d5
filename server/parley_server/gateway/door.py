"""The one port: looks at a connection's first request and hands it to the WebSocket or to the HTTP server."""

import asyncio
from collections.abc import Callable
from typing import Final, cast

from parley_server import limits
from parley_server.gateway.fence import Fence
from parley_server.gateway.gate import Gate
from parley_server.gateway.registry import Registry

_PATH: Final = b"/v1/ws"
_BUSY_BODY: Final = b'{"code":"overloaded","title":"The server has no room for this connection now.","status":503}'
_BUSY: Final = (
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: {}\r\nConnection: close\r\n"
    f"Content-Type: application/problem+json\r\nContent-Length: {len(_BUSY_BODY)}\r\n\r\n"
)


class FrontDoor(asyncio.Protocol):
    """A connection whose request head is not complete yet."""

    __slots__ = ("_fence", "_gate", "_head", "_http", "_registry", "_transport", "_websocket")

    def __init__(
        self,
        registry: Registry,
        fence: Fence,
        gate: Gate,
        websocket: Callable[[], asyncio.Protocol],
        http: Callable[[], asyncio.Protocol],
    ) -> None:
        self._registry = registry
        self._fence = fence
        self._gate = gate
        self._websocket = websocket
        self._http = http
        self._head = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the head, but not for ever."""
        # uvloop's transports have the interface without the base class.
        self._transport = cast("asyncio.Transport", transport)
        self._registry.expect(self, limits.HEAD_WITHIN_S)

    def data_received(self, data: bytes) -> None:
        """Decide as soon as the head is complete; a head that is too long is left to the HTTP server to refuse."""
        self._head += data
        if b"\r\n\r\n" in self._head or len(self._head) > limits.HEAD_BYTES_MAX:
            self._hand_over()

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone before it asked for anything."""
        self._registry.met(self)
        self._transport = None

    def expire(self) -> None:
        """No complete head in time."""
        if self._transport is not None:
            self._transport.abort()

    def _hand_over(self) -> None:
        transport = self._transport
        assert transport is not None
        self._registry.met(self)
        wanted = wants_websocket(self._head)
        if wanted:
            again_s = self._gate.knock(asyncio.get_running_loop().time(), self._registry.size)
            if again_s is not None or not self._fence.holds():
                transport.write(_BUSY.format(again_s or 1).encode() + _BUSY_BODY)
                transport.close()
                return
        protocol = self._websocket() if wanted else self._http()
        head, self._head = self._head, b""
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(head)


def wants_websocket(head: bytes) -> bool:
    """Say whether a request head asks for the WebSocket endpoint: ``GET /v1/ws`` with ``Upgrade: websocket``."""
    line, _, fields = head.partition(b"\r\n")
    parts = line.split(b" ")
    if len(parts) != 3 or parts[0] != b"GET" or parts[1].partition(b"?")[0] != _PATH:
        return False
    for field in fields.split(b"\r\n"):
        name, _, value = field.partition(b":")
        if name.strip().lower() == b"upgrade":
            return b"websocket" in value.lower()
    return False
