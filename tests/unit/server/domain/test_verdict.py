"""domain/verdict.py: the outcome hangs on what was found, not on who answered first."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley_server.domain.rules import Effect, FailMode, RuleHead, Severity
from parley_server.domain.verdict import Allow, Failure, Finding, Flag, Refuse, Unjudged, Withhold, judge


def head(
    effect: Effect = Effect.WITHHOLD, *, fail: FailMode = FailMode.HOLD, severity: Severity = Severity.LOW, id: str = "r"
) -> RuleHead:
    return RuleHead(id, 1, "spam", severity, effect, fail)


def finding(effect: Effect, **changed: Severity | str) -> Finding:
    return Finding(head(effect, **changed), "terms")  # type: ignore[arg-type]  # Names of ``head`` alone are given.


def failure(fail: FailMode) -> Failure:
    return Failure(head(fail=fail), "remote", "timeout")


STOPPING = [effect for effect in Effect if effect is not Effect.ALLOW]
"""Effects of rules that may stop something; exceptions have tests of their own."""

_IDS = st.sampled_from(["a", "b", "c"])
# In one rule set an id is one rule, so that effect and severity follow from it.
_HEADS = st.builds(
    lambda name, salt: head(
        STOPPING[(ord(name) + salt) % len(STOPPING)],
        fail=list(FailMode)[(ord(name) + salt) % 3],
        severity=list(Severity)[ord(name) % 4],
        id=name,
    ),
    _IDS,
    st.just(1),
)
_FINDINGS = st.lists(
    st.builds(
        Finding,
        _HEADS,
        st.sampled_from(["terms", "links"]),
        st.sampled_from(["body", "name"]),
        st.sampled_from([None, (0, 1), (3, 4)]),
        st.sampled_from(["x", "y"]),
    ),
    max_size=8,
)
_FAILURES = st.lists(st.builds(Failure, _HEADS, st.sampled_from(["p", "q"]), st.sampled_from(["timeout", "OSError"])), max_size=8)


@given(_FINDINGS, _FAILURES, st.randoms(use_true_random=False))
def test_the_order_of_answers_changes_nothing(findings: list[Finding], failures: list[Failure], chance: random.Random) -> None:
    before = judge(1, findings, failures)
    chance.shuffle(findings)
    chance.shuffle(failures)
    assert judge(1, findings, failures) == before


@given(_FINDINGS, _FAILURES)
def test_nothing_that_stops_a_post_is_lost(findings: list[Finding], failures: list[Failure]) -> None:
    verdict = judge(1, findings, failures)
    effects = {one.rule.effect for one in findings}
    modes = {one.rule.fail for one in failures}
    if Effect.REFUSE in effects:
        assert isinstance(verdict, Refuse)
    elif FailMode.REFUSE in modes:
        assert isinstance(verdict, Unjudged)
    elif effects & {Effect.WITHHOLD, Effect.RETRACT} or FailMode.HOLD in modes:
        assert isinstance(verdict, Withhold)
    elif findings:
        assert isinstance(verdict, Flag)
    else:
        assert isinstance(verdict, Allow)


@pytest.mark.parametrize(
    ("effect", "outcome"),
    [(Effect.FLAG, Flag), (Effect.SLOW, Flag), (Effect.WITHHOLD, Withhold), (Effect.RETRACT, Withhold), (Effect.REFUSE, Refuse)],
)
def test_an_effect_has_its_outcome(effect: Effect, outcome: type) -> None:
    assert judge(9, [finding(effect)]) == outcome(9, (finding(effect),))


def test_nothing_found_is_allowed() -> None:
    assert judge(9, []) == Allow(9)


def test_a_failure_meets_the_fail_mode_of_its_rule() -> None:
    hold, refuse, rescan = (failure(mode) for mode in FailMode)
    assert judge(1, [], [hold]) == Withhold(1, (), (hold,))
    assert judge(1, [], [refuse]) == Unjudged(1, (refuse,))
    assert judge(1, [], [rescan]) == Allow(1, (rescan,))
    assert judge(1, [], [hold, refuse, rescan]) == Unjudged(1, (refuse,))
    assert judge(1, [finding(Effect.FLAG)], [rescan]) == Flag(1, (finding(Effect.FLAG),), (rescan,))


def test_a_finding_that_refuses_outweighs_a_failure() -> None:
    assert isinstance(judge(1, [finding(Effect.REFUSE)], [failure(FailMode.REFUSE)]), Refuse)


def test_the_heaviest_effect_leads_then_the_greatest_severity_then_the_id() -> None:
    flag = finding(Effect.FLAG, severity=Severity.CRITICAL, id="a")
    mild = finding(Effect.WITHHOLD, severity=Severity.LOW, id="b")
    grave = finding(Effect.WITHHOLD, severity=Severity.HIGH, id="d")
    grave_too = finding(Effect.WITHHOLD, severity=Severity.HIGH, id="c")
    verdict = judge(1, [flag, mild, grave, grave_too])
    assert isinstance(verdict, Withhold)
    assert [one.rule.id for one in verdict.findings] == ["c", "d", "b", "a"]


def spanned(effect: Effect, span: tuple[int, int] | None, *, severity: Severity = Severity.LOW, policy: str = "spam") -> Finding:
    return Finding(replace(head(effect, severity=severity), policy=policy), "terms", span=span)


def test_an_exception_covers_what_lies_inside_it() -> None:
    inside, across = spanned(Effect.REFUSE, (4, 6)), spanned(Effect.WITHHOLD, (4, 12))
    assert judge(1, [spanned(Effect.ALLOW, (3, 9)), inside]) == Allow(1)
    assert judge(1, [spanned(Effect.ALLOW, (3, 9)), inside, across]) == Withhold(1, (across,))


def test_an_exception_about_the_author_covers_the_whole_text() -> None:
    assert judge(1, [spanned(Effect.ALLOW, None), spanned(Effect.REFUSE, (4, 6))]) == Allow(1)


def test_an_exception_covers_neither_another_policy_nor_what_is_graver() -> None:
    for other in (spanned(Effect.REFUSE, (4, 6), policy="fraud"), spanned(Effect.REFUSE, (4, 6), severity=Severity.MEDIUM)):
        assert judge(1, [spanned(Effect.ALLOW, (0, 9)), other]) == Refuse(1, (other,))


def test_a_shadow_rule_decides_nothing() -> None:
    shadow = replace(head(Effect.REFUSE, fail=FailMode.REFUSE), shadow=True)
    assert judge(1, [Finding(shadow, "terms")], [Failure(shadow, "remote", "timeout")]) == Allow(1)
