"""Retractions under fan-out, measured at the readers: until each was told to hide the post, and whether its text came later.

Posts flow all the time. A victim is published, and as soon as it is acknowledged a moderator retracts it. Some readers have stopped
reading: they read again at the end, and what their kernels had taken before the answer is told from what came after it by its place in
the connection's bytes, not by a clock.
"""

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

from harness.authors import Author, bodies
from harness.figures import Curve, Figure, Outcome
from harness.lines import ChildError
from harness.parley import POLICY
from harness.room import BODY_BYTES, Pace, Room, Window
from harness.stats import percentile
from harness.swarm import Tracked
from parley_protocol.codec import MSGPACK, encode
from parley_protocol.frames import Retract
from parley_protocol.ids import PostId
from scenarios.slow_readers import catch_up

TOLD_WITHIN_S: Final = 30.0
"""Wait after the last retraction for readers that were cut off and come back."""
FILL_S: Final = 3.0
"""Posts flow so long before the first retraction that the buffers of those who stopped reading fill up."""
RETRACTION: Final = "retraction"
POST: Final = "post"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured. A round begins with a fresh server; at most 64 retractions."""

    readers: int
    slow_per_mille: int
    authors: int
    posts_per_s: int
    retractions: int
    retractions_per_s: float
    rounds: int

    @property
    def pace(self) -> Pace:
        """The posts among which the retractions happen."""
        seconds = self.retractions / self.retractions_per_s + 1.0
        return Pace(round(seconds * self.posts_per_s), self.posts_per_s)


@dataclass(frozen=True, slots=True)
class Retraction:
    """One: when it was asked for, and how long its answer took."""

    number: int
    asked_ns: int
    ok_ms: float


async def run(size: Size) -> Outcome:
    """Measure fresh servers."""
    outcome = Outcome()
    rounds = [await measure(size, outcome) for _ in range(size.rounds)]
    told = sum(len(one.hidden_us) for _, _, tracked in rounds for one in tracked)
    for percent in (50, 99, 100):
        part = "max" if percent == 100 else f"p{percent}"
        retraction = [percentile([us / 1000 for one in tracked for us in one.hidden_us], percent) for _, _, tracked in rounds]
        post = [
            window.latency.max_us / 1000 if percent == 100 else window.latency.percentile_ms(percent) for window, _, _ in rounds
        ]
        outcome.add(f"until a subscriber has it, {part}", RETRACTION, "ms", retraction, told)
        outcome.add(f"until a subscriber has it, {part}", POST, "ms", post, sum(window.deliveries for window, _, _ in rounds))
        outcome.compare(f"until a subscriber has it, {part}", RETRACTION, POST)
    last = [[max(one.hidden_us) / 1000 for one in tracked] for _, _, tracked in rounds]
    for percent in (50, 99):
        values = [percentile(each, percent) for each in last]
        outcome.add(f"until the last subscriber has it, p{percent}", RETRACTION, "ms", values, sum(map(len, last)))
        ok_ms = [percentile([one.ok_ms for one in done], percent) for _, done, _ in rounds]
        outcome.add(f"retraction to its answer, p{percent}", RETRACTION, "ms", ok_ms, sum(map(len, last)))
    tell_texts(outcome, [one for _, _, tracked in rounds for one in tracked])
    outcome.curves.append(_curve([us for _, _, tracked in rounds for one in tracked for us in one.hidden_us]))
    return outcome


async def measure(size: Size, outcome: Outcome) -> tuple[Window, list[Retraction], list[Tracked]]:
    """Run one round; return the window of the posts, the retractions, and what the readers were told of each."""
    async with AsyncExitStack() as stack:
        room = await stack.enter_async_context(Room.open(readers=size.readers, authors=size.authors + 1))
        *room.authors, victims = room.authors
        moderator = await stack.enter_async_context(Author.open(room.server.socket_url, room.server.admin_token))
        slow = await room.swarm.stall(size.slow_per_mille)
        await room.window(Pace(round(FILL_S * size.posts_per_s), size.posts_per_s))
        before = await room.swarm.count()
        retracting = asyncio.create_task(retract(room, victims, moderator, size))
        window = await room.window(size.pace, lost=size.readers)
        done = await retracting
        await until_told(room, done, size.readers - slow)
        resets = (await room.swarm.count()).lost - before.lost
        await catch_up(room, outcome)
        tracked = [await room.swarm.tracked(one.number, one.asked_ns) for one in done]
        count = await room.swarm.count()
        outcome.swarm_share = max(outcome.swarm_share, window.swarm_share)
        outcome.authors_share = max(outcome.authors_share, window.spent.harness_share)
        outcome.notes.append(
            f"{slow} of {size.readers} readers had stopped reading; of the others {resets} connections were reset during "
            f"{size.retractions} retractions and came back; {count.lost} were lost over all, {count.holes} holes, {count.gaps} in gaps"
        )
        if count.holes or count.repeats or count.gaps:
            outcome.broken.append(f"the readers' order broke: {count}")
        return window, done, tracked


async def retract(room: Room, victims: Author, moderator: Author, size: Size) -> list[Retraction]:
    """Publish victims and retract each at once, at the rate of ``size``."""
    start, done = time.monotonic(), []
    for number, text in enumerate(bodies(size.retractions, BODY_BYTES, "victims")):
        await asyncio.sleep(max(0.0, start + (number + 1) / size.retractions_per_s - time.monotonic()))
        # Not stamped: it is no delivery of the window's, since those who are cut off meet the tombstone instead.
        await victims.socket.send(victims.draft(f"{room.prefix}0", text).frame)
        post = str((await _ok(victims))["post"])
        tracked = await room.swarm.track(post)
        asked_ns = time.monotonic_ns()
        await moderator.socket.send(encode(MSGPACK, Retract(number, PostId(post), POLICY, "Retracted by a load test.")))
        await _ok(moderator)
        ok_ms = (time.monotonic_ns() - asked_ns) / 1e6
        await room.swarm.mark(tracked)
        room.posted[0] += 2  # `posted` and `retracted` each take a seq.
        done.append(Retraction(tracked, asked_ns, ok_ms))
    return done


async def until_told(room: Room, done: list[Retraction], readers: int) -> None:
    """Wait until every reader that is not slow was told of every retraction, those too that had to come back first."""
    end = time.monotonic() + TOLD_WITHIN_S
    for one in done:
        while (await room.swarm.tracked(one.number, one.asked_ns)).hidden < readers and time.monotonic() < end:
            await asyncio.sleep(0.1)


def tell_texts(outcome: Outcome, tracked: list[Tracked]) -> None:
    """Note how many readers got a text that they must not get, as shares of those that were told; and fail the run of them."""
    told = Figure("", "told", "count", (float(sum(one.hidden + one.slow_hidden for one in tracked)),), len(tracked))
    late, reordered = sum(one.late + one.slow_late for one in tracked), sum(one.reordered for one in tracked)
    missing = sum(one.missing for one in tracked)
    for name, of, count in (
        ("readers that got the text after the answer", "late", late),
        ("readers that got the text after they were told to hide it", "reordered", reordered),
        ("readers that were never told to hide it", "missing", missing),
    ):
        outcome.divide(name, outcome.add(name, of, "count", [count], len(tracked)), told)
        if count:
            outcome.broken.append(f"{count} {name}")


def _curve(hidden_us: list[int]) -> Curve:
    ordered = sorted(hidden_us)
    step = max(1, len(ordered) // 200)
    points = [(us / 1000, (i + 1) / len(ordered)) for i, us in enumerate(ordered) if i % step == 0 or i == len(ordered) - 1]
    return Curve("until a subscriber has it", RETRACTION, tuple(points))


async def _ok(author: Author) -> dict[str, Any]:
    """Read frames up to an ``ok``.

    Raises:
        ChildError: something was refused.
    """
    while True:
        answer = await author.answer()
        match answer.get("type"):
            case "ok":
                return answer
            case "held" | "error" | "bye":
                raise ChildError(f"answered with {answer}")
