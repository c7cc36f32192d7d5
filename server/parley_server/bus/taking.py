"""How what arrives is acted on: urgent hints beside each other, ordinary ones in turn."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import structlog

from parley_server import limits
from parley_server.bus.counts import Counts
from parley_server.domain.hints import Hint

log = structlog.get_logger(__name__)

Take: TypeAlias = Callable[[Hint], Awaitable[None]]


class Taking:
    """Hands hints to ``take``. One that raises is logged; the others are not held up by it."""

    def __init__(self, take: Take, counts: Counts) -> None:
        self._take = take
        self._counts = counts
        self._room = asyncio.Semaphore(limits.URGENT_TAKES_MAX)
        self._tasks: Final[set[asyncio.Task[None]]] = set()
        self._turn = 0

    async def urgent(self, hint: Hint, acted: Callable[[], None]) -> None:
        """Begin to act on a hint, in the order of these calls; ``acted`` is called when it is done. Waits only for room to begin."""
        await self._room.acquire()
        self._counts.urgent_received += 1
        task = asyncio.get_running_loop().create_task(self._act(hint, acted))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def ordinary(self, hint: Hint) -> None:
        """Act on a hint; now and then the rest of the process has its turn before."""
        self._turn += 1
        if self._turn % limits.ORDINARY_TURN == 0:
            await asyncio.sleep(0)
        self._counts.ordinary_received += 1
        await self._act(hint, _nobody_waits)

    async def end(self) -> None:
        """Cancel what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _act(self, hint: Hint, acted: Callable[[], None]) -> None:
        try:
            await self._take(hint)
        except Exception:  # One hint that cannot be acted on must not end the way for all others.
            self._counts.failed += 1
            # Its kind alone: a hint may hold a text.
            log.exception("hint_failed", kind=type(hint).__name__)
        else:
            acted()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._room.release()


def _nobody_waits() -> None:
    pass
