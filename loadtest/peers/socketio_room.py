"""Peer: python-socketio on aiohttp, ``emit`` to a room that every reader joined when it connected.

Usage: python -m peers.socketio_room READERS PAYLOAD_BYTES

On uvloop where it is installed; the WebSocket transport only, without compression; its ping is put off beyond the run.
"""

import asyncio
import importlib
import sys
from typing import Any

from aiohttp import web

from peers.loop import run
from peers.opening import SOCKETIO_EVENT, socketio_body
from peers.orders import obey, say

ROOM = "load-room"
PING_S = 36_000


async def main(readers: int, payload_bytes: int) -> None:
    """Serve until stdin ends."""
    here = 0
    all_here = asyncio.Event()
    body = socketio_body(payload_bytes)
    server = importlib.import_module("socketio").AsyncServer(  # By name, since it carries no types.
        async_mode="aiohttp",
        transports=["websocket"],
        http_compression=False,
        ping_interval=PING_S,
        ping_timeout=PING_S,
        logger=False,
        engineio_logger=False,
    )

    async def joined_in(sid: str, environ: dict[str, Any]) -> None:
        nonlocal here
        await server.enter_room(sid, ROOM)
        here += 1
        if here == readers:
            all_here.set()

    async def send(rounds: int, joined: int) -> int:
        for _ in range(rounds):
            for _ in range(joined):
                await server.emit(SOCKETIO_EVENT, body, room=ROOM)
            await asyncio.sleep(0)
        return here * rounds * joined

    server.on("connect", joined_in)
    app = web.Application()
    server.attach(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    say("listening", runner.addresses[0][1])
    await all_here.wait()
    say("ready")
    await obey(send)


if __name__ == "__main__":
    run(main(int(sys.argv[1]), int(sys.argv[2])))
