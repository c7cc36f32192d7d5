"""The group commit: batches, and what happens to them when something fails."""

# ruff: noqa: S608 -- the tables and columns that are named here are those of this file

import asyncio

import pytest

from parley_protocol.frames import Posted
from parley_server.domain.posts import Repeat
from parley_server.ports import Unavailable
from parley_server.store import bounds
from parley_server.store.board_log import PgBoardLog
from parley_server.store.pool import Connection, Database
from parley_server.store.seal import Sealer
from tests.samples import GENERAL, QUIET, a_draft
from tests.stores import KEY, Store

WRITER = "application_name = 'parley' and query like '%drafts as%' and datname = current_database()"


async def test_drafts_that_arrive_during_a_commit_form_one_batch(pg: Store, database: Database) -> None:
    await pg.log.append(a_draft())

    async def hold(connection: Connection) -> list[asyncio.Task[object]]:
        """Hold the board while drafts arrive."""
        await connection.execute("select from boards where id = $1 for update", GENERAL)
        tasks: list[asyncio.Task[object]] = []
        for n in range(101):
            tasks.append(asyncio.create_task(pg.log.append(a_draft(f"{n}"))))
            await asyncio.sleep(0.05 if n == 0 else 0)
        return tasks

    posted = await asyncio.gather(*await database.run(hold))
    assert all(isinstance(answer, Posted) for answer in posted)
    # Rows of one statement carry one transaction's id: the first, the draft that met the lock, and the hundred behind it.
    rows = await database.read("select count(*) as n from events group by xmin order by 1")
    assert [row["n"] for row in rows] == [1, 1, 100]


async def test_a_text_that_cannot_be_stored_fails_alone(pg: Store) -> None:
    drafts = [a_draft("one"), a_draft("NUL \0 inside"), a_draft("two")]
    answers = await asyncio.gather(*(pg.log.append(draft) for draft in drafts), return_exceptions=True)
    assert [type(answer).__name__ for answer in answers] == ["Posted", "CharacterNotInRepertoireError", "Posted"]
    assert await pg.log.head(GENERAL) == ("epoch-general", 2)
    with pytest.raises(UnicodeEncodeError):
        await pg.log.append(a_draft("\ud800"))


async def test_p4_a_writer_that_loses_its_connection_fails_that_batch_and_goes_on(pg: Store, database: Database) -> None:
    await pg.log.append(a_draft())
    draft = a_draft("hello", nonce="n")

    async def hold(connection: Connection) -> asyncio.Task[object]:
        await connection.execute("select from boards where id = $1 for update", GENERAL)
        task: asyncio.Task[object] = asyncio.create_task(pg.log.append(draft))
        # Over another connection: a transaction sees the activity as it was when it first looked.
        while not await database.read(
            f"select pg_terminate_backend(pid) from pg_stat_activity where {WRITER} and wait_event_type = 'Lock'"
        ):
            await asyncio.sleep(0.01)
        return task

    with pytest.raises(Unavailable):
        await (await database.run(hold))
    assert await pg.log.head(GENERAL) == ("epoch-general", 1)
    assert isinstance(await pg.log.append(draft), Posted | Repeat)
    assert await pg.log.head(GENERAL) == ("epoch-general", 2)


async def test_p4_a_writer_cut_off_while_idle_is_replaced(pg: Store, database: Database) -> None:
    await pg.log.append(a_draft())
    await database.read(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    )
    await asyncio.sleep(0.05)  # The end of the connection arrives at this process.
    assert isinstance(await pg.log.append(a_draft()), Posted)


async def test_a_board_that_waits_for_its_lock_too_long_fails_its_batch_alone(pg: Store, database: Database) -> None:
    await pg.log.append(a_draft())

    async def hold(connection: Connection) -> None:
        await connection.execute("select from boards where id = $1 for update", GENERAL)
        stuck = asyncio.create_task(pg.log.append(a_draft()))
        await asyncio.sleep(0.1)
        behind = asyncio.create_task(pg.log.append(a_draft(board=QUIET)))
        with pytest.raises(Unavailable):
            await stuck
        assert isinstance(await behind, Posted)

    await database.run(hold)


async def test_p11_a_full_queue_says_so_at_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "WAITING_DRAFTS_MAX", 2)
    log = PgBoardLog(database, Sealer(KEY))
    waiting = [asyncio.create_task(log.append(a_draft())) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="wait for their commit"):
        await log.append(a_draft())
    for task in waiting:
        task.cancel()


async def test_those_who_wait_are_told_when_the_log_closes(database: Database) -> None:
    log = PgBoardLog(database, Sealer(KEY))
    writer = asyncio.create_task(log.run())
    await asyncio.sleep(0)
    waiting = asyncio.create_task(log.append(a_draft()))
    await asyncio.sleep(0)
    writer.cancel()
    with pytest.raises(Unavailable):
        await waiting
