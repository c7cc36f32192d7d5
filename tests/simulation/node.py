"""One node: the real parts, put together as the composition root does, on the surviving world of the fakes."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextvars import Context
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from argon2 import PasswordHasher

from parley_protocol.codes import Code
from parley_protocol.frames import Event
from parley_protocol.ids import AccountId, BoardId, PostId
from parley_server.bus.local import LocalBus
from parley_server.clock import World
from parley_server.domain.answers import Refused
from parley_server.domain.hints import NodeId
from parley_server.domain.people import Person
from parley_server.domain.posts import PostInfo
from parley_server.gateway.desk import Desk
from parley_server.gateway.door import FrontDoor
from parley_server.gateway.fence import Fence
from parley_server.gateway.hub import Hub
from parley_server.gateway.lanes import Lanes
from parley_server.gateway.registry import Registry
from parley_server.gateway.rooms import Reader
from parley_server.gateway.session import Session
from parley_server.gateway.websocket import WebSocket
from parley_server.inspection.stage import Stage
from parley_server.moderation.alerts import AlertStream
from parley_server.pipeline.accounts import Accounts
from parley_server.pipeline.announce import Announcer
from parley_server.pipeline.beats import Beats
from parley_server.pipeline.claims import Claims
from parley_server.pipeline.directory import Directory
from parley_server.pipeline.incoming import Incoming
from parley_server.pipeline.others import Others
from parley_server.pipeline.publish import Publisher
from parley_server.pipeline.rulebook import Rulebook
from parley_server.pipeline.takedown import Moderation
from parley_server.pipeline.watching import Watching
from parley_server.ports import Unavailable
from tests.fakes import FakeAlerts, FakeBoardLog, FakeNodes, FakePeople, FakeRules, FakeTakedowns, FakeWorld
from tests.simulation.disorder import DisorderedExchange
from tests.simulation.loop import OWNER, VirtualLoop
from tests.simulation.network import Peer, Wire, Witness

EPOCH_US = 1_700_000_000_000_000


@dataclass(slots=True)
class Fate:
    """What the seed has in store for the steps of a node.

    Attributes:
        random: draws.
        calm: no step fails or is slow.
        down: chance that a step answers ``Unavailable``.
        crash_in: steps until the node crashes; ``None``: it does not.
    """

    random: Random
    calm: bool = True
    down: float = 0.0
    crash_in: int | None = None


class LateLog(FakeBoardLog):
    """A log whose answers are on their way for a while: what they say may not be so any more when they arrive."""

    async def head(self, board: BoardId) -> tuple[str, int] | None:
        found = await super().head(board)
        await self._step("head answered")
        return found

    async def read(self, board: BoardId, after: int, limit: int) -> list[Event]:
        events = await super().read(board, after, limit)
        await self._step("read answered")
        return events

    async def info(self, post: PostId) -> PostInfo | None:
        found = await super().info(post)
        await self._step("info answered")
        return found


class LatePeople(FakePeople):
    """People, likewise."""

    async def person(self, account: AccountId) -> Person | None:
        found = await super().person(account)
        await self._step("person answered")
        return found


class Watched(Hub):
    """A hub whose suppressions are looked at from both sides."""

    def __init__(
        self, store: FakeBoardLog, fence: Fence, before: Callable[[BoardId, PostId], None], after: Callable[[PostId], None]
    ) -> None:
        super().__init__(store, fence)
        self._before = before
        self._after = after

    def suppress(self, board: BoardId, post: PostId, *, reset: bool = True, ours: bool = True) -> Refused | None:
        if not reset or self.hides(post):
            # An author's deletion resets nobody, and what is hidden already is not said again.
            return super().suppress(board, post, reset=reset, ours=ours)
        self._before(board, post)
        no = super().suppress(board, post, reset=reset, ours=ours)
        self._after(post)
        return no


class Numbered(Reader):
    """A reader whose place in a set rests on its number, not on its address in memory."""

    __slots__ = ("_number",)

    def __init__(self, number: int, lanes: Lanes, cut: Callable[[Code], None]) -> None:
        super().__init__(lanes, cut)
        self._number = number

    def __hash__(self) -> int:
        return self._number


class Seat(Session):
    """A session, likewise."""

    __slots__ = ("_number",)

    def __init__(self, number: int, desk: Desk, socket: WebSocket, lanes: Lanes) -> None:
        self._number = number
        super().__init__(desk, socket, lanes)
        self.reader = Numbered(number, lanes, self.cut)

    def __hash__(self) -> int:
        return self._number * 16

    @property
    def under_way(self) -> int:
        return len(self._tasks)


class Node:
    """A process that serves, until it crashes or is told to end.

    Attributes:
        bus: its way to other nodes.
        wires: its connections, by number.
        seats: their sessions, from the end of the handshake on.
    """

    def __init__(
        self,
        name: str,
        loop: VirtualLoop,
        stored: FakeWorld,
        fate: Fate,
        witness: "NodeWitness",
        crashed: Callable[[str], None],
        exchange: DisorderedExchange | None = None,
    ) -> None:
        """``exchange``: joins it to others; ``None`` for a process that is alone."""
        self.name = name
        self.dead = False
        self.wires: dict[int, Wire] = {}
        self.seats: dict[int, Seat] = {}
        self.tasks: list[asyncio.Task[None]] = []
        self.inside = Context()
        self.inside.run(OWNER.set, name)
        self._loop = loop
        self._fate = fate
        self._witness = witness
        self._crashed = crashed
        self._exchange = exchange
        random = Random(f"{name}/{fate.random.random()}")
        world = World(lambda: EPOCH_US + round(loop.time() * 1_000_000), random.randbytes)
        log, people = LateLog(stored, self._step), LatePeople(stored, self._step)
        alerts, takedowns = FakeAlerts(stored, self._step), FakeTakedowns(stored, self._step)
        node, shared = NodeId(name), exchange is not None
        nodes = FakeNodes(stored, self._step, loop.time)
        self.bus = LocalBus(node, exchange)
        self.others = Others(node, self.bus, nodes if shared else None)
        # No two machines count seconds alike.
        rate, offset = random.uniform(0.99, 1.01), random.uniform(0.0, 1e6)
        fence = Fence(lambda: loop.time() * rate + offset)
        stage = Stage()
        self.hub = Watched(log, fence, self._suppressing, self._suppressed)
        self.registry = Registry(self.hub, world)
        self.rulebook = Rulebook(FakeRules(stored, self._step), stage, world.now_us, self.others)
        self.directory = Directory(people)
        self.directory.on_person.append(self.registry.recheck)
        self.directory.on_board.append(lambda _: self.registry.recheck_all())
        self.stream = AlertStream(alerts)
        announcer = Announcer(self.hub, self.registry, self.stream, self.others, loop.time)
        self.claims = Claims(self.hub, log, loop.time)
        self.beats = Beats(
            nodes,
            self.others,
            self.bus,
            log,
            self.hub,
            self.claims,
            self.directory,
            self.registry,
            self.rulebook,
            shared,
            loop.time,
        )
        self.incoming = Incoming(
            self.hub, self.claims, self.directory, self.registry, self.rulebook, self.stream, self.beats, loop.time
        )
        self.moderation = Moderation(log, takedowns, alerts, self.rulebook, self.directory, self.hub, announcer, world)
        publisher = Publisher(
            log=log,
            takedowns=takedowns,
            inspection=stage,
            rulebook=self.rulebook,
            directory=self.directory,
            hub=self.hub,
            announcer=announcer,
            world=world,
            rates=None,
            verified_only=False,
        )
        hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        self.accounts = Accounts(people, self.directory, self.registry, self.others, world, hasher)
        self.desk = Desk(
            self.hub,
            self.registry,
            self.directory,
            self.accounts,
            publisher,
            self.moderation,
            Watching(alerts, self.stream, self.directory, world),
            self.others,
            world,
            limited=False,
        )

    async def start(self) -> None:
        """Load what is stored, and begin what runs for ever."""
        await self.spawn(self._load())
        for work in (self.registry.run(), self.stream.run(), self.bus.run(self.incoming.take), self.beats.run()):
            self.tasks.append(self.spawn(work))

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run ``work`` as this node's; a crash ends it."""
        context = self.inside.copy()
        return self._loop.create_task(work, context=context)

    def open(self, number: int, random: Random, peer: Peer) -> Wire:
        """Take a connection at the front door."""

        def begin(socket: WebSocket, lanes: Lanes) -> Seat:
            seat = self.seats[number] = Seat(number, self.desk, socket, lanes)
            return seat

        door = FrontDoor(self.registry, self.hub.fence, lambda: WebSocket(self.registry, begin), asyncio.Protocol)
        wire = self.wires[number] = Wire(number, random, door, self.inside, peer, self._witness)
        return wire

    def crash(self) -> None:
        """End as a killed process does: no word to anybody, nothing more to the world."""
        if not self.dead:
            self.dead = True
            if self._exchange is not None:
                self._exchange.leave(self.bus)
            for wire in self.wires.values():
                wire.die()
            self._crashed(self.name)

    def _suppressing(self, board: BoardId, post: PostId) -> None:
        follow = [number for number, seat in self.seats.items() if board in seat.reader.groups and not seat.reader.lanes.closed]
        self._witness.suppressing(follow, post)

    def _suppressed(self, post: PostId) -> None:
        self._witness.suppressed(self.wires, post)

    async def _load(self) -> None:
        await self.stream.load()
        await self.beats.begin()

    async def _step(self, label: str) -> None:
        """Between any two steps: others run, the store does not answer, or the node crashes."""
        fate = self._fate
        if not fate.calm:
            for _ in range(fate.random.choice((0, 0, 1, 2, 3))):
                await asyncio.sleep(0)
            if fate.random.random() < 0.4:
                await asyncio.sleep(fate.random.random() ** 3 * 0.2)
            if fate.crash_in is not None and not self.dead:
                fate.crash_in -= 1
                if fate.crash_in <= 0:
                    fate.crash_in = None
                    self.crash()
            if not self.dead and fate.random.random() < fate.down:
                raise Unavailable(f"{label}: simulated")
        if self.dead:
            # A dead process does nothing more; its tasks are ended from outside.
            await self._loop.create_future()


class NodeWitness(Witness, Protocol):
    """What a node shows of itself."""

    def suppressing(self, followers: Sequence[int], post: PostId) -> None: ...

    def suppressed(self, wires: Iterable[int], post: PostId) -> None: ...
