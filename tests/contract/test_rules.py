"""``ports.Rules``: what holds on the fake and on PostgreSQL."""

import asyncio

import pytest

from parley_protocol import codes
from parley_server.domain.answers import Refused
from parley_server.domain.bounds import SHADOW_SAMPLES
from parley_server.domain.rules import Ground, Mode, Policy, ShadowCount, StoredRule
from tests.samples import AUTHOR, MODERATOR
from tests.stores import Store

DOCUMENT = {"id": "casino", "policy": "spam", "match": {"terms": ["赌场 优惠", "free"]}, "window": 3}


async def _live(store: Store) -> tuple[int, list[tuple[int, object]]]:
    """Return version of the set, version and document of each live rule."""
    ruleset, rules = await store.rules.in_force()
    return ruleset, [(rule.version, rule.document) for rule in rules if rule.mode is Mode.LIVE]


async def test_the_catalogue_comes_with_neutral_policies_and_no_rules(store: Store) -> None:
    policies = await store.rules.policies()
    assert [policy.id for policy in policies] == ["dangerous-goods", "fraud", "harassment", "personal-data", "spam"]
    assert {(policy.version, policy.ground, policy.reference) for policy in policies} == {
        (1, Ground.TERMS, "the operator's terms")
    }
    assert all(policy.title and policy.explanation for policy in policies)
    assert await _live(store) == (0, [])


async def test_a_policy_that_is_put_again_is_its_next_version(store: Store) -> None:
    changed = Policy("spam", 0, "Spam", Ground.LAW, "Act 5", "No spam.")
    assert (await store.rules.put_policy(changed, MODERATOR, 5)).version == 2
    added = await store.rules.put_policy(Policy("abuse", 7, "Abuse", Ground.TERMS, "Terms 3", "No abuse."), None, 6)
    policies = {policy.id: policy for policy in await store.rules.policies()}
    assert policies["spam"] == Policy("spam", 2, "Spam", Ground.LAW, "Act 5", "No spam.")
    assert policies["abuse"] == added == Policy("abuse", 1, "Abuse", Ground.TERMS, "Terms 3", "No abuse.")


async def test_a_rule_is_a_draft_until_it_is_activated(store: Store) -> None:
    assert await store.rules.add(DOCUMENT, "casino", MODERATOR, 5) == 1
    assert await store.rules.get("casino") == StoredRule("casino", 1, Mode.DRAFT, DOCUMENT, MODERATOR)
    assert await _live(store) == (0, [])
    assert await store.rules.activate("casino", 1, MODERATOR, 6) == 1
    assert await _live(store) == (1, [(1, DOCUMENT)])
    assert await store.rules.get("casino") == StoredRule("casino", 1, Mode.LIVE, DOCUMENT, MODERATOR)
    assert await store.rules.get("none") is None


async def test_a_new_version_takes_the_place_of_the_live_one_when_activated(store: Store) -> None:
    newer = {**DOCUMENT, "window": 4}
    await store.rules.add(DOCUMENT, "casino", MODERATOR, 5)
    await store.rules.activate("casino", 1, MODERATOR, 6)
    assert await store.rules.add(newer, "casino", MODERATOR, 7) == 2
    assert await _live(store) == (1, [(1, DOCUMENT)])
    assert await store.rules.activate("casino", 2, MODERATOR, 8) == 2
    assert await _live(store) == (2, [(2, newer)])
    assert await store.rules.activate("casino", 1, MODERATOR, 9) == 3
    assert await _live(store) == (3, [(1, DOCUMENT)])


async def test_a_retired_rule_is_live_no_more(store: Store) -> None:
    await store.rules.add(DOCUMENT, "casino", None, 5)
    assert await store.rules.retire("casino", None, 6) is None
    await store.rules.activate("casino", 1, None, 6)
    assert await store.rules.retire("casino", None, 7) == 2
    assert await _live(store) == (2, [])
    assert await store.rules.all() == [StoredRule("casino", 1, Mode.RETIRED, DOCUMENT)]
    assert await store.rules.retire("casino", None, 8) is None


async def test_a_version_that_does_not_exist_changes_nothing(store: Store) -> None:
    await store.rules.add(DOCUMENT, "casino", None, 5)
    await store.rules.activate("casino", 1, None, 6)
    with pytest.raises(LookupError):
        await store.rules.activate("casino", 2, None, 7)
    assert await _live(store) == (1, [(1, DOCUMENT)])


async def test_p12_changes_at_once_give_each_rule_set_one_version(store: Store) -> None:
    names = [f"rule-{n}" for n in range(12)]
    for name in names:
        await store.rules.add({"id": name}, name, None, 5)
    rulesets = await asyncio.gather(*(store.rules.activate(name, 1, None, 6) for name in names))
    assert sorted(rulesets) == list(range(1, 13))
    version, live = await _live(store)
    assert (version, len(live)) == (12, 12)


async def test_a_rule_judges_in_the_shadow_beside_its_live_version(store: Store) -> None:
    for version in (1, 2, 3):
        assert await store.rules.add({**DOCUMENT, "window": version}, "casino", None, 5) == version
    assert await store.rules.activate("casino", 1, None, 6) == 1
    assert await store.rules.activate("casino", 2, None, 7, shadow=True) == 2
    assert await _modes(store) == [(1, Mode.LIVE), (2, Mode.SHADOW)]
    assert await store.rules.activate("casino", 3, None, 8, shadow=True) == 3
    assert await _modes(store) == [(1, Mode.LIVE), (3, Mode.SHADOW)]
    assert await store.rules.activate("casino", 3, None, 9) == 4
    assert await _modes(store) == [(3, Mode.LIVE)]
    assert await store.rules.activate("casino", 2, None, 9, shadow=True) == 5
    assert await store.rules.retire("casino", None, 10) == 6
    assert await _modes(store) == []


async def _modes(store: Store) -> list[tuple[int, Mode]]:
    return [(rule.version, rule.mode) for rule in (await store.rules.in_force())[1]]


async def test_somebody_other_than_its_author_approves_a_version(store: Store) -> None:
    await store.rules.add(DOCUMENT, "casino", AUTHOR.id, 5)
    own = await store.rules.approve("casino", 1, AUTHOR.id, 6)
    assert isinstance(own, Refused)
    assert own.code is codes.FORBIDDEN
    for _ in range(2):
        assert await store.rules.approve("casino", 1, MODERATOR, 6) is None
    held = await store.rules.get("casino")
    assert held is not None
    assert held.approved_by == {MODERATOR}
    await store.rules.add(DOCUMENT, "casino", AUTHOR.id, 7)
    newer = await store.rules.get("casino")
    assert newer is not None
    assert newer.approved_by == frozenset()
    for rule, version in (("casino", 9), ("none", 1)):
        missing = await store.rules.approve(rule, version, MODERATOR, 6)
        assert isinstance(missing, Refused)
        assert missing.code is codes.NO_RULE


async def test_a_version_of_a_list_never_changes(store: Store) -> None:
    assert await store.rules.term_list("scams") is None
    assert await store.rules.put_list("scams", ["one", "赌场"], MODERATOR, 5) == 1
    assert await store.rules.put_list("scams", ["two"], None, 6) == 2
    first, last = await store.rules.term_list("scams", 1), await store.rules.term_list("scams")
    assert first is not None
    assert first.terms == ("one", "赌场")
    assert last is not None
    assert (last.version, last.terms) == (2, ("two",))
    assert await store.rules.term_list("scams", 3) is None
    assert await store.rules.term_lists() == [("scams", 2, 1)]


async def test_what_a_shadow_would_have_done_adds_up_and_keeps_the_latest_samples(store: Store) -> None:
    await store.rules.add(DOCUMENT, "casino", None, 5)
    for n in range(3):
        samples = tuple(f"{n}-{place}" for place in range(9))
        counts = [ShadowCount("casino", 1, "lobby", 100, 9, 4, samples), ShadowCount("casino", 1, "annex", 7, 0, 0)]
        await store.rules.count_shadow(counts)
    annex, lobby = await store.rules.shadow("casino", 1)
    assert (annex.inspected, annex.would, annex.samples) == (21, 0, ())
    assert (lobby.inspected, lobby.would, lobby.also) == (300, 27, 12)
    assert list(lobby.samples) == [f"{n}-{place}" for n in range(3) for place in range(9)][-SHADOW_SAMPLES:]
    assert await store.rules.shadow("casino", 2) == []
