"""Rules and policies as values.

A policy says what is not allowed and on what ground; a rule says how it is detected and what follows. A rule document (TOML in a
file, the same map over HTTP) becomes a ``Rule`` in ``rule_document.parse``; whether its examples hold is asked of the checks, in
inspection/.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How grave a breach is; orders queues and caps what automation may do."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for the least severe."""
        return list(Severity).index(self)


class Effect(StrEnum):
    """What a rule's match leads to."""

    FLAG = "flag"
    WITHHOLD = "withhold"
    REFUSE = "refuse"
    RETRACT = "retract"


class Disguises(StrEnum):
    """The most that follows from a term that was found only behind a disguise, unless it is strict."""

    WITHHOLD = "withhold"
    FLAG = "flag"
    OFF = "off"


class FailMode(StrEnum):
    """What happens when a rule's check cannot answer in time."""

    HOLD = "hold"
    REFUSE = "refuse"
    ALLOW_AND_RESCAN = "allow-and-rescan"


class Mode(StrEnum):
    """Where a version of a rule stands."""

    DRAFT = "draft"
    LIVE = "live"
    RETIRED = "retired"


class Ground(StrEnum):
    """Why a policy binds: the law, or the operator's terms."""

    LAW = "law"
    TERMS = "terms"


@dataclass(frozen=True, slots=True)
class Policy:
    """One entry of the operator's catalogue. ``reference``: the text that grounds it, as a citation or an address."""

    id: str
    version: int
    title: str
    ground: Ground
    reference: str
    explanation: str


@dataclass(frozen=True, slots=True)
class RuleHead:
    """What a finding carries of the rule that it met."""

    id: str
    version: int
    policy: str
    severity: Severity
    effect: Effect
    fail: FailMode
    disguises: Disguises = Disguises.WITHHOLD


@dataclass(frozen=True, slots=True)
class Flood:
    """Rate and repetition of one author: more than ``posts_max`` posts, or ``repeats_max`` of one text, in ``window_s`` seconds."""

    posts_max: int
    repeats_max: int
    window_s: int


@dataclass(frozen=True, slots=True)
class Links:
    """Domains of links: any link to ``domains`` or below them; with ``others``, any link that is not to them."""

    domains: tuple[str, ...]
    others: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """What a rule looks for; at least one part is given, and any part that matches is enough.

    Attributes:
        patterns: regular expressions in RE2's syntax, read without regard to case.
        strict: those of ``terms`` of which a disguise counts as much as the term itself.
        exceptions: phrases inside which no term and no pattern of this rule counts.
    """

    terms: tuple[str, ...] = ()
    links: Links | None = None
    flood: Flood | None = None
    patterns: tuple[str, ...] = ()
    strict: frozenset[str] = frozenset()
    exceptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One version of a rule.

    Attributes:
        fields: ``body``, ``name`` or both.
        boards: ids, or ``*`` for all.
        must: texts that it must match before it can go live.
        must_not: texts that it must not match.
        document: the map that it was read from, as stored.
    """

    head: RuleHead
    match: Match
    fields: frozenset[str]
    boards: frozenset[str]
    must: tuple[str, ...]
    must_not: tuple[str, ...]
    document: Mapping[str, object]

    def covers(self, board: str, field: str) -> bool:
        """Say whether the rule looks at ``field`` on ``board``."""
        return field in self.fields and ("*" in self.boards or board in self.boards)


@dataclass(frozen=True, slots=True)
class BadRule:
    """A document that is no rule. ``where``: the key, from the outside in."""

    where: str
    says: str
