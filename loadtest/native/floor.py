"""Stand-in for floor.c where there is no C compiler: same lines; a Python ``send()`` loop is dearer than the kernel alone."""

import socket
import struct
import sys
import time

SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


def accept_reader(listener: socket.socket) -> socket.socket:
    """Accept one handshake."""
    sock, _ = listener.accept()
    # As asyncio does: without it, Nagle's algorithm would join frames here and make the floor too low.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request = b""
    while b"\r\n\r\n" not in request:
        request += sock.recv(4096)
    sock.sendall(SWITCHING)
    return sock


def main(readers: int, payload_bytes: int) -> None:
    """Accept the readers, then obey stdin until it ends."""
    head = bytes([0x82, payload_bytes]) if payload_bytes < 126 else b"\x82\x7e" + struct.pack("!H", payload_bytes)
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        print("listening", listener.getsockname()[1], flush=True)
        socks = [accept_reader(listener) for _ in range(readers)]
        print("ready", flush=True)
        for line in sys.stdin:
            _, rounds, joined = line.split()
            data = (head + b"x" * payload_bytes) * int(joined)
            cpu, wall = time.process_time(), time.perf_counter()
            for _ in range(int(rounds)):
                for sock in socks:
                    sock.sendall(data)
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            sent = readers * int(rounds) * int(joined)
            per = f"cpu_us_per_delivery={cpu * 1e6 / sent:.3f} wall_us_per_delivery={wall * 1e6 / sent:.3f}"
            print("sent", sent, per, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
