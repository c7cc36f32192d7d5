"""``ports.Rules``: what holds on the fake and on PostgreSQL."""

import asyncio

import pytest

from parley_server.domain.rules import Ground, Policy
from tests.samples import MODERATOR
from tests.stores import Store

DOCUMENT = {"id": "casino", "policy": "spam", "match": {"terms": ["赌场 优惠", "free"]}, "window": 3}


async def test_the_catalogue_comes_with_neutral_policies_and_no_rules(store: Store) -> None:
    policies = await store.rules.policies()
    assert [policy.id for policy in policies] == ["dangerous-goods", "fraud", "harassment", "personal-data", "spam"]
    assert {(policy.version, policy.ground, policy.reference) for policy in policies} == {
        (1, Ground.TERMS, "the operator's terms")
    }
    assert all(policy.title and policy.explanation for policy in policies)
    assert await store.rules.live() == (0, [])


async def test_a_policy_that_is_put_again_is_its_next_version(store: Store) -> None:
    changed = Policy("spam", 0, "Spam", Ground.LAW, "Act 5", "No spam.")
    assert (await store.rules.put_policy(changed, MODERATOR, 5)).version == 2
    added = await store.rules.put_policy(Policy("abuse", 7, "Abuse", Ground.TERMS, "Terms 3", "No abuse."), None, 6)
    policies = {policy.id: policy for policy in await store.rules.policies()}
    assert policies["spam"] == Policy("spam", 2, "Spam", Ground.LAW, "Act 5", "No spam.")
    assert policies["abuse"] == added == Policy("abuse", 1, "Abuse", Ground.TERMS, "Terms 3", "No abuse.")


async def test_a_rule_is_a_draft_until_it_is_activated(store: Store) -> None:
    assert await store.rules.add(DOCUMENT, "casino", MODERATOR, 5) == 1
    assert await store.rules.get("casino") == (1, "draft", DOCUMENT)
    assert await store.rules.live() == (0, [])
    assert await store.rules.activate("casino", 1, MODERATOR, 6) == 1
    assert await store.rules.live() == (1, [(1, DOCUMENT)])
    assert await store.rules.get("casino") == (1, "live", DOCUMENT)
    assert await store.rules.get("none") is None


async def test_a_new_version_takes_the_place_of_the_live_one_when_activated(store: Store) -> None:
    newer = {**DOCUMENT, "window": 4}
    await store.rules.add(DOCUMENT, "casino", MODERATOR, 5)
    await store.rules.activate("casino", 1, MODERATOR, 6)
    assert await store.rules.add(newer, "casino", MODERATOR, 7) == 2
    assert await store.rules.live() == (1, [(1, DOCUMENT)])
    assert await store.rules.activate("casino", 2, MODERATOR, 8) == 2
    assert await store.rules.live() == (2, [(2, newer)])
    assert await store.rules.activate("casino", 1, MODERATOR, 9) == 3
    assert await store.rules.live() == (3, [(1, DOCUMENT)])


async def test_a_retired_rule_is_live_no_more(store: Store) -> None:
    await store.rules.add(DOCUMENT, "casino", None, 5)
    assert await store.rules.retire("casino", None, 6) is None
    await store.rules.activate("casino", 1, None, 6)
    assert await store.rules.retire("casino", None, 7) == 2
    assert await store.rules.live() == (2, [])
    assert await store.rules.all() == [("casino", 1, "retired", DOCUMENT)]
    assert await store.rules.retire("casino", None, 8) is None


async def test_a_version_that_does_not_exist_changes_nothing(store: Store) -> None:
    await store.rules.add(DOCUMENT, "casino", None, 5)
    await store.rules.activate("casino", 1, None, 6)
    with pytest.raises(LookupError):
        await store.rules.activate("casino", 2, None, 7)
    assert await store.rules.live() == (1, [(1, DOCUMENT)])


async def test_p12_changes_at_once_give_each_rule_set_one_version(store: Store) -> None:
    names = [f"rule-{n}" for n in range(12)]
    for name in names:
        await store.rules.add({"id": name}, name, None, 5)
    rulesets = await asyncio.gather(*(store.rules.activate(name, 1, None, 6) for name in names))
    assert sorted(rulesets) == list(range(1, 13))
    version, live = await store.rules.live()
    assert (version, len(live)) == (12, 12)
