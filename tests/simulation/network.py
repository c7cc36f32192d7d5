"""A connection between a node and a reader, as transport, kernel and network do it; both ends are the real protocols.

What the node writes goes into a kernel of limited size, what does not fit waits in the transport's own buffer, and the reader gets the
kernel's bytes later, in pieces, unless it is stalled. An abort throws away all that the reader does not have.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextvars import Context
from random import Random
from typing import Any, Final, Protocol

LATENCY_S: Final = (0.000_5, 0.02)
WINDOWS: Final = (700, 3_000, 12_000, 60_000)
"""Bytes that the kernel of one connection takes; one is drawn for each."""


class Peer(Protocol):
    """The reader's end."""

    def receive(self, data: bytes) -> None: ...

    def lost(self) -> None: ...


class Witness(Protocol):
    """Who looks at every byte: as the node hands it over, and as it reaches the reader."""

    def wrote(self, wire: "Wire", data: bytes) -> None: ...

    def delivered(self, wire: "Wire", data: bytes) -> None: ...


class Wire(asyncio.Transport):
    """The node's transport, and the way to the reader.

    Attributes:
        number: one for each connection of a run; keeps its times apart from all others', so that no order rests on chance.
        kernel: bytes that left the process and that the reader does not have.
        buffer: bytes that the kernel did not take.
        stalled: the reader takes nothing.
        ended: nothing comes through any more.
    """

    def __init__(
        self, number: int, random: Random, protocol: asyncio.Protocol, inside: Context, peer: Peer, witness: Witness
    ) -> None:
        super().__init__()
        self.number = number
        self.peer = peer
        self.kernel = bytearray()
        self.buffer = bytearray()
        self.stalled = False
        self.ended = False
        self._loop = asyncio.get_running_loop()
        self._random = random
        self._protocol = protocol
        self._inside = inside
        self._outside = Context()
        self._witness = witness
        self._window = random.choice(WINDOWS)
        self._full = False
        self._closing = False
        self._reading = True
        self._unread: list[bytes] = []
        self._ticking = False
        self._up_at = 0.0
        self._arrive(lambda: self._protocol.connection_made(self))

    def unsent(self) -> bytes:
        """Return what the reader does not have, in order."""
        return bytes(self.kernel + self.buffer)

    # The node's side.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.ended or self._closing:
            return
        data = bytes(data)
        self._witness.wrote(self, data)
        self.buffer += data
        self._fill()
        self._tick_later()
        if self.buffer and not self._full:
            self._full = True
            self._protocol.pause_writing()

    def get_write_buffer_size(self) -> int:
        return len(self.buffer) + len(self.kernel)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high == 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self._protocol = protocol

    def is_closing(self) -> bool:
        return self._closing or self.ended

    def close(self) -> None:
        self._closing = True
        self._tick_later()

    def abort(self) -> None:
        if not self.ended:
            self._cut()
            self._loop.call_soon(self._protocol.connection_lost, None, context=self._inside)

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True
        unread, self._unread = self._unread, []
        for data in unread:
            self.send(data)

    # The reader's side.

    def send(self, data: bytes) -> None:
        """Send bytes to the node."""
        self._arrive(lambda: self._receive(data))

    def hang_up(self) -> None:
        """End the connection from the reader's side."""
        if not self.ended:
            self._cut()
            self._arrive(lambda: self._protocol.connection_lost(None), ended=True)

    def stall(self) -> None:
        """Take nothing for now."""
        self.stalled = True

    def drain(self) -> None:
        """Take again."""
        self.stalled = False
        self._tick_later()

    def die(self) -> None:
        """The node's process is gone: what its kernel has may still arrive, what was in its memory does not."""
        if not self.ended:
            self.buffer.clear()
            if self._random.random() < 0.5 and not self.stalled:
                self._deliver(len(self.kernel))
            self._cut()

    # Inside.

    def _cut(self) -> None:
        self.ended = True
        self.kernel.clear()
        self.buffer.clear()
        self._loop.call_at(self._soon(), self.peer.lost, context=self._outside)

    def _soon(self) -> float:
        return self._loop.time() + self._random.uniform(*LATENCY_S) + self.number * 1e-7

    def _arrive(self, call: Callable[[], None], *, ended: bool = False) -> None:
        """Run ``call`` inside the node after the way there, in the order of sending."""
        self._up_at = max(self._soon(), self._up_at + 1e-6)
        self._loop.call_at(self._up_at, lambda: call() if ended or not self.ended else None, context=self._inside)

    def _receive(self, data: bytes) -> None:
        if self._reading:
            self._protocol.data_received(data)
        else:
            self._unread.append(data)

    def _fill(self) -> None:
        taken = self.buffer[: max(0, self._window - len(self.kernel))]
        self.kernel += taken
        del self.buffer[: len(taken)]

    def _tick_later(self) -> None:
        if not self._ticking and not self.ended and not self.stalled:
            self._ticking = True
            self._loop.call_at(self._soon(), self._tick, context=self._inside)

    def _tick(self) -> None:
        """Let the reader have some bytes; the kernel takes more, and says so when nothing is left to take."""
        self._ticking = False
        if self.ended or self.stalled:
            return
        size = len(self.kernel)
        self._deliver(size if self._random.random() < 0.6 else self._random.randint(0, size))
        self._fill()
        if self._full and not self.buffer:
            self._full = False
            self._protocol.resume_writing()
        if self.kernel:
            self._tick_later()
        elif self._closing and not self.ended:
            self._cut()
            self._protocol.connection_lost(None)

    def _deliver(self, size: int) -> None:
        data = bytes(self.kernel[:size])
        del self.kernel[:size]
        if data:
            self._witness.delivered(self, data)
            # The reader's answers take their own way, after this call.
            self._loop.call_soon(self.peer.receive, data, context=self._outside)


def messages(data: bytes) -> Iterator[bytes]:
    """Take the messages out of what was handed over in one write: whole, unmasked frames (RFC 6455 §5.2)."""
    at = 0
    while at < len(data):
        opcode, size, at = data[at] & 0x0F, data[at + 1], at + 2
        wide = {126: 2, 127: 8}.get(size, 0)
        if wide:
            size, at = int.from_bytes(data[at : at + wide]), at + wide
        if opcode in (1, 2):
            yield data[at : at + size]
        at += size
