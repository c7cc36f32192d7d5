"""Look-ups that are asked at about the same time, answered by one read of the store: thousands who come back at once cost a few reads.

Nothing is kept. Each ask is answered by a read that begins after it, so that what was committed before the ask is seen, a revocation
above all (P14). While one read is under way the next ones gather, as drafts do for a commit; and while waiting gathers more, the next
read waits a little.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Generic, TypeVar

from parley_server.limits import LOOKUP_WAIT_S_LEAST, LOOKUP_WAIT_S_MAX, LOOKUPS_MAX, LOOKUPS_WAITING_MAX
from parley_server.ports import Unavailable

Key = TypeVar("Key")
Value = TypeVar("Value")

_STEADY: Final = 0.75
"""Part of the former rate of asks that may be lost before a longer wait counts as one that gathers nothing."""


class Pace:
    """How far the beginnings of two reads lie apart.

    Clients that come by themselves ask as often however long a read waits: then a longer wait gathers more and costs fewer reads. A
    program that opens one connection after the other asks less often the longer it waits: then waiting gathers nothing, and ends.

    Attributes:
        wait_s: from the beginning of the last read to that of the next one, at least.
    """

    __slots__ = ("_rate", "wait_s")

    def __init__(self) -> None:
        self.wait_s = LOOKUP_WAIT_S_LEAST
        self._rate = 0.0

    def read(self, asks: int, over_s: float) -> None:
        """Note that a read answers ``asks`` that came within ``over_s`` seconds."""
        rate = asks / max(over_s, LOOKUP_WAIT_S_LEAST)
        gathers = asks > 1 and rate >= _STEADY * self._rate
        self.wait_s = min(max(self.wait_s * (2.0 if gathers else 0.5), LOOKUP_WAIT_S_LEAST), LOOKUP_WAIT_S_MAX)
        self._rate = rate


class Gathering(Generic[Key, Value]):
    """The asks for one kind of thing, and the one read that is under way for them.

    At most ``LOOKUPS_WAITING_MAX`` keys wait; a read takes at most ``LOOKUPS_MAX`` of them, the first ones first.
    """

    def __init__(self, read: Callable[[list[Key]], Awaitable[Mapping[Key, Value]]], *, paced: bool) -> None:
        """Make it of what reads many at once.

        Args:
            read: returns what there is, by key; may raise ``Unavailable``.
            paced: whether a read waits for others who ask; otherwise only for those of the same turn of the loop, and for its predecessor.
        """
        self._read = read
        self._pace = Pace() if paced else None
        self._asked: dict[Key, asyncio.Future[Value | None]] = {}
        self._asks = 0
        self._began_at = float("-inf")
        self._many = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def get(self, key: Key) -> Value | None:
        """Return what a read finds that begins after this call; ``None`` if there is nothing.

        Raises:
            Unavailable: the read failed, or too many wait.
        """
        answer = self._asked.get(key)
        if answer is None:
            if len(self._asked) >= LOOKUPS_WAITING_MAX:
                raise Unavailable(f"{LOOKUPS_WAITING_MAX} look-ups wait for the store")
            answer = self._asked[key] = asyncio.get_running_loop().create_future()
            # Whoever asked may be gone by then.
            answer.add_done_callback(lambda done: done.cancelled() or done.exception())
            if len(self._asked) >= LOOKUPS_MAX:
                self._many.set()
        self._asks += 1
        if self._task is None:
            # It runs after everybody who was woken in this turn of the loop has asked.
            self._task = asyncio.get_running_loop().create_task(self._serve())
        # One who is cancelled does not take the answer away from the others.
        return await asyncio.shield(answer)

    async def _serve(self) -> None:
        """Read for all who asked, until nobody waits."""
        loop = asyncio.get_running_loop()
        try:
            while self._asked:
                if self._pace is not None:
                    await self._gather(self._began_at + self._pace.wait_s - loop.time())
                    self._pace.read(self._asks, loop.time() - self._began_at)
                self._began_at = loop.time()
                await self._answer()
        finally:
            self._task = None
            for answer in self._asked.values():
                answer.cancel()
            self._asked.clear()

    async def _answer(self) -> None:
        """Read for those who asked first, and tell them."""
        keys = list(self._asked)[:LOOKUPS_MAX]
        answers = [self._asked.pop(key) for key in keys]
        self._asks = len(self._asked)
        try:
            found = await self._read(keys)
        except Unavailable as error:
            for answer in answers:
                no = Unavailable(str(error))
                no.__cause__ = error
                answer.set_exception(no)
            return
        except BaseException:
            for answer in answers:
                answer.cancel()
            raise
        for key, answer in zip(keys, answers, strict=True):
            answer.set_result(found.get(key))

    async def _gather(self, wait_s: float) -> None:
        """Wait for others who ask, but not for more than fit into one read."""
        if wait_s <= 0 or len(self._asked) >= LOOKUPS_MAX:
            return
        self._many.clear()
        try:
            async with asyncio.timeout(wait_s):
                await self._many.wait()
        except TimeoutError:
            return
