"""The moderators' live stream: every alert, in order, from a cursor, until somebody acknowledges it (P8).

The store is the stream; this only wakes up when it grew, reads what is new once, and hands it to each watcher that may see it.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from parley_protocol.frames import Alert, CaseChanged, ServerFrame
from parley_protocol.ids import CaseId
from parley_server import limits
from parley_server.domain.takedowns import Case
from parley_server.ports import Alerts, Unavailable

log = structlog.get_logger(__name__)

_POLL_S: Final = 1.0
"""Time after which the stream is read without having been woken: what another node raised."""

_DRAIN_S: Final = 0.05
"""Wait between two looks at a watcher that takes nothing."""


class Watcher:
    """One connection that watches.

    Attributes:
        boards: what it may see as of now (``None``: everything), asked at each alert, so that a lost role binds at once.
        send: sends a control frame.
        ready: whether its transport has room.
        cursor: last alert that it was given, or that it may not see.
        live: it has everything up to the stream's head.
    """

    __slots__ = ("boards", "cursor", "gone", "live", "ready", "send")

    def __init__(
        self, boards: Callable[[], frozenset[str] | None], send: Callable[[ServerFrame], None], ready: Callable[[], bool]
    ) -> None:
        self.boards = boards
        self.send = send
        self.ready = ready
        self.cursor = 0
        self.live = False
        self.gone = False

    def sees(self, board: str | None) -> bool:
        """Say whether it may see what concerns ``board``."""
        boards = self.boards()
        return boards is None or (board is not None and board in boards)


class AlertStream:
    """The watchers of this node."""

    def __init__(self, store: Alerts) -> None:
        self._store = store
        self._watchers: set[Watcher] = set()
        self._grown = asyncio.Event()
        self._changed: dict[CaseId, Case] = {}
        self._head = 0
        self.given: int = 0

    def __len__(self) -> int:
        return len(self._watchers)

    async def load(self) -> None:
        """Start at the stream's head."""
        self._head = await self._store.head()

    async def head(self) -> int:
        """Return the greatest alert that is committed."""
        return await self._store.head()

    def raised(self) -> None:
        """Note that an alert was committed."""
        self._grown.set()

    def changed(self, case: Case) -> None:
        """Tell the watchers how a case stands, after the alerts that were raised before it."""
        if len(self._changed) < limits.CASES_CHANGED_MAX:
            self._changed[case.case] = case
        self._grown.set()

    async def watch(self, watcher: Watcher, after: int | None) -> None:
        """Give a watcher what it missed, then what comes; returns once it is live.

        Args:
            after: its cursor; ``None`` gives the oldest ``UNACKNOWLEDGED_MAX`` that nobody acknowledged.

        Raises:
            Unavailable: the store did not answer; the watcher is to be cut, and comes back with its cursor.
        """
        self._watchers.add(watcher)
        if after is None:
            head = await self._store.head()
            waiting = await self._store.unacknowledged(watcher.boards(), limits.UNACKNOWLEDGED_MAX)
            await self._page(watcher, [alert for alert in waiting if alert.n <= head])
            after = head
        watcher.cursor = after
        while not watcher.gone:
            # What this stream gives to live watchers while the page is read would be missed: then the page is read again.
            given = self._head
            page = await self._store.after(watcher.cursor, watcher.boards(), limits.ALERTS_PAGE)
            await self._page(watcher, page)
            if not page and self._head == given:
                watcher.cursor = max(watcher.cursor, given)
                watcher.live = True
                return

    def leave(self, watcher: Watcher) -> None:
        """Forget a watcher."""
        watcher.gone = True
        self._watchers.discard(watcher)

    async def run(self) -> None:
        """Read what is new whenever the stream grew, until cancelled; also every second, for what other nodes raised."""
        while True:
            try:
                async with asyncio.timeout(_POLL_S):
                    await self._grown.wait()
            except TimeoutError:
                pass
            self._grown.clear()
            try:
                while alerts := await self._store.after(self._head, None, limits.ALERTS_PAGE):
                    for alert in alerts:
                        self._give(alert)
                    self._head = alerts[-1].n
                self._tell_changes()
            except Unavailable as error:
                log.warning("alerts_unavailable", cause=str(error))
                await asyncio.sleep(_POLL_S)
                self._grown.set()

    def _tell_changes(self) -> None:
        """Send how the cases stand that changed since the last time."""
        changed, self._changed = self._changed, {}
        for case in changed.values():
            frame = CaseChanged(case.case, case.rev, case.state, case.claimed_by)
            for watcher in list(self._watchers):
                if watcher.live and watcher.sees(case.board):
                    watcher.send(frame)

    def _give(self, alert: Alert) -> None:
        for watcher in list(self._watchers):
            if watcher.live and alert.n > watcher.cursor:
                watcher.cursor = alert.n
                if watcher.sees(alert.board):
                    self.given += 1
                    watcher.send(alert)

    async def _page(self, watcher: Watcher, alerts: list[Alert]) -> None:
        """Send a page as fast as the watcher takes it."""
        for alert in alerts:
            while not watcher.ready() and not watcher.gone:
                await asyncio.sleep(_DRAIN_S)
            if watcher.gone:
                return
            watcher.cursor = max(watcher.cursor, alert.n)
            # Asked at each one: a role may have been lost since the page was read.
            if watcher.sees(alert.board):
                self.given += 1
                watcher.send(alert)
