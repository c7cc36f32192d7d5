"""Peer: mosquitto, its readers over its WebSocket listener at QoS 0; the driver publishes over TCP.

Usage: python -m peers.mosquitto_broker READERS PAYLOAD_BYTES

Its WebSocket listener takes every interface, whatever address it is given (2.0.11), so it runs in a network of its own only
(harness/private.py). Lifted: keepalive (0), messages in a client's queue, persistence, log. TCP_NODELAY is set, as the others do.
"""

import os
import pwd
import socket
import sys
import tempfile
from pathlib import Path
from typing import Final

from peers.external import free_ports, read_exactly, running
from peers.opening import MQTT_PING, MQTT_PONG, mqtt_connect, mqtt_publication
from peers.orders import orders, say

CONFIG: Final = """
user {user}
persistence false
allow_anonymous true
log_type error
set_tcp_nodelay true
max_queued_messages 0
max_connections -1
listener {port} 127.0.0.1
listener {web} 127.0.0.1
protocol websockets
"""
CONNACK: Final = b"\x20\x02\x00\x00"


def main(readers: int, payload_bytes: int) -> None:
    """Run the broker until stdin ends."""
    port, web = free_ports(2)
    publication = mqtt_publication(payload_bytes)
    with tempfile.TemporaryDirectory(prefix="parley-mosquitto-") as folder:
        config = Path(folder, "mosquitto.conf")
        config.write_text(CONFIG.format(user=pwd.getpwuid(os.geteuid()).pw_name, port=port, web=web), encoding="ascii")
        with running(["mosquitto", "-c", str(config)], Path(folder), [port, web]) as server:
            say("listening", web, server.pid)
            with socket.create_connection(("127.0.0.1", port)) as publisher:
                publisher.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                publisher.sendall(mqtt_connect())
                if read_exactly(publisher, len(CONNACK)) != CONNACK:
                    raise ConnectionError("mosquitto refused its publisher")
                say("ready")
                for rounds, joined in orders():
                    for _ in range(rounds):
                        # The answer says that the broker has read the messages, so that one round is not joined with the next.
                        publisher.sendall(publication * joined + MQTT_PING)
                        read_exactly(publisher, len(MQTT_PONG))
                    say("sent", readers * rounds * joined)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
