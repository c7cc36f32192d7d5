"""The embedded PostgreSQL on real folders, with real processes: starts, ends, and what is found in its way."""

import asyncio
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from parley_server import embedded_postgres, postgres_cluster
from parley_server.embedded_postgres import DidNotStart, EmbeddedPostgresError, FolderInUse, WrongVersion
from tests.postgres import PostgresForTests, on_every_postgres

NO_SYNC = {"fsync": "off"}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the user PostgreSQL runs as can reach; pytest's own is closed to all but us."""
    path = Path(tempfile.mkdtemp(prefix="parley-embedded-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


async def run_sql(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"
    except FileNotFoundError:
        return False


async def wait_until_gone(pid: int) -> None:
    try:
        async with asyncio.timeout(15):
            while is_alive(pid):
                await asyncio.sleep(0.02)
    except TimeoutError:
        os.kill(pid, signal.SIGINT)  # the test fails, and still leaves nothing running
        raise


async def test_a_second_start_finds_the_rows_of_the_first(folder: Path) -> None:
    first = await embedded_postgres.start(folder, settings=NO_SYNC)
    await run_sql(first.url, "CREATE TABLE kept AS SELECT 42 AS answer")
    await first.stop()
    second = await embedded_postgres.start(folder, settings=NO_SYNC)
    try:
        assert await run_sql(second.url, "SELECT answer FROM kept") == 42
    finally:
        await second.stop()


async def test_stop_ends_postgres_though_connections_are_open_and_may_be_repeated(folder: Path) -> None:
    server = await embedded_postgres.start(folder, settings=NO_SYNC)
    connection = await asyncpg.connect(server.url, timeout=10)
    await server.stop()
    await server.stop()
    assert not is_alive(server.pid)
    connection.terminate()


async def test_the_password_is_ours_alone_and_needed(folder: Path) -> None:
    server = await embedded_postgres.start(folder, settings=NO_SYNC)
    try:
        assert stat.S_IMODE((folder / "password").stat().st_mode) == 0o600
        wrong = server.url.replace((folder / "password").read_text().strip(), "guess")
        with pytest.raises(asyncpg.InvalidPasswordError):
            await run_sql(wrong, "SELECT 1")
    finally:
        await server.stop()


async def test_it_listens_on_loopback_alone(folder: Path) -> None:
    server = await embedded_postgres.start(folder, settings=NO_SYNC)
    try:
        assert await run_sql(server.url, "SHOW listen_addresses") == "127.0.0.1"
        assert await run_sql(server.url, "SHOW unix_socket_directories") == ""
    finally:
        await server.stop()


async def test_commits_reach_the_disk_unless_a_test_says_otherwise(folder: Path) -> None:
    server = await embedded_postgres.start(folder)
    try:
        assert await run_sql(server.url, "SHOW fsync") == "on"
        assert await run_sql(server.url, "SHOW synchronous_commit") == "on"
    finally:
        await server.stop()


async def test_two_at_once_on_one_folder_are_one_and_a_clear_error(folder: Path) -> None:
    server = await embedded_postgres.start(folder, settings=NO_SYNC)
    try:
        with pytest.raises(FolderInUse, match="in use by another process"):
            await embedded_postgres.start(folder, settings=NO_SYNC)
        assert await run_sql(server.url, "SELECT 1") == 1
    finally:
        await server.stop()


async def test_two_starts_in_the_same_moment_leave_one_winner(folder: Path) -> None:
    starts = [embedded_postgres.start(folder, settings=NO_SYNC) for _ in range(2)]
    outcomes = await asyncio.gather(*starts, return_exceptions=True)
    servers = [outcome for outcome in outcomes if isinstance(outcome, embedded_postgres.EmbeddedPostgres)]
    for server in servers:
        await server.stop()
    assert len(servers) == 1
    assert sum(isinstance(outcome, FolderInUse) for outcome in outcomes) == 1


async def test_the_cluster_of_another_major_version_is_named_and_left_alone(folder: Path) -> None:
    server = await embedded_postgres.start(folder, settings=NO_SYNC)
    await server.stop()
    version = folder / "cluster" / "PG_VERSION"
    kept = version.read_text()
    version.write_text("9\n")
    with pytest.raises(WrongVersion, match="made by PostgreSQL 9, and this is PostgreSQL 18"):
        await embedded_postgres.start(folder, settings=NO_SYNC)
    version.write_text(kept)
    server = await embedded_postgres.start(folder, settings=NO_SYNC)
    await server.stop()


async def test_a_lost_password_is_said_and_not_replaced(folder: Path) -> None:
    server = await embedded_postgres.start(folder, settings=NO_SYNC)
    await server.stop()
    (folder / "password").unlink()
    with pytest.raises(EmbeddedPostgresError, match="password is missing"):
        await embedded_postgres.start(folder, settings=NO_SYNC)
    assert not (folder / "password").exists()


async def test_a_failed_start_quotes_postgres_and_frees_the_folder(folder: Path) -> None:
    with pytest.raises(DidNotStart, match="no_such_setting"):
        await embedded_postgres.start(folder, settings={**NO_SYNC, "no_such_setting": "1"})
    server = await embedded_postgres.start(folder, settings=NO_SYNC)
    await server.stop()


async def test_what_an_interrupted_first_start_left_is_swept_away(folder: Path) -> None:
    (folder / "cluster-half").mkdir()
    (folder / "cluster-half" / "PG_VERSION").write_text("18\n")
    server = await embedded_postgres.start(folder, settings=NO_SYNC)
    await server.stop()
    assert not (folder / "cluster-half").exists()


async def test_a_taken_port_is_followed_by_another(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free_port = embedded_postgres._free_port
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        ports = iter([taken.getsockname()[1]])
        # The race between finding a port and binding it cannot be provoked from outside.
        monkeypatch.setattr(embedded_postgres, "_free_port", lambda: next(ports, None) or free_port())
        server = await embedded_postgres.start(folder, settings=NO_SYNC)
        await server.stop()
    assert next(ports, None) is None
    assert "could not bind" in (folder / "postgres.log").read_text()


PARENT = """
import asyncio, sys
from pathlib import Path
from parley_server import embedded_postgres, postgres_cluster

async def main() -> None:
    server = await embedded_postgres.start(Path(sys.argv[1]), settings={"fsync": "off"})
    print(server.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def killed_parent(folder: Path) -> int:
    """Start PostgreSQL from a process of its own, kill that with SIGKILL, and return the postmaster's process id."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(folder)], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.kill()
    return pid


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
async def test_postgres_ends_when_its_parent_is_killed(folder: Path) -> None:
    pid = await asyncio.to_thread(killed_parent, folder)
    await wait_until_gone(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_a_start_right_after_a_kill_waits_for_the_old_postgres_and_finds_its_rows(folder: Path) -> None:
    pid = await asyncio.to_thread(killed_parent, folder)
    server = await embedded_postgres.start(folder, settings=NO_SYNC)
    assert not is_alive(pid)
    await server.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_a_postgres_that_outlived_its_parent_is_ended_by_the_next_start(folder: Path) -> None:
    """As on a system without parent-death signals: a postmaster that nobody tells anything."""
    first = await embedded_postgres.start(folder, settings=NO_SYNC)
    await first.stop()
    user = (folder / "cluster").stat()
    program = postgres_cluster._bundled(postgres_cluster._user(folder / "cluster")) / "postgres"
    command = [str(program), "-D", str(folder / "cluster")]
    port = str(embedded_postgres._free_port())
    options = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={port}", "-c", "unix_socket_directories="]
    is_root = os.geteuid() == 0
    orphan = subprocess.Popen(
        [*command, *options],
        cwd=folder / "cluster",
        stderr=subprocess.DEVNULL,
        user=user.st_uid if is_root else None,
        group=user.st_gid if is_root else None,
        extra_groups=[] if is_root else None,
    )
    reaped = asyncio.create_task(asyncio.to_thread(orphan.wait))  # an orphan's parent is init, which reaps it
    try:
        async with asyncio.timeout(15):
            while not (folder / "cluster" / "postmaster.pid").exists():
                await asyncio.sleep(0.02)
        second = await embedded_postgres.start(folder, settings=NO_SYNC)
        await second.stop()
        assert not is_alive(orphan.pid)
    finally:
        if orphan.poll() is None:
            orphan.send_signal(signal.SIGINT)
        await reaped


async def test_a_stale_pid_file_that_names_another_program_is_no_obstacle(folder: Path) -> None:
    server = await embedded_postgres.start(folder, settings=NO_SYNC)
    await server.stop()
    (folder / "cluster" / "postmaster.pid").write_text(f"{os.getpid()}\n{folder / 'cluster'}\n")
    server = await embedded_postgres.start(folder, settings=NO_SYNC)
    await server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")
async def test_root_may_keep_its_data_in_a_folder_closed_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    closed = tmp_path / "data"
    closed.mkdir(0o700)
    monkeypatch.setattr(postgres_cluster, "ROOT_HOME", folder / "home")
    server = await embedded_postgres.start(closed, settings=NO_SYNC)
    await run_sql(server.url, "CREATE TABLE kept AS SELECT 42 AS answer")
    await server.stop()
    assert (closed / "cluster").readlink().parent == folder / "home"
    server = await embedded_postgres.start(closed, settings=NO_SYNC)
    try:
        assert await run_sql(server.url, "SELECT answer FROM kept") == 42
    finally:
        await server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")
async def test_root_may_have_its_environment_in_a_folder_closed_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    user = postgres_cluster._user(folder / "none")
    installed = postgres_cluster._bundled(user).parents[1]
    package = tmp_path / "closed" / installed.name
    package.parent.mkdir(0o700)
    shutil.copytree(installed / "pginstall18", package / "pginstall18", symlinks=True)
    shutil.copytree(installed.with_name(installed.name + ".libs"), package.with_name(installed.name + ".libs"), symlinks=True)
    monkeypatch.setattr(postgres_cluster, "ROOT_HOME", folder / "home")
    bin_dir = postgres_cluster._within_reach(package, user)
    assert bin_dir.is_relative_to(folder / "home")
    server = await embedded_postgres.start(folder / "data", bin_dir=bin_dir, settings=NO_SYNC)
    await server.stop()
    assert postgres_cluster._within_reach(package, user) == bin_dir
    assert len(list((folder / "home").iterdir())) == 1


@on_every_postgres
async def test_the_tests_server_copies_a_database_with_its_rows(postgres: PostgresForTests, postgres_url: str) -> None:
    await run_sql(postgres_url, "CREATE TABLE kept AS SELECT 42 AS answer")
    started = time.monotonic()
    copy = postgres.create(template=postgres_url)
    print(f"copied in {1000 * (time.monotonic() - started):.0f} ms")
    assert await run_sql(copy, "SELECT answer FROM kept") == 42
    postgres.drop(copy)
