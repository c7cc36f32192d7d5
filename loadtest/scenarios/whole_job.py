"""The whole job beside chat servers that store: from a post sent, through its durable store, to its delivery to every reader.

Parley stands beside ejabberd with as many readers as it has, then beside Synapse with fewer. One at a time: the next post leaves when
every reader has the last one. Under load: a window of posts in flight from a few authors.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

from harness import private
from harness.authors import bodies
from harness.figures import Outcome
from harness.meter import BUSY, Cpu
from harness.readers import Readers
from harness.stats import percentile
from peers import ejabberd, synapse
from peers.catalogue import CHAT_SERVERS
from peers.external import DidNotStart
from peers.probe import choose, look
from scenarios import fanout
from scenarios.fanout import FAILURES, MODES, PARLEY, Following, Mode, Plan, Results, Subject, in_turns

SETTLE_S: Final = 2.0
SYNAPSE: Final = "Synapse"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured. ``one`` and ``load`` are the posts of a window in each mode; Synapse, which is slow, has its own.

    ``peers``: names of chat servers in peers/catalogue.py, or ``all``; ``in_flight`` is over all authors.
    """

    readers: int
    synapse_readers: int
    authors: int
    in_flight: int
    one: int
    load: int
    synapse_one: int
    synapse_load: int
    body_bytes: int
    terms: int
    rounds: int
    peers: Sequence[str]

    def posts(self, name: str, mode: Mode) -> int:
        """Return the posts of one window of a server."""
        if name == SYNAPSE:
            return self.synapse_one if mode == "one at a time" else self.synapse_load
        return self.one if mode == "one at a time" else self.load


class Poster(Protocol):
    """An author of a chat server: makes drafts before the clock runs, and sends them with a bound on those unanswered."""

    def make(self, texts: Sequence[str]) -> Sequence[Any]:
        """Return drafts."""
        ...

    async def publish(self, drafts: Sequence[Any], in_flight_max: int) -> list[int]:
        """Send drafts; return the nanoseconds that each took to its answer."""
        ...


@dataclass(slots=True)
class Room:
    """A chat server's room, with its authors and readers.

    Attributes:
        stored: asks the server how many messages it holds.
        authors_who_read: how many authors get every message themselves.
        posts: how many were sent so far.
    """

    name: str
    cpu: Callable[[], Cpu]
    stored: Callable[[], Awaitable[int]]
    authors: Sequence[Poster]
    authors_who_read: int
    readers: Following | None
    size: Size
    posts: int = 0

    def plan(self, mode: Mode, posts: int) -> Plan:
        """One post a step, or all of them in one step with a window in flight."""
        texts = bodies(posts, self.size.body_bytes, f"{self.name} {mode} {self.posts}")
        self.posts += posts
        if mode == "one at a time":
            return Plan(posts, [_one(self.authors[0], draft) for draft in self.authors[0].make(texts)])
        count = len(self.authors)
        shares = [(author, author.make(texts[i::count])) for i, author in enumerate(self.authors)]

        async def all_at_once() -> None:
            async with asyncio.TaskGroup() as group:
                for author, drafts in shares:
                    group.create_task(author.publish(drafts, max(1, self.size.in_flight // count)))

        return Plan(posts, [all_at_once])


def _one(author: Poster, draft: Any) -> Callable[[], Awaitable[object]]:
    return lambda: author.publish([draft], 1)


@asynccontextmanager
async def open_ejabberd(name: str, size: Size, *, postgresql: bool) -> AsyncIterator[Room]:
    """Start ejabberd, fill its room with readers and authors."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(ejabberd.start(_folder(stack), postgresql=postgresql))
        readers = await stack.enter_async_context(Readers.start(server.wanted(size.readers)))
        authors = [
            await stack.enter_async_context(ejabberd.XmppAuthor.open(server.port, number)) for number in range(size.authors)
        ]
        yield Room(name, server.cpu, authors[0].archived, authors, len(authors), readers, size)


@asynccontextmanager
async def open_synapse(size: Size) -> AsyncIterator[Room]:
    """Start Synapse, make accounts that read and accounts that post."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(synapse.start(_folder(stack)))
        owner = await server.account("owner")
        room = await server.room(owner)
        following = [await server.joined(f"reader-{number}", room) for number in range(size.synapse_readers)]
        posting = [await server.joined(f"author-{number}", room) for number in range(size.authors)]
        readers = await stack.enter_async_context(synapse.SyncReaders.start(server, room, following))
        authors = [synapse.MatrixAuthor(server, token, room) for token in posting]
        yield Room(SYNAPSE, server.cpu, server.stored, authors, 0, readers, size)


def _folder(stack: AsyncExitStack) -> Path:
    """Return a folder that goes at the end; a PostgreSQL below it may run as another user, who must get through."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="parley-peer-", ignore_cleanup_errors=True)))
    folder.chmod(0o711)
    return folder


@asynccontextmanager
async def open_parley(size: Size, readers: int) -> AsyncIterator[Subject]:
    """Start Parley, as for the fan-out; return its board that is followed."""
    same = fanout.Size(
        readers=readers,
        authors=size.authors,
        in_flight=size.in_flight,
        joined=1,
        body_bytes=size.body_bytes,
        one=size.one,
        load=size.load,
        rounds=size.rounds,
        terms=size.terms,
        peers=(),
    )
    async with fanout.open_parley(same) as boards:
        yield boards[0]


async def run(size: Size) -> Outcome:
    """Measure Parley and ejabberd at the same time, then Parley and Synapse."""
    outcome = Outcome()
    present, outcome.absent = look(choose(CHAT_SERVERS, size.peers), private_network=private.inside())
    outcome.notes += [one.note() for one in present]
    names = [one.peer.name for one in present]
    if kinds := [name for name in names if name != SYNAPSE]:
        rooms = {name: open_ejabberd(name, size, postgresql=name.endswith("postgresql")) for name in kinds}
        await measure(size, size.readers, rooms, outcome)
    if SYNAPSE in names:
        await measure(size, size.synapse_readers, {SYNAPSE: open_synapse(size)}, outcome)
    return outcome


async def measure(
    size: Size, readers: int, opening: Mapping[str, AbstractAsyncContextManager[Room]], outcome: Outcome
) -> None:
    """Start Parley and these servers, measure them in turns, and look whether they stored what they delivered."""
    async with AsyncExitStack() as stack:
        subjects: list[Subject] = [await stack.enter_async_context(open_parley(size, readers))]
        rooms: list[Room] = []
        for name, opened in opening.items():
            try:
                rooms.append(await stack.enter_async_context(opened))
            except (*FAILURES, DidNotStart) as error:
                outcome.absent[name] = f"did not start: {error}"
        await asyncio.sleep(SETTLE_S)
        windows, failed = await in_turns([*subjects, *rooms], size.posts, readers, size.rounds, needed={PARLEY})
        for room in rooms:
            if room.name not in failed and (stored := await room.stored()) != room.posts:
                failed[room.name] = f"it stored {stored} of {room.posts} posts"
    outcome.absent |= failed
    extra = {room.name: room.authors_who_read for room in rooms}
    kept = {
        (name, mode): [replace(one, deliveries=one.deliveries * (readers + extra.get(name, 0)) // readers) for one in each]
        for (name, mode), each in windows.items()
        if name not in failed
    }
    tell(kept, readers, outcome)


def tell(results: Results, readers: int, outcome: Outcome) -> None:
    """Turn windows into figures, whose names say to how many readers."""
    for (name, mode), windows in results.items():
        busy = any(max(window.reader_share, window.spent.harness_share) > BUSY for window in windows)
        outcome.swarm_share = max(outcome.swarm_share, *(window.reader_share for window in windows))
        outcome.authors_share = max(outcome.authors_share, *(window.spent.harness_share for window in windows))
        samples, of = sum(window.deliveries for window in windows), f"{mode}, {readers} readers"
        outcome.add(f"CPU per delivery, {of}", name, "us", [window.per_delivery_us for window in windows], samples, busy=busy)
        database = [window.spent.database_us / window.deliveries for window in windows]
        outcome.add(f"PostgreSQL per delivery, {of}", name, "us", database, samples)
        outcome.add(f"bytes of a delivery, {of}", name, "B", [window.bytes / window.deliveries for window in windows], samples)
        posts = [window.posts / window.spent.wall_us * 1e6 for window in windows]
        outcome.add(f"posts, {of}", name, "per s", posts, sum(window.posts for window in windows), busy=busy)
        if mode == "one at a time":
            for percent in (50, 99):
                last = [percentile(window.last_ms, percent) for window in windows]
                outcome.add(f"to the last reader, p{percent}, {readers} readers", name, "ms", last, samples, busy=busy)
    for mode in MODES:
        for name in dict.fromkeys(name for name, _ in results if name != PARLEY):
            outcome.compare(f"CPU per delivery, {mode}, {readers} readers", PARLEY, name)
