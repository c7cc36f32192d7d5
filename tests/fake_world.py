"""What the fakes of the store share: one world in memory, changed only between two steps.

Each method of a fake is: a step, one change that nothing can interrupt, a step. A simulation passes ``step`` to interleave tasks there,
or to crash them by raising: before the change nothing happened, after it everything did, and only the answer is lost.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from parley_protocol import codes
from parley_protocol.frames import Action, Alert, Edited, Posted, Standing
from parley_protocol.ids import AccountId, BoardId, CaseId, PostId
from parley_server.domain.answers import Refused
from parley_server.domain.hints import NodeId
from parley_server.domain.people import Board, Person
from parley_server.domain.posts import Draft, EditDraft, PostState, Repeat
from parley_server.domain.rules import Ground, Policy
from parley_server.domain.takedowns import AlertDraft, Case, CaseAt, Evidence, KeptDraft, Restriction
from parley_server.ports import Change, NodeState, Reply, Session

Step: TypeAlias = Callable[[str], Awaitable[None]]

POLICIES: Final = ("dangerous-goods", "fraud", "harassment", "personal-data", "spam")


async def no_step(label: str) -> None:
    """Do nothing between two steps."""


@dataclass(slots=True)
class FakePost:
    """A post and, while it is published, its texts. ``held``: what waits for a decision, under the restriction that stopped it."""

    draft: Draft
    state: PostState
    seq: int | None = None
    rev: int = 1
    bodies: dict[int, str] = field(default_factory=dict)
    takedown: str | None = None
    held: "tuple[int, Draft | EditDraft, Restriction] | None" = None
    reactions: set[tuple[AccountId, str]] = field(default_factory=set)

    @property
    def unseen(self) -> bool:
        """Whether no reader ever saw it."""
        return self.state in (PostState.HELD, PostState.REFUSED)


@dataclass(frozen=True, slots=True)
class FakeEvent:
    """A place in a log. It refers to its post, as the real one does."""

    seq: int
    kind: str
    post: PostId
    at_us: int
    actor: AccountId | None = None
    emoji: str = ""
    on: bool = True
    restriction: Restriction | None = None


@dataclass(slots=True)
class Kept:
    """A request with an idempotency key, and what it was answered with; see ``ports.KeptAnswers``."""

    digest: bytes
    at_us: int
    reply: Reply | None = None


@dataclass(slots=True)
class FakeWorld:
    """Everything that was committed; survives any crash of those who use it."""

    boards: dict[BoardId, Board] = field(default_factory=dict)
    logs: dict[BoardId, list[FakeEvent]] = field(default_factory=dict)
    posts: dict[PostId, FakePost] = field(default_factory=dict)
    nonces: dict[tuple[AccountId, str], tuple[PostId, str]] = field(default_factory=dict)
    restrictions: dict[str, tuple[Restriction, PostId, int, CaseId]] = field(default_factory=dict)
    records: list[dict[str, object]] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    evidence_reads: list[tuple[PostId, AccountId, str, int]] = field(default_factory=list)
    cases: dict[CaseId, Case] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)
    acknowledged: dict[int, AccountId] = field(default_factory=dict)
    kept: list[KeptDraft] = field(default_factory=list)
    appeals: set[str] = field(default_factory=set)
    reports: list[tuple[PostId, AccountId | None, str]] = field(default_factory=list)
    people: dict[AccountId, Person] = field(default_factory=dict)
    passwords: dict[AccountId, str | None] = field(default_factory=dict)
    sessions: dict[bytes, Session] = field(default_factory=dict)
    policies: dict[str, Policy] = field(
        default_factory=lambda: {
            name: Policy(name, 1, name.capitalize(), Ground.TERMS, "the operator's terms", f"What {name} means.")
            for name in POLICIES
        }
    )
    rules: dict[str, list[tuple[str, dict[str, object]]]] = field(default_factory=dict)
    ruleset: int = 0
    changes: list[Change] = field(default_factory=list)
    nodes: dict[NodeId, tuple[NodeState, float]] = field(default_factory=dict)
    answers: dict[tuple[str, str], Kept] = field(default_factory=dict)

    def note(self, kind: str, subject: str, board: BoardId | None = None, seq: int | None = None) -> None:
        """Number a change that nodes keep in memory."""
        self.changes.append(Change(len(self.changes) + 1, kind, subject, board, seq))

    def append(self, board: BoardId, kind: str, post: PostId, at_us: int) -> int:
        """Append an event that carries nothing of its own."""
        return self.append_event(board, FakeEvent(0, kind, post, at_us))

    def append_event(self, board: BoardId, event: FakeEvent) -> int:
        """Append an event at the board's next seq."""
        log = self.logs[board]
        log.append(replace(event, seq=len(log) + 1))
        if event.kind in ("retracted", "deleted"):
            self.note(event.kind, event.post, board, len(log))
        return len(log)

    def editable(self, draft: EditDraft) -> Refused | None:
        """Decide whether a post as it stands can take this edit."""
        post = self.posts.get(draft.post)
        if post is None or post.draft.board != draft.board:
            return Refused(codes.NO_POST)
        if post.draft.author.id != draft.author.id:
            return Refused(codes.NO_POST if post.unseen else codes.NOT_YOURS)
        if post.state is not PostState.PUBLISHED:
            return Refused(codes.POST_STOPPED)
        if post.held is not None:
            return Refused(codes.EDIT_PENDING)
        return None if post.rev == draft.base_rev else Refused(codes.CONFLICT)

    # Cases and alerts.

    def case_at(self, at: CaseAt) -> Case | Refused:
        """Find a case if it stands at this revision."""
        case = self.cases.get(at.case)
        if case is None:
            return Refused(codes.NO_CASE)
        return case if case.rev == at.rev else Refused(codes.CONFLICT, standing=standing(case))

    def case_of(self, post: PostId, at: CaseAt | None) -> Case | Refused | None:
        """Find the case that a decision on a post is about: the one named, else its open one."""
        if at is not None:
            found = self.case_at(at)
            return Refused(codes.NO_CASE) if isinstance(found, Case) and found.post != post else found
        return next((case for case in self.cases.values() if case.post == post and case.state != "decided"), None)

    def raise_alert(self, post: FakePost, case: Case | None, draft: AlertDraft) -> tuple[Case, Alert]:
        """Add an alert to an open case or to a new one."""
        about = post.draft
        if case is None:
            case = Case(draft.new_case, 1, "new", about.board, about.post, draft.policy, draft.severity, draft.at_us)
        elif draft.severity.rank > case.severity.rank:
            case = replace(case, severity=draft.severity)
        self.cases[case.case] = case
        count = 1 + sum(alert.case == case.case for alert in self.alerts)
        alert = Alert(
            len(self.alerts) + 1,
            case.case,
            draft.severity.value,
            draft.policy,
            draft.stage.value,
            draft.excerpt,
            count,
            draft.at_us,
            about.board,
            draft.rule,
            about.post,
            case.rev,
        )
        self.alerts.append(alert)
        return case, alert

    def decide(self, case: Case, action: Action, by: AccountId | None, policy: str | None, reason: str) -> Case:
        """Close a case with a decision."""
        rev = case.rev + 1
        case = replace(case, rev=rev, state="decided", standing=Standing(case.case, rev, "decided", by, action, policy, reason))
        self.cases[case.case] = case
        return case

    def reopen(self, case: Case) -> Case:
        """Put a decided case back among those that wait."""
        case = replace(case, rev=case.rev + 1, state="new", claimed_by=None, standing=None)
        self.cases[case.case] = case
        return case


def standing(case: Case) -> Standing:
    """Say what stands on a case."""
    if case.standing is not None:
        return case.standing
    return Standing(case.case, case.rev, "claimed" if case.state == "claimed" else "new", case.claimed_by)


def seen_before(world: FakeWorld, draft: Draft) -> Repeat | Refused | None:
    """Answer a nonce that was used before."""
    if (seen := world.nonces.get((draft.author.id, draft.nonce))) is None:
        return None
    post, body = seen
    if body != draft.body:
        return Refused(codes.NONCE_REUSED)
    found = world.posts[post]
    return Repeat(post, found.state, found.seq, found.draft.at_us)


def publish(world: FakeWorld, draft: Draft) -> Posted:
    """Add a new post."""
    post = FakePost(draft, PostState.PUBLISHED, bodies={1: draft.body})
    post.seq = world.append(draft.board, "posted", draft.post, draft.at_us)
    world.posts[draft.post] = post
    world.nonces[draft.author.id, draft.nonce] = (draft.post, draft.body)
    return posted(post)


def publish_edit(world: FakeWorld, draft: EditDraft) -> Edited:
    """Add a revision."""
    post = world.posts[draft.post]
    post.rev += 1
    post.bodies[post.rev] = draft.body
    seq = world.append(draft.board, "edited", draft.post, draft.at_us)
    return Edited(draft.board, seq, draft.post, post.draft.author, draft.body, draft.at_us, post.rev)


def posted(post: FakePost) -> Posted:
    """Render a published post."""
    draft = post.draft
    assert post.seq is not None
    return Posted(draft.board, post.seq, draft.post, draft.author, post.bodies[post.rev], draft.at_us, post.rev, draft.reply_to)
