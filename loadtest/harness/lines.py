"""A child process that obeys lines on its stdin and answers with lines on its stdout."""

import asyncio
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
    """One child; ends when its stdin does."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        self._process = process
        self.name = name
        self.pid = process.pid

    @classmethod
    @asynccontextmanager
    async def start(cls, name: str, argv: Sequence[str]) -> AsyncIterator[Self]:
        """Start ``argv``; at the end of the block close its stdin, and kill it where that is not enough."""
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LINE_BYTES_MAX
        )
        try:
            yield cls(process, name)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                async with asyncio.timeout(END_WITHIN_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()

    async def say(self, line: str) -> None:
        """Write one line."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        await self._process.stdin.drain()

    async def hear(self, first: str) -> list[str]:
        """Read one line whose first word is ``first``; return the others.

        Raises:
            ChildError: the child ended or said something else.
            TimeoutError: it said nothing for ``ANSWER_WITHIN_S``.
        """
        assert self._process.stdout is not None
        async with asyncio.timeout(ANSWER_WITHIN_S):
            line = (await self._process.stdout.readline()).decode()
        words = line.split()
        if not words or words[0] != first:
            raise ChildError(f"{self.name}: expected {first!r}, got {line!r}")
        return words[1:]
