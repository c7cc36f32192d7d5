"""Rules, items and answers, made in one line."""

from collections.abc import Mapping, Sequence

from parley_protocol.ids import AccountId, BoardId
from parley_server.domain.rule_document import parse
from parley_server.domain.rules import Rule
from parley_server.domain.verdict import Finding
from parley_server.inspection.local import ask
from parley_server.inspection.ruleset import Memory, RuleSet, compile_rules
from parley_server.ports import Item


def document(
    match: Mapping[str, object], *, must: Sequence[str] = ("example",), must_not: Sequence[str] = (), **changed: object
) -> dict[str, object]:
    """Return a rule document that looks for ``match``."""
    return {
        "id": "r",
        "policy": "spam",
        "severity": "medium",
        "effect": "withhold",
        "fail": "hold",
        "fields": ["body", "name"],
        "boards": ["*"],
        "match": match,
        "examples": {"must": list(must), "must_not": list(must_not)},
        **changed,
    }


def rule(match: Mapping[str, object], version: int = 1, **changed: object) -> Rule:
    """Return a rule that looks for ``match``; its examples are not asked."""
    made = parse(document(match, **changed), version)  # type: ignore[arg-type]  # ``changed`` may hold any key of a document.
    assert isinstance(made, Rule), made
    return made


def item(text: str, *, field: str = "body", board: str = "b", author: str = "a", at_s: float = 0, edit: bool = False) -> Item:
    """Return an item of one text."""
    return Item(field, text, BoardId(board), AccountId(author), round(at_s * 1_000_000), edit)


def compiled(*rules: Rule, version: int = 1) -> RuleSet:
    """Return a rule set that remembers nothing yet."""
    return compile_rules(version, rules, Memory())


def found(ruleset: RuleSet, what: Item | str) -> list[Finding]:
    """Return what the local checks see."""
    return [finding for check in ruleset.local for finding in ask(check, item(what) if isinstance(what, str) else what)]


def matches(match: Mapping[str, object], text: str) -> bool:
    """Say whether a rule that looks for ``match`` meets ``text``."""
    return bool(found(compiled(rule(match)), text))
