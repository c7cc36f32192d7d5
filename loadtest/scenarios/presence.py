"""Joins and leaves in a large room: their own cost, and what a post to the room feels of them.

A visitor is connected already: it subscribes, and once that is answered it unsubscribes. Everybody in the room is told how many they
are, at most once a second.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from harness.authors import Author, open_authors
from harness.figures import Figure, Outcome
from harness.lines import ChildError
from harness.room import Pace, Room, Window
from parley_protocol.codec import MSGPACK, encode
from parley_protocol.frames import Subscribe, Unsubscribe
from parley_protocol.ids import BoardId
from scenarios.burst import tell

WITH: Final = "with joins"
WITHOUT: Final = "without"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: windows of ``seconds``, one with joins and one without in each round."""

    readers: int
    authors: int
    visitors: int
    joins_per_s: int
    posts_per_s: int
    seconds: float
    rounds: int


async def run(size: Size) -> Outcome:
    """Measure with joins and without, in turns."""
    outcome = Outcome()
    pace = Pace(round(size.posts_per_s * size.seconds), size.posts_per_s)
    windows: dict[str, list[Window]] = {WITH: [], WITHOUT: []}
    joins: list[int] = []
    async with AsyncExitStack() as stack:
        room = await stack.enter_async_context(Room.open(readers=size.readers, authors=size.authors))
        tokens = await room.server.bots(size.visitors, "load-visitor")
        visitors = await stack.enter_async_context(open_authors(room.server.socket_url, tokens))
        await room.window(Pace(size.posts_per_s, size.posts_per_s))
        for number in range(size.rounds):
            for name in (WITH, WITHOUT) if number % 2 == 0 else (WITHOUT, WITH):
                if name == WITH:
                    ended = asyncio.Event()
                    coming = asyncio.create_task(come_and_go(visitors, f"{room.prefix}0", size.joins_per_s, ended))
                    windows[name].append(await room.window(pace))
                    ended.set()
                    joins.append(await coming)
                else:
                    windows[name].append(await room.window(pace))
    for name, done in windows.items():
        tell(outcome, name, done)
    outcome.compare("post to subscriber, p99", WITH, WITHOUT)
    tell_joins(outcome, windows, joins)
    return outcome


def tell_joins(outcome: Outcome, windows: dict[str, list[Window]], joins: list[int]) -> None:
    """Note what one join with its leave costs: what the windows with joins took more of the server's CPU per second."""
    each = []
    for disturbed, calm, count in zip(windows[WITH], windows[WITHOUT], joins, strict=True):
        more = disturbed.spent.server_us - calm.spent.server_us / calm.spent.wall_us * disturbed.spent.wall_us
        each.append(max(0.0, more) / count)
    join = outcome.add("CPU per join, with its leave", "parley", "us", each, sum(joins))
    delivery = Figure("", "parley", "us", tuple(window.per_delivery_us for window in windows[WITHOUT]), sum(joins))
    outcome.divide("CPU per join, beside a delivery", join, delivery)


async def come_and_go(visitors: Sequence[Author], board: str, per_s: float, ended: asyncio.Event) -> int:
    """Let visitors join and leave in turn, at this rate over all, until ``ended``; return how many joined.

    Raises:
        ChildError: a visitor was refused.
    """
    start, joins = time.monotonic(), 0

    async def visit(visitor: Author) -> None:
        for frame in (Subscribe(1, BoardId(board)), Unsubscribe(2, BoardId(board))):
            await visitor.socket.send(encode(MSGPACK, frame))
            while (answer := await visitor.answer()).get("re") != frame.id:
                if answer.get("type") in {"error", "bye"}:
                    raise ChildError(f"a visitor was answered with {answer}")

    free: asyncio.Queue[Author] = asyncio.Queue()
    for visitor in visitors:
        free.put_nowait(visitor)
    async with asyncio.TaskGroup() as group:

        async def turn() -> None:
            visitor = await free.get()
            await visit(visitor)
            free.put_nowait(visitor)

        while not ended.is_set():
            await asyncio.sleep(max(0.0, start + joins / per_s - time.monotonic()))
            group.create_task(turn())
            joins += 1
    return joins
