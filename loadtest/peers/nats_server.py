"""Peer: nats-server, its readers over its WebSocket listener; the driver publishes over TCP.

Usage: python -m peers.nats_server READERS PAYLOAD_BYTES

Lifted: ``ping_interval`` beyond the run, connections, the ports (loopback). Without compression. The rest is its default.
"""

import socket
import sys
import tempfile
from pathlib import Path
from typing import Final

from peers.external import free_ports, read_exactly, running
from peers.opening import nats_publication
from peers.orders import orders, say

CONFIG: Final = """
listen: 127.0.0.1:{port}
websocket {{ listen: "127.0.0.1:{web}", no_tls: true, compression: false }}
ping_interval: "10h"
max_connections: 1000000
"""
PING: Final = b"PING\r\n"
PONG: Final = b"PONG\r\n"


def main(readers: int, payload_bytes: int) -> None:
    """Run the server until stdin ends."""
    port, web = free_ports(2)
    publication = nats_publication(payload_bytes)
    with tempfile.TemporaryDirectory(prefix="parley-nats-") as folder:
        config = Path(folder, "nats.conf")
        config.write_text(CONFIG.format(port=port, web=web), encoding="ascii")
        with running(["nats-server", "-c", str(config)], Path(folder), [port, web]) as server:
            say("listening", web, server.pid)
            with socket.create_connection(("127.0.0.1", port)) as publisher:
                publisher.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                publisher.sendall(b'CONNECT {"verbose":false,"pedantic":false}\r\n' + PING)
                _until_pong(publisher)
                say("ready")
                for rounds, joined in orders():
                    for _ in range(rounds):
                        # The pong says that the server has read the messages, so that one round is not joined with the next.
                        publisher.sendall(publication * joined + PING)
                        read_exactly(publisher, len(PONG))
                    say("sent", readers * rounds * joined)


def _until_pong(publisher: socket.socket) -> None:
    """Read past what the server says of itself."""
    data = b""
    while not data.endswith(PONG):
        data += read_exactly(publisher, 1)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
