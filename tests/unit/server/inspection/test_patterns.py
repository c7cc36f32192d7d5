"""inspection/patterns.py: expressions of linear time, over the normalised text."""

import pytest

from parley_server.inspection import patterns
from tests.unit.server.inspection.making import compiled, found, item, matches, rule


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"free\s+casino", "FREE \n CASINO"),
        (r"Free", "free"),
        (r"\bwin \d{3,}\b", "you win １０００ coins"),
        (r"^buy", "  buy"),
        (r"赌.?场", "去赌!场"),
    ],
)
def test_a_pattern_is_found(pattern: str, text: str) -> None:
    assert matches({"patterns": [pattern]}, text)


def test_a_finding_names_place_and_passage() -> None:
    (finding,) = found(compiled(rule({"patterns": [r"wi\w+", "never"]})), "赌  WIN it")
    assert (finding.check, finding.passage, finding.span) == ("patterns", "win", (3, 6))


@pytest.mark.parametrize("pattern", ["(", "a{2000}", "(?=a)b", r"(a)\1", "*", "[z-a]", "(?:a{900}){900}"])
def test_a_bad_pattern_is_a_fault(pattern: str, capfd: pytest.CaptureFixture[str]) -> None:
    bad = patterns.fault(rule({"patterns": ["fine", pattern]}))
    assert bad is not None
    assert bad.where == "match.patterns[1]"
    assert bad.says
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("pattern", ["a*", "x?", "^", "|a"])
def test_a_pattern_that_matches_everything_is_a_fault(pattern: str) -> None:
    bad = patterns.fault(rule({"patterns": [pattern]}))
    assert bad is not None
    assert "everything" in bad.says


def test_patterns_of_many_rules_are_told_apart() -> None:
    rules = [rule({"patterns": [f"word{n}x"]}, id=f"r{n}") for n in range(120)]
    assert [finding.rule.id for finding in found(compiled(*rules), "word7x word99x")] == ["r7", "r99"]


def test_patterns_that_name_a_group_alike_still_match() -> None:
    ruleset = compiled(rule({"patterns": ["(?P<n>aa)", "(?P<n>bb)"]}))
    assert found(ruleset, "bb")
    assert not found(ruleset, "cc")


def test_a_flag_inside_one_pattern_does_not_reach_the_next() -> None:
    ruleset = compiled(rule({"patterns": ["(?s)a.b", "c.d"]}))
    assert [finding.passage for finding in found(ruleset, "c d")] == ["c d"]


def test_a_rule_looks_only_where_it_covers() -> None:
    ruleset = compiled(rule({"patterns": ["x"]}, fields=["name"]))
    assert not found(ruleset, "x")
    assert found(ruleset, item("x", field="name"))
