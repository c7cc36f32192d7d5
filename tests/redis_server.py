"""A Redis for tests: a real server on a free port of loopback, which a test may stop, kill and start again.

A test that needs one is skipped by name where ``redis-server`` is not installed; in CI nothing may be skipped.
"""

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

PROGRAM: Final = "redis-server"
WAIT_SECONDS_MAX: Final = 20


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


class RedisForTests:
    """One server. It keeps nothing: what was in its memory is gone with it."""

    def __init__(self, options: Sequence[str] = ()) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="parley-redis-"))
        self._options = tuple(options)
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, on the port of the time before, and wait until it takes connections."""
        command = (PROGRAM, "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no")
        self._process = subprocess.Popen(
            [*command, "--dir", str(self._folder), *self._options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        until = time.monotonic() + WAIT_SECONDS_MAX
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1.0) as probe:
                probe.sendall(b"PING\r\n")
                if probe.recv(64):
                    return
            assert self._process.poll() is None, f"{PROGRAM} ended"
            assert time.monotonic() < until, f"{PROGRAM} does not answer"
            time.sleep(0.01)

    def pause(self) -> None:
        """Let it take connections and answer nothing."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End a pause."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it without a word, and wait."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(WAIT_SECONDS_MAX)
            self._process = None

    def remove(self) -> None:
        """End it, and leave nothing behind."""
        self.kill()
        shutil.rmtree(self._folder)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)


def needs_redis() -> None:
    """Skip the test where there is no Redis."""
    if shutil.which(PROGRAM) is None:
        pytest.skip(f"{PROGRAM} is not installed")


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisForTests]:
    """A server for every test that leaves it running."""
    needs_redis()
    server = RedisForTests()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def own_redis() -> Iterator[RedisForTests]:
    """A server that the test may stop, kill and start again."""
    needs_redis()
    server = RedisForTests()
    server.start()
    yield server
    server.remove()
