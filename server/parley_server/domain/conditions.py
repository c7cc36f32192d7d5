"""Whether a rule's condition holds, once the checks have answered.

A check that could not answer makes its table unknown. The condition is then unknown only if that table could still turn it (Kleene's
three values), so that a dead classifier does not hold up texts for which it makes no difference.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from parley_server.domain.rules import AuthorIs, Match, Node, Rule, RuleHead
from parley_server.domain.verdict import Failure, Finding

CHECK: Final = "conditions"
"""What stands as the check in a finding of a rule that looked at no text."""

Answer = bool | None
"""``None``: a check could not say."""


@dataclass(frozen=True, slots=True)
class AuthorFacts:
    """What is known of an author when a text is inspected.

    Attributes:
        created_at_us: when the account was made.
        roles: its roles on the site and on the board.
        posts: how many posts it published.
        restricted_at_us: when it was restricted last.
    """

    created_at_us: int
    level: str
    roles: frozenset[str]
    posts: int
    restricted_at_us: int | None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a condition is asked about. ``language``: ``None`` if it could not be told."""

    author: str
    at_us: int
    facts: AuthorFacts | None
    language: str | None


def probes(rules: Iterable[Rule]) -> list[Rule]:
    """Return one rule for each table that looks at text; the checks are made for these."""
    made: list[Rule] = []
    for rule in rules:
        if rule.root.plain:
            made.append(rule)
        else:
            made += [
                replace(rule, match=node.match, head=replace(rule.head, probe=node.probe))
                for node in _tables(rule.root)
                if node.match is not None
            ]
    return made


def conclude(
    rules: Mapping[tuple[str, int, bool], Rule],
    findings: Sequence[Finding],
    failures: Sequence[Failure],
    asked: Asked,
    field: str,
) -> tuple[list[Finding], list[Failure]]:
    """Return the findings and failures of rules whose whole condition holds, or is unknown.

    Args:
        rules: those that are more than plain and cover the text, by ``key``. What the checks say of all others passes as it is.
        findings: what the checks saw, table by table.
        failures: which tables have no answer.
    """
    seen: defaultdict[tuple[str, int, bool], list[Finding]] = defaultdict(list)
    failed: defaultdict[tuple[str, int, bool], list[Failure]] = defaultdict(list)
    stand: list[Finding] = []
    open_: list[Failure] = []
    for finding in findings:
        if (name := key(finding.rule)) in rules:
            seen[name].append(finding)
        else:
            stand.append(finding)
    for failure in failures:
        if (name := key(failure.rule)) in rules:
            failed[name].append(failure)
        else:
            open_.append(failure)
    for name, rule in rules.items():
        hits = {finding.rule.probe for finding in seen[name]}
        unknown = {failure.rule.probe for failure in failed[name]} - hits
        answer = _applies(rule, asked) and _holds(rule.root, hits, unknown, asked)
        if answer:
            stand += [replace(f, rule=rule.head) for f in seen[name] if f.rule.probe not in _denied(rule.root)] or [
                Finding(rule.head, CHECK, field)
            ]
        elif answer is None:
            open_ += [replace(failure, rule=rule.head) for failure in failed[name]]
    return stand, open_


def met(rule: Rule, hits: set[int]) -> bool:
    """Say whether a rule's condition holds of a text that met the tables ``hits``, were everything else as the rule asks."""
    return _met(rule.root, hits)


def asks_author(node: Node) -> bool:
    """Say whether a condition asks who the author is."""
    return any(table.author is not None for table in _tables(node))


def key(head: RuleHead) -> tuple[str, int, bool]:
    """Return what tells one version of a rule in force from every other."""
    return head.id, head.version, head.shadow


def _tables(node: Node) -> list[Node]:
    return [node, *(table for inner in (*node.all, *node.any, *node.none) for table in _tables(inner))]


def _denied(node: Node) -> set[int]:
    """Return the tables whose hits speak against the rule: no passage of theirs is its ground."""
    inside = {table.probe for denied in node.none for table in _tables(denied)}
    return inside.union(*(_denied(inner) for inner in (*node.all, *node.any)))


def _applies(rule: Rule, asked: Asked) -> bool:
    """Say whether the rule looks at this author now."""
    if rule.expires_us is not None and asked.at_us >= rule.expires_us:
        return False
    return rule.rollout == 100 or _percentile(rule.head.id, asked.author) < rule.rollout


def _percentile(rule: str, author: str) -> int:
    """Return 0 to 99: the same for an author at every post and on every node, another one for another rule."""
    return int.from_bytes(hashlib.blake2b(f"{rule}\0{author}".encode(), digest_size=4).digest()) % 100


def _holds(node: Node, hits: set[int], unknown: set[int], asked: Asked) -> Answer:
    answers: list[Answer] = []
    if node.match is not None:
        answers.append(True if node.probe in hits else None if node.probe in unknown else False)
    if node.author is not None:
        answers.append(_is(node.author, asked))
    if node.languages:
        answers.append(asked.language in node.languages)
    answers += [_holds(inner, hits, unknown, asked) for inner in node.all]
    if node.any:
        answers.append(_or([_holds(inner, hits, unknown, asked) for inner in node.any]))
    if node.none:
        met = _or([_holds(inner, hits, unknown, asked) for inner in node.none])
        answers.append(None if met is None else not met)
    return _and(answers)


def _met(node: Node, hits: set[int]) -> bool:
    """As ``met``, for one table. A table that looks at no text by itself is taken as met, and as not met where it is denied."""
    looks = node.match is not None and looks_at_text(node.match)
    if looks and node.probe not in hits:
        return False
    if not all(_met(inner, hits) for inner in node.all):
        return False
    if node.any and not any(_met(inner, hits) for inner in node.any):
        return False
    return not any(_met(inner, hits) for inner in node.none if reads(inner))


def reads(node: Node) -> bool:
    """Say whether a text alone can tell anything about a condition."""
    return any(table.match is not None and looks_at_text(table.match) for table in _tables(node))


def looks_at_text(match: Match) -> bool:
    """Say whether something is looked for in the text itself, and not in what others wrote or when."""
    return bool(match.terms or match.lists or match.links or match.patterns)


def _and(answers: Iterable[Answer]) -> Answer:
    """All of several answers: one no settles it, else one unknown leaves it open."""
    held = list(answers)
    return False if False in held else None if None in held else True


def _or(answers: Iterable[Answer]) -> Answer:
    held = list(answers)
    return True if True in held else None if None in held else False


def _is(author: AuthorIs, asked: Asked) -> Answer:
    """Compare an author with what is asked for. Of an unknown author nothing holds: a rule about newcomers is no rule about everybody."""
    facts = asked.facts
    if facts is None:
        return False
    if author.younger_s is not None and asked.at_us - facts.created_at_us >= author.younger_s * 1_000_000:
        return False
    if author.levels and facts.level not in author.levels:
        return False
    if author.roles and not author.roles & facts.roles:
        return False
    if author.posts_below is not None and facts.posts >= author.posts_below:
        return False
    if author.restricted_within_s is not None:
        since = facts.restricted_at_us
        return since is not None and asked.at_us - since < author.restricted_within_s * 1_000_000
    return True
