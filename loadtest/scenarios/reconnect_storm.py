"""Every client is lost at once and comes back from its cursor, while posts flow: queries, time, and that nothing is lost.

``cut``: all connections end at the same moment, as when a network or a proxy fails; the server stays. ``restart``: the server is ended
(SIGTERM) and started again on the same store. Clients wait as SPEC.md asks of them ("Errors and closes").
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from harness.figures import Curve, Figure, Outcome
from harness.meter import Meter, Spent
from harness.room import Pace, Room
from harness.stats import Histogram

BACK_WITHIN_S: Final = 120.0
REPORTED_S: Final = 2.0
"""PostgreSQL's backends report what they did when they are idle, once a second at most."""
PARLEY: Final = "parley"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured. ``accounts``: bots among which the readers are divided; 0: they are guests."""

    readers: int
    accounts: int
    boards: int
    authors: int
    posts_per_s: int
    calm_s: float
    ways: list[str]
    rounds: int


@dataclass(frozen=True, slots=True)
class Spell:
    """A stretch of time with posts: what it took of the server and of the database."""

    spent: Spent
    transactions: int
    store_reads: float
    posts: int


@dataclass(frozen=True, slots=True)
class Storm:
    """One storm. ``calm`` is as long a stretch of posts without one as was measured before, to be taken off.

    Attributes:
        all_back_s: from the loss (after a restart: from the server's being ready) until the last one has everything.
        recovery: for each client, from its loss until it has everything that its board held when it was back.
    """

    calm: Spell
    spell: Spell
    all_back_s: float
    recovery: Histogram
    refused: int
    errors: int
    swarm_share: float

    @property
    def transactions(self) -> float:
        """Transactions beyond those that the posts alone would have taken."""
        return self.spell.transactions - self.calm.transactions * self.spell.posts / self.calm.posts

    @property
    def server_us(self) -> float:
        """CPU of the server beyond that of the posts alone."""
        return self.spell.spent.server_us - self.calm.spent.server_us * self.spell.posts / self.calm.posts


async def run(size: Size) -> Outcome:
    """Measure each way on a server of its own."""
    outcome = Outcome()
    for way in size.ways:
        async with Room.open(readers=size.readers, authors=size.authors, boards=size.boards, accounts=size.accounts) as room:
            connecting_us = room.connecting_us
            storms = [await storm(room, way, size, outcome) for _ in range(size.rounds)]
        tell(outcome, way, size, storms, connecting_us)
    return outcome


async def storm(room: Room, way: str, size: Size, outcome: Outcome) -> Storm:
    """Measure a calm stretch, then one in which all are lost."""
    posts = max(1, round(size.calm_s * size.posts_per_s))

    async def only_posts() -> None:
        await room.send(room.drafts(posts), Pace(posts, size.posts_per_s))

    calm = await spell(room, only_posts, posts)
    before = await room.swarm.count()
    await room.swarm.histogram("recovery")
    back: list[float] = []

    async def lose_all() -> None:
        flowing: asyncio.Task[object] | None = None
        if way == "cut":
            flowing = asyncio.create_task(room.send(room.drafts(posts), Pace(posts, size.posts_per_s)))
            await room.swarm.drop()
        else:
            await only_posts()  # Nobody can post to a server that is down.
            await room.server.restart()
        start = time.monotonic()
        if await until(lambda: _has_recovered(room), outcome, "came back", room):
            back.append(time.monotonic() - start)
        if flowing is not None:
            await flowing
        await until(lambda: _has_everything(room), outcome, "got everything", room)

    stormy = await spell(room, lose_all, posts, restarted=way != "cut")
    after = await room.swarm.count()
    if way != "cut":
        await room.reopen_authors()
    if after.holes or after.repeats or after.gaps or after.epochs:
        outcome.broken.append(
            f"{way}: {after.holes} holes, {after.gaps} in gaps, {after.repeats} repeats, {after.epochs} other logs"
        )
    share = (after.cpu_us - before.cpu_us) / stormy.spent.wall_us
    recovery = await room.swarm.histogram("recovery")
    refused, errors = after.refused - before.refused, after.errors - before.errors
    return Storm(calm, stormy, back[0] if back else BACK_WITHIN_S, recovery, refused, errors, share)


async def spell(room: Room, work: Callable[[], Awaitable[None]], posts: int, *, restarted: bool = False) -> Spell:
    """Run ``work`` and read every counter before and after; a server that was ``restarted`` begins its counters anew."""
    await asyncio.sleep(REPORTED_S)
    transactions, metrics = await room.server.transactions(), await room.server.metrics()
    meter = Meter(room.server.cpu)
    await work()
    spent = meter.stop()
    await asyncio.sleep(REPORTED_S)
    reads = (await room.server.metrics()).get(READS, 0.0) - (0.0 if restarted else metrics.get(READS, 0.0))
    return Spell(spent, await room.server.transactions() - transactions, reads, posts)


READS: Final = "parley_hub_store_reads_total"


async def _has_recovered(room: Room) -> bool:
    count = await room.swarm.count()
    return count.recovered == count.live == room.swarm.size


async def _has_everything(room: Room) -> bool:
    return await room.swarm.heads() == room.posted


async def until(done: Callable[[], Awaitable[bool]], outcome: Outcome, what: str, room: Room) -> bool:
    """Wait for the swarm; what takes too long is noted as broken."""
    start = time.monotonic()
    while not await done():
        if time.monotonic() - start > BACK_WITHIN_S:
            outcome.broken.append(f"not everybody {what} within {BACK_WITHIN_S:.0f} s: {await room.swarm.count()}")
            return False
        await asyncio.sleep(0.02)
    return True


def tell(outcome: Outcome, way: str, size: Size, storms: list[Storm], connecting_us: float) -> None:
    """Turn storms into figures."""
    clients = size.readers * len(storms)
    outcome.swarm_share = max(outcome.swarm_share, *(one.swarm_share for one in storms))
    for percent in (50, 99):
        recovery = [one.recovery.percentile_ms(percent) for one in storms]
        outcome.add(f"from its loss until a client has everything, {way}, p{percent}", PARLEY, "ms", recovery, clients)
    outcome.add(f"until all have everything, {way}", PARLEY, "ms", [one.all_back_s * 1000 for one in storms], len(storms))
    outcome.add(f"handshakes refused, {way}", PARLEY, "count", [one.refused for one in storms], clients)
    outcome.add(f"error frames, {way}", PARLEY, "count", [one.errors for one in storms], clients)
    outcome.add(
        f"pages that the hub read from the store, {way}", PARLEY, "count", [one.spell.store_reads for one in storms], clients
    )
    queries = [max(0.0, one.transactions) for one in storms]
    name = f"transactions of PostgreSQL, {way}"
    each = tuple(float(size.readers) for _ in storms)
    outcome.divide(name, outcome.add(name, "storm", "count", queries, clients), Figure(name, "client", "count", each, clients))
    if way == "cut":
        name = f"CPU of the server, {way}"
        cpu = [max(0.0, one.server_us) / size.readers for one in storms]
        back = outcome.add(name, "coming back", "us", cpu, clients)
        first = outcome.add(name, "connecting first", "us", [connecting_us / size.readers] * len(storms), size.readers)
        outcome.divide(name, back, first)
    merged = Histogram.merged(one.recovery for one in storms)
    outcome.curves.append(Curve(f"from its loss until a client has everything, {way}", PARLEY, tuple(merged.cumulated())))
