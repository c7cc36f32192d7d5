"""Peer: ``websockets.asyncio.server.broadcast``.

Usage: python -m peers.websockets_broadcast READERS PAYLOAD_BYTES

On uvloop where it is installed, without compression and keepalive, which is its best case.
"""

import asyncio
import sys

from websockets.asyncio.server import ServerConnection, broadcast, serve

from peers.loop import run
from peers.orders import obey, say


async def main(readers: int, payload_bytes: int) -> None:
    """Serve until stdin ends."""
    connections: set[ServerConnection] = set()
    all_here = asyncio.Event()
    message = b"x" * payload_bytes

    async def handler(connection: ServerConnection) -> None:
        connections.add(connection)
        if len(connections) == readers:
            all_here.set()
        await connection.wait_closed()
        connections.discard(connection)

    async def send(rounds: int, joined: int) -> int:
        for _ in range(rounds):
            for _ in range(joined):
                broadcast(connections, message)
            await asyncio.sleep(0)
        return len(connections) * rounds * joined

    async with serve(handler, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        say("listening", next(iter(server.sockets)).getsockname()[1])
        await all_here.wait()
        say("ready")
        await obey(send)


if __name__ == "__main__":
    run(main(int(sys.argv[1]), int(sys.argv[2])))
