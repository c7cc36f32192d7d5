"""inspection/terms.py: words where a script has words, anywhere else."""

import pytest

from parley_server.domain.rules import BadRule
from parley_server.inspection import terms
from tests.unit.server.inspection.making import compiled, found, item, matches, rule


@pytest.mark.parametrize(
    ("term", "text"),
    [
        ("free casino", "FREE  CASINO here"),
        ("free casino", "a free\ncasino"),
        ("casino", "ca\u200bsi\u200dno"),
        ("casino", "ｃａｓｉｎｏ!"),
        ("casino", "赌场casino优惠"),
        ("赌场 优惠", "去赌场\u3000优惠吧"),
        ("赌场", "大赌场里"),
        ("카지노", "카지노에서"),
        ("คาสิโน", "ไปคาสิโนกัน"),
        ("ass", "ass, or"),
        ("ass", "class ass"),
        ("ass", "_ass_"),
        ("$$$", "get$$$now"),
        ("кот", "Кот."),
        ("c++", "c++ and more"),
    ],
)
def test_a_term_is_found(term: str, text: str) -> None:
    assert matches({"terms": [term]}, text)


@pytest.mark.parametrize(
    ("term", "text"),
    [
        ("ass", "class classic assume grass"),
        ("cunt", "Scunthorpe"),
        ("tit", "titan competition"),
        ("sex", "Essex and Sussex, Middlesex"),
        ("arse", "arsenal, parse"),
        ("кот", "который"),
        ("का", "काम"),
        ("cafe", "cafe\u0301"),
        ("win 1", "win 10"),
        ("free casino", "the casino scene in that free film"),
    ],
)
def test_a_term_inside_another_word_is_not_found(term: str, text: str) -> None:
    assert not matches({"terms": [term]}, text)


def test_a_whole_word_miss_hides_no_other_match() -> None:
    found_ = found(compiled(rule({"terms": ["ab cd", "cd ef"]})), "xab cd ef")
    assert [finding.passage for finding in found_] == ["cd ef"]
    assert matches({"terms": ["class", "ass"]}, "aclass ass")


def test_a_finding_names_rule_field_place_and_passage() -> None:
    (finding,) = found(compiled(rule({"terms": ["free casino"]})), item("So FR\u200bEE  Casino, casino", field="name"))
    assert (finding.rule.id, finding.rule.version, finding.check, finding.field) == ("r", 1, "terms", "name")
    assert finding.span == (3, 16)
    assert finding.passage == "free casino"


def test_one_term_of_two_rules_finds_both() -> None:
    ruleset = compiled(rule({"terms": ["x"]}, id="one"), rule({"terms": ["X", "y"]}, id="two"))
    assert sorted(finding.rule.id for finding in found(ruleset, "x y")) == ["one", "two"]


def test_a_rule_looks_only_where_it_covers() -> None:
    ruleset = compiled(rule({"terms": ["x"]}, fields=["body"], boards=["here"]))
    assert found(ruleset, item("x", board="here"))
    assert not found(ruleset, item("x", board="there"))
    assert not found(ruleset, item("x", board="here", field="name"))


def test_a_term_without_visible_letters_is_a_fault() -> None:
    assert terms.fault(rule({"terms": ["x", "\u200b"]})) == BadRule("match.terms[1]", "It has no visible letter.")
