"""The receiving end: N WebSocket readers in one process (native/readers.c), asked over its stdin what has arrived."""

import resource
import struct
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self

from harness.lines import LineProcess
from harness.native import program

MASK: Final = b"\0\0\0\0"
"""Clients must mask; this key leaves the payload as it is (RFC 6455, 5.3, only asks that the bit be set and the key be sent)."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A message that each reader sends after its handshake; with ``wait``, once a frame has come since the one before it.

    The first ``%d`` of a text is replaced by the reader's number, from 0.
    """

    payload: bytes
    text: bool = False
    wait: bool = False

    def line(self) -> str:
        """Return it as a line of the file that the program reads."""
        return f"{'wait ' if self.wait else ''}{'text' if self.text else 'binary'} {self.payload.hex()}\n"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where readers connect and what they do first.

    Attributes:
        port: on loopback.
        count: how many readers.
        path: of the handshake.
        subprotocol: asked for; empty for none.
        opening: what each reader sends after its handshake, in order.
        prelude: frames that each reader gets before anything is measured (the answers to ``opening``).
        delivery_bytes_min: least payload that counts as a delivery; beats and presence are smaller.
        marker: where it is given, each occurrence of this text in a payload counts as a delivery instead: for servers that put
            several messages into one frame. Its first character must not occur in it again.
        life_s: the process ends after this, whatever happens.
    """

    port: int
    count: int
    path: str = "/"
    subprotocol: str = ""
    opening: Sequence[Opening] = ()
    prelude: int = 0
    delivery_bytes_min: int = 100
    marker: str = ""
    life_s: int = 3600


@dataclass(frozen=True, slots=True)
class Count:
    """Totals since the readers started; ``least`` and ``most`` are the deliveries of the emptiest and the fullest one."""

    deliveries: int
    frames: int
    bytes: int
    reads: int
    least: int
    most: int
    closed: int
    cpu_us: int


class Readers:
    """Readers that are connected and have their prelude."""

    def __init__(self, process: LineProcess) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def start(cls, wanted: Wanted) -> AsyncIterator[Self]:
        """Connect them all, one after the other; the block begins when every one is ready."""
        with tempfile.NamedTemporaryFile("w", prefix="parley-readers-") as opening:
            opening.writelines(step.line() for step in wanted.opening)
            opening.flush()
            options = {
                "-p": wanted.path,
                "-s": wanted.subprotocol,
                "--open": opening.name,
                "-m": wanted.marker,
                "-k": str(wanted.prelude),
                "-b": str(wanted.delivery_bytes_min),
                "-t": str(wanted.life_s),
            }
            argv = [*program("readers").argv]
            for option, value in options.items():
                argv += [option, value]
            argv += [str(wanted.port), str(wanted.count)]
            async with LineProcess.start("readers", argv) as process:
                await process.hear("READY")
                yield cls(process)

    async def count(self) -> Count:
        """Ask what has arrived so far."""
        await self._process.say("count")
        pairs = (word.partition("=") for word in await self._process.hear("count"))
        return Count(**{name: int(value) for name, _, value in pairs})

    async def expect(self, deliveries: int) -> None:
        """Ask to be told by ``reached`` once this many deliveries have arrived since the start; ask before they are sent."""
        await self._process.say(f"until {deliveries}")

    async def reached(self) -> int:
        """Wait for what ``expect`` asked; return when the last delivery was read, on ``time.monotonic_ns``'s clock."""
        _, at_ns = await self._process.hear("until")
        return int(at_ns)


def client_frame(payload: bytes) -> bytes:
    """Return one whole binary WebSocket frame from a client, of at most 65,535 bytes."""
    size = len(payload)
    head = struct.pack("!BB", 0x82, 0x80 | size) if size < 126 else struct.pack("!BBH", 0x82, 0x80 | 126, size)
    return head + MASK + payload


def allow_files(readers: int) -> None:
    """Raise the limit of open files for the children of this process, as far as it may go.

    Raises:
        SystemExit: the hard limit is too low for ``readers`` connections in one process.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = readers + 200
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise SystemExit(f"{needed} open files are needed, the limit is {hard}: raise it with ulimit -n")
    if soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
