"""The record log on PostgreSQL: what only the database can show."""

import asyncio

import asyncpg
import pytest

from parley_server.domain.record_leaf import leaf_of
from parley_server.domain.takedowns import Filed, Kind
from parley_server.store.migrate import migrate
from parley_server.store.pool import Connection, Database
from parley_server.store.record_log import BrokenLog, PgRecordLog
from parley_server.store.records import RECORD
from tests.samples import MODERATOR, a_draft, a_restriction, a_reversal
from tests.stores import Store


async def record(store: Store, times: int) -> None:
    """Write two records each time."""
    for _ in range(times):
        draft = a_draft()
        assert isinstance(await store.takedowns.stop(draft, a_restriction()), Filed)
        assert isinstance(await store.takedowns.release(draft.post, a_reversal(Kind.RELEASE)), Filed)


async def by_hand(database: Database, table: str, statement: str) -> None:
    """Change a table as its owner can: with every trigger and constraint out of the way."""

    async def work(connection: Connection) -> None:
        await connection.execute("set local session_replication_role = replica")
        await connection.execute(statement)

    await database.run(work)


async def recomputed(store: Store) -> list[bytes]:
    return [leaf_of(held) for held in await store.takedowns.records(limit=500)]


@pytest.mark.parametrize(
    "statement",
    [
        "update takedowns set reason = 'Another.' where n = 3",
        "update takedowns set actor_account = 'acc-other' where n = 5",
        "update takedowns set detection = jsonb_set(detection, '{spans}', '[]') where n = 3",
        "update reversals set recorded_at_us = recorded_at_us + 1 where n = 4",
        "update policies set explanation = 'Another.' where id = 'spam'",
        "update log_leaves set leaf = set_byte(leaf, 31, get_byte(leaf, 31) # 1) where n = 1",
        "delete from reversals where n = 4",
    ],
)
async def test_p9_what_is_changed_by_hand_shows(pg: Store, database: Database, statement: str) -> None:
    await record(pg, 2)
    draft = a_draft()
    await pg.log.append(draft)
    await pg.takedowns.retract(draft.post, a_restriction(Kind.RETRACT, by=MODERATOR))
    assert await recomputed(pg) == await pg.record_log.leaves(0, 10)
    await by_hand(database, "takedowns", statement)
    assert await recomputed(pg) != await pg.record_log.leaves(0, 10)


async def test_p9_a_leaf_that_is_missing_is_told(pg: Store, database: Database) -> None:
    await record(pg, 2)
    await by_hand(database, "log_leaves", "delete from log_leaves where n = 2")
    with pytest.raises(BrokenLog, match="no leaf 2"):
        await pg.record_log.leaves(0, 10)


@pytest.mark.parametrize(
    "statement",
    [
        "update log_leaves set leaf = sha256('') where n = 1",
        "delete from log_leaves where n = 2",
        "truncate log_leaves cascade",
        "insert into log_leaves select n + 2, 'x', leaf, salt from log_leaves where n = 2",
        "insert into log_leaves select n, 'x', leaf, salt from log_leaves where n = 2",
    ],
)
async def test_p9_leaves_are_only_ever_appended(pg: Store, database: Database, statement: str) -> None:
    await record(pg, 1)
    with pytest.raises(asyncpg.RestrictViolationError):
        await database.row(statement)
    assert await pg.record_log.size() == 2


async def test_p6_no_record_without_its_leaf(pg: Store, database: Database) -> None:
    await record(pg, 1)
    restriction = a_restriction()
    await pg.takedowns.stop(a_draft(), restriction)
    with pytest.raises(asyncpg.ForeignKeyViolationError, match="reversal_is_logged"):
        await database.row(
            "insert into reversals select 'copy', 4, kind, $1, actor_type, actor_account, reason, at_us, recorded_at_us, case_id"
            " from reversals",
            restriction.takedown,
        )


async def test_records_that_are_older_than_the_log_get_their_leaves_once_in_order(
    pg: Store, database: Database, database_url: str
) -> None:
    await record(pg, 30)

    async def back(connection: Connection) -> None:
        """Go back to the schema before the log."""
        await connection.execute(
            "drop table log_leaves cascade; drop function refuse_gap; delete from migrations where name = 'record_log'"
        )

    await database.run(back)
    await migrate(database_url)
    log = PgRecordLog(database)
    assert await log.size() == 0
    assert sum(await asyncio.gather(*(log.complete() for _ in range(4)))) == 60
    assert await log.complete() == 0
    assert await recomputed(pg) == await log.leaves(0, 100)
    await record(pg, 1)
    assert await log.size() == 62


async def test_a_record_is_found_by_its_id_without_reading_the_others(pg: Store, database: Database) -> None:
    """Each record is read once while the row that numbers records is locked."""
    await record(pg, 1)

    async def plan(connection: Connection) -> str:
        await connection.execute("set local enable_seqscan = off")
        rows = await connection.fetch("explain " + RECORD.replace("$1", "'some-id'"))
        return "\n".join(row[0] for row in rows)

    shown = await database.run(plan)
    assert "Seq Scan" not in shown.replace("Seq Scan on policies", ""), shown
