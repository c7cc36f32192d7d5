"""What a reader that was stopped still gets of posts that were retracted meanwhile (P2, P3).

A child process follows a board and writes every raw byte that it receives to a file. It is stopped (SIGSTOP), posts arrive, some are
retracted, it is continued. What its kernel had taken before the retraction cannot be recalled by any server; the program says how many
posts that were, and how many of the retracted bodies are among the bytes.

    python loadtest/stopped.py [--posts 500] [--retracted 50] [--receive-buffer BYTES] [--first N]
"""

import argparse
import asyncio
import os
import shlex
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import Final

from harness import machine
from harness.authors import SUBPROTOCOL
from harness.parley import Parley
from harness.readers import client_frame
from parley_client.client import Client
from parley_client.values import PostedAnswer
from parley_protocol.codec import MSGPACK, encode
from parley_protocol.frames import Hello, Subscribe
from parley_protocol.ids import BoardId

BOARD: Final = BoardId("load-room")
POLICY: Final = "spam"
QUIET_S: Final = 3.0
"""The reader ends after this long without a byte; the run waits as long for it to catch up."""


def read_raw(port: int, receive_buffer: int, out: Path) -> None:
    """Follow the board as a guest over a bare socket; write what comes to ``out``, until the server is quiet or hangs up."""
    with socket.socket() as connection, out.open("wb", buffering=0) as file:
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.connect(("127.0.0.1", port))
        connection.sendall(
            f"GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n".encode()
        )
        for frame in (Hello(1), Subscribe(1, BOARD)):
            connection.sendall(client_frame(encode(MSGPACK, frame)))
        print("ready", flush=True)
        connection.settimeout(QUIET_S)
        try:
            while data := connection.recv(65_536):
                file.write(data)
        except TimeoutError:
            print("quiet", flush=True)
        except ConnectionResetError:
            print("reset", flush=True)


async def run(posts: int, retracted: int, receive_buffer: int, first: int) -> int:
    """Do it once; returns how many retracted bodies are among the reader's bytes."""
    with tempfile.TemporaryDirectory(prefix="parley-stopped-") as folder:
        out = Path(folder) / "raw"
        async with Parley.start() as server:
            await server.board(BOARD)
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                __file__,
                "--read",
                str(server.port),
                "--receive-buffer",
                str(receive_buffer),
                "--out",
                str(out),
                stdout=asyncio.subprocess.PIPE,
            )
            assert child.stdout is not None
            assert await child.stdout.readline() == b"ready\n"
            await asyncio.sleep(0.5)
            os.kill(child.pid, signal.SIGSTOP)
            async with Client(f"http://127.0.0.1:{server.port}", server.admin_token) as admin:
                made: list[tuple[str, str]] = []
                for number in range(posts):
                    marker = f"marker-{number:05d}-"
                    answer = await admin.post(BOARD, marker.ljust(200, "x"))
                    assert isinstance(answer, PostedAnswer)
                    made.append((answer.post, marker))
                chosen = made[first :: max(1, (posts - first) // retracted)][:retracted]
                for post, _ in chosen:
                    await admin.retract(post, POLICY, "Retracted while a reader was stopped.")
            os.kill(child.pid, signal.SIGCONT)
            ended = (await child.stdout.read()).decode().strip()
            await child.wait()
        raw = out.read_bytes()
        got = [marker for _, marker in made if marker.encode() in raw]
        leaked = [marker for _, marker in chosen if marker.encode() in raw]
        taken = (
            max((number for number, (_, marker) in enumerate(made) if marker.encode() in raw and number < first), default=-1) + 1
        )
        print(
            f"posts {posts}, retracted {len(chosen)} (from post {first} on, evenly), receive buffer {receive_buffer or 'as it is'}"
        )
        print(
            f"reader: {len(raw)} bytes, {len(got)} posts, then {ended}; of the {first} posts before the first retracted one it has {taken}"
        )
        print(f"retracted bodies among its bytes: {len(leaked)} {' '.join(leaked)}")
        print(f"\ncommand: {shlex.join(['.venv/bin/python', *sys.argv])}\nmachine: {machine.this_machine()}")
        return len(leaked)


def main() -> None:
    """Read the options and run."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--posts", type=int, default=500)
    options.add_argument("--retracted", type=int, default=50)
    options.add_argument("--receive-buffer", type=int, default=0, help="SO_RCVBUF of the reader; 0 leaves it")
    options.add_argument("--first", type=int, default=0, help="posts that stay before the first retracted one")
    options.add_argument("--read", type=int, help=argparse.SUPPRESS)
    options.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.read is not None:
        read_raw(chosen.read, chosen.receive_buffer, chosen.out)
    else:
        asyncio.run(run(chosen.posts, chosen.retracted, chosen.receive_buffer, chosen.first))


if __name__ == "__main__":
    main()
