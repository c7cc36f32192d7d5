"""Rules and policies as values.

A policy says what is not allowed and on what ground; a rule says how it is detected and what follows. A rule document (TOML in a
file, the same map over HTTP) becomes a ``Rule`` in ``rule_document.parse``; whether its examples hold is asked of the checks, in
inspection/.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
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
    """What a rule's match leads to.

    ``allow`` lets pass what other rules of the same policy would stop; ``slow`` lets pass, flags, and makes the author wait between posts.
    """

    ALLOW = "allow"
    FLAG = "flag"
    SLOW = "slow"
    WITHHOLD = "withhold"
    REFUSE = "refuse"
    RETRACT = "retract"


class FailMode(StrEnum):
    """What happens when a rule's check cannot answer in time."""

    HOLD = "hold"
    REFUSE = "refuse"
    ALLOW_AND_RESCAN = "allow-and-rescan"


class Mode(StrEnum):
    """Where a version of a rule stands. In ``shadow`` it judges, and what it would have done is counted; nobody but its owners sees it."""

    DRAFT = "draft"
    SHADOW = "shadow"
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


class Sanction(StrEnum):
    """What a rule may propose against an account."""

    NOTICE = "notice"
    LIMIT = "limit"
    MUTE = "mute"
    SUSPEND = "suspend"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A sanction that a rule proposes to the moderators; no rule imposes one. ``for_s``: seconds, ``None`` until it is lifted."""

    sanction: Sanction
    for_s: int | None


@dataclass(frozen=True, slots=True)
class RuleHead:
    """What a finding carries of the rule that it met.

    Attributes:
        shadow: what it finds is counted and has no effect.
        slow_s: for effect ``slow``: seconds that the author waits between two posts on the board, for as long as ``SLOW_FOR_S``.
        proposes: what it proposes to whoever decides.
        probe: which table of the rule's condition was met (``Node.probe``); 0 once the whole condition was asked.
    """

    id: str
    version: int
    policy: str
    severity: Severity
    effect: Effect
    fail: FailMode
    shadow: bool = False
    slow_s: int = 0
    proposes: Proposal | None = None
    probe: int = 0


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


class CrowdOf(StrEnum):
    """What many accounts do alike."""

    TEXT = "text"
    LINK = "link"
    JOIN = "join"


@dataclass(frozen=True, slots=True)
class Crowd:
    """Many accounts that do the same: ``accounts`` or more of them within ``window_s`` seconds."""

    same: CrowdOf
    accounts: int
    window_s: int


@dataclass(frozen=True, slots=True)
class ListRef:
    """A list of terms that is kept apart from the rules. ``version``: ``None`` takes the latest when the rule is stored."""

    list: str
    version: int | None


@dataclass(frozen=True, slots=True)
class Match:
    """What a rule looks for; at least one part is given, and any part that matches is enough.

    Attributes:
        terms: those of the document; with those of ``lists``, once they were read from the store.
        patterns: regular expressions in RE2's syntax, read without regard to case.
    """

    terms: tuple[str, ...] = ()
    lists: tuple[ListRef, ...] = ()
    links: Links | None = None
    flood: Flood | None = None
    crowd: Crowd | None = None
    patterns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AuthorIs:
    """Who the author must be; every part that is given must hold.

    Attributes:
        younger_s: the account is younger than so many seconds.
        levels: its verification is one of these.
        roles: its role on the site or on the board is one of these.
        posts_below: it has published fewer posts.
        restricted_within_s: it was restricted within so many seconds.
    """

    younger_s: int | None = None
    levels: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    posts_below: int | None = None
    restricted_within_s: int | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """One table of a rule's condition; every part that is given must hold.

    Attributes:
        match: what to look for in the text; any of its parts is enough.
        probe: the number of ``match`` within the rule, from 1 on in the order of the document; 0 if there is none.
        languages: the text is in one of these (ISO 639-1).
        all: each of these holds.
        any: at least one of these holds.
        none: none of these holds.
    """

    match: Match | None = None
    probe: int = 0
    author: AuthorIs | None = None
    languages: frozenset[str] = frozenset()
    all: "tuple[Node, ...]" = ()
    any: "tuple[Node, ...]" = ()
    none: "tuple[Node, ...]" = ()

    @property
    def plain(self) -> bool:
        """Whether it only looks for something in the text."""
        return self.match is not None and not (self.author or self.languages or self.all or self.any or self.none)


@dataclass(frozen=True, slots=True)
class Rule:
    """One version of a rule.

    Attributes:
        match: what the checks look for: the whole condition of a plain rule, one table of another's.
        root: the condition.
        rollout: percent of authors whom it looks at; the same ones every time.
        expires_us: when it ends to judge.
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
    root: Node
    rollout: int = 100
    expires_us: int | None = None

    @property
    def plain(self) -> bool:
        """Whether a match is all that it asks for."""
        return self.root.plain and self.rollout == 100 and self.expires_us is None

    def covers(self, board: str, field: str) -> bool:
        """Say whether the rule looks at ``field`` on ``board``."""
        return field in self.fields and ("*" in self.boards or board in self.boards)


@dataclass(frozen=True, slots=True)
class BadRule:
    """A document that is no rule. ``where``: the key, from the outside in."""

    where: str
    says: str


@dataclass(frozen=True, slots=True)
class StoredRule:
    """One version of a rule as it is stored.

    Attributes:
        by: who wrote it; ``None``: the operator's files.
        approved_by: who approved it.
    """

    rule: str
    version: int
    mode: Mode
    document: Mapping[str, object]
    by: str | None = None
    approved_by: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class TermList:
    """One version of a list of terms."""

    name: str
    version: int
    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShadowCount:
    """What one version of a rule would have done on one board.

    Attributes:
        inspected: texts that it looked at.
        would: of these, those that it met.
        also: of these, those that live rules found as well.
        samples: masked excerpts of texts that it met, newest last.
    """

    rule: str
    version: int
    board: str
    inspected: int
    would: int
    also: int
    samples: tuple[str, ...] = ()


def judging(rule: Rule, mode: Mode) -> Rule:
    """Return the rule as it judges in ``mode``."""
    return replace(rule, head=replace(rule.head, shadow=mode is Mode.SHADOW))
