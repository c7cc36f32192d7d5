"""``ports.RecordLog``: what holds on the fake and on PostgreSQL."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from parley_server.domain.record_leaf import commitment, leaf_of
from parley_server.domain.takedowns import Filed, Kind
from tests.samples import MODERATOR, a_draft, a_restriction, a_reversal, an_alert, an_edit
from tests.stores import Store


async def every_kind_of_record(store: Store) -> None:
    """Withhold, release, retract, restore, withhold an edit, refuse it, refuse at once."""
    draft = a_draft("hello")
    for act in (
        store.takedowns.stop(draft, a_restriction()),
        store.takedowns.release(draft.post, a_reversal(Kind.RELEASE)),
        store.takedowns.retract(draft.post, a_restriction(Kind.RETRACT, by=MODERATOR)),
        store.takedowns.restore(draft.post, a_reversal(Kind.RESTORE)),
        store.takedowns.stop(an_edit(draft, "again"), a_restriction()),
        store.takedowns.refuse(draft.post, a_restriction(Kind.REFUSE, by=MODERATOR)),
        store.takedowns.stop(a_draft("never"), a_restriction(Kind.REFUSE)),
    ):
        assert isinstance(await act, Filed)


async def recomputed(store: Store) -> list[bytes]:
    """The leaves as anyone computes them from the records."""
    return [leaf_of(record) for record in await store.takedowns.records(limit=500)]


async def test_a_new_log_is_empty(store: Store) -> None:
    assert await store.record_log.size() == 0
    assert await store.record_log.leaves(0, 10) == []


async def test_p9_every_record_has_one_leaf_in_order_that_can_be_computed_from_it(store: Store) -> None:
    await every_kind_of_record(store)
    assert await store.record_log.size() == 7
    leaves = await store.record_log.leaves(0, 100)
    assert leaves == await recomputed(store)
    assert len({*leaves}) == 7


async def test_leaves_come_in_pages(store: Store) -> None:
    await every_kind_of_record(store)
    leaves = await store.record_log.leaves(0, 100)
    assert await store.record_log.leaves(0, 3) == leaves[:3]
    assert await store.record_log.leaves(3, 3) == leaves[3:6]
    assert await store.record_log.leaves(7, 3) == []


async def test_what_comes_later_changes_no_leaf(store: Store) -> None:
    draft = a_draft("hello")
    await store.log.append(draft)
    await store.takedowns.retract(draft.post, a_restriction(Kind.RETRACT, by=MODERATOR))
    before = await store.record_log.leaves(0, 10)
    await store.takedowns.restore(draft.post, a_reversal(Kind.RESTORE))
    assert (await store.record_log.leaves(0, 10))[:1] == before
    assert await recomputed(store) == await store.record_log.leaves(0, 10)


async def test_what_is_refused_leaves_no_leaf(store: Store) -> None:
    await store.takedowns.stop(a_draft(), a_restriction(reason=" "))
    await store.takedowns.flag(a_draft(), an_alert())
    assert await store.record_log.size() == 0


async def test_p9_records_of_many_at_once_have_leaves_in_their_order_without_gap(store: Store) -> None:
    async def one(n: int) -> None:
        draft = a_draft(f"post {n}")
        await store.takedowns.stop(draft, a_restriction())
        await store.takedowns.release(draft.post, a_reversal(Kind.RELEASE))
        await store.takedowns.retract(draft.post, a_restriction(Kind.RETRACT, by=MODERATOR))

    async with asyncio.TaskGroup() as group:
        for n in range(15):
            group.create_task(one(n))
    assert await store.record_log.size() == 45
    assert await store.record_log.leaves(0, 100) == await recomputed(store)


async def test_the_leaf_binds_who_acted_and_tells_it_to_nobody_without_the_salt(store: Store) -> None:
    await every_kind_of_record(store)
    shown: list[dict[str, Any]] = await store.takedowns.records()
    for record, leaf in zip(shown, await store.record_log.leaves(0, 100), strict=True):
        actor = record["actor"]
        hidden = {**record, "actor": {**actor, "account": None, "salt": None}}
        assert leaf_of(hidden) == leaf
        if actor["account"] is not None:
            assert commitment(bytes.fromhex(actor["salt"]), actor["account"]).hex() == actor["commitment"]
            assert commitment(bytes.fromhex(actor["salt"]), "another").hex() != actor["commitment"]
    salts = [record["actor"]["salt"] for record in shown if record["actor"]["salt"]]
    assert len({*salts}) == len(salts) > 1


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "reason": lambda record: record.update(reason="Another."),
    "who": lambda record: record["actor"].update(commitment="00" * 32),
    "role": lambda record: record["actor"].update(type="author"),
    "post": lambda record: record["subject"].update(id="another"),
    "evidence": lambda record: record.update(evidence_hash="11" * 32),
    "policy": lambda record: record["policy"].update(version=2),
    "ground": lambda record: record.update(terms_ground="Another."),
    "time": lambda record: record.update(recorded_at="1970-01-01T00:00:00.000000Z"),
    "spans": lambda record: record["detection"].update(spans=[]),
    "left out": lambda record: record.pop("case_id"),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_p9_a_changed_record_is_not_that_of_its_leaf(store: Store, change: str) -> None:
    await store.takedowns.stop(a_draft(), a_restriction())
    [record] = await store.takedowns.records()
    [leaf] = await store.record_log.leaves(0, 10)
    CHANGES[change](record)
    assert leaf_of(record) != leaf
