"""Partitions and the search index: made ahead, and never in the way."""

import asyncio
from datetime import UTC, datetime

import pytest

from parley_server.domain.answers import Refused
from parley_server.domain.hints import NodeId
from parley_server.domain.people import BoardRole
from parley_server.ports import NodeState
from parley_server.store import bounds
from parley_server.store.partitions import ensure_partitions, month_start
from parley_server.store.pool import Database
from parley_server.store.upkeep import keep_up
from tests.samples import GENERAL, MODERATOR, OTHER, a_draft
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


async def test_upkeep_forgets_what_is_kept_for_a_while(pg: Store, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "KEPT_ANSWERS_MAX", 2)
    await pg.people.set_role(GENERAL, OTHER.id, BoardRole.MUTED, MODERATOR, 1)
    await database.row("update changes set at = at - interval '1 hour'")
    await pg.people.set_role(GENERAL, OTHER.id, BoardRole.MEMBER, MODERATOR, 1)
    last = (await pg.nodes.look(NodeId("ann"))).changes
    for name, age in (("ann", bounds.NODES_KEPT_S + 1), ("bea", bounds.NODE_LEASE_S + 1)):
        await pg.nodes.beat(NodeState(NodeId(name), 0, 0, 0))
        await pg.age(NodeId(name), age)
    await pg.kept_answers.begin("ada", "old", b"1", NOVEMBER_US - bounds.KEPT_ANSWERS_S * 1_000_000)
    for number in range(3):
        await pg.kept_answers.begin("ada", f"k{number}", b"1", NOVEMBER_US - 3 + number)
    working = asyncio.create_task(keep_up(database, lambda: NOVEMBER_US))
    while len(await database.read("select from kept_answers")) > 2:
        await asyncio.sleep(0.01)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert [change.n for change in await pg.nodes.changes(0, 100)] == [last]
    assert [row["node"] for row in await database.read("select node from nodes")] == ["bea"]
    assert [row["key"] for row in await database.read("select key from kept_answers order by key")] == ["k1", "k2"]
