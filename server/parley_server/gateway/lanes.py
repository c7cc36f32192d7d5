"""What leaves one connection: a small control lane ahead of content, and how much may still be on its way.

Content is never queued here. A connection whose transport is full holds cursors, and is served again when it drains.
"""

import fcntl
import socket
import struct
import sys
import termios
from asyncio import Transport
from collections import deque
from dataclasses import dataclass, field
from typing import Final, Protocol

from parley_protocol.ids import BoardId, PostId
from parley_server.limits import CONTROL_BYTES_MAX, SEGMENT_BYTES_MAX, SEND_BUFFER_BYTES

TAIL_BYTES: Final = 4 * SEND_BUFFER_BYTES + SEGMENT_BYTES_MAX
"""How far back a catching-up connection remembers what it was given: more than kernel and transport can hold of it."""


_SIOCOUTQNSD: Final = 0x894B
"""Linux, ``include/uapi/linux/sockios.h``: bytes that were not sent once."""

_ACKNOWLEDGED_AT: Final = 120
"""Linux, ``struct tcp_info`` of ``include/uapi/linux/tcp.h``: where ``tcpi_bytes_acked`` stands, 8 bytes."""

_READS_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the bytes of a connection have come, as positions in its stream, each at most the one before.

    Attributes:
        taken: handed to the transport.
        sent: left for the peer at least once; what lies beyond can still be prevented.
        acknowledged: the peer's kernel has them; nobody can recall these.
    """

    taken: int
    sent: int
    acknowledged: int


class Sink(Protocol):
    """What a lane writes to: a transport, or a fake one in tests."""

    def write(self, data: bytes) -> None:
        """Take bytes; may call back ``pause_writing`` before it returns."""
        ...

    def unsent(self) -> int:
        """Return the bytes that were taken and that the peer has not acknowledged."""
        ...

    def progress(self) -> Progress | None:
        """Say which of the bytes are where; ``None`` where the kernel does not know what was acknowledged."""
        ...

    def all_acknowledged(self) -> bool:
        """Say whether the peer surely has every byte; false where the kernel cannot tell. Cheaper than ``progress``."""
        ...

    def reset(self) -> None:
        """Drop the connection and everything unsent at once."""
        ...


class TransportSink:
    """A sink over a real transport: its own buffer, and the kernel's (``SIOCOUTQ``)."""

    __slots__ = ("_transport",)

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def write(self, data: bytes) -> None:
        """Hand bytes to the transport, which tries to send at once."""
        self._transport.write(data)

    def unsent(self) -> int:
        """Return transport buffer plus kernel queue, in bytes; where the kernel cannot tell, only the buffer."""
        waiting: int = self._transport.get_write_buffer_size()
        sock = self._transport.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            # On Linux TIOCOUTQ on a socket is SIOCOUTQ: bytes that the peer has not acknowledged.
            waiting += _ask(sock.fileno(), termios.TIOCOUTQ)
        return waiting

    def progress(self) -> Progress | None:
        """Ask Linux; other kernels have no such answer, and a socket that is closed has none either."""
        sock = self._transport.get_extra_info("socket")
        if sys.platform != "linux" or sock is None or sock.fileno() < 0:
            return None
        number = sock.fileno()
        buffered: int = self._transport.get_write_buffer_size()
        queued = _ask(number, termios.TIOCOUTQ)
        for _ in range(_READS_MAX):
            info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKNOWLEDGED_AT + 8)
            if len(info) < _ACKNOWLEDGED_AT + 8:
                return None  # A kernel before 4.1.
            unsent = _ask(number, _SIOCOUTQNSD)
            before, queued = queued, _ask(number, termios.TIOCOUTQ)
            if before == queued:
                break
            # An acknowledgement came in between, and the answers are of two moments. They are taken so at last: ``taken`` is then too
            # high, never too low, and whoever waits for it waits for too much.
        [acknowledged] = struct.unpack_from("=Q", info, _ACKNOWLEDGED_AT)
        return Progress(acknowledged + before + buffered, acknowledged + before - unsent, acknowledged)

    def all_acknowledged(self) -> bool:
        """Ask Linux whether anything is outstanding."""
        sock = self._transport.get_extra_info("socket")
        return sys.platform == "linux" and sock is not None and sock.fileno() >= 0 and self.unsent() == 0

    def reset(self) -> None:
        """Abort with ``SO_LINGER`` 0: the kernel throws its queue away and sends a reset."""
        sock = self._transport.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()


def _ask(number: int, question: int) -> int:
    """Ask the kernel for a count of bytes of a socket."""
    answer: int = struct.unpack("i", fcntl.ioctl(number, question, b"\0\0\0\0"))[0]
    return answer


@dataclass(slots=True, eq=False)
class Lag:
    """State of a connection that is behind: exists only while its transport is full or it catches up.

    Attributes:
        cursors: for each board that it is behind on, the last seq that it was given.
        control: control frames that wait, in order.
        since: when its transport last took something, in the loop's seconds.
    """

    cursors: dict[BoardId, int] = field(default_factory=dict)
    control: deque[bytes] = field(default_factory=deque)
    control_bytes: int = 0
    since: float = 0.0


class Tail:
    """The posts in the last ``TAIL_BYTES`` that a catching-up connection was given, with how many bytes followed each."""

    __slots__ = ("_posts", "_total")

    def __init__(self) -> None:
        self._posts: deque[tuple[PostId, int]] = deque()
        self._total = 0

    def wrote(self, post: PostId | None, size: int) -> None:
        """Note that ``size`` bytes went out, of ``post`` if they hold a body."""
        self._total += size
        if post is not None:
            self._posts.append((post, self._total))
        while self._posts and self._total - self._posts[0][1] > TAIL_BYTES:
            self._posts.popleft()

    def followed_by(self, post: PostId) -> int | None:
        """Return how many bytes at least went out after the last body of ``post``; ``None`` if it is not in the tail."""
        for held, end in reversed(self._posts):
            if held == post:
                return self._total - end
        return None


class Lanes:
    """The outgoing side of one connection.

    Attributes:
        form: index into ``wire.FORMATS``.
        paused: the transport holds bytes that the kernel did not take.
        lag: present while behind.
        tail: present once it was behind, until the kernel's queue was seen empty.
    """

    __slots__ = ("closed", "form", "lag", "paused", "sink", "tail")

    def __init__(self, form: int, sink: Sink) -> None:
        self.form = form
        self.sink = sink
        self.paused = False
        self.closed = False
        self.lag: Lag | None = None
        self.tail: Tail | None = None

    def control(self, data: bytes) -> bool:
        """Send a control frame ahead of all content; false if the lane is full, and the connection must be closed."""
        if self.closed:
            return True
        if not self.paused:
            self.sink.write(data)
            return True
        lag = self.behind()
        if lag.control_bytes + len(data) > CONTROL_BYTES_MAX:
            return False
        lag.control.append(data)
        lag.control_bytes += len(data)
        return True

    def flush_control(self) -> None:
        """Write the waiting control frames; the transport has room again."""
        lag = self.lag
        if lag is not None and lag.control:
            data = b"".join(lag.control)
            lag.control.clear()
            lag.control_bytes = 0
            self.sink.write(data)

    def behind(self) -> Lag:
        """Return the state of being behind, made on the first call."""
        if self.lag is None:
            self.lag = Lag()
        return self.lag
