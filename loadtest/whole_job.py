"""The whole job beside chat servers that store: from a post sent, through its durable store, to its delivery to every reader.

Parley stands beside ejabberd at 200 readers and beside Synapse at 50. One at a time: the next post leaves when every reader has the last
one. Under load: a window of posts in flight from a few authors. Method and reading: loadtest/README.md.
"""

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

import fanout
from fanout import FAILURES, MODES, SHARES, Following, Mode, Plan, Results, Subject, in_turns, shares
from harness import private
from harness.authors import bodies
from harness.meter import Cpu
from harness.readers import Readers, allow_files
from harness.table import columns, percentile, report, spread, write_json
from peers import ejabberd, synapse
from peers.catalogue import CHAT_SERVERS, ChatServer
from peers.external import DidNotStart
from peers.probe import Absent, Present, choose, look

SETTLE_S: Final = 2.0
SYNAPSE: Final = "Synapse"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured. ``one`` and ``load`` are the posts of a window; those of Synapse, which is slow, are its own."""

    readers: int
    synapse_readers: int
    authors: int
    in_flight: int
    one: int
    load: int
    synapse_one: int
    synapse_load: int
    body_bytes: int
    rounds: int
    terms: int

    def posts(self, name: str, mode: Mode) -> int:
        """Return the posts of one window of a server."""
        match name, mode:
            case "Synapse", "one at a time":
                return self.synapse_one
            case "Synapse", _:
                return self.synapse_load
            case _, "one at a time":
                return self.one
            case _:
                return self.load


class Poster(Protocol):
    """An author of a chat server: makes drafts before the clock runs, and sends them with a bound on those unanswered."""

    def make(self, texts: Sequence[str]) -> Sequence[Any]:
        """Return drafts."""
        ...

    async def publish(self, drafts: Sequence[Any], in_flight_max: int) -> list[int]:
        """Send drafts."""
        ...


@dataclass(slots=True)
class Room:
    """A chat server's room, with its authors and readers."""

    name: str
    cpu: Callable[[], Cpu]
    stored: Callable[[], Awaitable[int]]
    """Asks the server how many messages its archive holds."""
    authors: Sequence[Poster]
    authors_who_read: int
    readers: Following | None
    size: Size
    posts: int = 0
    seed: int = 0

    def plan(self, mode: Mode, posts: int) -> Plan:
        """One post a step, or all of them in one step with a window in flight."""
        self.seed += 1
        self.posts += posts
        texts = bodies(posts, self.size.body_bytes, f"{self.name} {mode} {self.seed}")
        if mode == "one at a time":
            return Plan(posts, [_publish(self.authors[0], [draft], 1) for draft in self.authors[0].make(texts)])
        count = len(self.authors)
        shares_of = [(author, author.make(texts[i::count])) for i, author in enumerate(self.authors)]

        async def all_at_once() -> None:
            async with asyncio.TaskGroup() as group:
                for author, drafts in shares_of:
                    group.create_task(author.publish(drafts, max(1, self.size.in_flight // count)))

        return Plan(posts, [all_at_once])


def _publish(author: Poster, drafts: Sequence[Any], in_flight_max: int) -> Callable[[], Awaitable[object]]:
    return lambda: author.publish(drafts, in_flight_max)


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
    """Start Parley, as for the fan-out."""
    fan_out = fanout.Size(readers, size.authors, size.in_flight, 1, size.body_bytes, size.one, size.load, size.rounds, size.terms)
    async with fanout.open_parley(fan_out) as boards:
        yield boards[0]


@dataclass(frozen=True, slots=True)
class Group:
    """Servers that were measured in turns, to so many readers each. ``failed``: those that broke off, with their errors."""

    readers: int
    windows: Results
    failed: dict[str, str]


async def measure(size: Size, readers: int, opening: Mapping[str, AbstractAsyncContextManager[Room]]) -> Group:
    """Start Parley and these servers, measure them in turns, and look whether they have stored what they delivered."""
    async with AsyncExitStack() as stack:
        subjects: list[Subject] = [await stack.enter_async_context(open_parley(size, readers))]
        rooms: list[Room] = []
        failed: dict[str, str] = {}
        for name, opened in opening.items():
            try:
                rooms.append(await stack.enter_async_context(opened))
            except (*FAILURES, DidNotStart) as error:
                failed[name] = f"{error!r}"
        await asyncio.sleep(SETTLE_S)
        windows, failed_later = await in_turns([*subjects, *rooms], size.posts, readers, size.rounds, needed={"parley"})
        for room in rooms:
            if room.name not in failed_later and (stored := await room.stored()) != room.posts:
                failed_later[room.name] = f"it stored {stored} of {room.posts} posts"
    for room in rooms:
        for mode in MODES:
            # Where authors stand in the room, they get every message as well.
            deliveries = [
                window.deliveries * (readers + room.authors_who_read) // readers for window in windows.get((room.name, mode), [])
            ]
            pairs = zip(windows.get((room.name, mode), []), deliveries, strict=True)
            windows[room.name, mode] = [replace(window, deliveries=count) for window, count in pairs]
    failed |= failed_later
    return Group(readers, {key: found for key, found in windows.items() if key[0] not in failed}, failed)


async def run(present: Sequence[Present[ChatServer]], size: Size) -> list[Group]:
    """Measure Parley and ejabberd at the same time, then Parley and Synapse."""
    names = [one.peer.name for one in present]
    groups = []
    if kinds := [name for name in names if name != SYNAPSE]:
        rooms = {name: open_ejabberd(name, size, postgresql=name.endswith("postgresql")) for name in kinds}
        groups.append(await measure(size, size.readers, rooms))
    if SYNAPSE in names:
        groups.append(await measure(size, size.synapse_readers, {SYNAPSE: open_synapse(size)}))
    return groups


def table(groups: Sequence[Group], present: Sequence[Present[ChatServer]]) -> str:
    """Return the table of all groups."""
    names = {one.peer.name: f"{one.peer.name} {one.version}" for one in present}
    rows = []
    for group in groups:
        for (name, mode), windows in group.windows.items():
            parley = group.windows["parley", mode]
            last_ms = [value for window in windows for value in window.last_ms]
            ratios = [a.per_delivery_us / b.per_delivery_us for a, b in zip(windows, parley, strict=True)]
            rows.append(
                [
                    names.get(name, name),
                    mode,
                    str(group.readers),
                    spread([window.per_delivery_us for window in windows], 1),
                    spread([window.spent.database_us / window.deliveries for window in windows], 1),
                    f"{statistics.median(ratios):.1f}",
                    spread([window.posts / window.spent.wall_us * 1e6 for window in windows], 1),
                    f"{percentile(last_ms, 50):.1f}" if last_ms else "",
                    f"{percentile(last_ms, 99):.1f}" if last_ms else "",
                    f"{windows[0].bytes / windows[0].deliveries:.0f}",
                    *shares(windows),
                ]
            )
    header = [
        "server",
        "mode",
        "readers",
        "CPU us/delivery",
        "PostgreSQL us/delivery",
        "x parley",
        "posts/s",
        "last ms p50",
        "p99",
    ]
    return columns([*header, "bytes", *SHARES], rows)


def main() -> None:
    """Read the command, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    named = ", ".join(peer.name for peer in CHAT_SERVERS)
    parser.add_argument("--peers", default="all", help=f"names with commas between: {named}")
    parser.add_argument("--readers", type=int, default=200, help="beside ejabberd")
    parser.add_argument("--synapse-readers", type=int, default=50)
    parser.add_argument("--authors", type=int, default=4)
    parser.add_argument("--in-flight", type=int, default=64, help="posts without an answer under load, over all authors")
    parser.add_argument("--one", type=int, default=50, help="posts of a window, one at a time")
    parser.add_argument("--load", type=int, default=400, help="posts of a window, under load")
    parser.add_argument("--synapse-one", type=int, default=10)
    parser.add_argument("--synapse-load", type=int, default=40)
    parser.add_argument("--body-bytes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--terms", type=int, default=1_000, help="terms of the rule that judges every post of Parley; 0 for no rule"
    )
    parser.add_argument("--json", type=Path, help="write every round here")
    given = vars(parser.parse_args())
    json_path: Path | None = given.pop("json")
    chosen = choose(CHAT_SERVERS, given.pop("peers"))
    size = Size(**given)
    allow_files(size.readers + size.synapse_readers)
    present, absent = look(chosen, private_network=private.enter())
    groups = asyncio.run(run(present, size))
    notes = notes_of(present, absent, groups)
    title = (
        f"The whole job, {size.body_bytes}-byte bodies, {size.in_flight} in flight, median of {size.rounds} rounds (least–most)"
    )
    print(report(title, table(groups, present), notes))
    if json_path:
        flat = [
            {"server": name, "mode": mode, "readers": group.readers, **asdict(window)}
            for group in groups
            for (name, mode), windows in group.windows.items()
            for window in windows
        ]
        versions = {one.peer.name: one.version for one in present}
        document = {"scenario": "whole job", "size": asdict(size), "versions": versions, "windows": flat, "notes": notes}
        write_json(json_path, document)


def notes_of(present: Sequence[Present[ChatServer]], absent: Sequence[Absent], groups: Sequence[Group]) -> list[str]:
    """Return what stands below the table: what is lifted for each peer, who is absent, who broke off."""
    notes = [f"{one.peer.name}: {one.peer.lifted}" for one in present] + [one.line() for one in absent]
    return notes + [f"left out: {name}: {error}" for group in groups for name, error in group.failed.items()]


if __name__ == "__main__":
    main()
