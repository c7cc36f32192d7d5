"""From findings to a verdict.

A verdict names what it was made by: the version of the rule set, and that of the normaliser, which says how texts were read.
Checks say what they saw, rules say what follows, ``judge`` puts both together. It is the only place where an outcome is chosen.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TypeAlias

from parley_server.domain.rules import Disguises, Effect, FailMode, RuleHead


class Stage(StrEnum):
    """When something was found."""

    INLINE = "inline"
    LATE = "late"
    RESCAN = "rescan"
    MODERATOR = "moderator"
    REPORT = "report"


class Tier(StrEnum):
    """How plainly a term stands in a text."""

    EXACT = "exact"
    """As it is written, but for letter case and the like: it leads to what the rule says."""
    DISGUISED = "disguised"
    """Behind a disguise: it withholds at most, unless the term is strict."""
    FAINT = "faint"
    """Behind something that may be a disguise or chance: it flags at most; it withholds if the term is strict."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check saw: a rule's condition is met.

    Attributes:
        field: ``body`` or ``name``.
        span: code points ``first`` … ``end`` (excluded) of the original text, where the check can tell.
        passage: the text that met the rule, as the check read it; never shown to others than moderators.
        disguise: what the term was hidden by, such as ``pinyin``; empty in the tier ``exact``.
        strict: whether the rule takes a disguise of this term as the term itself.
    """

    rule: RuleHead
    check: str
    field: str = "body"
    span: tuple[int, int] | None = None
    passage: str = ""
    tier: Tier = Tier.EXACT
    disguise: str = ""
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """A check that could not answer, for one rule that needs it. ``cause``: ``timeout`` or an error's class name."""

    rule: RuleHead
    check: str
    cause: str


@dataclass(frozen=True, slots=True)
class Allow:
    """Publish. ``uninspected``: failures whose rules say ``allow-and-rescan``."""

    ruleset: int
    uninspected: tuple[Failure, ...] = ()
    normaliser: str = ""


@dataclass(frozen=True, slots=True)
class Flag:
    """Publish, and alert."""

    ruleset: int
    findings: tuple[Finding, ...]
    uninspected: tuple[Failure, ...] = ()
    normaliser: str = ""


@dataclass(frozen=True, slots=True)
class Withhold:
    """Do not publish; a person decides. Either findings or failures name the ground; the first one leads."""

    ruleset: int
    findings: tuple[Finding, ...]
    failures: tuple[Failure, ...] = ()
    normaliser: str = ""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Do not publish, final."""

    ruleset: int
    findings: tuple[Finding, ...]
    normaliser: str = ""


@dataclass(frozen=True, slots=True)
class Unjudged:
    """Do not publish and store nothing: a check could not answer and its rule says ``refuse``. Never called spam."""

    ruleset: int
    failures: tuple[Failure, ...]
    normaliser: str = ""


Verdict: TypeAlias = Allow | Flag | Withhold | Refuse | Unjudged


class _Weight(IntEnum):
    """Order of effects; the heaviest wins. A rule of effect ``retract`` that answers before delivery withholds."""

    FLAG = 1
    WITHHOLD = 2
    REFUSE = 3


_WEIGHTS = {
    Effect.FLAG: _Weight.FLAG,
    Effect.WITHHOLD: _Weight.WITHHOLD,
    Effect.RETRACT: _Weight.WITHHOLD,
    Effect.REFUSE: _Weight.REFUSE,
}


def judge(ruleset: int, findings: Iterable[Finding], failures: Iterable[Failure] = (), normaliser: str = "") -> Verdict:
    """Choose the outcome of one inspection.

    Args:
        ruleset: version of the one rule set that all findings come from.
        findings: in any order.
        failures: in any order; each meets the fail mode of its rule.
        normaliser: by which version of the readings they were found.

    Returns:
        ``Refuse`` if a finding says so; else ``Unjudged`` if a failure says refuse; else ``Withhold`` if a finding or a failure says so;
        else ``Flag`` or ``Allow``. Findings lead with the heaviest effect, then the greatest severity, then the rule's id, so that
        the same message gives the same verdict whatever order the checks answered in.
    """
    seen = tuple(sorted(findings, key=_lead))
    failed = tuple(sorted(failures, key=lambda f: (f.rule.id, f.check, f.cause)))
    heaviest = _weight(seen[0]) if seen else None
    if heaviest is _Weight.REFUSE:
        return Refuse(ruleset, seen, normaliser)
    refusing = tuple(f for f in failed if f.rule.fail is FailMode.REFUSE)
    if refusing:
        return Unjudged(ruleset, refusing, normaliser)
    holding = tuple(f for f in failed if f.rule.fail is FailMode.HOLD)
    if heaviest is _Weight.WITHHOLD or holding:
        return Withhold(ruleset, seen, holding, normaliser)
    passing = tuple(f for f in failed if f.rule.fail is FailMode.ALLOW_AND_RESCAN)
    return Flag(ruleset, seen, passing, normaliser) if seen else Allow(ruleset, passing, normaliser)


def _weight(finding: Finding) -> _Weight:
    """Return what a finding leads to: what its rule says, or less where its term was disguised."""
    weight = _WEIGHTS[finding.rule.effect]
    if finding.tier is Tier.EXACT or (finding.strict and finding.tier is Tier.DISGUISED):
        return weight
    if finding.strict:
        return min(weight, _Weight.WITHHOLD)
    if finding.tier is Tier.FAINT or finding.rule.disguises is Disguises.FLAG:
        return _Weight.FLAG
    return min(weight, _Weight.WITHHOLD)


def _lead(finding: Finding) -> tuple[int, int, str, str, tuple[int, int], str, str, str]:
    """Return what orders findings. Every part of them that can differ within one rule set is in it, or their order would be chance."""
    rule = finding.rule
    return (
        -_weight(finding),
        -rule.severity.rank,
        rule.id,
        finding.field,
        finding.span or (0, 0),
        finding.check,
        finding.passage,
        finding.disguise,
    )
