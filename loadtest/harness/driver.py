"""A peer's driver: the child that is the peer, or that started it, and that sends what it is told to."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness import machine
from harness.lines import LineProcess
from harness.native import Program
from harness.readers import Wanted
from peers.catalogue import Transport

LOADTEST: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Started:
    """A peer that listens. ``pids`` are the server's processes, which the driver is not where it only started them."""

    process: LineProcess
    port: int
    pids: Sequence[int]

    def cpu_us(self) -> float:
        """Return the server's CPU time so far, read from outside, as Parley's."""
        return sum(map(machine.cpu_us, self.pids))

    def rss_bytes(self) -> int:
        """Return the server's resident memory."""
        return machine.rss_bytes(self.pids)

    async def ready(self) -> None:
        """Wait until it will obey: a peer that sends by itself must have all of its readers."""
        await self.process.hear("ready")

    async def send(self, rounds: int, joined: int) -> None:
        """Have it send ``joined`` frames in a row to every reader, ``rounds`` times."""
        await self.process.say(f"send {rounds} {joined}")
        await self.process.hear("sent")


@asynccontextmanager
async def start_driver(peer: Transport, readers: int, payload_bytes: int) -> AsyncIterator[Started]:
    """Start a peer that will have so many readers, and send payloads of so many bytes."""
    argv = [*peer.driver, str(readers), str(payload_bytes)]
    async with LineProcess.start(peer.name, argv, LOADTEST) as process:
        port, *pids = map(int, await process.hear("listening"))
        yield Started(process, port, pids or [process.pid])


def wanted_of(peer: Transport, port: int, readers: int, delivery_bytes_min: int) -> Wanted:
    """Return how readers join a peer."""
    return Wanted(
        port,
        readers,
        path=peer.path,
        subprotocol=peer.subprotocol,
        opening=peer.opening,
        prelude=peer.prelude,
        marker=peer.marker,
        delivery_bytes_min=delivery_bytes_min,
    )


def floor(program: Program) -> Transport:
    """Return the floor as a peer: a plain ``send()`` loop."""
    return Transport(name="floor", parts=(), install="", lifted="", driver=program.argv)
