"""Durable, inspected posts per second through one Parley process, over many boards that nobody follows, beside the bare INSERT."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness import bare_insert, machine
from harness.authors import Author, Draft, bodies, open_authors, publish_all
from harness.figures import Outcome
from harness.lines import LineProcess
from harness.meter import BUSY, Cpu, Meter, Spent
from harness.parley import Parley
from harness.stats import percentile

PARLEY: Final = "parley"
BARE: Final = "bare INSERT"
BARE_BATCH: Final = 64
"""Rows of one INSERT: about what Parley's group commit takes under this load."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured. Each author posts to every board in turn; ``in_flight`` is over all authors."""

    boards: int
    authors: int
    in_flight: int
    posts: int
    body_bytes: int
    terms: int
    rounds: int


@dataclass(frozen=True, slots=True)
class Window:
    """One measured window. ``ok_ms``: per post, from just before it was sent to its ``ok`` read by the author."""

    posts: int
    ok_ms: list[float]
    spent: Spent


async def run(size: Size) -> Outcome:
    """Start a server, warm it up, measure it and the bare INSERT into its database in turns."""
    outcome = Outcome()
    done: dict[str, list[Window]] = {PARLEY: [], BARE: []}
    async with Parley.start() as server:
        for board in range(size.boards):
            await server.board(f"load-{board}")
        if size.terms:
            await server.dictionary(size.terms)
        tokens = await server.bots(size.authors, "load-author")
        program = [sys.executable, str(Path(bare_insert.__file__)), server.database_url()]
        async with open_authors(server.socket_url, tokens) as authors, LineProcess.start(BARE, program) as bare:
            await bare.hear("ready")
            await measure(server, authors, size, max(1, size.posts // 4), seed="warm-up")
            await measure_bare(bare, size, max(1, size.posts // 4))
            for number in range(size.rounds):
                done[PARLEY].append(await measure(server, authors, size, size.posts, seed=f"round {number}"))
                done[BARE].append(await measure_bare(bare, size, size.posts))
    for name, windows in done.items():
        tell(outcome, name, windows)
    outcome.compare("CPU per post", PARLEY, BARE)
    outcome.compare("posts", BARE, PARLEY)
    return outcome


async def measure(server: Parley, authors: Sequence[Author], size: Size, posts: int, seed: str) -> Window:
    """Make the posts, then run one window."""
    texts = bodies(posts, size.body_bytes, seed)
    shares: list[tuple[Author, list[Draft]]] = []
    for first, author in enumerate(authors):
        own = texts[first :: len(authors)]
        shares.append((author, [author.draft(f"load-{(first + number) % size.boards}", text) for number, text in enumerate(own)]))
    meter = Meter(server.cpu)
    took_ns = await publish_all(shares, size.in_flight)
    return Window(posts, [ns / 1e6 for ns in took_ns], meter.stop())


async def measure_bare(bare: LineProcess, size: Size, posts: int) -> Window:
    """Run one window of the bare INSERT."""
    meter = Meter(lambda: Cpu(machine.cpu_us(bare.pid), 0.0))
    await bare.say(f"insert {posts} {BARE_BATCH} {size.body_bytes} {size.boards}")
    await bare.hear("inserted")
    return Window(posts, [], meter.stop())


def tell(outcome: Outcome, name: str, windows: list[Window]) -> None:
    """Turn windows into figures."""
    share = max(window.spent.harness_share for window in windows)
    outcome.authors_share = max(outcome.authors_share, share)
    busy, samples = share > BUSY, sum(window.posts for window in windows)
    outcome.add("posts", name, "per s", [window.posts / window.spent.wall_us * 1e6 for window in windows], samples, busy=busy)
    outcome.add("CPU per post", name, "us", [window.spent.server_us / window.posts for window in windows], samples)
    if name == PARLEY:
        database = [window.spent.database_us / window.posts for window in windows]
        outcome.add("CPU per post of PostgreSQL", name, "us", database, samples)
        for percent in (50, 99):
            ok_ms = [percentile(window.ok_ms, percent) for window in windows]
            outcome.add(f"post to ok, p{percent}", name, "ms", ok_ms, samples, busy=busy)
        idle = [window.spent.idle_share * 100 for window in windows]
        outcome.add("idle time of all cores meanwhile", name, "%", idle, samples)
