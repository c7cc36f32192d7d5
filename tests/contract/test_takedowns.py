"""``ports.Takedowns``: what holds on the fake and on PostgreSQL."""

import asyncio
import json

import pytest

from parley_protocol import codes
from parley_protocol.frames import Edited, Gone, Posted, Restored, Retracted, Standing, VerdictNotice
from parley_protocol.ids import CaseId, PostId, TakedownId
from parley_server.domain.answers import Refused
from parley_server.domain.posts import Draft, PostState, Reaction, Repeat
from parley_server.domain.rules import Severity
from parley_server.domain.takedowns import CaseAt, Filed, Kind
from tests.samples import (
    AUTHOR,
    DAY_US,
    GENERAL,
    MODERATOR,
    OTHER,
    a_draft,
    a_restriction,
    a_reversal,
    an_alert,
    an_edit,
)
from tests.stores import Store


def filed(answer: object) -> Filed:
    """Assert that an act was done."""
    assert isinstance(answer, Filed), answer
    return answer


async def held(store: Store, body: str = "buy now") -> Draft:
    """Store a held post."""
    draft = a_draft(body)
    filed(await store.takedowns.stop(draft, a_restriction()))
    return draft


async def retracted(store: Store, body: str = "buy now") -> Draft:
    """Store a post that a moderator retracted."""
    draft = a_draft(body)
    await store.log.append(draft)
    filed(await store.takedowns.retract(draft.post, a_restriction(Kind.RETRACT, by=MODERATOR)))
    return draft


async def test_p1_a_withheld_post_has_no_place_in_the_log_and_is_not_found(store: Store) -> None:
    draft, restriction = a_draft("buy now", nonce="n"), a_restriction()
    answer = filed(await store.takedowns.stop(draft, restriction))
    assert answer.event is None
    assert await store.log.head(GENERAL) == ("epoch-general", 0)
    assert await store.log.read(GENERAL, 0, 10) == []
    assert await store.log.search(["buy"], [GENERAL], 10) == []
    info = await store.log.info(draft.post)
    assert info is not None
    assert (info.state, info.seq, info.edit_held) == (PostState.HELD, None, False)


async def test_p7_the_author_is_told_policy_reason_and_where_to_appeal(store: Store) -> None:
    draft, restriction = a_draft(), a_restriction()
    answer = filed(await store.takedowns.stop(draft, restriction))
    assert answer.author == AUTHOR.id
    assert answer.verdict == VerdictNotice(
        draft.post,
        "held",
        "spam",
        "It advertises.",
        restriction.takedown,
        f"/v1/takedowns/{restriction.takedown}/appeals",
        automated=True,
    )


async def test_p8_a_withheld_post_raises_an_alert_on_a_case_of_its_own(store: Store) -> None:
    draft, restriction = a_draft(), a_restriction()
    answer = filed(await store.takedowns.stop(draft, restriction))
    assert answer.alert is not None
    assert (answer.case.case, answer.case.state, answer.case.rev) == (restriction.new_case, "new", 1)
    assert await store.alerts.after(0, None, 10) == [answer.alert]
    assert await store.alerts.case(restriction.new_case) == answer.case
    assert (answer.alert.n, answer.alert.rule, answer.alert.stage, answer.alert.excerpt) == (1, "casino-spam", "inline", "h***o")


async def test_a_withheld_post_repeats_by_its_nonce(store: Store) -> None:
    draft = a_draft("buy now", nonce="n")
    filed(await store.takedowns.stop(draft, a_restriction()))
    assert await store.takedowns.stop(a_draft("buy now", nonce="n"), a_restriction()) == Repeat(
        draft.post, PostState.HELD, None, 1_000
    )
    assert await store.log.append(a_draft("buy now", nonce="n")) == Repeat(draft.post, PostState.HELD, None, 1_000)
    assert await store.log.append(a_draft("hello", nonce="n")) == Refused(codes.NONCE_REUSED)
    assert len(await store.takedowns.records()) == 1
    assert await store.alerts.head() == 1


async def test_a_post_that_a_rule_refuses_is_final_and_its_case_is_decided(store: Store) -> None:
    draft = a_draft()
    answer = filed(await store.takedowns.stop(draft, a_restriction(Kind.REFUSE)))
    assert answer.verdict is not None
    assert (answer.verdict.outcome, answer.case.state, answer.case.rev) == ("refused", "decided", 2)
    assert await store.takedowns.release(draft.post, a_reversal(Kind.RELEASE)) == Refused(codes.NOT_HELD)
    assert await store.takedowns.refuse(draft.post, a_restriction(Kind.REFUSE, by=MODERATOR)) == Refused(codes.NOT_HELD)


@pytest.mark.parametrize("kind", [Kind.WITHHOLD, Kind.REFUSE])
async def test_a_restriction_without_policy_or_reason_is_refused_and_stores_nothing(store: Store, kind: Kind) -> None:
    draft = a_draft(nonce="n")
    assert await store.takedowns.stop(draft, a_restriction(kind, policy="no-such")) == Refused(codes.NO_POLICY)
    assert await store.takedowns.stop(draft, a_restriction(kind, reason=" \n")) == Refused(codes.REASON_REQUIRED)
    assert await store.takedowns.stop(draft, a_restriction(kind, facts="\t")) == Refused(codes.REASON_REQUIRED)
    assert await store.log.info(draft.post) is None
    assert isinstance(await store.log.append(draft), Posted)


async def test_a_released_post_takes_a_new_seq_and_keeps_its_time(store: Store) -> None:
    draft = await held(store)
    await store.log.append(a_draft("meanwhile"))
    reversal = a_reversal(Kind.RELEASE)
    answer = filed(await store.takedowns.release(draft.post, reversal))
    assert answer.event == Posted(GENERAL, 2, draft.post, AUTHOR, "buy now", 1_000, 1)
    assert (await store.log.read(GENERAL, 1, 10)) == [answer.event]
    assert answer.verdict == VerdictNotice(draft.post, "released", "spam", reversal.reason, reversal.takedown)
    assert [post.post for post in await store.log.search(["buy"], [GENERAL], 10)] == [draft.post]
    assert (answer.case.state, answer.takedown) == ("decided", reversal.takedown)
    assert await store.takedowns.release(draft.post, a_reversal(Kind.RELEASE)) == Refused(codes.NOT_HELD)


async def test_a_held_post_that_is_refused_stays_unread(store: Store) -> None:
    draft = await held(store)
    answer = filed(await store.takedowns.refuse(draft.post, a_restriction(Kind.REFUSE, by=MODERATOR)))
    assert answer.verdict is not None
    assert (answer.event, answer.verdict.outcome, answer.verdict.automated) == (None, "refused", False)
    assert await store.log.read(GENERAL, 0, 10) == []
    assert [kept.body for kept in await store.takedowns.open_evidence(draft.post, MODERATOR, "appeal", 9)] == ["buy now"]


async def test_a_held_edit_leaves_the_published_text_and_bars_the_next_edit(store: Store) -> None:
    draft = a_draft("hello")
    await store.log.append(draft)
    filed(await store.takedowns.stop(an_edit(draft, "buy now"), a_restriction()))
    assert [event.body for event in await store.log.read(GENERAL, 0, 10) if isinstance(event, Posted)] == ["hello"]
    info = await store.log.info(draft.post)
    assert info is not None
    assert (info.state, info.rev, info.edit_held) == (PostState.PUBLISHED, 1, True)
    assert await store.log.edit(an_edit(draft, "another")) == Refused(codes.EDIT_PENDING)
    assert await store.takedowns.stop(an_edit(draft, "another"), a_restriction()) == Refused(codes.EDIT_PENDING)
    assert await store.takedowns.flag(an_edit(draft, "another"), an_alert()) == Refused(codes.EDIT_PENDING)


async def test_a_released_edit_is_the_next_revision(store: Store) -> None:
    draft = a_draft("hello")
    await store.log.append(draft)
    filed(await store.takedowns.stop(an_edit(draft, "buy now"), a_restriction()))
    answer = filed(await store.takedowns.release(draft.post, a_reversal(Kind.RELEASE)))
    assert answer.event == Edited(GENERAL, 2, draft.post, AUTHOR, "buy now", 4_000, 2)
    assert isinstance(await store.log.edit(an_edit(draft, "again", base_rev=2)), Edited)


async def test_a_refused_edit_leaves_the_post_open_for_another(store: Store) -> None:
    draft = a_draft("hello")
    await store.log.append(draft)
    filed(await store.takedowns.stop(an_edit(draft, "buy now"), a_restriction()))
    filed(await store.takedowns.refuse(draft.post, a_restriction(Kind.REFUSE, by=MODERATOR)))
    filed(await store.takedowns.stop(an_edit(draft, "buy here"), a_restriction(Kind.REFUSE)))
    assert isinstance(await store.log.edit(an_edit(draft, "fine")), Edited)
    kinds = [(record["kind"], record["subject"]) for record in await store.takedowns.records()]
    subject = {"type": "edit", "id": draft.post, "version": 2, "board": GENERAL}
    assert kinds == [("withhold", subject), ("refuse", subject), ("refuse", subject)]


async def test_p2_a_retracted_post_reads_as_gone_with_every_revision(store: Store) -> None:
    draft = a_draft("first secret")
    await store.log.append(draft)
    await store.log.edit(an_edit(draft, "second secret"))
    restriction = a_restriction(Kind.RETRACT, by=MODERATOR)
    answer = filed(await store.takedowns.retract(draft.post, restriction))
    assert answer.event == Retracted(GENERAL, 3, draft.post, "spam", "It advertises.", restriction.takedown, 3_000)
    assert await store.log.read(GENERAL, 0, 10) == [Gone(GENERAL, 1, draft.post), Gone(GENERAL, 2, draft.post), answer.event]
    assert await store.log.search(["secret"], [GENERAL], 10) == []
    kept = await store.takedowns.open_evidence(draft.post, MODERATOR, "appeal", 9)
    assert [(one.rev, one.body, one.takedown) for one in kept] == [
        (2, "second secret", restriction.takedown),
        (1, "first secret", restriction.takedown),
    ]


async def test_nothing_more_happens_to_a_retracted_post(store: Store) -> None:
    draft = await retracted(store)
    assert await store.takedowns.retract(draft.post, a_restriction(Kind.RETRACT)) == Refused(codes.POST_STOPPED)
    assert await store.log.edit(an_edit(draft, "back")) == Refused(codes.POST_STOPPED)
    assert await store.log.delete(draft.post, AUTHOR.id, 5) == Refused(codes.POST_STOPPED)
    assert await store.log.react(Reaction(draft.post, GENERAL, OTHER.id, "👍", True, 5)) == Refused(codes.POST_STOPPED)
    assert await store.takedowns.release(draft.post, a_reversal(Kind.RELEASE)) == Refused(codes.NOT_HELD)
    assert await store.log.append(Draft(PostId("new"), GENERAL, AUTHOR, draft.nonce, "buy now", 9, 0)) == Repeat(
        draft.post, PostState.RETRACTED, 1, 1_000
    )


async def test_a_retraction_by_a_person_decides_its_case_and_one_by_a_rule_waits_for_a_person(store: Store) -> None:
    by_person = await retracted(store)
    draft = a_draft()
    await store.log.append(draft)
    answer = filed(await store.takedowns.retract(draft.post, a_restriction(Kind.RETRACT)))
    assert answer.case.state == "new"
    decided = await store.alerts.cases(state="decided", boards=None, after=None, limit=10)
    assert [case.post for case in decided] == [by_person.post]
    assert decided[0].standing == Standing(decided[0].case, 2, "decided", MODERATOR, "retract", "spam", "It advertises.")


async def test_a_restored_post_reads_as_before_with_its_original_time(store: Store) -> None:
    draft = a_draft("hello there")
    await store.log.append(draft)
    await store.log.edit(an_edit(draft, "hello again"))
    restriction = a_restriction(Kind.RETRACT, by=MODERATOR)
    filed(await store.takedowns.retract(draft.post, restriction))
    reversal = a_reversal(Kind.RESTORE)
    answer = filed(await store.takedowns.restore(draft.post, reversal))
    assert answer.event == Restored(GENERAL, 4, draft.post, AUTHOR, "hello again", 4_000, 1_000, 2)
    events = await store.log.read(GENERAL, 0, 10)
    assert [type(event).__name__ for event in events] == ["Posted", "Edited", "Retracted", "Restored"]
    assert [post.body for post in await store.log.search(["again"], [GENERAL], 10)] == ["hello again"]
    assert await store.log.search(["there"], [GENERAL], 10) == []
    assert await store.takedowns.restore(draft.post, a_reversal(Kind.RESTORE)) == Refused(codes.NOT_RETRACTED)
    first, second = await store.takedowns.records(post=draft.post)
    assert (first["reversed_by"], second["reverses"]) == (reversal.takedown, restriction.takedown)
    # The texts are whole: it can be edited, retracted and restored once more.
    assert isinstance(await store.log.edit(an_edit(draft, "and again", base_rev=2)), Edited)
    filed(await store.takedowns.retract(draft.post, a_restriction(Kind.RETRACT, by=MODERATOR)))
    filed(await store.takedowns.restore(draft.post, a_reversal(Kind.RESTORE)))
    assert [post.body for post in await store.log.search(["and"], [GENERAL], 10)] == ["and again"]


async def test_a_flag_publishes_and_raises_one_alert(store: Store) -> None:
    draft, alert = a_draft("hm"), an_alert()
    answer = filed(await store.takedowns.flag(draft, alert))
    assert answer.event == Posted(GENERAL, 1, draft.post, AUTHOR, "hm", 1_000, 1)
    assert (answer.case.case, answer.takedown, answer.verdict) == (alert.new_case, None, None)
    edited = filed(await store.takedowns.flag(an_edit(draft, "hm hm"), an_alert(severity=Severity.HIGH)))
    assert edited.event == Edited(GENERAL, 2, draft.post, AUTHOR, "hm hm", 2_000, 2)
    assert (edited.case.case, edited.case.severity) == (alert.new_case, Severity.HIGH)
    assert edited.alert is not None
    assert (edited.alert.n, edited.alert.count) == (2, 2)
    assert isinstance(await store.takedowns.flag(a_draft("hm", nonce=draft.nonce), an_alert()), Repeat)
    assert await store.takedowns.records() == []


async def test_acts_on_no_post_say_so(store: Store) -> None:
    none = PostId("none")
    assert await store.takedowns.retract(none, a_restriction(Kind.RETRACT)) == Refused(codes.NO_POST)
    assert await store.takedowns.refuse(none, a_restriction(Kind.REFUSE)) == Refused(codes.NO_POST)
    assert await store.takedowns.release(none, a_reversal(Kind.RELEASE)) == Refused(codes.NO_POST)
    assert await store.takedowns.restore(none, a_reversal(Kind.RESTORE)) == Refused(codes.NO_POST)
    assert await store.takedowns.report(none, OTHER.id, "bad", an_alert()) == Refused(codes.NO_POST)
    assert await store.takedowns.appeal(TakedownId("none"), OTHER.id, "no", an_alert()) == Refused(codes.NO_TAKEDOWN)
    assert await store.takedowns.dismiss(CaseAt(CaseId("none"), 1), MODERATOR, "no", 1) == Refused(codes.NO_CASE)
    assert await store.takedowns.open_evidence(none, MODERATOR, "look", 1) == []


async def test_of_twenty_moderators_at_once_one_decides_and_the_others_read_that_decision(store: Store) -> None:
    draft = await held(store)
    [alert] = await store.alerts.after(0, None, 10)
    at = CaseAt(alert.case, 1)
    decisions = [
        store.takedowns.release(draft.post, a_reversal(Kind.RELEASE, reason=f"reason {n}", case=at))
        if n % 2
        else store.takedowns.refuse(draft.post, a_restriction(Kind.REFUSE, by=MODERATOR, reason=f"reason {n}", case=at))
        for n in range(20)
    ]
    answers = await asyncio.gather(*decisions)
    [done] = [answer for answer in answers if isinstance(answer, Filed)]
    assert done.case.standing is not None
    assert [answer for answer in answers if answer is not done] == [Refused(codes.CONFLICT, standing=done.case.standing)] * 19
    assert len(await store.takedowns.records(post=draft.post)) == 2
    head = await store.log.head(GENERAL)
    assert head == ("epoch-general", 1 if done.case.standing.action == "release" else 0)


async def test_a_decision_needs_the_case_of_its_own_post(store: Store) -> None:
    one, two = await held(store), await held(store)
    first, second = await store.alerts.after(0, None, 10)
    assert await store.takedowns.release(one.post, a_reversal(Kind.RELEASE, case=CaseAt(second.case, 1))) == Refused(
        codes.NO_CASE
    )
    filed(await store.takedowns.release(one.post, a_reversal(Kind.RELEASE, case=CaseAt(first.case, 1))))
    filed(await store.takedowns.release(two.post, a_reversal(Kind.RELEASE)))


async def test_a_dismissed_case_is_decided_and_its_post_stays(store: Store) -> None:
    answer = filed(await store.takedowns.flag(a_draft(), an_alert()))
    at = CaseAt(answer.case.case, 1)
    done = filed(await store.takedowns.dismiss(at, MODERATOR, "harmless", 7))
    assert done.case.standing == Standing(answer.case.case, 2, "decided", MODERATOR, "dismiss", None, "harmless")
    assert await store.takedowns.dismiss(at, OTHER.id, "no", 8) == Refused(codes.CONFLICT, standing=done.case.standing)
    assert (done.event, done.verdict, done.takedown) == (None, None, None)
    assert await store.takedowns.records() == []


async def test_reports_gather_on_one_case_and_cannot_find_what_nobody_saw(store: Store) -> None:
    draft = a_draft()
    await store.log.append(draft)
    first = filed(await store.takedowns.report(draft.post, OTHER.id, "bad", an_alert()))
    second = filed(await store.takedowns.report(draft.post, None, "very bad", an_alert()))
    assert first.case.case == second.case.case
    assert second.alert is not None
    assert second.alert.count == 2
    unseen = await held(store)
    assert await store.takedowns.report(unseen.post, OTHER.id, "bad", an_alert()) == Refused(codes.NO_POST)


async def test_an_appeal_reopens_the_case_once_and_is_the_authors_alone(store: Store) -> None:
    draft = a_draft()
    await store.log.append(draft)
    restriction = a_restriction(Kind.RETRACT, by=MODERATOR)
    decided = filed(await store.takedowns.retract(draft.post, restriction))
    assert await store.takedowns.appeal(restriction.takedown, OTHER.id, "no", an_alert()) == Refused(codes.NOT_YOURS)
    answer = filed(await store.takedowns.appeal(restriction.takedown, AUTHOR.id, "no", an_alert()))
    assert (answer.case.case, answer.case.state, answer.case.rev) == (decided.case.case, "new", 3)
    assert answer.case.standing is None
    assert answer.alert is not None
    assert await store.takedowns.appeal(restriction.takedown, AUTHOR.id, "no", an_alert()) == Refused(codes.AGAIN)
    at = CaseAt(answer.case.case, 3)
    upheld = filed(await store.takedowns.restore(draft.post, a_reversal(Kind.RESTORE, case=at)))
    assert upheld.case.standing is not None
    assert upheld.case.standing.action == "restore"


async def test_a_record_is_the_statement_of_reasons_and_holds_no_text(store: Store) -> None:
    draft, restriction = a_draft("buy now at my shop"), a_restriction()
    filed(await store.takedowns.stop(draft, restriction))
    [record] = await store.takedowns.records(post=draft.post)
    assert "my shop" not in json.dumps(record)
    assert AUTHOR.id not in json.dumps(record)
    assert len(str(record.pop("evidence_hash"))) == 64
    assert str(record.pop("recorded_at")).endswith("Z")
    assert str(record.pop("terms_explanation"))
    assert record == {
        "id": restriction.takedown,
        "kind": "withhold",
        "schema_version": 1,
        "effect": ["withhold"],
        "subject": {"type": "post", "id": draft.post, "version": 1, "board": GENERAL},
        "policy": {"id": "spam", "version": 1},
        "ground": "incompatible",
        "terms_ground": "the operator's terms",
        "reason": "It advertises.",
        "facts": "The post advertises a shop.",
        "severity": "medium",
        "actor": {"type": "rule", "account": None, "salt": None, "commitment": None},
        "source": "own-initiative",
        "detection": {
            "automated": True,
            "rules": [{"id": "casino-spam", "version": 2}],
            "spans": [[0, 5]],
            "ruleset": 7,
            "failed_checks": [],
            "normaliser": "",
            "disguises": [],
        },
        "decision_mode": "full",
        "verdict_stage": "inline",
        "rule_set_version": 7,
        "detected_at": "1970-01-01T00:00:00.003000Z",
        "stopped_at": "1970-01-01T00:00:00.003000Z",
        "appeal_until": "1970-06-30T00:00:00.003000Z",
        "evidence_ref": restriction.takedown,
        "case_id": restriction.new_case,
        "reversed_by": None,
    }


async def test_records_come_oldest_first_in_pages_by_post_and_by_author(store: Store) -> None:
    mine = [await held(store) for _ in range(3)]
    theirs = a_draft(author=OTHER)
    filed(await store.takedowns.stop(theirs, a_restriction()))
    every = await store.takedowns.records()
    assert len(every) == 4
    assert await store.takedowns.records(limit=2) == every[:2]
    assert await store.takedowns.records(after=str(every[1]["id"])) == every[2:]
    assert await store.takedowns.records(author=OTHER.id) == every[3:]
    assert await store.takedowns.records(post=mine[1].post) == every[1:2]
    assert await store.takedowns.records(author=OTHER.id, post=mine[1].post) == []


async def test_an_appeal_window_of_half_a_year_is_in_the_record(store: Store) -> None:
    draft, restriction = a_draft(), a_restriction(at_us=1_000, appeal_until_us=1_000 + 183 * DAY_US)
    filed(await store.takedowns.stop(draft, restriction))
    [record] = await store.takedowns.records(post=draft.post)
    assert record["appeal_until"] == "1970-07-03T00:00:00.001000Z"
