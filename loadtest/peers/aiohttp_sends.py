"""Peer: aiohttp's ``WebSocketResponse.send_bytes``, one reader after the other (aiohttp has no broadcast of its own).

Usage: python -m peers.aiohttp_sends READERS PAYLOAD_BYTES

On uvloop where it is installed, without compression, heartbeat and access log, which is its best case.
"""

import asyncio
import sys

from aiohttp import web

from peers.loop import run
from peers.orders import obey, say


async def main(readers: int, payload_bytes: int) -> None:
    """Serve until stdin ends."""
    connections: set[web.WebSocketResponse] = set()
    all_here = asyncio.Event()
    message = b"x" * payload_bytes

    async def handler(request: web.Request) -> web.WebSocketResponse:
        connection = web.WebSocketResponse(compress=False, autoping=True)
        await connection.prepare(request)
        connections.add(connection)
        if len(connections) == readers:
            all_here.set()
        async for _ in connection:
            pass
        connections.discard(connection)
        return connection

    async def send(rounds: int, joined: int) -> int:
        for _ in range(rounds):
            for _ in range(joined):
                for connection in connections:
                    await connection.send_bytes(message)
            await asyncio.sleep(0)
        return len(connections) * rounds * joined

    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    say("listening", runner.addresses[0][1])
    await all_here.wait()
    say("ready")
    await obey(send)
    await runner.cleanup()


if __name__ == "__main__":
    run(main(int(sys.argv[1]), int(sys.argv[2])))
