"""Peer: ``websockets.asyncio.server.broadcast`` to N readers, driven like native/floor.c.

Usage: websockets_broadcast.py READERS PAYLOAD_BYTES

Prints ``listening PORT``, then ``ready`` when READERS are connected, then obeys stdin: ``send ROUNDS JOINED`` broadcasts JOINED messages
in a row, lets the event loop run, does that ROUNDS times, and prints ``sent D cpu_us_per_delivery=X wall_us_per_delivery=Y``.
On uvloop where it is installed, without compression and keepalive, which is its best case.
"""

import asyncio
import importlib
import sys
import time

from websockets.asyncio.server import ServerConnection, broadcast, serve


async def main(readers: int, payload_bytes: int) -> None:
    """Serve until stdin ends."""
    connections: set[ServerConnection] = set()
    all_here = asyncio.Event()

    async def handler(connection: ServerConnection) -> None:
        connections.add(connection)
        if len(connections) == readers:
            all_here.set()
        await connection.wait_closed()
        connections.discard(connection)

    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    message = b"x" * payload_bytes
    async with serve(handler, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        print("listening", next(iter(server.sockets)).getsockname()[1], flush=True)
        await all_here.wait()
        print("ready", flush=True)
        while line := await commands.readline():
            verb, rounds, joined = line.split()
            assert verb == b"send"
            cpu, wall = time.process_time(), time.perf_counter()
            for _ in range(int(rounds)):
                for _ in range(int(joined)):
                    broadcast(connections, message)
                await asyncio.sleep(0)
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            sent = len(connections) * int(rounds) * int(joined)
            print(
                "sent",
                sent,
                f"cpu_us_per_delivery={cpu * 1e6 / sent:.3f} wall_us_per_delivery={wall * 1e6 / sent:.3f}",
                flush=True,
            )


if __name__ == "__main__":
    try:
        run = importlib.import_module("uvloop").run
    except ModuleNotFoundError:
        run = asyncio.run
    run(main(int(sys.argv[1]), int(sys.argv[2])))
