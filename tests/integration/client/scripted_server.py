"""A server that does what a test tells it: real sockets, real frames, no rules of its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from parley_protocol import frames
from parley_protocol.codec import JSON, MSGPACK, SUBPROTOCOLS, decode_client, encode
from parley_protocol.frames import Author, BoardState, ClientFrame, Hello, Posted, ServerFrame, Welcome
from parley_protocol.ids import AccountId, BoardId, PostId, SessionId

F = TypeVar("F", bound=ClientFrame)

LOBBY = BoardId("lobby")
ME = frames.Self(AccountId("a-me"), "me", "Me", "member")
ANN = Author(AccountId("a-ann"), "ann")
WAIT_S = 5.0
"""Longest wait of a script for a frame; a script that waits longer has failed."""


class Peer:
    """One connection, from the server's side."""

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket
        self._codec = JSON if SUBPROTOCOLS[str(socket.subprotocol)] == "json" else MSGPACK

    async def send(self, *sent: ServerFrame) -> None:
        """Send frames, one message each."""
        for frame in sent:
            await self._socket.send(encode(self._codec, frame), text=self._codec.text)

    async def send_raw(self, data: bytes) -> None:
        """Send one message as it is."""
        await self._socket.send(data, text=self._codec.text)

    async def receive(self) -> ClientFrame:
        """Wait for any frame, as long as it takes."""
        return decode_client(self._codec, await self._socket.recv(decode=False))

    async def expect(self, kind: type[F]) -> F:
        """Wait for the next frame, which must be of this kind."""
        async with asyncio.timeout(WAIT_S):
            frame = await self.receive()
        assert isinstance(frame, kind), frame
        return frame

    async def greet(self, *boards: BoardState, beat_ms: int = 20_000, account: frames.Self | None = ME) -> Hello:
        """Answer the hello with a welcome."""
        hello = await self.expect(Hello)
        await self.send(Welcome(1, SessionId("s"), {}, beat_ms, account, boards))
        return hello

    async def subscribed(self, head: int = 0, epoch: str = "e1") -> frames.Subscribe:
        """Answer a subscription at ``head``."""
        asked = await self.expect(frames.Subscribe)
        await self.send(frames.Ok(asked.id, board=asked.board, epoch=epoch, head=head, recovered=False))
        return asked

    async def cut(self) -> None:
        """End the connection as a broken network would: no closing handshake."""
        self._socket.transport.abort()

    async def close(self, code: int, why: str = "") -> None:
        """End the connection with a close frame."""
        await self._socket.close(code, why)

    async def gone(self) -> None:
        """Wait until the client has left."""
        await self._socket.wait_closed()


Script = Callable[[Peer], Awaitable[None]]
"""What one connection does."""


@asynccontextmanager
async def scripted_server(*scripts: Script) -> AsyncIterator[str]:
    """Serve the first connection by the first script, the second by the second, … Give the server's address.

    A script that fails fails the test, at the end.
    """
    left = list(scripts)
    failed: list[BaseException] = []

    async def handle(socket: ServerConnection) -> None:
        if not left:
            await socket.close(4500, "the script has no more connections")
            return
        try:
            await left.pop(0)(Peer(socket))
        except ConnectionClosed as error:
            failed.append(AssertionError(f"the client left its script: {error}"))
        except (AssertionError, TimeoutError) as error:
            failed.append(error)
            await socket.close(4500, "the script failed")

    async with serve(
        handle,
        "127.0.0.1",
        0,
        subprotocols=[Subprotocol(name) for name in SUBPROTOCOLS],
        compression=None,
        close_timeout=0.2,
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}"
    if failed:
        raise failed[0]
    assert not left, f"{len(left)} scripts were not played"


def posted(seq: int, body: str, author: Author = ANN) -> Posted:
    """Make the event of a post that is named after its seq."""
    return Posted(LOBBY, seq, PostId(f"p{seq}"), author, body, 1_700_000_000_000_000 + seq, 1)
