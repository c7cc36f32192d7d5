"""Takedowns on PostgreSQL: what only the database can show."""

# ruff: noqa: S608 -- the tables and columns that are named here are those of this file

import asyncio

import asyncpg
import pytest

from parley_protocol.frames import Event
from parley_server.domain.takedowns import Filed, Kind
from parley_server.ports import Unavailable
from parley_server.store.pool import Connection, Database
from parley_server.store.seal import BrokenSeal, Sealer
from parley_server.store.takedowns import PgTakedowns
from tests.samples import GENERAL, MODERATOR, a_draft, a_restriction, a_reversal, an_edit
from tests.stores import Store

MARKER = "zanzibar"
TABLES = "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'public' and c.relkind = 'r'"


async def dump(url: str) -> str:
    """Write out every row of every table; bytes as hex."""
    connection = await asyncpg.connect(url)
    try:
        tables = [row["relname"] for row in await connection.fetch(TABLES)]
        assert len(tables) > 15
        rows = [row["t"] for table in tables for row in await connection.fetch(f'select t::text as t from "{table}" t')]
        return "\n".join(sorted(rows))
    finally:
        await connection.close()


async def assert_unreadable(url: str) -> None:
    """Assert that the marker is in no row, as text or as bytes."""
    everything = await dump(url)
    assert "general" in everything
    assert MARKER not in everything.casefold()
    assert MARKER.encode().hex() not in everything


async def test_the_dump_shows_what_is_readable(pg: Store, database_url: str) -> None:
    await pg.log.append(a_draft(f"a {MARKER} here"))
    with pytest.raises(AssertionError):
        await assert_unreadable(database_url)


async def test_p1_a_held_or_refused_text_is_nowhere_readable(pg: Store, database_url: str) -> None:
    draft = a_draft("hello")
    await pg.log.append(draft)
    await pg.takedowns.stop(a_draft(f"a {MARKER} here"), a_restriction())
    await pg.takedowns.stop(a_draft(f"a {MARKER} there"), a_restriction(Kind.REFUSE))
    await pg.takedowns.stop(an_edit(draft, f"an edited {MARKER}"), a_restriction())
    await assert_unreadable(database_url)


async def test_p2_nothing_readable_remains_of_a_retracted_post(pg: Store, database_url: str) -> None:
    draft = a_draft(f"first {MARKER}")
    await pg.log.append(draft)
    await pg.log.edit(an_edit(draft, f"second {MARKER}"))
    held = an_edit(draft, f"third {MARKER}", base_rev=2)
    await pg.takedowns.stop(held, a_restriction())
    assert isinstance(await pg.takedowns.retract(draft.post, a_restriction(Kind.RETRACT, by=MODERATOR)), Filed)
    await assert_unreadable(database_url)
    texts = [kept.body for kept in await pg.takedowns.open_evidence(draft.post, MODERATOR, "appeal", 9)]
    assert texts == [f"third {MARKER}", f"second {MARKER}", f"first {MARKER}"]


async def test_p2_each_reading_of_evidence_is_recorded(pg: Store, database: Database) -> None:
    draft = a_draft()
    await pg.takedowns.stop(draft, a_restriction())
    await pg.takedowns.open_evidence(draft.post, MODERATOR, "decide the case", 77)
    [read] = await database.read("select * from evidence_reads")
    assert (read["post"], read["by"], read["purpose"], read["texts"], read["at_us"]) == (
        draft.post,
        MODERATOR,
        "decide the case",
        1,
        77,
    )


async def test_the_wrong_key_opens_nothing_and_changes_nothing(pg: Store, database: Database) -> None:
    draft = a_draft()
    await pg.takedowns.stop(draft, a_restriction())
    stranger = PgTakedowns(database, Sealer(b"x" * 32))
    with pytest.raises(BrokenSeal, match="the key is not the one that sealed it"):
        await stranger.open_evidence(draft.post, MODERATOR, "look", 5)
    with pytest.raises(BrokenSeal):
        await stranger.release(draft.post, a_reversal(Kind.RELEASE))
    assert await database.read("select from evidence_reads") == []
    assert isinstance(await pg.takedowns.release(draft.post, a_reversal(Kind.RELEASE)), Filed)


# Each is written by a different step of a retraction; with that step failing, none of them may remain.
STEPS = ["evidence", "takedowns", "log_leaves", "cases", "alerts", "events", "posts", "bodies"]


@pytest.mark.parametrize("table", STEPS)
async def test_p6_restriction_and_record_commit_together(pg: Store, database: Database, database_url: str, table: str) -> None:
    draft = a_draft("hello")
    await pg.log.append(draft)
    before = await dump(database_url)
    when = "before delete" if table == "bodies" else "before update" if table == "posts" else "before insert"
    await database.row("create function fail() returns trigger language plpgsql as $$ begin raise 'cut'; end $$")
    await database.row(f"create trigger fail {when} on {table} for each row execute function fail()")
    with pytest.raises(asyncpg.RaiseError):
        await pg.takedowns.retract(draft.post, a_restriction(Kind.RETRACT))
    assert await dump(database_url) == before
    await database.row(f"drop trigger fail on {table}")
    assert isinstance(await pg.takedowns.retract(draft.post, a_restriction(Kind.RETRACT)), Filed)


async def test_p6_a_crash_during_the_transaction_leaves_nothing_behind(pg: Store, database: Database, database_url: str) -> None:
    draft = a_draft("hello")
    await pg.log.append(draft)
    before = await dump(database_url)

    async def hold(connection: Connection) -> None:
        """Hold the alerts' head, where the retraction waits with half its rows written, and cut its connection."""
        await connection.execute("select from alert_head for update")
        retraction = asyncio.create_task(pg.takedowns.retract(draft.post, a_restriction(Kind.RETRACT)))
        cut = "select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        # Over another connection: a transaction sees the activity as it was when it first looked.
        while not await database.read(cut):
            await asyncio.sleep(0.01)
        with pytest.raises(Unavailable):
            await retraction

    await database.run(hold)
    assert await dump(database_url) == before


async def test_p5_all_kinds_of_writes_from_two_nodes_leave_no_gap(pg: Store) -> None:
    drafts = [a_draft(f"post {n}") for n in range(12)]
    for draft in drafts:
        await pg.log.append(draft)

    async def work(n: int) -> None:
        draft = drafts[n]
        match n % 4:
            case 0:
                await pg.other_log.edit(an_edit(draft, "edited"))
                await pg.takedowns.retract(draft.post, a_restriction(Kind.RETRACT))
            case 1:
                await pg.takedowns.retract(draft.post, a_restriction(Kind.RETRACT, by=MODERATOR))
                await pg.takedowns.restore(draft.post, a_reversal(Kind.RESTORE))
            case 2:
                held = a_draft("held")
                await pg.takedowns.stop(held, a_restriction())
                await pg.takedowns.release(held.post, a_reversal(Kind.RELEASE))
            case _:
                await asyncio.gather(*(log.append(a_draft("more")) for log in (pg.log, pg.other_log)))

    async with asyncio.TaskGroup() as group:
        for n in range(12):
            group.create_task(work(n))
    events: list[Event] = await pg.log.read(GENERAL, 0, 1_000)
    assert [event.seq for event in events] == list(range(1, 12 + 3 * (2 + 2 + 1 + 2) + 1))
