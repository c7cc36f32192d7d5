"""What a retraction right after its post's ``ok`` does to readers: how soon each reads the notice, how many are reset, what the receipt says.

The readers also write, as people do: their kernels therefore hold back the acknowledgement of what they read for up to 40 ms, hoping to
send it along with something. Some readers may be stopped (SIGSTOP) behind full buffers: they acknowledge nothing.

    python loadtest/retract.py [--readers 50] [--rounds 10] [--stopped 1]
"""

import argparse
import asyncio
import os
import signal
import socket as socketlib
import sys
import time
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from harness import machine
from harness.authors import SUBPROTOCOL
from harness.parley import POLICY, Parley
from harness.table import percentile
from parley_client.client import Client
from parley_client.values import PostedAnswer
from parley_protocol.codec import MSGPACK, encode
from parley_protocol.frames import Hello, Ping, Read, Subscribe
from parley_protocol.ids import BoardId

BOARD: Final = BoardId("load-room")
PINGS: Final = 4
"""Exchanges of each reader before the post; after them the kernel takes the connection for a conversation."""

FILL_POSTS: Final = 4
"""Posts of 8,000 bytes before the one that is retracted, where readers are stopped: more than those readers' kernels take
(``RECEIVE_BYTES``) and less than the server's do, so that the next post is among what the server's kernel could not send."""

RECEIVE_BYTES: Final = 4_096
"""``SO_RCVBUF`` of readers that are stopped."""

REST_S: Final = 0.5
WATCH_S: Final = 5.0
"""How long a round looks at its readers after the retraction: longer than the server's deadline for stragglers."""


@dataclass(slots=True)
class Reader:
    """One connection that follows the board. ``told_ns``: when it read the notice about each post."""

    socket: ClientConnection
    told_ns: dict[str, int] = field(default_factory=dict)
    pongs: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    ended: bool = False

    async def read(self) -> None:
        """Read until the connection ends."""
        try:
            while True:
                frame: Any = MSGPACK.load(await self.socket.recv(decode=False))
                match frame["type"]:
                    case "suppress":
                        self.told_ns[frame["post"]] = time.monotonic_ns()
                    case "pong":
                        self.pongs.release()
        except ConnectionClosed:
            self.ended = True

    async def talk(self) -> None:
        """Write, and wait for each answer; the last word, a read mark, has none."""
        for number in range(PINGS):
            await self.socket.send(encode(MSGPACK, Ping(number)))
            await self.pongs.acquire()
        await self.socket.send(encode(MSGPACK, Read(BOARD, 0)))


@dataclass(frozen=True, slots=True)
class Round:
    """What one retraction did. ``told_ms``: from sending it until each reader read the notice."""

    reset: int
    told_ms: list[float]
    stopped_reset: int
    record: dict[str, Any]


async def open_reader(url: str, receive_bytes: int = 0) -> Reader:
    """Follow the board as a guest; returns when it is followed. ``receive_bytes``: of its kernel, 0 leaves that as it is."""
    bare = socketlib.socket()
    if receive_bytes:
        bare.setsockopt(socketlib.SOL_SOCKET, socketlib.SO_RCVBUF, receive_bytes)
    place = urlsplit(url)
    bare.connect((place.hostname, place.port))
    bare.setblocking(False)
    socket = await connect(
        url, sock=bare, subprotocols=[Subprotocol(SUBPROTOCOL)], compression=None, ping_interval=None, max_queue=None
    )
    await socket.send(encode(MSGPACK, Hello(1)))
    await socket.send(encode(MSGPACK, Subscribe(1, BOARD)))
    while (frame := MSGPACK.load(await socket.recv(decode=False))).get("type") != "ok":  # type: ignore[attr-defined]  # a map
        assert frame.get("type") == "welcome", frame  # type: ignore[attr-defined]
    return Reader(socket)


async def measure(server: Parley, admin: Client, readers: int, stopped: int) -> Round:
    """Post, retract at once, look at what follows."""
    command = (__file__, "--stand-still", server.socket_url, "--readers", str(stopped))
    child = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    assert await child.stdout.readline() == b"ready\n"
    crowd = [await open_reader(server.socket_url) for _ in range(readers)]
    tasks = [asyncio.create_task(reader.read()) for reader in crowd]
    os.kill(child.pid, signal.SIGSTOP)
    try:
        for number in range(FILL_POSTS if stopped else 0):
            await admin.post(BOARD, f"filler {time.monotonic_ns()} {number} ".ljust(8_000, "x"))
        await asyncio.sleep(REST_S)
        await asyncio.gather(*(reader.talk() for reader in crowd))
        answer = await admin.post(BOARD, f"round {time.monotonic_ns()} ".ljust(200, "x"))
        assert isinstance(answer, PostedAnswer)
        began = time.monotonic_ns()
        done = await admin.retract(answer.post, POLICY, "Retracted right after its ok.")
        await asyncio.sleep(WATCH_S)
    finally:
        os.kill(child.pid, signal.SIGCONT)
    told = [(reader.told_ns[answer.post] - began) / 1e6 for reader in crowd if answer.post in reader.told_ns]
    reset = sum(reader.ended for reader in crowd)
    gone, _ = await child.communicate()
    record = await server.call("GET", f"/v1/takedowns/{done.takedown}", {})
    for reader in crowd:
        await reader.socket.close()
    await asyncio.gather(*tasks)
    return Round(reset, told, int(gone or b"0"), record)


async def run(readers: int, rounds: int, stopped: int) -> None:
    """Measure and print."""
    async with Parley.start() as server:
        await server.board(BOARD)
        async with Client(f"http://127.0.0.1:{server.port}", server.admin_token) as admin:
            for number in range(rounds):
                seen = await measure(server, admin, readers, stopped)
                line = f"round {number + 1}: {seen.reset} of {readers} readers reset, {len(seen.told_ms)} told"
                if seen.told_ms:
                    p50, p99 = (percentile(seen.told_ms, share) for share in (50, 99))
                    line += f", notice read after {p50:.2f} ms p50, {p99:.2f} p99, {max(seen.told_ms):.2f} max"
                print(f"{line}; {seen.stopped_reset} of {stopped} stopped ones reset", flush=True)
                print(f"    receipts: {seen.record.get('receipts')}", flush=True)
        print(f"\ncommand: {machine.command_line()}\nmachine: {machine.machine_line()}")


async def stand_still(url: str, count: int) -> None:
    """Be the readers that are stopped; print how many connections turn out to be gone when it goes on."""
    crowd = [await open_reader(url, RECEIVE_BYTES) for _ in range(count)]
    print("ready", flush=True)
    tasks = [asyncio.create_task(reader.read()) for reader in crowd]
    for _ in range(20):
        # Many short ones: the one that runs while the process is stopped is over at once when it goes on.
        await asyncio.sleep(0.1)
    print(sum(reader.ended for reader in crowd))
    for task in tasks:
        task.cancel()


def main() -> None:
    """Read the options and run."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--readers", type=int, default=50)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--stopped", type=int, default=0)
    options.add_argument("--stand-still", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.stand_still is not None:
        asyncio.run(stand_still(chosen.stand_still, chosen.readers))
    else:
        asyncio.run(run(chosen.readers, chosen.rounds, chosen.stopped))


if __name__ == "__main__":
    main()
