"""Latency from the sending of a post to each subscriber's reading of it: at a steady pace, then in bursts, beside a C ``send()`` loop.

Every post carries the time at which it left, and the swarm reads it: the same program and the same clock for both servers.
"""

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from harness.beside import FLOOR, Beside, floor
from harness.figures import Curve, Outcome, Unit
from harness.lines import ChildError
from harness.meter import Meter
from harness.room import BODY_BYTES, Pace, Room, Window
from harness.stats import Histogram, percentile
from harness.swarm import Swarm

ENVELOPE_BYTES: Final = 170
"""What a ``posted`` frame has around its body, roughly: the floor sends as much."""
FLOOR_JOINED_MAX: Final = 64
PARLEY: Final = "parley"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: ``seconds`` of each mode in each round."""

    readers: int
    authors: int
    steady_per_s: int
    bursts_of: int
    bursts_per_s: float
    seconds: float
    rounds: int

    def paces(self) -> dict[str, Pace]:
        """Return the modes by their names."""
        bursts = max(1, round(self.seconds * self.bursts_per_s))
        return {
            f"{self.steady_per_s} posts/s": Pace(round(self.seconds * self.steady_per_s), self.steady_per_s),
            f"bursts of {self.bursts_of}": Pace(bursts * self.bursts_of, self.bursts_per_s * self.bursts_of, self.bursts_of),
        }


async def run(size: Size) -> Outcome:
    """Measure both, in turns."""
    outcome = Outcome()
    done: dict[tuple[str, str], list[Window]] = {}
    async with AsyncExitStack() as stack:
        beside = await stack.enter_async_context(Beside.start(floor(), size.readers, BODY_BYTES + ENVELOPE_BYTES))
        swarm = await stack.enter_async_context(Swarm.start(beside.port, size.readers))
        await beside.ready()
        room = await stack.enter_async_context(Room.open(readers=size.readers, authors=size.authors))
        await room.window(Pace(size.steady_per_s, size.steady_per_s))
        for _ in range(size.rounds):
            for mode, pace in size.paces().items():
                done.setdefault((PARLEY, mode), []).append(await room.window(pace))
                done.setdefault((FLOOR, mode), []).append(await floor_window(beside, swarm, pace))
    for (name, mode), windows in done.items():
        tell(outcome, name, windows, mode)
    for mode in size.paces():
        for what in (f"post to subscriber, {mode}, p50", f"post to subscriber, {mode}, p99", f"CPU per delivery, {mode}"):
            outcome.compare(what, PARLEY, FLOOR)
    return outcome


async def floor_window(beside: Beside, swarm: Swarm, pace: Pace) -> Window:
    """Let the floor send at the same pace; the frames of a burst are joined, as far as it joins them.

    Raises:
        ChildError: a delivery was lost.
    """
    await swarm.histogram("healthy")
    before = await swarm.count()
    expected = pace.posts * swarm.size
    await swarm.expect(before.deliveries + expected)
    meter = Meter(beside.cpu)
    start, lag_ms = time.monotonic(), 0.0
    for first in range(0, pace.posts, pace.burst):
        due = start + first / pace.per_s
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        lag_ms = max(lag_ms, (time.monotonic() - due) * 1000)
        for joined in range(0, pace.burst, FLOOR_JOINED_MAX):
            await beside.send(1, min(FLOOR_JOINED_MAX, pace.burst - joined))
    try:
        await swarm.reached()
    except TimeoutError:
        raise ChildError(f"the floor's deliveries stopped at {await swarm.count()}") from None
    spent = meter.stop()
    after = await swarm.count()
    return Window(
        pace.posts,
        after.deliveries - before.deliveries,
        await swarm.histogram("healthy"),
        [],
        lag_ms,
        (after.frames - before.frames) / max(1, after.reads - before.reads),
        (after.cpu_us - before.cpu_us) / spent.wall_us,
        spent,
    )


def tell(outcome: Outcome, name: str, windows: list[Window], mode: str = "") -> None:
    """Turn the windows of one subject into figures, named after the ``mode`` where there are several."""
    busy = any(window.busy for window in windows)
    deliveries = sum(window.deliveries for window in windows)
    outcome.swarm_share = max(outcome.swarm_share, *(window.swarm_share for window in windows))
    outcome.authors_share = max(outcome.authors_share, *(window.spent.harness_share for window in windows))
    in_mode = f", {mode}" if mode else ""

    def add(what: str, unit: Unit, rounds: list[float], samples: int, part: str = "") -> None:
        outcome.add(f"{what}{in_mode}{part}", name, unit, rounds, samples, busy=busy)

    for percent in (50, 99):
        latency = [window.latency.percentile_ms(percent) for window in windows]
        add("post to subscriber", "ms", latency, deliveries, f", p{percent}")
    add("post to subscriber", "ms", [window.latency.max_us / 1000 for window in windows], deliveries, ", max")
    add("CPU per delivery", "us", [window.per_delivery_us for window in windows], deliveries)
    add("frames that a read brings", "count", [window.frames_per_read for window in windows], deliveries)
    posts = sum(window.posts for window in windows)
    if any(window.ok_ms for window in windows):
        add("post to ok", "ms", [percentile(window.ok_ms, 99) for window in windows], posts, ", p99")
    add("lag of the sender", "ms", [window.lag_ms for window in windows], posts, ", max")
    merged = Histogram.merged(window.latency for window in windows)
    outcome.curves.append(Curve(f"post to subscriber{in_mode}", name, tuple(merged.cumulated())))
