"""A child process that obeys lines on its stdin and answers with lines on its stdout."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, Self

ANSWER_WITHIN_S: Final = 60.0
END_WITHIN_S: Final = 10.0
LINE_BYTES_MAX: Final = 1 << 22
"""The longest is a list of one number for each of some ten thousand connections."""


class ChildError(Exception):
    """A child of the harness ended, or said what it must not say."""


class LineProcess:
    """One child; ends when its stdin does. Several tasks may wait for different answers at the same time."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        self._process = process
        self.name = name
        self.pid = process.pid
        self._heard: defaultdict[str, asyncio.Queue[list[str]]] = defaultdict(asyncio.Queue)
        self._pump = asyncio.create_task(self._sort())

    @classmethod
    @asynccontextmanager
    async def start(cls, name: str, argv: Sequence[str]) -> AsyncIterator[Self]:
        """Start ``argv``; at the end of the block close its stdin, and kill it where that is not enough."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe, limit=LINE_BYTES_MAX)
        child = cls(process, name)
        try:
            yield child
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                async with asyncio.timeout(END_WITHIN_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
            await child._pump

    async def say(self, line: str) -> None:
        """Write one line.

        Raises:
            ChildError: the child ended.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            await self._process.stdin.drain()
        except ConnectionError:
            raise ChildError(f"{self.name} ended before {line!r}") from None

    async def hear(self, first: str, within_s: float = ANSWER_WITHIN_S) -> list[str]:
        """Wait for the next line whose first word is ``first``; return the others.

        Raises:
            ChildError: the child ended.
            TimeoutError: it did not say that for so long.
        """
        waiting = asyncio.create_task(self._heard[first].get())
        try:
            await asyncio.wait((waiting, self._pump), timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
            # What it said last counts, though it ended.
            await asyncio.sleep(0)
            if waiting.done():
                return waiting.result()
        finally:
            waiting.cancel()
        if self._pump.done():
            raise ChildError(f"{self.name} ended, status {await self._process.wait()}, while {first!r} was expected")
        raise TimeoutError(f"{self.name} did not say {first!r} within {within_s:.0f} s; waiting: {self._unheard()}")

    async def _sort(self) -> None:
        """Put each line aside under its first word, until the child ends."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            first, *others = line.decode().split() or [""]
            self._heard[first].put_nowait(others)

    def _unheard(self) -> list[str]:
        """Return the first words of lines that nobody has waited for."""
        return [first for first, queue in self._heard.items() if not queue.empty()]
