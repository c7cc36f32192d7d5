"""Migrations: forward only, one at a time, and never a changed one."""

import asyncio

import asyncpg
import pytest

from parley_server.store.migrate import Migration, MigrationError, migrate, migrations
from tests.postgres import on_every_postgres

FIRST = Migration(1, "first", "create table one (n int)")
SECOND = Migration(2, "second", "create table two (n int); insert into two values (2)")


async def tables(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("select tablename from pg_tables where schemaname = 'public'")
        return {row["tablename"] for row in rows}
    finally:
        await connection.close()


@on_every_postgres
async def test_an_empty_database_gets_every_migration_and_the_second_run_none(postgres_url: str) -> None:
    assert await migrate(postgres_url) == migrations()
    assert await migrate(postgres_url) == []
    assert {"accounts", "boards", "events", "bodies", "takedowns", "alerts", "rule_sets"} <= await tables(postgres_url)


async def test_processes_that_start_at_once_migrate_once(postgres_url: str) -> None:
    done = await asyncio.gather(*(migrate(postgres_url) for _ in range(4)))
    assert sorted(len(applied) for applied in done) == [0, 0, 0, len(migrations())]


async def test_only_what_is_missing_is_applied(postgres_url: str) -> None:
    assert await migrate(postgres_url, [FIRST]) == [FIRST]
    assert await migrate(postgres_url, [FIRST, SECOND]) == [SECOND]
    assert await tables(postgres_url) == {"migrations", "one", "two"}


async def test_a_changed_migration_is_refused(postgres_url: str) -> None:
    await migrate(postgres_url, [FIRST])
    with pytest.raises(MigrationError, match="0001_first differs"):
        await migrate(postgres_url, [Migration(1, "first", "create table one (n bigint)"), SECOND])
    assert await tables(postgres_url) == {"migrations", "one"}


async def test_a_database_that_is_newer_is_refused(postgres_url: str) -> None:
    await migrate(postgres_url, [FIRST, SECOND])
    with pytest.raises(MigrationError, match="0002_second, which this version does not know"):
        await migrate(postgres_url, [FIRST])


async def test_a_migration_that_fails_leaves_nothing_of_itself(postgres_url: str) -> None:
    broken = Migration(2, "broken", "create table two (n int); select 1 / 0")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(postgres_url, [FIRST, broken])
    assert await tables(postgres_url) == {"migrations", "one"}


def test_every_migration_says_how_long_it_locks() -> None:
    for migration in migrations():
        assert "Locks at 10 M rows:" in migration.sql, migration.name
