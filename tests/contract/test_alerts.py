"""``ports.Alerts``: what holds on the fake and on PostgreSQL."""

import asyncio

from parley_protocol import codes
from parley_protocol.frames import Standing
from parley_protocol.ids import CaseId
from parley_server.domain.answers import Refused
from parley_server.domain.posts import Draft
from parley_server.domain.takedowns import Case, CaseAt, Filed, KeptDraft, Kind
from tests.samples import GENERAL, MODERATOR, OTHER, QUIET, a_draft, a_restriction, a_reversal, an_alert
from tests.stores import Store


async def flagged(store: Store, board: str = GENERAL) -> tuple[Draft, Case]:
    """Publish a post that raises an alert."""
    draft = a_draft(board=board)
    answer = await store.takedowns.flag(draft, an_alert())
    assert isinstance(answer, Filed)
    return draft, answer.case


async def test_p8_a_watcher_resumes_after_the_last_alert_it_saw(store: Store) -> None:
    assert await store.alerts.head() == 0
    for _ in range(5):
        await flagged(store)
    assert await store.alerts.head() == 5
    seen = await store.alerts.after(0, None, 2)
    rest = await store.alerts.after(seen[-1].n, None, 10)
    assert [alert.n for alert in seen + rest] == [1, 2, 3, 4, 5]


async def test_p8_a_watcher_that_reads_while_alerts_are_raised_misses_none(store: Store) -> None:
    raised = 40
    seen: list[int] = []

    async def watch() -> None:
        while len(seen) < raised:
            seen.extend(alert.n for alert in await store.alerts.after(seen[-1] if seen else 0, None, 7))
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        group.create_task(watch())
        for n in range(raised):
            group.create_task(store.takedowns.stop(a_draft(board=GENERAL if n % 2 else QUIET), a_restriction()))
    assert seen == list(range(1, raised + 1))


async def test_a_watcher_sees_its_boards_alone(store: Store) -> None:
    await flagged(store, GENERAL)
    await flagged(store, QUIET)
    assert [alert.board for alert in await store.alerts.after(0, frozenset({QUIET}), 10)] == [QUIET]
    assert [alert.board for alert in await store.alerts.unacknowledged(frozenset({GENERAL}), 10)] == [GENERAL]
    assert await store.alerts.after(0, frozenset(), 10) == []


async def test_p8_an_alert_waits_until_somebody_acknowledges_it(store: Store) -> None:
    await flagged(store)
    await flagged(store)
    assert await store.alerts.acknowledge(1, MODERATOR, 7, None) is None
    assert await store.alerts.acknowledge(1, OTHER.id, 8, None) is None
    assert [alert.n for alert in await store.alerts.unacknowledged(None, 10)] == [2]
    assert [alert.n for alert in await store.alerts.after(0, None, 10)] == [1, 2]


async def test_an_alert_of_another_board_cannot_be_acknowledged(store: Store) -> None:
    await flagged(store, GENERAL)
    assert await store.alerts.acknowledge(1, MODERATOR, 7, frozenset({QUIET})) == Refused(codes.NO_ALERT)
    assert await store.alerts.acknowledge(9, MODERATOR, 7, None) == Refused(codes.NO_ALERT)
    assert len(await store.alerts.unacknowledged(None, 10)) == 1


async def test_an_alert_tells_the_revision_that_its_case_has_now(store: Store) -> None:
    _, case = await flagged(store)
    await store.alerts.claim(CaseAt(case.case, 1), MODERATOR, 7)
    [alert] = await store.alerts.after(0, None, 10)
    assert alert.rev == 2


async def test_of_twenty_claims_at_once_one_holds(store: Store) -> None:
    for _ in range(5):
        _, case = await flagged(store)
        claims = [store.alerts.claim(CaseAt(case.case, 1), MODERATOR if n % 2 else OTHER.id, 7) for n in range(20)]
        answers = await asyncio.gather(*claims)
        [claimed] = [answer for answer in answers if isinstance(answer, Case)]
        assert (claimed.state, claimed.rev) == ("claimed", 2)
        standing = Standing(case.case, 2, "claimed", claimed.claimed_by)
        assert [answer for answer in answers if answer is not claimed] == [Refused(codes.CONFLICT, standing=standing)] * 19


async def test_a_claim_passes_to_who_saw_it_and_not_after_the_decision(store: Store) -> None:
    draft, case = await flagged(store)
    await store.alerts.claim(CaseAt(case.case, 1), MODERATOR, 7)
    taken = await store.alerts.claim(CaseAt(case.case, 2), OTHER.id, 8)
    assert isinstance(taken, Case)
    assert taken.claimed_by == OTHER.id
    restriction = a_restriction(Kind.RETRACT, by=OTHER.id, case=CaseAt(case.case, 3))
    decided = await store.takedowns.retract(draft.post, restriction)
    assert isinstance(decided, Filed)
    assert decided.alert is None
    late = await store.alerts.claim(CaseAt(case.case, 4), MODERATOR, 9)
    assert late == Refused(codes.CONFLICT, standing=decided.case.standing)
    assert await store.alerts.claim(CaseAt(CaseId("none"), 1), MODERATOR, 9) == Refused(codes.NO_CASE)


async def test_a_decision_without_a_case_named_decides_the_open_one_whatever_its_revision(store: Store) -> None:
    draft = a_draft()
    held = await store.takedowns.stop(draft, a_restriction())
    assert isinstance(held, Filed)
    await store.alerts.claim(CaseAt(held.case.case, 1), MODERATOR, 7)
    released = await store.takedowns.release(draft.post, a_reversal(Kind.RELEASE))
    assert isinstance(released, Filed)
    assert (released.case.case, released.case.rev, released.case.state) == (held.case.case, 3, "decided")


async def test_cases_come_oldest_first_by_state_and_board(store: Store) -> None:
    _, first = await flagged(store, GENERAL)
    _, second = await flagged(store, QUIET)
    _, third = await flagged(store, GENERAL)
    claimed = await store.alerts.claim(CaseAt(third.case, 1), MODERATOR, 7)
    alerts = store.alerts
    assert await alerts.cases(state=None, boards=None, after=None, limit=10) == [first, second, claimed]
    assert await alerts.cases(state=None, boards=None, after=first.case, limit=1) == [second]
    assert await alerts.cases(state="claimed", boards=None, after=None, limit=10) == [claimed]
    assert await alerts.cases(state=None, boards=frozenset({QUIET}), after=None, limit=10) == [second]
    assert await alerts.case(second.case) == second
    assert await alerts.case(CaseId("none")) is None


async def test_a_moderators_text_is_kept_for_a_case_that_another_decided_first(store: Store) -> None:
    _, case = await flagged(store)
    drafts = [KeptDraft(case.case, MODERATOR, "retract", "spam", f"text {n}", n) for n in range(2)]
    for draft in drafts:
        await store.alerts.keep(draft)
    await store.alerts.keep(KeptDraft(CaseId("none"), MODERATOR, "retract", None, None, 3))
    assert await store.alerts.kept(case.case) == drafts
    assert await store.alerts.kept(CaseId("none")) == []
