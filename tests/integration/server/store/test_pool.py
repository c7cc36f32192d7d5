"""The pool: which errors mean that PostgreSQL cannot answer, and which that we are wrong."""

import asyncio

import asyncpg
import pytest

from parley_server.ports import Unavailable
from parley_server.store import bounds
from parley_server.store.pool import Connection, Database, open_database


async def test_nobody_there_is_unavailable_with_its_cause() -> None:
    with pytest.raises(Unavailable) as caught:
        await open_database("postgresql://parley@127.0.0.1:1/none")
    assert isinstance(caught.value.__cause__, OSError)


async def test_a_mistake_of_ours_is_not_called_unavailable(database: Database) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        await database.read("select from no_such_table")
    with pytest.raises(asyncpg.DataError):
        await database.read("select $1::integer", "one")
    with pytest.raises(ZeroDivisionError):
        await database.run(_divide)


async def _divide(connection: Connection) -> None:
    await connection.execute("create table left_behind (n int)")
    raise ZeroDivisionError


async def test_work_that_fails_leaves_nothing(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        await database.run(_divide)
    assert await database.read("select from pg_class where relname = 'left_behind'") == []


async def test_a_deadlock_is_broken_and_the_loser_runs_again(database: Database) -> None:
    await database.row(
        "insert into boards values ('a', '', '', 'e', 0, 'open', 'public', 0), ('b', '', '', 'e', 0, 'open', 'public', 0)"
    )
    meet = asyncio.Barrier(2)
    runs = 0

    async def lock(connection: Connection, first: str, second: str) -> None:
        nonlocal runs
        runs += 1
        await connection.execute("update boards set head = head + 1 where id = $1", first)
        if runs <= 2:
            await meet.wait()
        await connection.execute("update boards set head = head + 1 where id = $1", second)

    async with asyncio.TaskGroup() as group:
        group.create_task(database.run(lambda connection: lock(connection, "a", "b")))
        group.create_task(database.run(lambda connection: lock(connection, "b", "a")))
    assert runs == 3
    assert [row["head"] for row in await database.read("select head from boards")] == [2, 2]


async def test_p11_a_full_pool_is_unavailable(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    database = await open_database(database_url, connections_max=1)
    monkeypatch.setattr(bounds, "ACQUIRE_S", 0.1)

    async def hold(_: Connection) -> None:
        with pytest.raises(Unavailable):
            await database.run(hold)

    await database.run(hold)
    await database.close()


async def test_p11_a_statement_that_takes_too_long_is_unavailable(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    database = await open_database(database_url)

    async def sleep(connection: Connection) -> None:
        await connection.execute("set local statement_timeout = 50")
        await connection.execute("select pg_sleep(5)")

    with pytest.raises(Unavailable) as caught:
        await database.run(sleep)
    assert isinstance(caught.value.__cause__, asyncpg.QueryCanceledError)
    await database.close()


async def test_p4_commits_are_on_disk_whatever_the_server_prefers(database: Database) -> None:
    [row] = await database.read("select current_setting('synchronous_commit') as value")
    assert row["value"] == "on"


async def test_a_statement_costs_one_round_trip_and_a_cancelled_transaction_leaves_the_next_one_alone(
    database: Database, postgres_url: str
) -> None:
    own = await open_database(postgres_url, connections_max=1)
    try:
        before = own.calls
        assert [row["n"] for row in await own.read("select 41 as n")] == [41]
        last = await database.row("select query from pg_stat_activity where pid = $1", await _pid(own))
        assert last is not None and "pg_backend_pid" in last["query"] and own.calls == before + 2

        async def dawdle(connection: Connection) -> None:
            await connection.execute("set local work_mem = '1MB'; create table half_done (n int)")
            await asyncio.sleep(60)

        task = asyncio.ensure_future(own.run(dawdle))
        await asyncio.sleep(0.2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await own.read("select from pg_class where relname = 'half_done'") == []
        assert [row["work_mem"] for row in await own.read("show work_mem")] != ["1MB"]
    finally:
        await own.close()


async def _pid(database: Database) -> int:
    row = await database.row("select pg_backend_pid() as pid")
    assert row is not None
    pid: int = row["pid"]
    return pid
