"""A server that is a program of its own: started on free ports of loopback, ended with its driver."""

import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

READY_WITHIN_S: Final = 60.0
STOP_WITHIN_S: Final = 10.0
LOG_TAIL_BYTES: Final = 4_000


class DidNotStart(Exception):
    """The server ended or did not listen in time; the end of its log is in the message."""


@contextmanager
def running(
    argv: Sequence[str], folder: Path, ports: Sequence[int], environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``argv`` in ``folder``; the block begins when it listens on all of ``ports``, and ends with its end.

    It ends with the driver too, however that ends: setpriv asks the kernel for it.

    Raises:
        DidNotStart: see there.
    """
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *argv],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        if not all(_listens(process, port) for port in ports):
            raise DidNotStart(
                f"{argv[0]} did not start; end of its log:\n{log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors='replace')}"
            )
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that were free a moment ago, no two alike."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def read_exactly(connection: socket.socket, size: int) -> bytes:
    """Read ``size`` bytes.

    Raises:
        ConnectionError: the other end closed before that.
    """
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise ConnectionError("the server hung up on its publisher")
        data += piece
    return data


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    end = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False
