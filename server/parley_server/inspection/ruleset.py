"""The rules in force, compiled: one value that judges one message."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from parley_protocol.ids import AccountId, BoardId
from parley_server.domain import bounds
from parley_server.domain.conditions import Asked, asks_author, conclude, key, met, probes
from parley_server.domain.rules import BadRule, Rule
from parley_server.domain.verdict import Failure, Finding
from parley_server.inspection import links, patterns, terms
from parley_server.inspection.crowd import Crowd, Crowds
from parley_server.inspection.flood import Flood, Recent
from parley_server.inspection.links import Links
from parley_server.inspection.local import ask
from parley_server.inspection.normalise import Normaliser
from parley_server.inspection.patterns import Patterns
from parley_server.inspection.terms import Terms
from parley_server.ports import Check, Item


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Version and checks.

    Attributes:
        local: checks that answer at once.
        remote: checks that are waited for, beside each other.
        conditions: rules that ask for more than a match.
        in_shadow: rules that judge without effect.
        asks_author: whether a rule asks who the author is.
        language: tells the language of a text, if a rule asks for it.
    """

    version: int
    rules: tuple[Rule, ...] = ()
    local: tuple[Check, ...] = ()
    remote: tuple[Check, ...] = ()
    conditions: tuple[Rule, ...] = ()
    in_shadow: tuple[Rule, ...] = ()
    asks_author: bool = False
    language: Callable[[str], str | None] | None = None

    def concluded(
        self, item: Item, findings: Sequence[Finding], failures: Sequence[Failure]
    ) -> tuple[Sequence[Finding], Sequence[Failure]]:
        """Return what is left of the checks' answers once every rule's whole condition was asked."""
        covering = {key(rule.head): rule for rule in self.conditions if rule.covers(item.board, item.field)}
        if not covering:
            return findings, failures
        language = self.language(item.text) if self.language is not None else None
        return conclude(covering, findings, failures, Asked(item.author, item.at_us, item.facts, language), item.field)


EMPTY = RuleSet(0)
"""No rules: everything is allowed."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What rules about rates remember; one value for one rule set after the other, so that a change of rules forgets nothing."""

    recent: Recent = field(default_factory=Recent)
    crowds: Crowds = field(default_factory=Crowds)


def compile_rules(version: int, rules: Sequence[Rule], memory: Memory) -> RuleSet:
    """Make the checks of all rules. No I/O, but 0.5 s of work at 100,000 terms: call it in a thread.

    Args:
        version: of the whole set, as stored.
        rules: each one without ``fault``.
        memory: the same value for one rule set after the other.

    Returns:
        A set with a check only where a rule needs it.
    """
    read = Normaliser()
    asked = probes(rules)
    made: list[Check] = [*_textual(asked, read), Flood(asked, read, memory.recent), Crowd(asked, read, memory.crowds)]
    return RuleSet(
        version,
        tuple(rules),
        local=tuple(check for check in made if check.rules),
        conditions=tuple(rule for rule in rules if not rule.plain),
        in_shadow=tuple(rule for rule in rules if rule.head.shadow),
        asks_author=any(asks_author(rule.root) for rule in rules),
    )


def fault(rule: Rule) -> BadRule | None:
    """Return the first part of a rule that cannot be compiled."""
    for probe in probes([rule]):
        bad = terms.fault(probe) or links.fault(probe) or patterns.fault(probe)
        if bad is not None:
            return bad
    return None


def check_examples(rule: Rule) -> BadRule | None:
    """Return why a rule cannot go live: a part that cannot be compiled, or an example that does not hold.

    Examples are asked of the same checks that will judge posts. A rule of flood limits alone has none: they are about times, not texts.
    Compiles the rule: call it in a thread.
    """
    bad = fault(rule)
    if bad is not None:
        return bad
    checks = [check for check in _textual(probes([rule]), Normaliser()) if check.rules]
    for n, text in enumerate(rule.must):
        if not _meets(checks, rule, text):
            return BadRule(f"examples.must[{n}]", "The rule does not match it.")
    for n, text in enumerate(rule.must_not):
        if _meets(checks, rule, text):
            return BadRule(f"examples.must_not[{n}]", "The rule matches it.")
    return None


def check_size(rules: Sequence[Rule]) -> BadRule | None:
    """Return which bound of the whole set ``rules`` would break."""
    asked = probes(rules)
    for where, count, most in (
        ("id", len(rules), bounds.RULES_LIVE_MAX),
        ("match.terms", sum(len(rule.match.terms) for rule in asked), bounds.TERMS_LIVE_MAX),
        ("match.patterns", sum(len(rule.match.patterns) for rule in asked), bounds.PATTERNS_LIVE_MAX),
    ):
        if count > most:
            return BadRule(where, f"With it {count} would be in force, of at most {most}; retire a rule.")
    return None


def _textual(rules: Sequence[Rule], read: Normaliser) -> tuple[Check, ...]:
    return Terms(rules, read), Links(rules, read), Patterns(rules, read)


def _meets(checks: Sequence[Check], rule: Rule, text: str) -> bool:
    """Say whether the rule's tables that look at texts are met by ``text``, on a board and in a field that it covers.

    Who the author is, when, and how many others did the same is taken to be as the rule asks: an example is a text and nothing else.
    """
    board = next((board for board in rule.boards if board != "*"), "any")
    item = Item(min(rule.fields), text, BoardId(board), AccountId("example"), 0)
    findings = [finding for check in checks for finding in ask(check, item)]
    if rule.root.plain:
        return bool(findings)
    return met(rule, {finding.rule.probe for finding in findings})
