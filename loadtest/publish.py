"""Durable, inspected posts per second through one Parley process, over many boards that nobody follows.

Method and reading: loadtest/README.md.
"""

import argparse
import asyncio
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.authors import Author, Draft, bodies, open_authors, publish_all
from harness.meter import BUSY, Meter, Spent
from harness.parley import Parley
from harness.table import columns, percentile, report, spread, write_json


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured. Each author posts to every board in turn."""

    boards: int
    authors: int
    in_flight: int
    posts: int
    body_bytes: int
    rounds: int
    terms: int


@dataclass(frozen=True, slots=True)
class Window:
    """One measured window. ``ok_ms``: per post, from just before it was sent to its ``ok`` read by the author."""

    posts: int
    ok_ms: list[float]
    spent: Spent


async def measure(server: Parley, authors: Sequence[Author], size: Size, posts: int, seed: str) -> Window:
    """Make the posts, then run one window."""
    texts = bodies(posts, size.body_bytes, seed)
    shares: list[tuple[Author, list[Draft]]] = []
    for first, author in enumerate(authors):
        own = texts[first :: len(authors)]
        frames = [author.make(f"load-{(first + number) % size.boards}", [text])[0] for number, text in enumerate(own)]
        shares.append((author, frames))
    meter = Meter(server.cpu)
    took_ns = await publish_all(shares, size.in_flight)
    return Window(posts, [ns / 1e6 for ns in took_ns], meter.stop())


async def run(size: Size) -> list[Window]:
    """Start a server, warm it up, measure."""
    async with Parley.start() as server:
        for board in range(size.boards):
            await server.board(f"load-{board}")
        if size.terms:
            await server.dictionary(size.terms)
        tokens = [await server.member(f"load-author-{number}") for number in range(size.authors)]
        async with open_authors(server.socket_url, tokens) as authors:
            await measure(server, authors, size, max(1, size.posts // 4), seed="warm-up")
            windows = []
            for number in range(size.rounds):
                window = await measure(server, authors, size, size.posts, seed=f"round {number}")
                windows.append(window)
                print(f"round {number + 1}: {window.posts / window.spent.wall_us * 1e6:.0f} posts/s", file=sys.stderr)
            return windows


def main() -> None:
    """Read the command, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boards", type=int, default=100)
    parser.add_argument("--authors", type=int, default=16)
    parser.add_argument("--in-flight", type=int, default=256, help="posts without an answer, over all authors")
    parser.add_argument("--posts", type=int, default=20_000, help="posts of a window")
    parser.add_argument("--body-bytes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--terms", type=int, default=1_000, help="terms of the rule that judges every post; 0 for no rule")
    parser.add_argument("--json", type=Path, help="write every round here")
    given = vars(parser.parse_args())
    json_path: Path | None = given.pop("json")
    size = Size(**given)
    windows = asyncio.run(run(size))
    harness = statistics.mean(window.spent.harness_share for window in windows)
    ok_ms = [value for window in windows for value in window.ok_ms]
    row = [
        "parley",
        f"{size.boards} boards",
        spread([window.posts / window.spent.wall_us * 1e6 for window in windows], 0),
        spread([window.spent.server_us / window.posts for window in windows], 0),
        spread([window.spent.database_us / window.posts for window in windows], 0),
        f"{percentile(ok_ms, 50):.1f}",
        f"{percentile(ok_ms, 99):.1f}",
        f"{max(ok_ms):.1f}",
        f"{statistics.mean(window.spent.server_share for window in windows) * 100:.0f}",
        f"{harness * 100:.0f}{'!' if harness > BUSY else ''}",
        f"{statistics.mean(window.spent.idle_share for window in windows) * 100:.0f}",
        f"{statistics.mean(window.spent.steal_share for window in windows) * 100:.0f}",
    ]
    header = ["server", "to", "posts/s", "CPU us/post", "PostgreSQL us/post", "ok ms p50", "p99", "max"]
    header += ["server %", "authors %", "idle %", "steal %"]
    title = f"{size.posts} posts, {size.in_flight} in flight, {size.terms} terms, median of {size.rounds} rounds (least–most)"
    print(report(title, columns(header, [row])))
    if json_path:
        flat = [asdict(window) | {"ok_ms": sorted(window.ok_ms)[:: max(1, len(window.ok_ms) // 1000)]} for window in windows]
        write_json(json_path, {"scenario": "publish", "size": asdict(size), "windows": flat})


if __name__ == "__main__":
    main()
