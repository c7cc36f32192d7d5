"""inspection/ruleset.py: rules become checks, and their examples are asked of the same checks."""

import pytest

from parley_server.domain import bounds
from parley_server.domain.rules import BadRule
from parley_server.inspection.ruleset import check_examples, check_size
from tests.unit.server.inspection.making import compiled, found, rule


def test_a_rule_whose_examples_hold_may_go_live() -> None:
    made = rule({"terms": ["free casino", "赌场 优惠"]}, must=["FREE  CASINO here"], must_not=["the casino scene in that film"])
    assert check_examples(made) is None


@pytest.mark.parametrize(
    ("match", "must", "must_not", "where"),
    [
        ({"terms": ["ass"]}, ["class"], [], "examples.must[0]"),
        ({"terms": ["ass"]}, ["ass", "grass"], [], "examples.must[1]"),
        ({"terms": ["ass"]}, ["ass"], ["fine", "an ASS"], "examples.must_not[1]"),
        ({"links": {"domains": ["spam.example"]}}, ["notspam.example"], [], "examples.must[0]"),
        ({"patterns": ["a+b"]}, ["ab"], ["xaab"], "examples.must_not[0]"),
        ({"patterns": ["("]}, ["ab"], [], "match.patterns[0]"),
        ({"terms": ["\u200b"]}, ["ab"], [], "match.terms[0]"),
        ({"links": {"domains": ["a..b"]}}, ["ab"], [], "match.links.domains[0]"),
    ],
)
def test_an_example_that_does_not_hold_is_named(
    match: dict[str, object], must: list[str], must_not: list[str], where: str
) -> None:
    bad = check_examples(rule(match, must=must, must_not=must_not))
    assert isinstance(bad, BadRule)
    assert bad.where == where


def test_any_part_of_a_rule_may_meet_an_example() -> None:
    assert check_examples(rule({"terms": ["x"], "patterns": ["y+"]}, must=["x", "yy"])) is None


def test_examples_are_asked_where_the_rule_looks() -> None:
    assert check_examples(rule({"terms": ["x"]}, must=["x"], boards=["only"], fields=["name"])) is None


def test_flood_limits_need_no_examples_and_do_not_count_them() -> None:
    flood = {"posts_max": 1, "repeats_max": 1, "window_s": 10}
    assert check_examples(rule({"flood": flood}, must=[])) is None
    assert check_examples(rule({"flood": flood, "terms": ["x"]}, must=["x"], must_not=["y", "z", "y y"])) is None


def test_only_checks_that_a_rule_needs_are_there() -> None:
    assert [check.name for check in compiled(rule({"terms": ["x"]})).local] == ["terms"]
    assert compiled().local == ()
    everything = {"terms": ["x"], "patterns": ["x"], "links": {"domains": ["x.example"]}}
    everything |= {"flood": {"posts_max": 1, "repeats_max": 1, "window_s": 1}}
    assert {check.name for check in compiled(rule(everything)).local} == {"terms", "patterns", "links", "flood"}
    assert {finding.check for finding in found(compiled(rule(everything)), "x x.example")} == {"terms", "patterns", "links"}


def test_more_rules_than_the_bound_are_refused() -> None:
    assert check_size([rule({"terms": ["x"]})] * bounds.RULES_LIVE_MAX) is None
    bad = check_size([rule({"terms": ["x"]})] * (bounds.RULES_LIVE_MAX + 1))
    assert bad is not None
    assert bad.where == "id"


def test_more_terms_than_the_bound_are_refused() -> None:
    large = rule({"terms": [f"t{n}" for n in range(bounds.TERMS_MAX)]})
    assert check_size([large] * 5) is None
    bad = check_size([large] * 6)
    assert bad is not None
    assert bad.where == "match.terms"
