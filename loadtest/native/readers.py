"""Stand-in for readers.c where there is no C compiler: same options, same lines, several times the cost."""

import argparse
import os
import resource
import select
import socket
import struct
import sys
import time
from pathlib import Path

REQUEST = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{subprotocol}\r\n"
)
HANDSHAKE_WITHIN_S = 20
READ_BYTES = 1 << 18


TEXT, BINARY, CONTROL, PING, PONG = 1, 2, 8, 9, 10


def client_frame(opcode: int, payload: bytes) -> bytes:
    """Return a client's frame, masked with 0, which leaves the payload as it is."""
    size = len(payload)
    head = struct.pack("!BB", 0x80 | opcode, 0x80 | size) if size < 126 else struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
    return head + bytes(4) + payload


def read_opening(path: Path | None, number: int) -> list[tuple[bool, bytes]]:
    """Return the frames of a reader's opening, each with whether it waits for a frame."""
    opening = []
    for line in path.read_text("ascii").splitlines() if path else ():
        *wait, kind, digits = line.split(" ")
        payload = bytes.fromhex(digits)
        if kind == "text":
            payload = payload.replace(b"%d", str(number).encode(), 1)
        opening.append((wait == ["wait"], client_frame(TEXT if kind == "text" else BINARY, payload)))
    return opening


class Reader:
    """One connection: its socket, the bytes of a frame that is not whole yet, its counters."""

    __slots__ = ("deliveries", "frames", "opening", "payload_end", "rest", "sock")

    def __init__(self, sock: socket.socket, opening: list[tuple[bool, bytes]]) -> None:
        self.sock = sock
        self.opening = opening
        self.rest = b""
        self.payload_end = b""
        self.frames = 0
        self.deliveries = 0

    def advance(self, *, heard: bool) -> None:
        """Send what is due of the opening."""
        while self.opening and (heard or not self.opening[0][0]):
            self.sock.sendall(self.opening.pop(0)[1])
            heard = False

    def consume(self, data: bytes, bytes_min: int, marker: bytes) -> tuple[int, int]:
        """Take what was read; return how many frames it completed, and how many deliveries those hold."""
        data, at, frames, deliveries = self.rest + data, 0, 0, 0
        while len(data) - at >= 2:
            short, extra = data[at + 1] & 0x7F, 0
            if short >= 126:
                extra = 2 if short == 126 else 8
            size = int.from_bytes(data[at + 2 : at + 2 + extra]) if extra else short
            if len(data) - at < 2 + extra + size:
                break
            frames += 1
            opcode, payload = data[at] & 0x0F, data[at + 2 + extra : at + 2 + extra + size]
            if opcode == PING:
                self.sock.sendall(client_frame(PONG, payload))
            elif opcode < CONTROL and marker:
                text = self.payload_end + payload
                deliveries += text.count(marker)
                last = text.rfind(marker)
                self.payload_end = text[max(len(text) - len(marker) + 1, last + len(marker) if last >= 0 else 0) :]
            else:
                deliveries += opcode < CONTROL and size >= bytes_min
            at += 2 + extra + size
            self.advance(heard=True)
        self.rest = data[at:]
        self.frames += frames
        self.deliveries += deliveries
        return frames, deliveries


def open_reader(given: argparse.Namespace, number: int) -> Reader:
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
    reader = Reader(sock, read_opening(given.open, number))
    reader.advance(heard=False)
    reader.consume(rest, given.b, given.m.encode())
    return reader


def main() -> None:
    """Connect, say READY, obey stdin."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-p", default="/")
    parser.add_argument("-s", default="")
    parser.add_argument("-o", "--open", type=Path)
    parser.add_argument("-m", default="")
    parser.add_argument("-k", type=int, default=0)
    parser.add_argument("-b", type=int, default=1)
    parser.add_argument("-t", type=int, default=600)
    parser.add_argument("port", type=int)
    parser.add_argument("count", type=int)
    given = parser.parse_args()
    end = time.monotonic() + given.t
    poller = select.epoll()
    readers = [open_reader(given, number) for number in range(given.count)]
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
        if not ready and all(reader.frames >= given.k and not reader.opening for reader in readers):
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
                    data = by_fd[fd].sock.recv(READ_BYTES, socket.MSG_DONTWAIT)
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
                new_frames, new_deliveries = by_fd[fd].consume(data, given.b, given.m.encode())
                frames += new_frames
                deliveries += new_deliveries
            if until and deliveries >= until:
                print("until", until, time.monotonic_ns(), flush=True)
                until = 0
    print_count()


if __name__ == "__main__":
    main()
