"""From findings to a verdict.

Checks say what they saw, rules say what follows, ``judge`` puts both together. It is the only place where an outcome is chosen.
"""

from collections.abc import Collection
from enum import IntEnum, StrEnum
from typing import TypeAlias

from parley_protocol.values import dataclass
from parley_server.domain.rules import Effect, FailMode, RuleHead


class Stage(StrEnum):
    """When something was found."""

    INLINE = "inline"
    LATE = "late"
    RESCAN = "rescan"
    MODERATOR = "moderator"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check saw: a rule's condition is met.

    Attributes:
        field: ``body`` or ``name``.
        span: code points ``first`` … ``end`` (excluded) of the original text, where the check can tell.
        passage: the text that met the rule, as the check read it; never shown to others than moderators.
    """

    rule: RuleHead
    check: str
    field: str = "body"
    span: tuple[int, int] | None = None
    passage: str = ""


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


@dataclass(frozen=True, slots=True)
class Flag:
    """Publish, and alert."""

    ruleset: int
    findings: tuple[Finding, ...]
    uninspected: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True)
class Withhold:
    """Do not publish; a person decides. Either findings or failures name the ground; the first one leads."""

    ruleset: int
    findings: tuple[Finding, ...]
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True)
class Refuse:
    """Do not publish, final."""

    ruleset: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Unjudged:
    """Do not publish and store nothing: a check could not answer and its rule says ``refuse``. Never called spam."""

    ruleset: int
    failures: tuple[Failure, ...]


Verdict: TypeAlias = Allow | Flag | Withhold | Refuse | Unjudged


class _Weight(IntEnum):
    """Order of effects; the heaviest wins. A rule of effect ``retract`` that answers before delivery withholds; ``slow`` is a flag here."""

    ALLOW = 0
    FLAG = 1
    WITHHOLD = 2
    REFUSE = 3


_WEIGHTS = {
    Effect.ALLOW: _Weight.ALLOW,
    Effect.FLAG: _Weight.FLAG,
    Effect.SLOW: _Weight.FLAG,
    Effect.WITHHOLD: _Weight.WITHHOLD,
    Effect.RETRACT: _Weight.WITHHOLD,
    Effect.REFUSE: _Weight.REFUSE,
}


def judge(ruleset: int, findings: Collection[Finding], failures: Collection[Failure] = ()) -> Verdict:
    """Choose the outcome of one inspection.

    Args:
        ruleset: version of the one rule set that all findings come from.
        findings: in any order; those of shadow rules decide nothing, those that an ``allow`` covers neither.
        failures: in any order; each meets the fail mode of its rule.

    Returns:
        ``Refuse`` if a finding says so; else ``Unjudged`` if a failure says refuse; else ``Withhold`` if a finding or a failure says so;
        else ``Flag`` or ``Allow``. Findings lead with the heaviest effect, then the greatest severity, then the rule's id, so that
        the same message gives the same verdict whatever order the checks answered in.
    """
    if not findings and not failures:
        return Allow(ruleset)
    live = [finding for finding in findings if not finding.rule.shadow]
    allowing = [finding for finding in live if finding.rule.effect is Effect.ALLOW]
    seen = tuple(sorted((f for f in live if f not in allowing and not any(_allows(a, f) for a in allowing)), key=_lead))
    failed = tuple(sorted((f for f in failures if not _void(f)), key=lambda f: (f.rule.id, f.check, f.cause)))
    heaviest = _WEIGHTS[seen[0].rule.effect] if seen else None
    if heaviest is _Weight.REFUSE:
        return Refuse(ruleset, seen)
    refusing = tuple(f for f in failed if f.rule.fail is FailMode.REFUSE)
    if refusing:
        return Unjudged(ruleset, refusing)
    holding = tuple(f for f in failed if f.rule.fail is FailMode.HOLD)
    if heaviest is _Weight.WITHHOLD or holding:
        return Withhold(ruleset, seen, holding)
    passing = tuple(f for f in failed if f.rule.fail is FailMode.ALLOW_AND_RESCAN)
    return Flag(ruleset, seen, passing) if seen else Allow(ruleset, passing)


def _allows(allowing: Finding, finding: Finding) -> bool:
    """Say whether an exception covers a finding: same policy, no graver than the exception, the passage inside the excepted one."""
    if allowing.rule.policy != finding.rule.policy or allowing.rule.severity.rank < finding.rule.severity.rank:
        return False
    if allowing.span is None:
        return True
    return finding.span is not None and allowing.span[0] <= finding.span[0] and finding.span[1] <= allowing.span[1]


def _void(failure: Failure) -> bool:
    """Say whether a failure means nothing: that of a shadow rule, or of an exception, which then excepts nothing."""
    return failure.rule.shadow or failure.rule.effect is Effect.ALLOW


def _lead(finding: Finding) -> tuple[int, int, str, str, tuple[int, int], str, str]:
    """Return what orders findings. Every part of them that can differ within one rule set is in it, or their order would be chance."""
    rule = finding.rule
    return (
        -_WEIGHTS[rule.effect],
        -rule.severity.rank,
        rule.id,
        finding.field,
        finding.span or (0, 0),
        finding.check,
        finding.passage,
    )
