"""domain/conditions.py: all, any and none of what the checks say, with answers that are missing."""

from dataclasses import replace
from itertools import product

import pytest

from parley_server.domain.conditions import Asked, AuthorFacts, conclude, key, met, probes
from parley_server.domain.rules import Rule
from parley_server.domain.verdict import Failure, Finding
from tests.unit.server.inspection.making import rule

DAY_US = 86_400_000_000
NEWCOMER = AuthorFacts(created_at_us=9 * DAY_US, level="unverified", roles=frozenset({"member"}), posts=2, restricted_at_us=None)
REGULAR = AuthorFacts(
    created_at_us=0, level="verified", roles=frozenset({"member", "moderator"}), posts=900, restricted_at_us=8 * DAY_US
)
A, B = {"terms": ["a"]}, {"terms": ["b"]}


def asked(facts: AuthorFacts | None = None, language: str | None = None, author: str = "ann", at_us: int = 10 * DAY_US) -> Asked:
    return Asked(author, at_us, facts, language)


def answer(made: Rule, hits: set[int], unknown: set[int] = frozenset(), of: Asked | None = None) -> str:  # type: ignore[assignment]  # An empty set that cannot be changed is one.
    """Say what becomes of a rule: ``yes``, ``no`` or ``unknown``."""
    findings = [Finding(replace(made.head, probe=n), "terms") for n in hits]
    failures = [Failure(replace(made.head, probe=n), "remote", "timeout") for n in unknown]
    stand, open_ = conclude({key(made.head): made}, findings, failures, of or asked(), "body")
    assert not (stand and open_)
    return "yes" if stand else "unknown" if open_ else "no"


@pytest.mark.parametrize(
    ("match", "yes"),
    [
        ({"all": [A, B]}, lambda a, b: a and b),
        ({"any": [A, B]}, lambda a, b: a or b),
        ({"none": [A, B]}, lambda a, b: not (a or b)),
        ({**A, "none": [B]}, lambda a, b: a and not b),
        ({"all": [{"any": [A, B]}, {"none": [{"all": [A, B]}]}]}, None),
    ],
)
def test_tables_are_joined_as_they_say(match: dict[str, object], yes: object) -> None:
    made = rule(match)
    numbers = [probe.head.probe for probe in probes([made])]
    for a, b in product((False, True), repeat=2):
        says = dict(zip(numbers, (a, b) if len(numbers) == 2 else (a, b, a, b), strict=True))
        expected = (a != b) if yes is None else yes(a, b)  # type: ignore[operator]  # A lambda of the table above.
        assert answer(made, {n for n, hit in says.items() if hit}) == ("yes" if expected else "no")


def test_a_missing_answer_counts_only_where_it_could_turn_the_rest() -> None:
    both, either, but = rule({"all": [A, B]}), rule({"any": [A, B]}), rule({**A, "none": [B]})
    assert answer(both, {1}, {2}) == "unknown"
    assert answer(both, set(), {2}) == "no"
    assert answer(either, {1}, {2}) == "yes"
    assert answer(either, set(), {2}) == "unknown"
    assert answer(but, {1}, {2}) == "unknown"
    assert answer(but, set(), {2}) == "no"


def test_what_is_found_carries_the_rule_and_never_a_denied_passage() -> None:
    made = rule({"all": [A, {"none": [B]}]})
    finding = Finding(replace(made.head, probe=1), "terms", span=(3, 4))
    stand, _ = conclude({key(made.head): made}, [finding], [], asked(), "body")
    assert stand == [replace(finding, rule=made.head)]


@pytest.mark.parametrize(
    ("author", "newcomer", "regular"),
    [
        ({"younger": "7d"}, "yes", "no"),
        ({"younger": "1d"}, "no", "no"),
        ({"levels": ["unverified"]}, "yes", "no"),
        ({"roles": ["moderator", "bot"]}, "no", "yes"),
        ({"posts_below": 3}, "yes", "no"),
        ({"restricted_within": "3d"}, "no", "yes"),
        ({"restricted_within": "1d"}, "no", "no"),
        ({"younger": "7d", "levels": ["verified"]}, "no", "no"),
    ],
)
def test_who_the_author_is(author: dict[str, object], newcomer: str, regular: str) -> None:
    made = rule({**A, "author": author})
    assert answer(made, {1}, of=asked(NEWCOMER)) == newcomer
    assert answer(made, {1}, of=asked(REGULAR)) == regular
    assert answer(made, {1}, of=asked(None)) == "no"
    assert answer(made, set(), of=asked(NEWCOMER)) == "no"


def test_a_rule_about_authors_alone_needs_no_passage() -> None:
    made = rule({"author": {"levels": ["unverified"]}})
    stand, _ = conclude({key(made.head): made}, [], [], asked(NEWCOMER), "name")
    assert [(finding.check, finding.field, finding.span) for finding in stand] == [("conditions", "name", None)]


def test_the_language() -> None:
    made = rule({**A, "languages": ["zh", "en"]})
    assert [answer(made, {1}, of=asked(language=tongue)) for tongue in ("zh", "fr", None)] == ["yes", "no", "no"]


def test_a_rule_ends_at_its_moment() -> None:
    made = rule(A, expires="1970-01-11T00:00:00Z")
    assert answer(made, {1}, of=asked(at_us=10 * DAY_US - 1)) == "yes"
    assert answer(made, {1}, of=asked(at_us=10 * DAY_US)) == "no"


def test_a_rollout_looks_at_the_same_share_of_authors_every_time() -> None:
    made = rule(A, rollout=20)
    looked_at = {n for n in range(2_000) if answer(made, {1}, of=asked(author=f"author-{n}")) == "yes"}
    assert looked_at == {n for n in range(2_000) if answer(made, {1}, of=asked(author=f"author-{n}")) == "yes"}
    assert 300 < len(looked_at) < 500
    wider = rule(A, rollout=60)
    assert looked_at <= {n for n in range(2_000) if answer(wider, {1}, of=asked(author=f"author-{n}")) == "yes"}


def test_an_example_is_asked_about_its_text_alone() -> None:
    made = rule({"all": [A, {"author": {"younger": "1d"}}], "none": [B]})
    assert met(made, {1})
    assert not met(made, {1, 2})
    assert not met(made, set())
