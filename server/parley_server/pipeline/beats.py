"""A node's life among others: it says that it lives, hears of what changed, and falls silent when it cannot (decision 0022).

A beat takes in everything that hints may have lost. So with the bus down nothing is missing, it only comes a beat later.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from parley_protocol import codes
from parley_protocol.ids import AccountId, BoardId, PostId, SessionId
from parley_server import limits
from parley_server.domain.hints import Counted
from parley_server.gateway.hub import Hub
from parley_server.gateway.registry import Registry
from parley_server.pipeline.claims import Claims
from parley_server.pipeline.directory import Directory
from parley_server.pipeline.others import Others
from parley_server.pipeline.rulebook import CannotCompile, Rulebook
from parley_server.ports import BoardLog, Bus, Change, Nodes, NodeState, Seen, Unavailable
from parley_server.store.bounds import NODE_LEASE_S

log = structlog.get_logger(__name__)


class AwayTooLong(Exception):
    """Changes that this node did not hear of are forgotten: it must begin anew."""


@dataclass(slots=True)
class Beats:
    """Keeps this node in step with the site.

    Attributes:
        nodes: where it beats.
        shared: whether others may serve the site beside it. One process alone only listens for changes, and never falls silent.
        seconds: the loop's clock.
        heard: number of the last change that was acted on.
    """

    nodes: Nodes
    others: Others
    bus: Bus
    log: BoardLog
    hub: Hub
    claims: Claims
    directory: Directory
    registry: Registry
    rulebook: Rulebook
    shared: bool
    seconds: Callable[[], float]
    heard: int = 0
    _silent: bool = False
    _due: asyncio.Event = field(default_factory=asyncio.Event)
    _loading: "asyncio.Task[None] | None" = None
    _rules_changed: bool = False

    async def begin(self) -> None:
        """Read everything that a node keeps in memory, say that it lives, and let it speak.

        Raises:
            Unavailable: the store did not answer; it may be called again.
            CannotCompile: the stored rules are not usable.
        """
        # What is read from here on holds every change up to this number; what changes meanwhile is heard of below.
        self.heard = (await self.nodes.look(self.others.node)).changes
        await self.rulebook.load()
        await self.directory.load()
        await self.hub.begin_anew()
        began = self.hub.fence.now()
        seen = await self._beat()
        await self._hear(seen.changes)
        await self._beat()
        if self.shared:
            self.hub.fence.raise_until(began + NODE_LEASE_S - limits.NODE_MARGIN_S)

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            wait = limits.BEAT_SOON_S
            try:
                if await self._once() and self.bus.up:
                    wait = limits.BEAT_S
            except (Unavailable, TimeoutError) as error:
                log.warning("beat_failed", cause=str(error) or f"not within {limits.BEAT_WITHIN_S} s")
            except AwayTooLong:
                self.hub.fence.fall()
                wait = 0.0
            except CannotCompile as error:
                log.error("rules_unusable", cause=str(error))
            try:
                async with asyncio.timeout(wait):
                    await self._due.wait()
            except TimeoutError:
                pass
            self._due.clear()

    def soon(self) -> None:
        """Beat at once: something is to be said that others wait for."""
        self._due.set()

    def load_rules(self) -> None:
        """Judge by the rules that are stored, as soon as they are compiled."""
        self._rules_changed = True
        if self._loading is None:
            self._loading = asyncio.get_running_loop().create_task(self._load_rules())

    async def leave(self) -> None:
        """Say that this node ends, so that nobody waits for it."""
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.gather(self._loading, return_exceptions=True)
        try:
            await self.nodes.leave(self.others.node)
        except Unavailable as error:
            log.warning("not_left", cause=str(error))

    # Inside.

    async def _once(self) -> bool:
        """Fall silent if it is time, begin anew if that is over; else one beat."""
        if not self.hub.fence.holds():
            if not self._silent:
                self._silent = True
                log.error("node_silent", node=self.others.node, connections=self.registry.size)
                self.registry.send_away(codes.OVERLOADED, limits.SHUTDOWN_SPREAD_MS, reset=True)
            async with asyncio.timeout(limits.BEGIN_WITHIN_S):
                await self.begin()
            self._silent = False
            log.info("node_speaks", node=self.others.node)
            return True
        async with asyncio.timeout(limits.BEAT_WITHIN_S):
            await self._turn()
        return True

    async def _turn(self) -> None:
        began = self.hub.fence.now()
        seen = await self._beat()
        if seen.changes > self.heard:
            await self._hear(seen.changes)
            # Whoever waits for this node sees it by this.
            await self._beat()
        if self.shared:
            self.hub.fence.extend(began + NODE_LEASE_S - limits.NODE_MARGIN_S)
            self.hub.reach(await self.log.heads(self.hub.followed()))
            await self.claims.look_up()
            self.others.say_again(self.seconds())
            for board, online in self.hub.counts_to_tell(self.seconds()):
                self.others.tell(Counted(self.others.node, board, online))

    async def _beat(self) -> Seen:
        if not self.shared:
            return await self.nodes.look(self.others.node)
        in_force = self.rulebook.in_force
        seen = await self.nodes.beat(NodeState(self.others.node, self.heard, in_force.ruleset, in_force.at_us))
        self.others.see(seen)
        return seen

    async def _hear(self, until: int) -> None:
        """Act on the changes up to number ``until``, in order."""
        while self.heard < until:
            page = await self.nodes.changes(self.heard, limits.CHANGES_PAGE)
            if not page or page[0].n != self.heard + 1:
                raise AwayTooLong
            for change in page:
                await self._act(change)
                self.heard = change.n

    async def _act(self, change: Change) -> None:
        match change.kind:
            case "person":
                await self.directory.person_changed(AccountId(change.subject))
            case "session":
                self.registry.close_session(None, SessionId(change.subject))
            case "board":
                await self.directory.board_changed(BoardId(change.subject))
            case "policies":
                await self.rulebook.load_policies()
            case "rules":
                self.load_rules()
            case "retracted" | "deleted":
                assert change.board is not None and change.seq is not None  # A constraint of the table.
                if self.shared:
                    # Alone, whoever stops a post hides it here.
                    reset = change.kind == "retracted"
                    self.hub.stopped(change.board, PostId(change.subject), change.seq, self.seconds(), reset=reset)
            case _:
                # Of a newer version, which keeps in memory what this one does not.
                log.warning("unknown_change", kind=change.kind)

    async def _load_rules(self) -> None:
        """Load until the store answered and nothing changed meanwhile; then say so."""
        try:
            while self._rules_changed:
                self._rules_changed = False
                try:
                    await self.rulebook.load()
                except Unavailable:
                    self._rules_changed = True
                    await asyncio.sleep(limits.BEAT_SOON_S)
                except CannotCompile as error:
                    log.error("rules_unusable", cause=str(error))
        finally:
            self._loading = None
        self.soon()
