"""Who may watch which alerts: a watch begins here, and asks again at every alert."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from parley_protocol import codes
from parley_protocol.frames import ServerFrame
from parley_protocol.ids import AccountId, BoardId
from parley_server import limits
from parley_server.clock import World
from parley_server.domain.access import Act, administers, may, moderates
from parley_server.domain.answers import Refused
from parley_server.domain.people import Person
from parley_server.moderation.alerts import AlertStream, Watcher
from parley_server.pipeline.accounts import EVERY_BOARD
from parley_server.pipeline.directory import Directory
from parley_server.ports import Alerts

NOTHING: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Watch:
    """A watch that may begin. ``head``: the greatest alert at that moment."""

    head: int
    after: int | None
    watcher: Watcher


@dataclass(frozen=True, slots=True)
class Watching:
    """The moderators' stream, as requests ask for it."""

    alerts: Alerts
    stream: AlertStream
    directory: Directory
    world: World

    async def open(
        self,
        account: AccountId | None,
        scope: str,
        after: int | None,
        send: Callable[[ServerFrame], None],
        ready: Callable[[], bool],
    ) -> Watch | Refused:
        """Prepare a watch of ``scope`` (``site`` or a board) from ``after``; ``follow`` begins it.

        Args:
            account: present in the directory for as long as the watch lasts.
            send: sends a control frame.
            ready: whether the connection takes more.
        """
        person = self.directory.present(account)
        no = administers(person) if scope == EVERY_BOARD else may(person, Act.MODERATE, self.directory.board(BoardId(scope)))
        if no is None and len(self.stream) >= limits.WATCHERS_MAX:
            no = Refused(codes.LIMITED, scope="watchers", retry_after_ms=10_000)
        if no is not None:
            return no
        head = await self.stream.head()
        if after is not None and after > head:
            return Refused(codes.BAD_CURSOR)

        def boards() -> frozenset[str] | None:
            seen = moderates(self.directory.present(account))
            if scope == EVERY_BOARD:
                return seen
            return frozenset({scope}) if seen is None or scope in seen else NOTHING

        return Watch(head, after, Watcher(boards, send, ready))

    async def follow(self, watch: Watch) -> None:
        """Give a watch what it missed, then what comes; returns once it is live."""
        await self.stream.watch(watch.watcher, watch.after)

    def leave(self, watch: Watch) -> None:
        """End a watch."""
        self.stream.leave(watch.watcher)

    async def acknowledge(self, person: Person, n: int) -> Refused | None:
        """Note that a person saw an alert."""
        if person.account is None:
            return Refused(codes.UNAUTHENTICATED)
        return await self.alerts.acknowledge(n, person.account, self.world.now_us(), moderates(person))


def sees_nothing(watch: Watch) -> bool:
    """Say whether a watch has no board left."""
    return watch.watcher.boards() == NOTHING
