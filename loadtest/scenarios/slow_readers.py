"""Readers that stop reading among many that do not: what they cost, and whether they get everything once they read again."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from harness.figures import Figure, Outcome
from harness.room import Pace, Room, Window
from scenarios.burst import tell

WITH: Final = "with slow readers"
WITHOUT: Final = "without"
CATCH_UP_WITHIN_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured. A window must end before the server cuts those that take nothing (``STALL_S_MAX``)."""

    readers: int
    slow_per_mille: int
    authors: int
    posts_per_s: int
    seconds: float
    rounds: int


@dataclass(frozen=True, slots=True)
class Stalled:
    """What a window with slow readers left.

    Attributes:
        slow: how many had stopped reading.
        grown_bytes: how much more resident memory the server has at its end than before it.
        unread_bytes: what the slow readers were owed in it: posts times slow readers times a frame.
        catch_up_s: from their reading again until they have everything.
    """

    slow: int
    grown_bytes: int
    unread_bytes: float
    catch_up_s: float


async def run(size: Size) -> Outcome:
    """Measure with slow readers and without, in turns."""
    outcome = Outcome()
    pace = Pace(round(size.posts_per_s * size.seconds), size.posts_per_s)
    windows: dict[str, list[Window]] = {WITHOUT: [], WITH: []}
    left: list[Stalled] = []
    async with Room.open(readers=size.readers, authors=size.authors) as room:
        await room.window(Pace(size.posts_per_s * 2, size.posts_per_s))
        for _ in range(size.rounds):
            windows[WITHOUT].append(await room.window(pace))
            slow = await room.swarm.stall(size.slow_per_mille)
            before_bytes, before = room.server.rss_bytes(), await room.swarm.count()
            windows[WITH].append(await room.window(pace))
            grown, after = room.server.rss_bytes() - before_bytes, await room.swarm.count()
            frame_bytes = (after.bytes - before.bytes) / (after.deliveries - before.deliveries)
            left.append(Stalled(slow, grown, pace.posts * slow * frame_bytes, await catch_up(room, outcome)))
        count = await room.swarm.count()
    if count.holes or count.repeats or count.gaps:
        outcome.broken.append(
            f"after catching up, slow readers had {count.holes} holes, {count.gaps} in gaps, {count.repeats} repeats"
        )
    outcome.notes.append(f"{count.lost} connections were cut, and resumed from their cursor")
    for name, done in windows.items():
        tell(outcome, name, done)
    for what in ("post to subscriber, p99", "CPU per delivery"):
        outcome.compare(what, WITH, WITHOUT)
    tell_memory(outcome, left)
    return outcome


async def catch_up(room: Room, outcome: Outcome) -> float:
    """Let the slow ones read again and wait until everybody has everything; return the seconds that it took."""
    start = time.monotonic()
    await room.swarm.unstall()
    while await room.swarm.heads() != room.posted:
        if time.monotonic() - start > CATCH_UP_WITHIN_S:
            outcome.broken.append(f"slow readers never caught up: {await room.swarm.count()}")
            break
        await asyncio.sleep(0.02)
    took = time.monotonic() - start
    await room.swarm.stall(0)
    return took


def tell_memory(outcome: Outcome, left: list[Stalled]) -> None:
    """Note the growth of memory, and how long catching up took."""
    slow = sum(one.slow for one in left)
    grown = [max(0, one.grown_bytes) for one in left]
    outcome.add(
        "growth of resident memory per slow reader",
        "parley",
        "KiB",
        [value / one.slow / 1024 for value, one in zip(grown, left, strict=True)],
        slow,
    )
    of = "growth of resident memory, of what slow readers have not read"
    outcome.divide(
        of,
        Figure(of, "grown", "MiB", tuple(value / 2**20 for value in grown), slow),
        Figure(of, "unread", "MiB", tuple(one.unread_bytes / 2**20 for one in left), slow),
    )
    outcome.add("until slow readers have everything", "parley", "ms", [one.catch_up_s * 1000 for one in left], slow)
