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
from fanout import MODES, SHARES, Results, Size, Subject, measure, open_parley, open_peer, posted_bytes, ratio, shares
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


@dataclass(frozen=True, slots=True)
class Result:
    """What a run found. ``idle_bytes``: resident memory per idle connection, per server."""

    present: Sequence[Present[Transport]]
    absent: Sequence[Absent]
    idle_bytes: dict[str, list[float]]
    windows: Results
    notes: Sequence[str]


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


async def measure_idle(peers: Sequence[Transport], size: Size, rounds: int, *, parley: bool) -> dict[str, list[float]]:
    """Measure memory, one server at a time; guests of Parley, since no peer has accounts."""
    found: dict[str, list[float]] = {}
    for number in range(rounds):
        for peer in peers:
            found.setdefault(peer.name, []).append(await idle_bytes(peer, size))
        if parley:
            found.setdefault("parley", []).append((await idle.measure(size.readers, member=False)).server)
        print(f"idle round {number + 1}:", {name: round(each[-1] / 1024, 1) for name, each in found.items()}, file=sys.stderr)
    return found


async def measure_fan_out(peers: Sequence[Transport], size: Size, *, parley: bool) -> tuple[Results, list[str]]:
    """Start all servers, then measure them in turns; return their windows, and what a reader of the table must know.

    A peer that loses or repeats a delivery is left out from there on, and named in the notes: its figure would be that of other work.
    """
    notes: list[str] = []
    plain = program("floor")
    if not plain.compiled:
        notes.append("no C compiler: the floor and the readers are their Python stand-ins, ratios to the floor are too low")
    async with AsyncExitStack() as stack:
        subjects: list[Subject] = [await stack.enter_async_context(open_peer(peer, size)) for peer in (floor(plain), *peers)]
        if parley:
            subjects += [board for board in await stack.enter_async_context(open_parley(size)) if board.readers]
        await asyncio.sleep(SETTLE_S)
        results: Results = {(subject.name, mode): [] for subject in subjects for mode in MODES}
        for number in range(-1, size.rounds):
            turn = max(0, number) % len(subjects)
            for mode in MODES:
                for subject in subjects[turn:] + subjects[:turn]:
                    posts = size.posts(mode) if number >= 0 else max(1, size.posts(mode) // 4)
                    try:
                        window = await measure(subject, mode, posts, size.readers)
                    except ChildError as error:
                        if subject.name in {"floor", "parley"}:
                            raise
                        notes.append(f"left out: {error}")
                        subjects = [other for other in subjects if other is not subject]
                        results.pop((subject.name, MODES[0]))
                        results.pop((subject.name, MODES[1]))
                        continue
                    if number < 0:
                        continue  # A quarter of a window warms each up.
                    results[subject.name, mode].append(window)
                    print(f"round {number + 1}: {subject.name}, {mode}: {window.per_delivery_us:.2f} us", file=sys.stderr)
    return results, notes


async def run(names: str, size: Size, idle_rounds: int, *, parley: bool, private_network: bool) -> Result:
    """Look which peers there are, measure them."""
    present, absent = look(choose(TRANSPORTS, names), private_network=private_network)
    peers = [one.peer for one in present]
    memory = await measure_idle(peers, size, idle_rounds, parley=parley)
    windows, notes = await measure_fan_out(peers, size, parley=parley)
    return Result(present, absent, memory, windows, notes)


def tables(result: Result) -> str:
    """Return the table of deliveries, and the one of memory."""
    names = {one.peer.name: f"{one.peer.name} {one.version}" for one in result.present}
    has_parley = ("parley", MODES[0]) in result.windows
    rows = []
    for mode in MODES:
        for (name, of), windows in result.windows.items():
            if of != mode:
                continue
            last_ms = [value for window in windows for value in window.last_ms]
            rows.append(
                [
                    names.get(name, name),
                    mode,
                    spread([window.per_delivery_us for window in windows]),
                    ratio(result.windows, name, mode, "floor"),
                    ratio(result.windows, "parley", mode, name) if has_parley else "",
                    spread([window.deliveries / window.reads for window in windows], 1),
                    f"{windows[0].bytes / windows[0].deliveries:.0f}",
                    f"{percentile(last_ms, 50):.1f}" if last_ms else "",
                    f"{percentile(last_ms, 99):.1f}" if last_ms else "",
                    *shares(windows),
                ]
            )
    header = ["server", "mode", "CPU us/delivery", "x floor", "parley/it", "frames/read", "bytes", "last ms p50", "p99", *SHARES]
    fan_out = columns(header, rows)
    if not result.idle_bytes:
        return fan_out
    parley = result.idle_bytes.get("parley")
    memory = [
        [
            names.get(name, name),
            "idle",
            spread([value / 1024 for value in each]),
            f"{statistics.median(parley) / statistics.median(each):.2f}" if parley else "",
        ]
        for name, each in result.idle_bytes.items()
    ]
    return fan_out + "\n\n" + columns(["server", "readers", "RSS KiB/connection", "parley/it"], memory)


def notes_of(result: Result) -> list[str]:
    """Return what stands below the table: what is lifted for each peer, and who is absent."""
    lifted = [f"{one.peer.name}: {one.peer.lifted}" for one in result.present]
    return [*lifted, *(one.line() for one in result.absent), *result.notes]


def main() -> None:
    """Read the command, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default="all", help="names with commas between: " + ", ".join(peer.name for peer in TRANSPORTS))
    parser.add_argument("--no-parley", action="store_true", help="peers and floor alone")
    parser.add_argument("--readers", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--idle-rounds", type=int, default=1, help="fresh servers of each kind for the memory of a connection; 0: none")
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
