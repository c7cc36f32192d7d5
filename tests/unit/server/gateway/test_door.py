"""The front door: what goes where, and what does not get in."""

import asyncio

import pytest

from parley_server import limits
from parley_server.clock import World
from parley_server.gateway.door import FrontDoor, wants_websocket
from parley_server.gateway.fence import Fence
from parley_server.gateway.hub import Hub
from parley_server.gateway.registry import Registry
from tests.fakes import FakeBoardLog, FakeWorld

HEAD = b"GET /v1/ws HTTP/1.1\r\nHost: parley\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
PAGE = b"GET / HTTP/1.1\r\nHost: parley\r\n\r\n"


class Taken(asyncio.Protocol):
    """A protocol that keeps what it gets."""

    def __init__(self) -> None:
        self.data = b""
        self.transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data


class Street(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.data = b""
        self.closed = False
        self.aborted = False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, Taken)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.data += bytes(data)

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True


class Entrance:
    """A door with somebody before it."""

    def __init__(self) -> None:
        self.registry, self.fence = Registry(Hub(FakeBoardLog(FakeWorld())), World()), Fence()
        self.sockets: list[Taken] = []
        self.pages: list[Taken] = []
        self.street = Street()
        self.door = FrontDoor(self.registry, self.fence, lambda: self._new(self.sockets), lambda: self._new(self.pages))
        self.door.connection_made(self.street)

    def _new(self, kept: list[Taken]) -> Taken:
        kept.append(Taken())
        return kept[-1]


async def test_a_handshake_goes_to_the_websocket_with_every_byte_whatever_the_pieces() -> None:
    entrance = Entrance()
    data = HEAD + b"early frame"
    for at in range(0, len(data), 7):
        (entrance.sockets[0] if entrance.sockets else entrance.door).data_received(data[at : at + 7])
    assert [taken.data for taken in entrance.sockets] == [data] and not entrance.pages
    assert entrance.sockets[0].transport is entrance.street and not entrance.registry._deadlines


async def test_anything_else_goes_to_http() -> None:
    entrance = Entrance()
    entrance.door.data_received(PAGE)
    assert [taken.data for taken in entrance.pages] == [PAGE] and not entrance.sockets


async def test_a_head_without_end_is_left_to_http_to_refuse() -> None:
    entrance = Entrance()
    entrance.door.data_received(b"GET /v1/ws HTTP/1.1\r\n" + b"x" * limits.HEAD_BYTES_MAX)
    assert len(entrance.pages) == 1


async def test_a_full_house_answers_a_handshake_with_503_and_still_serves_pages() -> None:
    entrance, other = Entrance(), Entrance()
    for full in (entrance, other):
        full.registry.size = limits.CONNECTIONS_MAX
    entrance.door.data_received(HEAD)
    assert entrance.street.data.startswith(b"HTTP/1.1 503 ") and b"Retry-After" in entrance.street.data
    assert entrance.street.closed and not entrance.sockets
    other.door.data_received(PAGE)
    assert other.pages


async def test_who_says_nothing_in_time_is_cut() -> None:
    entrance = Entrance()
    now = asyncio.get_running_loop().time()
    entrance.registry.sweep(now + limits.HEAD_WITHIN_S - 1)
    assert not entrance.street.aborted
    entrance.registry.sweep(now + limits.HEAD_WITHIN_S + 1)
    assert entrance.street.aborted and not entrance.registry._deadlines


@pytest.mark.parametrize(
    ("head", "wanted"),
    [
        (HEAD, True),
        (HEAD.replace(b"/v1/ws", b"/v1/ws?x=1"), True),
        (HEAD.replace(b"Upgrade: websocket", b"uPGRADE:WebSocket"), True),
        (HEAD.replace(b"/v1/ws", b"/v1/wsx"), False),
        (HEAD.replace(b"/v1/ws", b"/"), False),
        (HEAD.replace(b"GET", b"POST"), False),
        (HEAD.replace(b"Upgrade: websocket", b"Upgrade: h2c"), False),
        (PAGE.replace(b"/", b"/v1/ws", 1), False),
        (b"\r\n\r\n", False),
        (b"\xff" * 100 + b"\r\n\r\n", False),
    ],
)
def test_only_an_upgrade_to_websocket_at_its_address_is_one(head: bytes, wanted: bool) -> None:
    assert wants_websocket(head) is wanted
