"""A plain client of the wire that keeps every byte it got, and one over a bare socket that can stop reading."""

import asyncio
import itertools
import json
import socket
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import msgpack
from websockets.asyncio.client import ClientConnection, connect
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

Map = dict[str, Any]
FORMS: Final = ("msgpack", "json")
WITHIN_S: Final = 30.0


def encode(frame: Mapping[str, Any], form: str) -> bytes:
    """Write a frame in a format."""
    data: bytes = msgpack.packb(frame) if form == "msgpack" else json.dumps(frame, ensure_ascii=False).encode()
    return data


def decode(data: bytes, form: str) -> Map:
    """Read a frame in a format."""
    frame: Map = msgpack.unpackb(data) if form == "msgpack" else json.loads(data)
    return frame


class Wire:
    """One connection. ``raw`` holds each message's payload as it came; ``frames`` the same, read."""

    def __init__(self, socket: ClientConnection, form: str) -> None:
        self.socket = socket
        self.form = form
        self.raw: list[bytes] = []
        self.frames: list[Map] = []
        self._news = asyncio.Event()
        self._ids = itertools.count(1)
        self._closed = False
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            while True:
                data = await self.socket.recv(decode=False)
                self.raw.append(bytes(data))
                self.frames.append(decode(bytes(data), self.form))
                self._news.set()
        except ConnectionClosed:
            self._closed = True
            self._news.set()

    async def send(self, frame: Mapping[str, Any]) -> None:
        """Send a frame in the connection's format."""
        await self.send_bytes(encode(frame, self.form))

    async def send_bytes(self, data: bytes, *, text: bool | None = None) -> None:
        """Send any message, of the connection's kind unless told otherwise."""
        await self.socket.send(data, text=self.form == "json" if text is None else text)

    async def hello(self, token: str | None = None, **fields: Any) -> Map:
        """Say hello and return the welcome."""
        await self.send({"type": "hello", "v": 1, "client": "test", **({"token": token} if token else {}), **fields})
        return await self.expect("welcome")

    async def ask(self, type: str, **fields: Any) -> Map:
        """Make a request and return its answer."""
        re = fields.pop("id", None) or next(self._ids)
        await self.send({"type": type, "id": re, **fields})
        return await self.wait(lambda frame: frame.get("re") == re)

    async def post(self, board: str, body: str, nonce: str | None = None, **fields: Any) -> Map:
        """Publish and return the answer."""
        nonce = nonce or uuid.uuid4().hex
        return await self.ask("post", board=board, nonce=nonce, body=body, **fields)

    async def wait(self, wanted: Callable[[Map], bool], within_s: float = WITHIN_S) -> Map:
        """Return the first frame of all so far that is wanted, waiting for it if need be."""
        looked = 0
        async with asyncio.timeout(within_s):
            while True:
                while looked < len(self.frames):
                    looked += 1
                    if wanted(self.frames[looked - 1]):
                        return self.frames[looked - 1]
                assert not self._closed, (self.socket.close_code, self.frames[-5:])
                self._news.clear()
                await self._news.wait()

    async def expect(self, type: str, within_s: float = WITHIN_S, **fields: Any) -> Map:
        """Return the first frame of this type with these fields."""
        return await self.wait(
            lambda frame: frame["type"] == type and all(frame.get(name) == value for name, value in fields.items()), within_s
        )

    async def reach(self, board: str, seq: int) -> Map:
        """Return the event at a place of a board's log."""
        return await self.wait(lambda frame: frame.get("board") == board and frame.get("seq") == seq and "re" not in frame)

    async def closed(self, within_s: float = WITHIN_S) -> tuple[int | None, Map | None]:
        """Wait for the close; return its number and the bye before it."""
        async with asyncio.timeout(within_s):
            await self._reader
        last = self.frames[-1] if self.frames else None
        return self.socket.close_code, last if last is not None and last["type"] == "bye" else None

    def events(self, board: str) -> list[Map]:
        """The events of a board, as they came."""
        return [frame for frame in self.frames if frame.get("board") == board and "seq" in frame and "re" not in frame]

    def types(self) -> list[str]:
        """The types of all frames, as they came."""
        return [frame["type"] for frame in self.frames]

    def got(self, text: str) -> bool:
        """Say whether any byte string that came holds a text."""
        return any(text.encode() in data for data in self.raw)

    async def aclose(self) -> None:
        await self.socket.close()
        await self._reader


class Wires:
    """Connections to one server, closed together."""

    def __init__(self) -> None:
        self.open: list[Wire] = []

    async def __call__(self, url: str, form: str = "msgpack", *, subprotocols: tuple[str, ...] | None = None) -> Wire:
        """Connect, and say nothing yet."""
        offered = (f"parley.v1.{form}",) if subprotocols is None else subprotocols
        opened = await connect(
            url,
            subprotocols=[Subprotocol(name) for name in offered] or None,
            compression=None,
            ping_interval=None,
            max_size=None,
            max_queue=None,
            close_timeout=2,
        )
        wire = Wire(opened, form)
        self.open.append(wire)
        return wire

    async def joined(self, url: str, form: str, token: str | None, *boards: str) -> Wire:
        """Connect, say hello, and follow boards from now on."""
        wire = await self(url, form)
        await wire.hello(token)
        for board in boards:
            answer = await wire.ask("subscribe", board=board)
            assert answer["type"] == "ok", answer
        return wire


@asynccontextmanager
async def connecting() -> AsyncIterator[Wires]:
    """Connections that end with the block."""
    wires = Wires()
    try:
        yield wires
    finally:
        await asyncio.gather(*(wire.aclose() for wire in wires.open))


class StoppedReader:
    """A client that reads only when it is told to, with as small a window as the kernel gives. Blocks; for a thread.

    Attributes:
        raw: every byte that the server sent, handshake and frame headers included.
    """

    def __init__(self, url: str, form: str, receive_bytes: int = 4_096) -> None:
        uri = parse_uri(url)
        self.form = form
        self.raw = bytearray()
        self.frames: list[Map] = []
        self._protocol = ClientProtocol(uri, subprotocols=[Subprotocol(f"parley.v1.{form}")], max_size=None)
        self._socket = socket.socket()
        # Before the connection is made: the window that is announced follows from it.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self._socket.settimeout(WITHIN_S)
        self._socket.connect((uri.host, uri.port))
        self.ended = False
        self._protocol.send_request(self._protocol.connect())
        self._flush()
        while self._protocol.state is State.CONNECTING:
            self._read()

    def send(self, frame: Mapping[str, Any]) -> None:
        """Send a frame."""
        data = encode(frame, self.form)
        (self._protocol.send_binary if self.form == "msgpack" else self._protocol.send_text)(data)
        self._flush()

    def read_until(self, wanted: Callable[[Map], bool]) -> Map | None:
        """Read until a frame is wanted; none if the connection ends first."""
        looked = len(self.frames)
        while True:
            while looked < len(self.frames):
                looked += 1
                if wanted(self.frames[looked - 1]):
                    return self.frames[looked - 1]
            if self.ended:
                return None
            self._read()

    def waiting(self) -> int:
        """How many bytes lie unread in this end's kernel."""
        before = self._socket.gettimeout()
        self._socket.setblocking(False)
        try:
            return len(self._socket.recv(1 << 24, socket.MSG_PEEK))
        except BlockingIOError:
            return 0
        finally:
            self._socket.settimeout(before)

    def close(self) -> None:
        self._socket.close()

    def _read(self) -> None:
        try:
            data = self._socket.recv(65_536)
        except ConnectionError:
            data = b""
        self.raw += data
        if not data:
            self.ended = True
            return
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Frame) and event.data and event.opcode.name in {"TEXT", "BINARY"}:
                self.frames.append(decode(bytes(event.data), self.form))
        self._flush()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._socket.sendall(data)
