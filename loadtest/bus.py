"""What it costs one node to tell another of a post over Redis: CPU of both and of Redis per post, and how long it takes.

Method and reading: loadtest/README.md.
"""

import argparse
import asyncio
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final

import uvloop

from harness.machine import cpu_us
from harness.table import columns, percentile, report, spread, write_json
from parley_protocol.frames import Author, Posted
from parley_protocol.ids import AccountId, BoardId, PostId
from parley_server.bus.redis import RedisBus
from parley_server.domain.hints import Committed, Hint, NodeId
from parley_server.telemetry import set_up_logs

WAIT_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Window:
    """One window. CPU in microseconds, above that of the same time without posts; ``late_ms``: from ``send`` to ``take``, per post."""

    posts: int
    sender_us: float
    receiver_us: float
    redis_us: float
    messages: int
    late_ms: list[float]


# A node, in a process of its own: told over stdin what to do, says over stdout what came of it.


async def node(name: str, url: str, body_bytes: int) -> None:
    """Run one node until stdin ends."""
    late_us: list[int] = []

    async def take(hint: Hint) -> None:
        if isinstance(hint, Committed) and isinstance(hint.event, Posted):
            late_us.append(_now_us() - hint.event.at)

    bus = RedisBus(url, "load", NodeId(name))
    running = asyncio.create_task(bus.run(take))
    while not bus.up:
        await asyncio.sleep(0.01)
    _say({"up": True})
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        match line.decode().split():
            case ["send", posts, rate, really]:
                began = time.process_time_ns()
                await _send(bus, int(posts), int(rate), "x" * body_bytes, really=really == "yes")
                _say({"cpu_us": (time.process_time_ns() - began) / 1000})
            case ["taken"]:
                _say({"cpu_us": time.process_time_ns() / 1000, "late_us": late_us, **asdict(bus.counts)})
                late_us.clear()
            case other:
                raise ValueError(f"no such command: {other}")
    running.cancel()


async def _send(bus: RedisBus, posts: int, rate: int, body: str, *, really: bool) -> None:
    """Send posts at a steady rate, in steps of a millisecond, or only keep the time of it."""
    loop = asyncio.get_running_loop()
    began, sent = loop.time(), 0
    author = Author(AccountId("01900000-0000-7000-8000-000000000000"), "Anna")
    while sent < posts:
        due = min(posts, int((loop.time() - began) * rate) + 1)
        while sent < due:
            sent += 1
            if really:
                post = PostId(f"01900000-0000-7000-8000-{sent:012d}")
                bus.send(Committed(Posted(BoardId("load"), sent, post, author, body, _now_us(), 1)))
        await asyncio.sleep(0.001)


def _now_us() -> int:
    return time.monotonic_ns() // 1000


def _say(what: Mapping[str, object]) -> None:
    print(json.dumps(what), flush=True)


# The driver.


class Node:
    """The process of one node."""

    def __init__(self, name: str, url: str, body_bytes: int) -> None:
        command = [sys.executable, __file__, "--node", name, "--redis", url, "--body-bytes", str(body_bytes)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.hear()

    def tell(self, what: str) -> None:
        _pipe(self._process.stdin).write(what.encode() + b"\n")
        _pipe(self._process.stdin).flush()

    def hear(self) -> dict[str, Any]:
        line = _pipe(self._process.stdout).readline()
        if not line:
            raise SystemExit("a node ended")
        heard: dict[str, Any] = json.loads(line)
        return heard

    def ask(self, what: str) -> dict[str, Any]:
        self.tell(what)
        return self.hear()

    def end(self) -> None:
        _pipe(self._process.stdin).close()
        self._process.wait(WAIT_S)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


@contextmanager
def redis() -> Iterator[tuple[int, str]]:
    """Run a Redis that keeps nothing, on a free port of loopback."""
    program = shutil.which("redis-server")
    if program is None:
        raise SystemExit("redis-server is not installed")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    folder = tempfile.mkdtemp(prefix="parley-redis-")
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no", "--dir", folder]
    process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + WAIT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1.0).close()
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
        yield process.pid, f"redis://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def measure(sender: Node, receiver: Node, redis_pid: int, posts: int, rate: int) -> Window:
    """Run one window with posts, and one of the same length without, whose CPU is taken off."""
    spent = []
    late_us: list[int] = []
    messages = 0
    for really in ("no", "yes"):
        before, redis_before, sent_before = receiver.ask("taken"), cpu_us(redis_pid), sender.ask("taken")
        sending = sender.ask(f"send {posts} {rate} {really}")
        time.sleep(0.1)
        after, sent = receiver.ask("taken"), sender.ask("taken")
        late_us, messages = after["late_us"], sent["messages"] - sent_before["messages"]
        spent.append((sending["cpu_us"], after["cpu_us"] - before["cpu_us"], cpu_us(redis_pid) - redis_before))
        lost = sent["ordinary_dropped"] + after["missed"]
        if lost or len(late_us) != (posts if really == "yes" else 0):
            raise SystemExit(f"{len(late_us)} of {posts} posts arrived, {lost} were lost")
    idle, busy = spent
    own, others, redis_us = (b - a for a, b in zip(idle, busy, strict=True))
    return Window(posts, own, others, redis_us, messages, [us / 1000 for us in late_us])


def main() -> None:
    """Read the command, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=int, nargs="+", default=[100, 1_000, 5_000], help="posts per second of a window")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a window")
    parser.add_argument("--body-bytes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write every round here")
    parser.add_argument("--node", help=argparse.SUPPRESS)
    parser.add_argument("--redis", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.node:
        set_up_logs("console")
        logging.getLogger().setLevel(logging.WARNING)
        uvloop.run(node(given.node, given.redis, given.body_bytes))
        return
    rounds: dict[int, list[Window]] = {rate: [] for rate in given.rates}
    with redis() as (pid, url):
        sender, receiver = Node("sender", url, given.body_bytes), Node("receiver", url, given.body_bytes)
        try:
            for number in range(given.rounds):
                for rate, windows in rounds.items():
                    windows.append(measure(sender, receiver, pid, round(rate * given.seconds), rate))
                print(f"round {number + 1} of {given.rounds}", file=sys.stderr)
        finally:
            sender.end()
            receiver.end()
    rows = [_row(rate, windows) for rate, windows in rounds.items()]
    header = ["posts/s", "", "sender us/post", "receiver us/post", "Redis us/post", "posts/message", "late ms p50", "p99", "max"]
    title = f"{given.body_bytes}-byte posts from one node to another, windows of {given.seconds} s, median of {given.rounds} rounds (least–most)"
    print(report(title, columns(header, rows)))
    if given.json:
        flat = {rate: [asdict(window) for window in windows] for rate, windows in rounds.items()}
        write_json(given.json, {"scenario": "bus", "rates": flat})


def _row(rate: int, windows: list[Window]) -> list[str]:
    late_ms = [value for window in windows for value in window.late_ms]
    return [
        str(rate),
        "",
        spread([window.sender_us / window.posts for window in windows], 1),
        spread([window.receiver_us / window.posts for window in windows], 1),
        spread([window.redis_us / window.posts for window in windows], 1),
        spread([window.posts / max(1, window.messages) for window in windows], 1),
        f"{percentile(late_ms, 50):.2f}",
        f"{percentile(late_ms, 99):.2f}",
        f"{max(late_ms):.2f}",
    ]


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
