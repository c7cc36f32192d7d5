"""Stand-in for readers.c where there is no C compiler: same options, same lines, several times the cost."""

import argparse
import os
import resource
import select
import socket
import sys
import time
from pathlib import Path

REQUEST = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{subprotocol}\r\n"
)
HANDSHAKE_WITHIN_S = 20
READ_BYTES = 1 << 18


class Reader:
    """One connection: its socket, the bytes of a frame that is not whole yet, its counters."""

    __slots__ = ("deliveries", "frames", "rest", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.rest = b""
        self.frames = 0
        self.deliveries = 0

    def consume(self, data: bytes, bytes_min: int) -> tuple[int, int]:
        """Take what was read; return how many frames it completed, and how many of them are deliveries."""
        data, at, frames, deliveries = self.rest + data, 0, 0, 0
        while len(data) - at >= 2:
            short, extra = data[at + 1] & 0x7F, 0
            if short >= 126:
                extra = 2 if short == 126 else 8
            size = int.from_bytes(data[at + 2 : at + 2 + extra]) if extra else short
            if len(data) - at < 2 + extra + size:
                break
            frames += 1
            deliveries += data[at] & 0x0F < 8 and size >= bytes_min
            at += 2 + extra + size
        self.rest = data[at:]
        self.frames += frames
        self.deliveries += deliveries
        return frames, deliveries


def open_reader(given: argparse.Namespace, prefix: bytes, bytes_min: int) -> Reader:
    """Connect one reader, blocking, and send its first frames."""
    sock = socket.create_connection(("127.0.0.1", given.port), HANDSHAKE_WITHIN_S)
    subprotocol = f"Sec-WebSocket-Protocol: {given.s}\r\n" if given.s else ""
    sock.sendall(REQUEST.format(path=given.p, port=given.port, subprotocol=subprotocol).encode())
    response = b""
    while b"\r\n\r\n" not in response:
        data = sock.recv(4096)
        if not data:
            sys.exit("readers: handshake ended early")
        response += data
    head, _, rest = response.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 101"):
        sys.exit(f"readers: handshake refused: {head[:200]!r}")
    reader = Reader(sock)
    reader.consume(rest, bytes_min)
    if prefix:
        sock.sendall(prefix)
    sock.setblocking(False)
    return reader


def main() -> None:
    """Connect, say READY, obey stdin."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-p", default="/")
    parser.add_argument("-s", default="")
    parser.add_argument("-f", type=Path)
    parser.add_argument("-k", type=int, default=0)
    parser.add_argument("-b", type=int, default=1)
    parser.add_argument("-t", type=int, default=600)
    parser.add_argument("port", type=int)
    parser.add_argument("count", type=int)
    given = parser.parse_args()
    end = time.monotonic() + given.t
    prefix = given.f.read_bytes() if given.f else b""
    poller = select.epoll()
    readers = [open_reader(given, prefix, given.b) for _ in range(given.count)]
    by_fd = {reader.sock.fileno(): reader for reader in readers}
    for fd in by_fd:
        poller.register(fd, select.EPOLLIN)
    os.set_blocking(0, False)
    poller.register(0, select.EPOLLIN)
    deliveries = sum(reader.deliveries for reader in readers)
    frames = sum(reader.frames for reader in readers)
    size = reads = closed = until = 0
    commands = ""
    ready = False

    def print_count() -> None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        each = [reader.deliveries for reader in readers]
        print(
            f"count deliveries={deliveries} frames={frames} bytes={size} reads={reads} least={min(each)} most={max(each)}"
            f" closed={closed} cpu_us={round((used.ru_utime + used.ru_stime) * 1e6)}",
            flush=True,
        )

    while time.monotonic() < end:
        if not ready and all(reader.frames >= given.k for reader in readers):
            ready = True
            print("READY", given.count, flush=True)
        for fd, _ in poller.poll(1.0):
            if fd == 0:
                data = os.read(0, 4096)
                if not data:
                    print_count()
                    return
                *lines, commands = (commands + data.decode()).split("\n")
                for line in lines:
                    if line == "count":
                        print_count()
                    else:
                        until = int(line.removeprefix("until "))
            else:
                try:
                    data = by_fd[fd].sock.recv(READ_BYTES)
                except BlockingIOError:
                    continue
                except ConnectionError:
                    data = b""
                if not data:
                    poller.unregister(fd)
                    by_fd[fd].sock.close()
                    closed += 1
                    continue
                size += len(data)
                reads += 1
                new_frames, new_deliveries = by_fd[fd].consume(data, given.b)
                frames += new_frames
                deliveries += new_deliveries
            if until and deliveries >= until:
                print("until", until, time.monotonic_ns(), flush=True)
                until = 0
    print_count()


if __name__ == "__main__":
    main()
