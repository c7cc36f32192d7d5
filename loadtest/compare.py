"""Fan-out beside peers: server CPU per delivery and memory per idle connection, of every server in the same run, to the same readers.

One at a time: the next message leaves when every reader has the last one. Under load: bursts of ten in a row, Parley a window of posts in
flight. Peers that are not installed are named with the command that brings them. Method and reading: loadtest/README.md.
"""

import argparse
import asyncio
import statistics
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import idle
from fanout import (
    FAILURES,
    MODES,
    SHARES,
    Mode,
    Results,
    Size,
    Subject,
    fan_out_alone,
    in_turns,
    open_parley,
    open_peer,
    posted_bytes,
    shares,
)
from harness import private
from harness.driver import floor, start_driver, wanted_of
from harness.lines import ChildError
from harness.native import program
from harness.readers import Readers, allow_files
from harness.table import columns, percentile, report, spread, write_json
from peers.catalogue import TRANSPORTS, Transport
from peers.probe import Absent, Present, choose, look

FIRST_READERS: Final = idle.FIRST_READERS
SETTLE_S: Final = 2.0
ALONE: Final = "parley, nobody reads"
FAN_OUT: Final = "parley, fan-out alone"


@dataclass(frozen=True, slots=True)
class Result:
    """What a run found. ``failed``: peers that broke off, with their errors. ``idle_bytes``: per connection, by server."""

    present: Sequence[Present[Transport]]
    absent: Sequence[Absent]
    failed: dict[str, str]
    idle_bytes: dict[str, list[float]]
    windows: Results


async def idle_bytes(peer: Transport, size: Size) -> float:
    """Start a peer of its own, connect a first hundred, then the readers; return what each of those added to its resident memory."""
    both = FIRST_READERS + size.readers
    async with AsyncExitStack() as stack:
        started = await stack.enter_async_context(start_driver(peer, both, posted_bytes(size)))

        async def connect(count: int) -> int:
            wanted = wanted_of(peer, started.port, count, size.body_bytes)
            readers = await stack.enter_async_context(Readers.start(wanted))
            await asyncio.sleep(SETTLE_S)
            if (await readers.count()).closed:
                raise ChildError(f"{peer.name} cut an idle reader off")
            return started.rss_bytes()

        before = await connect(FIRST_READERS)
        return (await connect(size.readers) - before) / size.readers


async def measure_idle(
    peers: Sequence[Transport], size: Size, rounds: int, *, parley: bool
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Measure memory, one server at a time; guests of Parley, since no peer has accounts.

    Returns:
        Bytes per connection, each round's, by server; and the peers that failed, with their errors.
    """
    found: dict[str, list[float]] = {}
    failed: dict[str, str] = {}
    for number in range(rounds):
        for peer in peers:
            if peer.name not in failed:
                try:
                    found.setdefault(peer.name, []).append(await idle_bytes(peer, size))
                except FAILURES as error:
                    failed[peer.name] = f"{error!r}"
                    del found[peer.name]
        if parley:
            found.setdefault("parley", []).append((await idle.measure(size.readers, member=False)).server)
        print(f"idle round {number + 1}:", {name: round(each[-1] / 1024, 1) for name, each in found.items()}, file=sys.stderr)
    return found, failed


async def measure_fan_out(peers: Sequence[Transport], size: Size, *, parley: bool) -> tuple[Results, dict[str, str]]:
    """Start all servers, then measure them in turns.

    Returns:
        The windows; and the peers that failed, with their errors. The floor's failure, or Parley's, ends the run.
    """
    failed: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        subjects: list[Subject] = [await stack.enter_async_context(open_peer(floor(program("floor")), size))]
        for peer in peers:
            try:
                subjects.append(await stack.enter_async_context(open_peer(peer, size)))
            except FAILURES as error:
                failed[peer.name] = f"{error!r}"
        ours = await stack.enter_async_context(open_parley(size)) if parley else []
        needed = {"floor", *(board.name for board in ours)}
        subjects += ours
        await asyncio.sleep(SETTLE_S)
        windows, failed_later = await in_turns(subjects, lambda _, mode: size.posts(mode), size.readers, size.rounds, needed)
    return windows, failed | failed_later


async def run(names: str, size: Size, idle_rounds: int, *, parley: bool, private_network: bool) -> Result:
    """Look which peers there are, measure them."""
    present, absent = look(choose(TRANSPORTS, names), private_network=private_network)
    peers = [one.peer for one in present]
    memory, failed = await measure_idle(peers, size, idle_rounds, parley=parley)
    windows, failed_later = await measure_fan_out([peer for peer in peers if peer.name not in failed], size, parley=parley)
    return Result(present, absent, failed | failed_later, memory, windows)


def tables(result: Result) -> str:
    """Return the table of deliveries, and the one of memory."""
    fan_out = columns(
        [
            "server",
            "mode",
            "CPU us/delivery",
            "x floor",
            "parley/it",
            "fan-out/it",
            "frames/read",
            "bytes",
            "last ms p50",
            "p99",
            *SHARES,
        ],
        [row for mode in MODES for row in fan_out_rows(result, mode)],
    )
    if not result.idle_bytes:
        return fan_out
    parley = result.idle_bytes.get("parley")
    memory = [
        [
            versioned(result, name),
            "idle",
            spread([value / 1024 for value in each]),
            f"{statistics.median(parley) / statistics.median(each):.2f}" if parley else "",
        ]
        for name, each in result.idle_bytes.items()
    ]
    return fan_out + "\n\n" + columns(["server", "readers", "RSS KiB/connection", "parley/it"], memory)


def fan_out_rows(result: Result, mode: Mode) -> list[list[str]]:
    """Return the rows of one mode; ratios are those of the rounds, then their median."""
    each = {name: [window.per_delivery_us for window in windows] for (name, of), windows in result.windows.items() if of == mode}
    each.pop(ALONE, None)
    if "parley" in each:
        each[FAN_OUT] = fan_out_alone(result.windows, mode)

    def beside(name: str, other: str) -> str:
        if name not in each or other not in each:
            return ""
        return f"{statistics.median(a / b for a, b in zip(each[name], each[other], strict=True)):.2f}"

    rows = []
    for name, values in each.items():
        ratios = [beside(name, "floor"), beside("parley", name), beside(FAN_OUT, name)]
        windows = result.windows.get((name, mode))
        if windows is None:
            rows.append([name, mode, spread(values), *ratios, *[""] * (4 + len(SHARES))])
            continue
        last_ms = [value for window in windows for value in window.last_ms]
        rows.append(
            [
                versioned(result, name),
                mode,
                spread(values),
                *ratios,
                spread([window.deliveries / window.reads for window in windows], 1),
                f"{windows[0].bytes / windows[0].deliveries:.0f}",
                f"{percentile(last_ms, 50):.1f}" if last_ms else "",
                f"{percentile(last_ms, 99):.1f}" if last_ms else "",
                *shares(windows),
            ]
        )
    return rows


def versioned(result: Result, name: str) -> str:
    """Return a server's name with its version."""
    return next((f"{name} {one.version}" for one in result.present if one.peer.name == name), name)


def notes_of(result: Result) -> list[str]:
    """Return what stands below the table: what is lifted for each peer, who is absent, who broke off."""
    notes = [f"{one.peer.name}: {one.peer.lifted}" for one in result.present]
    notes += [one.line() for one in result.absent]
    notes += [f"left out: {name}: {error}" for name, error in result.failed.items()]
    if not program("floor").compiled:
        notes.append("no C compiler: the floor and the readers are their Python stand-ins, ratios to the floor are too low")
    return notes


def main() -> None:
    """Read the command, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--peers", default="all", help="names with commas between: " + ", ".join(peer.name for peer in TRANSPORTS)
    )
    parser.add_argument("--no-parley", action="store_true", help="peers and floor alone")
    parser.add_argument("--readers", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--idle-rounds", type=int, default=1, help="fresh servers of each kind for the memory of a connection; 0: none"
    )
    parser.add_argument("--one", type=int, default=50, help="messages of a window, one at a time")
    parser.add_argument("--load", type=int, default=200, help="messages of a window, under load")
    parser.add_argument("--joined", type=int, default=10, help="messages that a peer gets in a row under load, 1 to 64")
    parser.add_argument("--authors", type=int, default=4)
    parser.add_argument("--in-flight", type=int, default=64, help="Parley's posts without an answer under load, over all authors")
    parser.add_argument("--body-bytes", type=int, default=200)
    parser.add_argument("--terms", type=int, default=1_000, help="terms of the rule that judges every post; 0 for no rule")
    parser.add_argument("--json", type=Path, help="write every round here")
    given = vars(parser.parse_args())
    json_path: Path | None = given.pop("json")
    names, idle_rounds, parley = given.pop("peers"), given.pop("idle_rounds"), not given.pop("no_parley")
    size = Size(**given)
    allow_files(FIRST_READERS + size.readers)
    private_network = private.enter()
    result = asyncio.run(run(names, size, idle_rounds, parley=parley, private_network=private_network))
    title = f"Fan-out to {size.readers} readers, {size.body_bytes}-byte bodies, median of {size.rounds} rounds (least–most)"
    print(report(title, tables(result), notes_of(result)))
    if json_path:
        write_json(
            json_path,
            {
                "scenario": "compare",
                "size": asdict(size),
                "versions": {one.peer.name: one.version for one in result.present},
                "absent": [asdict(one) for one in result.absent],
                "idle_bytes": result.idle_bytes,
                "windows": [
                    {"server": name, "mode": mode, **asdict(window)}
                    for (name, mode), windows in result.windows.items()
                    for window in windows
                ],
                "notes": notes_of(result),
            },
        )


if __name__ == "__main__":
    main()
