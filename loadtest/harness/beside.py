"""What is measured beside Parley in the same run: programs that send on command to readers of the harness, and keep nothing.

Each prints ``listening PORT`` (and, where it only started the server, the server's process ids), then ``ready`` when its readers are there, and answers ``send ROUNDS JOINED`` with ``sent ...``: JOINED
messages in a row to every reader, ROUNDS times.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final, Self

from harness import machine
from harness.lines import LineProcess
from harness.meter import Cpu
from harness.native import program
from harness.readers import Opening, Readers, Wanted

FLOOR: Final = "floor"


@dataclass(frozen=True, slots=True)
class Program:
    """One of them. ``argv`` is followed by the number of readers and the bytes of a payload; the rest is as in ``Wanted``."""

    name: str
    argv: tuple[str, ...]
    path: str = "/"
    subprotocol: str = ""
    opening: Sequence[Opening] = ()
    prelude: int = 0
    marker: str = ""

    def wanted(self, readers: int) -> Wanted:
        """Return what readers do to follow it."""
        return Wanted(
            0,
            readers,
            path=self.path,
            subprotocol=self.subprotocol,
            opening=self.opening,
            prelude=self.prelude,
            marker=self.marker,
        )


def floor() -> Program:
    """Return the least that a delivery can cost: one ``send()`` for each reader, from C."""
    return Program(FLOOR, program("floor").argv)


class Beside:
    """A program that runs, and listens."""

    def __init__(self, process: LineProcess, port: int, pids: Sequence[int], wanted: Wanted) -> None:
        self._process = process
        self._pids = pids
        self.port = port
        self._wanted = replace(wanted, port=port)

    @classmethod
    @asynccontextmanager
    async def start(cls, what: Program, readers: int, payload_bytes: int) -> AsyncIterator[Self]:
        """Start it; its readers are still to come.

        Raises:
            ChildError: it ended, or said something else than that it listens.
        """
        argv = [*what.argv, str(readers), str(payload_bytes)]
        async with LineProcess.start(what.name, argv) as process:
            port, *pids = map(int, await process.hear("listening"))
            yield cls(process, port, pids or [process.pid], what.wanted(readers))

    @asynccontextmanager
    async def readers(self, count: int | None = None, *, delivery_bytes_min: int = 1) -> AsyncIterator[Readers]:
        """Connect readers of the kind that it needs, all that it waits for or some of them."""
        wanted = replace(self._wanted, delivery_bytes_min=delivery_bytes_min)
        async with Readers.start(wanted if count is None else replace(wanted, count=count)) as readers:
            yield readers

    async def ready(self) -> None:
        """Wait until it has all its readers."""
        await self._process.hear("ready")

    async def send(self, rounds: int, joined: int) -> None:
        """Let it send; returns when it says that it has."""
        await self._process.say(f"send {rounds} {joined}")
        await self._process.hear("sent")

    def cpu(self) -> Cpu:
        """Return the CPU time of all the server's processes, read from outside as for Parley."""
        return Cpu(sum(map(machine.cpu_us, self._all())), 0.0)

    def rss_bytes(self) -> int:
        """Return the resident memory of all the server's processes."""
        return machine.rss_bytes(self._all())

    def _all(self) -> list[int]:
        below = [machine.descendants(pid) for pid in self._pids]
        return [*self._pids, *(pid for own, database in below for pid in [*own, *database])]
