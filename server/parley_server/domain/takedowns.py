"""Restrictions and their records, as values.

A restriction is what is decided; the store turns it into record, sealed evidence, case, alert and state change, all in one
transaction. What the record holds follows the statement of reasons of the Digital Services Act.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from parley_protocol.frames import Alert, CaseState, Edited, Posted, Restored, Retracted, Standing, VerdictNotice
from parley_protocol.ids import AccountId, BoardId, CaseId, PostId, TakedownId
from parley_server.domain.rules import Severity
from parley_server.domain.verdict import Stage

APPEAL_WITHIN_US: Final = 183 * 86_400 * 1_000_000
"""Time for an appeal: six months."""


class Kind(StrEnum):
    """What a takedown record records."""

    WITHHOLD = "withhold"
    REFUSE = "refuse"
    RETRACT = "retract"
    RELEASE = "release"
    RESTORE = "restore"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acted. ``type``: ``system``, ``rule``, ``moderator``, ``administrator``, ``author`` or ``reporter``."""

    type: str
    account: AccountId | None = None


@dataclass(frozen=True, slots=True)
class Detection:
    """How it was found. ``rules``: id and version of each rule that matched; ``spans`` in the original text.

    ``normaliser``: by which version of the readings; ``disguises``: what the terms were hidden by.
    """

    automated: bool
    rules: tuple[tuple[str, int], ...] = ()
    spans: tuple[tuple[int, int], ...] = ()
    ruleset: int | None = None
    failed_checks: tuple[str, ...] = ()
    normaliser: str = ""
    disguises: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Restriction:
    """A decision to stop a post or an edit, with its reasons.

    Attributes:
        facts: what happened, for the record; no personal data of others.
        reason: what the author reads.
        detected_at_us: when it was found; the store adds when it was recorded.
        stopped_at_us: when readers stopped getting it (``detected_at_us`` if nobody ever did).
        excerpt: masked, for the alert.
        case: decide this case, if it still stands at this revision.
    """

    takedown: TakedownId
    kind: Kind
    actor: Actor
    policy: str
    reason: str
    facts: str
    severity: Severity
    stage: Stage
    detection: Detection
    detected_at_us: int
    stopped_at_us: int
    appeal_until_us: int
    excerpt: str
    new_case: CaseId
    case: "CaseAt | None" = None


@dataclass(frozen=True, slots=True)
class Reversal:
    """A decision to publish after all: a release of a withheld text, a restoration of a retracted one."""

    takedown: TakedownId
    kind: Kind
    actor: Actor
    reason: str
    at_us: int
    case: "CaseAt | None" = None


@dataclass(frozen=True, slots=True)
class CaseAt:
    """A case at the revision that its reader saw."""

    case: CaseId
    rev: int


@dataclass(frozen=True, slots=True)
class AlertDraft:
    """An alert without restriction: a flag, a report, an appeal. Opens ``new_case`` unless the post has an open one."""

    new_case: CaseId
    severity: Severity
    policy: str
    stage: Stage
    excerpt: str
    at_us: int
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """What moderators decide."""

    case: CaseId
    rev: int
    state: CaseState
    board: BoardId
    post: PostId
    policy: str
    severity: Severity
    opened_at_us: int
    claimed_by: AccountId | None = None
    standing: Standing | None = None


@dataclass(frozen=True, slots=True)
class Filed:
    """What one committed moderation act leaves to tell: each part to whom it concerns.

    Attributes:
        event: for the readers of the board, if the act changed what they see.
        verdict: for the author.
        alert: for the watchers, if the act raised one.
        case: the case as it stands now.
    """

    author: AccountId
    board: BoardId
    post: PostId
    case: Case
    takedown: TakedownId | None = None
    event: "Published | Retracted | None" = None
    verdict: VerdictNotice | None = None
    alert: Alert | None = None


Published: TypeAlias = Posted | Edited | Restored


@dataclass(frozen=True, slots=True)
class Evidence:
    """One sealed text, opened: a revision of a post that was stopped."""

    takedown: TakedownId
    post: PostId
    rev: int
    body: str
    sealed_at_us: int


@dataclass(frozen=True, slots=True)
class KeptDraft:
    """What a moderator wrote for a case that someone else decided first."""

    case: CaseId
    by: AccountId
    action: str
    policy: str | None
    reason: str | None
    at_us: int = field(default=0)
