"""Partitions and the search index: made ahead, and never in the way."""

import asyncio
from datetime import UTC, datetime

from parley_server.domain.answers import Refused
from parley_server.store.partitions import ensure_partitions, month_start
from parley_server.store.pool import Database
from parley_server.store.upkeep import keep_up
from tests.samples import GENERAL, a_draft
from tests.stores import Store

NOVEMBER_US = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()) * 1_000_000


async def partition_of(database: Database, seq: int) -> str:
    [row] = await database.read("select tableoid::regclass::text as name from events where seq = $1", seq)
    name: str = row["name"]
    return name


def test_months_follow_one_another_across_a_year() -> None:
    assert month_start(NOVEMBER_US) == datetime(2026, 11, 1, tzinfo=UTC)
    assert month_start(NOVEMBER_US, 2) == datetime(2027, 1, 1, tzinfo=UTC)


async def test_this_month_and_the_next_two_are_made_once(database: Database) -> None:
    both = await asyncio.gather(ensure_partitions(database, NOVEMBER_US), ensure_partitions(database, NOVEMBER_US))
    assert sorted(both) == [[], ["events_2026_11", "events_2026_12", "events_2027_01"]]
    assert await ensure_partitions(database, NOVEMBER_US) == []


async def test_events_lie_in_their_month_and_others_in_the_default(pg: Store, database: Database) -> None:
    await ensure_partitions(database, NOVEMBER_US)
    await pg.log.append(a_draft(at_us=NOVEMBER_US))
    await pg.log.append(a_draft(at_us=5))
    assert [await partition_of(database, seq) for seq in (1, 2)] == ["events_2026_11", "events_default"]
    assert [event.seq for event in await pg.log.read(GENERAL, 0, 10)] == [1, 2]


async def test_a_month_that_has_begun_in_the_default_stays_there_and_nothing_fails(pg: Store, database: Database) -> None:
    await pg.log.append(a_draft(at_us=NOVEMBER_US))
    assert await ensure_partitions(database, NOVEMBER_US) == ["events_2026_12", "events_2027_01"]
    assert not isinstance(await pg.log.append(a_draft(at_us=NOVEMBER_US)), Refused)


async def test_upkeep_makes_partitions_and_empties_the_list_of_the_index(pg: Store, database: Database) -> None:
    await pg.log.append(a_draft("words to find"))
    working = asyncio.create_task(keep_up(database, lambda: NOVEMBER_US))
    while not await database.read("select from pg_class where relname = 'events_2027_01'"):
        await asyncio.sleep(0.01)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert [post.body for post in await pg.log.search(["find"], [GENERAL], 10)] == ["words to find"]
