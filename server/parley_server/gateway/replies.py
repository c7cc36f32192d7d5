"""Answers that wait for the end of the loop's turn, so that those to one connection leave in one write.

A group commit answers up to some hundred posts at once, many of them one author's; a write to the kernel takes as long as a fifth of
the rest of a post's path.
"""

import asyncio
from collections.abc import Callable

from parley_server.gateway.rooms import Reader


class Replies:
    """The connections with waiting answers. ``control`` sends on a connection's control lane."""

    __slots__ = ("_control", "_readers")

    def __init__(self, control: Callable[[Reader, bytes], None]) -> None:
        self._control = control
        self._readers: list[Reader] = []

    def add(self, reader: Reader, data: bytes) -> None:
        """Send an answer behind the earlier ones, before the turn ends or anything else goes out on its connection's control lane."""
        if reader.lanes.reply(data):
            if not self._readers:
                asyncio.get_running_loop().call_soon(self.flush)
            self._readers.append(reader)

    def flush(self) -> None:
        """Write what waits; an author is answered before readers see the post."""
        readers, self._readers = self._readers, []
        for reader in readers:
            data = reader.lanes.take_replies()
            if data:
                self._control(reader, data)
