"""The peers: what each is, how it is found and installed, how a raw reader joins it, and which of its limits are lifted. Pure."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from harness.beside import Program
from peers.opening import SOCKETIO_PATH, mqtt_opening, nats_opening, socketio_opening

FOLDER: Final = Path(__file__).resolve().parent
NODE: Final = FOLDER / "node"
SYNAPSE_PYTHON: Final = FOLDER / "build" / "synapse" / "bin" / "python"
"""Synapse has an environment of its own: it is large, and Parley's needs none of it."""


@dataclass(frozen=True, slots=True)
class Command:
    """A program that tells its version when it is run."""

    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PythonPackage:
    """A distribution in this Python's environment."""

    name: str


@dataclass(frozen=True, slots=True)
class NodePackage:
    """A package that npm has put beside the drivers."""

    name: str


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder whose name carries the version; ``pattern`` is a glob below the root of the file system."""

    pattern: str


Part: TypeAlias = Command | PythonPackage | NodePackage | Folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A server beside Parley.

    Attributes:
        parts: what must be there; the version of the first is the peer's.
        install: the command that brings what is not.
        lifted: limits and defaults that are changed for the measurement, and what else must be said beside a figure.
        needs_private_network: it listens where it must not on a machine with other networks.
    """

    name: str
    parts: tuple[Part, ...]
    install: str
    lifted: str
    needs_private_network: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport(Peer):
    """A peer that delivers and keeps nothing. ``program``: how its driver is started, and how a reader joins it."""

    program: Program


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatServer(Peer):
    """A peer that stores a message before it delivers it."""


def python_driver(module: str) -> tuple[str, ...]:
    """Return the command line of a driver in this package."""
    return ("env", "--chdir", str(FOLDER.parent), sys.executable, "-m", f"peers.{module}")


DEVELOPMENT: Final = "make bench"
NPM: Final = "npm ci --ignore-scripts --prefix loadtest/peers/node"
SYNAPSE_INSTALL: Final = (
    "python3 -m venv loadtest/peers/build/synapse && "
    "loadtest/peers/build/synapse/bin/pip install -r loadtest/peers/synapse-requirements.txt"
)

ERLANG_VERSION: Final = "io:format(erlang:system_info(version)), io:nl(), halt()."
EJABBERD: Final = (
    "shapers, intervals between messages, ping and presence broadcast lifted; schedulers do not spin; authors stand in the room too, "
    "and their deliveries count"
)

TRANSPORTS: Final = (
    Transport(
        name="websockets.broadcast",
        parts=(PythonPackage("websockets"),),
        install=DEVELOPMENT,
        lifted="no compression, no keepalive; uvloop",
        program=Program("websockets.broadcast", python_driver("websockets_broadcast")),
    ),
    Transport(
        name="aiohttp",
        parts=(PythonPackage("aiohttp"),),
        install=DEVELOPMENT,
        lifted="no compression, no heartbeat; uvloop; a loop of send_bytes, it has no broadcast",
        program=Program("aiohttp", python_driver("aiohttp_sends")),
    ),
    Transport(
        name="python-socketio",
        parts=(PythonPackage("python-socketio"), PythonPackage("aiohttp")),
        install=DEVELOPMENT,
        lifted="WebSocket transport only, no compression, ping beyond the run; uvloop; emit to a room",
        program=Program("python-socketio", python_driver("socketio_room"), SOCKETIO_PATH, opening=socketio_opening(), prelude=2),
    ),
    Transport(
        name="Node ws",
        parts=(NodePackage("ws"), Command(("node", "--version"))),
        install=NPM,
        lifted="no compression; a loop of send, it has no broadcast",
        program=Program("Node ws", ("node", str(NODE / "ws.mjs"))),
    ),
    Transport(
        name="socket.io",
        parts=(NodePackage("socket.io"), Command(("node", "--version"))),
        install=NPM,
        lifted="WebSocket transport only, no compression, ping beyond the run; emit to a room",
        program=Program("socket.io", ("node", str(NODE / "socketio.mjs")), SOCKETIO_PATH, opening=socketio_opening(), prelude=2),
    ),
    Transport(
        name="nats-server",
        parts=(Command(("nats-server", "--version")),),
        install="apt install nats-server",
        lifted="no compression, ping beyond the run, connections; joins messages of a burst in one frame",
        program=Program("nats-server", python_driver("nats_server"), opening=nats_opening(), prelude=2, marker="MSG "),
    ),
    Transport(
        name="mosquitto",
        parts=(Command(("mosquitto", "-h")),),
        install="apt install mosquitto",
        lifted="QoS 0, no keepalive, no persistence, no bound on a client's queue",
        needs_private_network=True,
        program=Program("mosquitto", python_driver("mosquitto_broker"), "/mqtt", "mqtt", opening=mqtt_opening(), prelude=2),
    ),
)

CHAT_SERVERS: Final = (
    ChatServer(
        name="ejabberd-mnesia",
        parts=(Folder("usr/lib/*/ejabberd-*/ebin"), Command(("erl", "-noshell", "-eval", ERLANG_VERSION))),
        install="apt install ejabberd",
        lifted=f"{EJABBERD}; archive in Mnesia, its default: written before delivery, on the disk later",
    ),
    ChatServer(
        name="ejabberd-postgresql",
        parts=(
            Folder("usr/lib/*/ejabberd-*/ebin"),
            Command(("erl", "-noshell", "-eval", ERLANG_VERSION)),
            Folder("usr/lib/erlang/lib/p1_pgsql-*/ebin"),
        ),
        install="apt install ejabberd erlang-p1-pgsql",
        lifted=f"{EJABBERD}; archive in a PostgreSQL like Parley's: committed before delivery",
    ),
    ChatServer(
        name="Synapse",
        parts=(Command((str(SYNAPSE_PYTHON), "-c", "from synapse.util import SYNAPSE_VERSION; print(SYNAPSE_VERSION)")),),
        install=SYNAPSE_INSTALL,
        lifted="all rc_ limits, presence off; one process on a PostgreSQL like Parley's: committed before delivery; readers are "
        "long-polling syncs with a narrow filter, for it has no WebSocket",
    ),
)


def version_in(text: str) -> str:
    """Return the first thing in a text that looks like a version: two or three numbers with dots between.

    Raises:
        ValueError: there is none.
    """
    found = re.search(r"(?<![\d.])\d+\.\d+(?:\.\d+)?(?![\d.]*\.)", text)
    if found is None:
        raise ValueError(f"no version in {text!r}")
    return found[0]
