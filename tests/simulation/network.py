"""A connection between a node and a reader, as transport, kernel and network do it; both ends are the real protocols.

What the node writes goes into a kernel of limited size, what does not fit waits in the transport's own buffer. The kernel sends as much
as the reader has room for, the reader gets that later, in pieces, unless it is stalled, and acknowledges it later still. An abort throws
away all that has not left; what has may still arrive.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextvars import Context
from random import Random
from typing import Any, Final, Protocol

from parley_server.gateway.lanes import Progress

LATENCY_S: Final = (0.000_5, 0.02)
ACKNOWLEDGED_S: Final = (0.0, 0.0, 0.001, 0.04)
"""How long a reader's kernel holds an acknowledgement back."""

WINDOWS: Final = (700, 3_000, 12_000, 60_000)
"""Bytes that the kernel of one connection takes; one is drawn for each."""

ROOMS: Final = (200, 1_500, 10_000, 60_000)
"""Bytes that may be on the way to one reader, likewise."""


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
        flight: bytes that left for the reader and that it does not have.
        kernel: bytes that left the process and have not been sent.
        buffer: bytes that the kernel did not take.
        taken: how many bytes were written, ever.
        acknowledged: how many the node knows to be with the reader.
        stalled: the reader takes nothing.
        ended: nothing comes through any more.
    """

    def __init__(
        self, number: int, random: Random, protocol: asyncio.Protocol, inside: Context, peer: Peer, witness: Witness
    ) -> None:
        super().__init__()
        self.number = number
        self.peer = peer
        self.flight = bytearray()
        self.kernel = bytearray()
        self.taken = 0
        self.acknowledged = 0
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
        self._room = random.choice(ROOMS)
        self._full = False
        self._closing = False
        self._reading = True
        self._unread: list[bytes] = []
        self._ticking = False
        self._up_at = 0.0
        self._arrive(lambda: self._protocol.connection_made(self))

    def unsent(self) -> bytes:
        """Return what has not left for the reader, in order."""
        return bytes(self.kernel + self.buffer)

    def now(self) -> float:
        """Return the loop's time."""
        return self._loop.time()

    # The node's side.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.ended or self._closing:
            return
        data = bytes(data)
        self._witness.wrote(self, data)
        self.taken += len(data)
        self.buffer += data
        self._fill()
        self._tick_later()
        if self.buffer and not self._full:
            self._full = True
            self._protocol.pause_writing()

    def get_write_buffer_size(self) -> int:
        return len(self.buffer)

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
            if not self.stalled and self._random.random() < 0.5:
                self._deliver(len(self.flight))
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
                self.flight += self.kernel
                self._deliver(len(self.flight))
            self._cut()

    # Inside.

    def _cut(self) -> None:
        self.ended = True
        self.flight.clear()
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
        """Let the kernel take and send what there is room for."""
        outstanding = self.taken - self.acknowledged - len(self.buffer)
        taken = self.buffer[: max(0, self._window - outstanding)]
        self.kernel += taken
        del self.buffer[: len(taken)]
        sent = self.kernel[: max(0, self._room - len(self.flight))]
        self.flight += sent
        del self.kernel[: len(sent)]

    def _tick_later(self) -> None:
        if not self._ticking and not self.ended and not self.stalled:
            self._ticking = True
            self._loop.call_at(self._soon(), self._tick, context=self._inside)

    def _tick(self) -> None:
        """Let the reader have some bytes."""
        self._ticking = False
        if self.ended or self.stalled:
            return
        size = len(self.flight)
        self._deliver(size if self._random.random() < 0.6 else self._random.randint(0, size))
        self._fill()
        if self.flight:
            self._tick_later()
        self._close_if_done()

    def _deliver(self, size: int) -> None:
        data = bytes(self.flight[:size])
        del self.flight[:size]
        if data:
            self._witness.delivered(self, data)
            # The reader's answers take their own way, after this call.
            self._loop.call_soon(self.peer.receive, data, context=self._outside)
            at = self._soon() + self._random.choice(ACKNOWLEDGED_S)
            self._loop.call_at(at, self._acknowledge, self.taken - len(self.unsent()) - len(self.flight), context=self._inside)

    def _acknowledge(self, position: int) -> None:
        """Learn that the reader has everything up to a position; the kernel takes more, and says so when nothing is left to take."""
        if self.ended:
            return
        self.acknowledged = max(self.acknowledged, position)
        self._fill()
        if self._full and not self.buffer:
            self._full = False
            self._protocol.resume_writing()
        if self.flight:
            self._tick_later()
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self._closing and not self.ended and not (self.buffer or self.kernel or self.flight):
            self._cut()
            self._protocol.connection_lost(None)


class WireSink:
    """What the lanes write to: the kernel of the simulation answers as Linux does."""

    __slots__ = ("_wire",)

    def __init__(self, wire: asyncio.Transport) -> None:
        assert isinstance(wire, Wire)
        self._wire = wire

    def write(self, data: bytes) -> None:
        self._wire.write(data)

    def unsent(self) -> int:
        return 0 if self._wire.ended else self._wire.taken - self._wire.acknowledged

    def progress(self) -> Progress | None:
        wire = self._wire
        return None if wire.ended else Progress(wire.taken, wire.taken - len(wire.unsent()), wire.acknowledged)

    def all_acknowledged(self) -> bool:
        return not self._wire.ended and self.unsent() == 0

    def reset(self) -> None:
        self._wire.abort()


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
