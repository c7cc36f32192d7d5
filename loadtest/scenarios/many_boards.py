"""Posts spread over many boards with few followers, against the same posts on one board with as few."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from harness.figures import Outcome
from harness.room import Pace, Room, Window
from scenarios.burst import tell

MANY: Final = "many boards"
ONE: Final = "one board"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured; ``followers`` of each board."""

    boards: int
    followers: int
    authors: int
    per_s: int
    seconds: float
    rounds: int


async def run(size: Size) -> Outcome:
    """Measure both on the same server, in turns; all followers stay connected throughout."""
    outcome = Outcome()
    pace = Pace(round(size.per_s * size.seconds), size.per_s)
    windows: dict[str, list[Window]] = {MANY: [], ONE: []}
    async with AsyncExitStack() as stack:
        readers = size.boards * size.followers
        many = await stack.enter_async_context(Room.open(readers=readers, authors=size.authors, boards=size.boards))
        one = await stack.enter_async_context(
            Room.open(readers=size.followers, authors=size.authors, server=many.server, prefix="alone-")
        )
        rooms = {MANY: many, ONE: one}
        for room in rooms.values():
            await room.window(Pace(size.per_s, size.per_s))
        for number in range(size.rounds):
            for name in sorted(rooms, reverse=number % 2 == 1):
                windows[name].append(await rooms[name].window(pace))
        memory = many.server.rss_bytes()
    for name, done in windows.items():
        tell(outcome, name, done)
        outcome.add("CPU per post", name, "us", [window.per_post_us for window in done], pace.posts * size.rounds)
    for what in ("CPU per post", "post to subscriber, p99"):
        outcome.compare(what, MANY, ONE)
    outcome.add("resident memory of the server", MANY, "MiB", [memory / 2**20], 1)
    return outcome
