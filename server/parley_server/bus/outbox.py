"""What waits to be sent to the other nodes: two lanes, each with its bound and its own answer to "full".

What was taken out stays the lane's until ``sent``: when the connection breaks before Redis answered, the same message is sent again, which
may double it and cannot change its place.
"""

import asyncio
from collections import OrderedDict, deque
from typing import Final

from parley_server import limits
from parley_server.bus.codec import Lane, encode
from parley_server.bus.counts import Counts
from parley_server.domain.hints import NodeId


class OrdinaryBox:
    """Ordinary hints, oldest first; one that waits too long is not sent."""

    def __init__(self, node: NodeId, counts: Counts) -> None:
        self._node = node
        self._counts = counts
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._bytes = 0
        self._number = 0
        # The message under way, when its oldest hint was added, and how many it holds.
        self._under_way: tuple[float, bytes, int] | None = None
        self.filled: Final = asyncio.Event()
        """Set while something waits."""

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, hint: bytes, now: float) -> None:
        """Append an encoded hint; the oldest make room for it."""
        self._waiting.append((now, hint))
        self._bytes += len(hint)
        while len(self._waiting) > limits.ORDINARY_HINTS_MAX or self._bytes > limits.ORDINARY_BYTES_MAX:
            self._drop()
        self._drop_old(now)
        self.filled.set()

    def take(self, now: float) -> bytes | None:
        """Return the message to send: the one that was not ``sent``, else the next, else ``None``."""
        if self._under_way is not None and self._under_way[0] < now - limits.ORDINARY_WAIT_S:
            self._counts.ordinary_dropped += self._under_way[2]
            self._under_way = None
        if self._under_way is not None:
            return self._under_way[1]
        self._drop_old(now)
        if not self._waiting:
            self.filled.clear()
            return None
        since, hint = self._waiting[0][0], self._pop()
        hints, size = [hint], len(hint)
        while self._waiting and len(hints) < limits.BUS_BATCH_HINTS and size + len(self._waiting[0][1]) <= limits.BUS_BATCH_BYTES:
            hint = self._pop()
            hints.append(hint)
            size += len(hint)
        self._number += 1
        message = encode(self._node, Lane.ORDINARY, self._number, 0, hints)
        self._under_way = (since, message, len(hints))
        return message

    def sent(self) -> None:
        """Let go of what ``take`` returned: Redis has it."""
        if self._under_way is not None:
            self._counts.ordinary_sent += self._under_way[2]
            self._counts.messages += 1
        self._under_way = None
        if not self._waiting:
            self.filled.clear()

    def _drop_old(self, now: float) -> None:
        while self._waiting and self._waiting[0][0] < now - limits.ORDINARY_WAIT_S:
            self._drop()

    def _drop(self) -> None:
        self._pop()
        self._counts.ordinary_dropped += 1

    def _pop(self) -> bytes:
        _, hint = self._waiting.popleft()
        self._bytes -= len(hint)
        return hint


class UrgentBox:
    """Urgent hints, each once, oldest first; beside them the answers to those of other nodes."""

    def __init__(self, node: NodeId, counts: Counts) -> None:
        self._node = node
        self._counts = counts
        # By what they ask (0: nothing) and what they say.
        self._waiting: OrderedDict[tuple[int, bytes], None] = OrderedDict()
        self._answers: deque[tuple[NodeId, int]] = deque(maxlen=limits.ANSWERS_MAX)
        self._number = 0
        self._under_way: list[bytes] = []
        self._hints_under_way = 0
        self.filled: Final = asyncio.Event()
        """Set while something waits."""

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, hint: bytes, ask: int = 0) -> None:
        """Append an encoded hint unless the same one waits already; the oldest makes room for it."""
        self._waiting[ask, hint] = None
        if len(self._waiting) > limits.URGENT_HINTS_MAX:
            self._waiting.popitem(last=False)
            self._counts.urgent_dropped += 1
        self.filled.set()

    def asks_no_more(self, hint: bytes, ask: int) -> None:
        """Nobody waits for answers any more; a hint that was not sent yet still will be."""
        if (ask, hint) in self._waiting:
            del self._waiting[ask, hint]
            self.add(hint)

    def answer(self, node: NodeId, ask: int) -> None:
        """Append the answer to another node's hint."""
        self._answers.append((node, ask))
        self.filled.set()

    def answers(self) -> list[tuple[NodeId, bytes]]:
        """Take out every answer, with whom it is for; one that is not sent is lost."""
        taken = [(node, encode(self._node, Lane.ANSWER, 0, ask, ())) for node, ask in self._answers]
        self._answers.clear()
        return taken

    def take(self) -> list[bytes]:
        """Return the messages to send: those that were not ``sent``, else what waits, as much as fits one batch."""
        if self._under_way:
            return self._under_way
        plain: list[bytes] = []
        size = 0
        while self._waiting and self._hints_under_way < limits.BUS_BATCH_HINTS and size < limits.BUS_BATCH_BYTES:
            (ask, hint), _ = self._waiting.popitem(last=False)
            size += len(hint)
            self._hints_under_way += 1
            if ask:
                # A message has one answer, so it holds what this one asks and nothing else; what waited longer goes before it.
                self._wrap(plain, 0)
                plain = []
                self._wrap([hint], ask)
            else:
                plain.append(hint)
        self._wrap(plain, 0)
        return self._under_way

    def sent(self) -> None:
        """Let go of what ``take`` returned: Redis has it."""
        self._counts.urgent_sent += self._hints_under_way
        self._counts.messages += len(self._under_way)
        self._under_way, self._hints_under_way = [], 0
        if not self._waiting and not self._answers:
            self.filled.clear()

    def _wrap(self, hints: list[bytes], ask: int) -> None:
        if hints:
            self._number += 1
            self._under_way.append(encode(self._node, Lane.URGENT, self._number, ask, hints))
