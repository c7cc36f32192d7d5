"""The contract of ``ports.Check``: on every real check, and on the fake that other tests use."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from parley_protocol.ids import AccountId
from parley_server.domain.rules import Rule
from parley_server.domain.verdict import Finding
from parley_server.inspection.crowd import Crowd, Crowds
from parley_server.inspection.flood import Flood, Recent
from parley_server.inspection.links import Links
from parley_server.inspection.local import ask
from parley_server.inspection.normalise import Normaliser
from parley_server.inspection.patterns import Patterns
from parley_server.inspection.terms import Terms
from parley_server.ports import Check, Item
from tests.unit.server.inspection.making import item, rule

TEXT = "a bad.example word"
MATCH: dict[str, object] = {
    "terms": ["word"],
    "patterns": ["wo.d"],
    "links": {"domains": ["bad.example"]},
    "flood": {"posts_max": 1, "repeats_max": 1, "window_s": 60},
    "crowd": {"same": "text", "accounts": 2, "window_s": 60},
}


@dataclass
class FakeCheck:
    """Finds its rules in every text that holds ``word``."""

    rules: Sequence[Rule]
    name: str = "fake"
    local: bool = True

    async def inspect(self, item: Item) -> Sequence[Finding]:
        covering = [rule for rule in self.rules if rule.covers(item.board, item.field)]
        return [Finding(rule.head, self.name, item.field) for rule in covering if "word" in item.text]


def _make(kind: str, rules: Sequence[Rule]) -> Check:
    read = Normaliser()
    match kind:
        case "terms":
            return Terms(rules, read)
        case "patterns":
            return Patterns(rules, read)
        case "links":
            return Links(rules, read)
        case "crowd":
            return Crowd(rules, read, Crowds())
        case "flood":
            return Flood(rules, read, Recent())
        case _:
            return FakeCheck(rules)


def _see(check: Check, what: Item) -> Sequence[Finding]:
    """Ask twice, and about two authors, so that a flood and a crowd are one."""
    ask(check, what)
    ask(check, replace(what, author=AccountId("another")))
    return ask(check, what)


kinds = pytest.mark.parametrize("kind", ["terms", "patterns", "links", "flood", "crowd", "fake"])


@kinds
def test_a_finding_names_a_rule_of_the_check_the_check_and_the_field(kind: str) -> None:
    made = rule(MATCH)
    check = _make(kind, [made])
    (finding,) = _see(check, item(TEXT, field="name"))
    assert (finding.rule, finding.check, finding.field) == (made.head, kind, "name")
    assert check.name == kind
    assert list(check.rules) == [made]


@kinds
def test_only_rules_that_cover_board_and_field_are_found(kind: str) -> None:
    here, there = rule(MATCH, id="here", boards=["here"]), rule(MATCH, id="there", boards=["there"])
    names = rule(MATCH, id="names", fields=["name"])
    check = _make(kind, [here, there, names])
    assert [finding.rule.id for finding in _see(check, item(TEXT, board="here"))] == ["here"]
    assert [finding.rule.id for finding in _see(check, item(TEXT, board="elsewhere", field="name"))] == ["names"]


@kinds
def test_a_place_lies_in_the_original_text(kind: str) -> None:
    text = f"\u200b {TEXT.upper()}"
    for finding in _see(_make(kind, [rule(MATCH)]), item(text)):
        assert finding.span is None or 0 <= finding.span[0] < finding.span[1] <= len(text)


@kinds
def test_inspecting_is_a_coroutine_and_a_local_one_never_waits(kind: str) -> None:
    check = _make(kind, [rule(MATCH)])
    answer = check.inspect(item(TEXT))
    assert inspect.iscoroutine(answer)
    answer.close()
    assert check.local
    ask(check, item("fine"))


@kinds
@pytest.mark.parametrize(
    "text", ["", " ", "\u200b", "\x00", "a" * 8_192, "\u0301" * 4_000, ".", "%", "http://", "%ff", "xn--a.b"]
)
def test_no_text_makes_a_check_fail(kind: str, text: str) -> None:
    # Lone surrogates are no text: domain/text.py and the frames refuse them before anything is inspected.
    ask(_make(kind, [rule(MATCH), rule({"links": {"domains": [], "others": True}}, id="others")]), item(text))
