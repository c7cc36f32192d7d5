"""What the pipeline asks of the world: one contract per outside part.

Each port has one contract suite in ``tests/contract/``, run on the fake and on the real thing. Every method may raise
``Unavailable``; then nothing was changed unless the text says otherwise, and the call may be repeated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from parley_protocol.frames import Alert, Deleted, Edited, Event, Posted, Reacted
from parley_protocol.ids import AccountId, BoardId, CaseId, PostId, SessionId, TakedownId
from parley_server.domain.answers import Refused
from parley_server.domain.people import AccountState, Board, BoardRole, Level, Person, SiteRole
from parley_server.domain.posts import Draft, EditDraft, PostInfo, Reaction, Repeat
from parley_server.domain.rules import Policy, Rule
from parley_server.domain.takedowns import AlertDraft, Case, CaseAt, Evidence, Filed, KeptDraft, Restriction, Reversal
from parley_server.domain.verdict import Finding


class Unavailable(Exception):
    """A part of the world did not answer. The cause is chained; nothing was changed."""


class BoardLog(Protocol):
    """The log of every board: events in one order, bodies apart.

    Seqs of a board start at 1, without gap or repeat, in the order of commit, whichever node appends. What is returned is
    committed: no crash can lose it.
    """

    async def append(self, draft: Draft) -> Posted | Repeat | Refused:
        """Publish a post. A repeated author and nonce give ``Repeat``, with another body ``Refused(nonce_reused)``.

        After ``Unavailable`` it may nevertheless be stored; the same nonce again finds out.
        """
        ...

    async def edit(self, draft: EditDraft) -> Edited | Refused:
        """Publish a new revision: ``conflict`` unless ``base_rev`` is the latest, ``post_stopped``, ``edit_pending``, ``no_post``."""
        ...

    async def delete(self, post: PostId, author: AccountId, at_us: int) -> Deleted | Refused:
        """Remove an author's own post and its text; ``not_yours``, ``post_stopped`` (also if already deleted), ``no_post``."""
        ...

    async def react(self, reaction: Reaction) -> Reacted | Refused | None:
        """Add or take back a reaction; ``None`` if that is how it stands already."""
        ...

    async def head(self, board: BoardId) -> tuple[str, int] | None:
        """Return epoch and greatest seq (0 if none), or ``None`` if there is no such board."""
        ...

    async def read(self, board: BoardId, after: int, limit: int) -> list[Event]:
        """Return the events after seq ``after``, in order, rendered as of now: stopped content reads as ``Gone``, a body is the latest."""
        ...

    async def info(self, post: PostId) -> PostInfo | None:
        """Return what is known of a post."""
        ...

    async def search(self, words: Sequence[str], boards: Sequence[BoardId], limit: int) -> list[Posted]:
        """Return published posts that hold all ``words`` (tokens of domain/search.py), newest first, as ``posted`` with their seq."""
        ...


class Takedowns(Protocol):
    """Restrictions: state change, record, sealed evidence, case and alert commit together or not at all."""

    async def stop(self, draft: Draft | EditDraft, restriction: Restriction) -> Filed | Repeat | Refused:
        """Store a post or an edit that was withheld or refused (``restriction.kind``). It takes no seq and leaves no readable body.

        Nonces as in ``append``. For edits the published revision stays visible; ``edit_pending``, ``conflict``, ``post_stopped`` as in ``edit``.
        """
        ...

    async def flag(self, draft: Draft | EditDraft, alert: AlertDraft) -> Filed | Repeat | Refused:
        """Publish and raise an alert in the same transaction; ``Filed.event`` is what readers get."""
        ...

    async def retract(self, post: PostId, restriction: Restriction) -> Filed | Refused:
        """Stop a published post: seal every revision, remove the bodies, append ``Retracted``. ``post_stopped``, ``no_post``, ``conflict``."""
        ...

    async def release(self, post: PostId, reversal: Reversal) -> Filed | Refused:
        """Publish a held post (new seq, original time) or edit. ``not_held``, ``no_post``, ``conflict``."""
        ...

    async def refuse(self, post: PostId, restriction: Restriction) -> Filed | Refused:
        """End a held post or edit unpublished, final. ``not_held``, ``no_post``, ``conflict``."""
        ...

    async def restore(self, post: PostId, reversal: Reversal) -> Filed | Refused:
        """Publish a retracted post again. ``not_retracted``, ``no_post``, ``conflict``."""
        ...

    async def dismiss(self, at: CaseAt, by: AccountId, reason: str, at_us: int) -> Filed | Refused:
        """Close a case and leave its post as it is. ``no_case``, ``conflict``."""
        ...

    async def report(self, post: PostId, by: AccountId | None, text: str, alert: AlertDraft) -> Filed | Refused:
        """Store somebody's report of a post; raises an alert on the post's open case, or opens one. ``no_post``."""
        ...

    async def appeal(self, takedown: TakedownId, by: AccountId, text: str, alert: AlertDraft) -> Filed | Refused:
        """Store the author's objection to a takedown; reopens the case. ``no_takedown``, ``not_yours``, ``again``."""
        ...

    async def records(
        self, *, post: PostId | None = None, author: AccountId | None = None, after: str | None = None, limit: int = 100
    ) -> list[dict[str, object]]:
        """Return takedown records as their public map, oldest first; ``after``: the last record's id."""
        ...

    async def record(self, takedown: TakedownId) -> dict[str, object] | None:
        """Return one takedown record, or one reversal, as its public map."""
        ...

    async def open_evidence(self, post: PostId, by: AccountId, purpose: str, at_us: int) -> list[Evidence]:
        """Unseal the stopped texts of a post, newest revision first. The reading is recorded in the same transaction."""
        ...


class RecordLog(Protocol):
    """The leaves of takedowns and reversals (domain/record_leaf.py), one for each, from 1 on without gap, in the order of commit.

    A leaf commits with its record or not at all. What is returned never changes.
    """

    async def size(self) -> int:
        """Return the number of leaves."""
        ...

    async def leaves(self, after: int, limit: int) -> list[bytes]:
        """Return leaves above number ``after``, in order."""
        ...


class Alerts(Protocol):
    """The moderators' stream and its cases. ``n`` rises by one with each alert, in the order of commit."""

    async def head(self) -> int:
        """Return the greatest ``n``; 0 if none."""
        ...

    async def after(self, n: int, boards: frozenset[str] | None, limit: int) -> list[Alert]:
        """Return alerts above ``n`` on ``boards`` (``None``: all), in order."""
        ...

    async def unacknowledged(self, boards: frozenset[str] | None, limit: int) -> list[Alert]:
        """Return alerts that nobody acknowledged, in order."""
        ...

    async def acknowledge(self, n: int, by: AccountId, at_us: int, boards: frozenset[str] | None) -> Refused | None:
        """Note that a person saw an alert; again is no error. ``no_alert``."""
        ...

    async def case(self, case: CaseId) -> Case | None:
        """Return a case as it stands."""
        ...

    async def cases(self, *, state: str | None, boards: frozenset[str] | None, after: str | None, limit: int) -> list[Case]:
        """Return cases, oldest first; ``after``: the last case's id."""
        ...

    async def claim(self, at: CaseAt, by: AccountId, at_us: int) -> Case | Refused:
        """Take a case by compare-and-set on its revision. ``no_case``; ``conflict`` with what stands."""
        ...

    async def keep(self, draft: KeptDraft) -> None:
        """Keep what a moderator wrote for a case that another decided first."""
        ...

    async def kept(self, case: CaseId) -> list[KeptDraft]:
        """Return the texts kept for a case, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in account. ``expires_at_us``: ``None`` for a bot's token."""

    session: SessionId
    account: AccountId
    expires_at_us: int | None


class People(Protocol):
    """Accounts, sessions, boards and roles. A password and a token are only ever stored as hashes."""

    async def create_account(
        self, account: AccountId, handle: str, name: str, password_hash: str | None, role: SiteRole, level: Level, at_us: int
    ) -> Refused | None:
        """Add an account; ``taken`` if the handle (folded) is another's."""
        ...

    async def password(self, handle: str) -> tuple[AccountId, str | None] | None:
        """Return account and password hash for a handle."""
        ...

    async def set_password(self, account: AccountId, password_hash: str) -> None:
        """Replace a password hash."""
        ...

    async def person(self, account: AccountId) -> Person | None:
        """Return an account with its roles, as of now."""
        ...

    async def persons(self, accounts: Sequence[AccountId]) -> dict[AccountId, Person]:
        """Return those of ``accounts`` that there are, of one moment, as ``person`` does."""
        ...

    async def people(self, *, after: str | None, limit: int) -> list[Person]:
        """Return accounts by handle; ``after``: the last handle."""
        ...

    async def find(self, handle: str) -> Person | None:
        """Return an account by handle."""
        ...

    async def set_account(
        self, account: AccountId, *, role: SiteRole | None = None, state: AccountState | None = None, level: Level | None = None
    ) -> Refused | None:
        """Change an account; ``no_account``."""
        ...

    async def open_session(self, session: Session, token_hash: bytes, label: str, at_us: int) -> None:
        """Store a session under the hash of its token."""
        ...

    async def session(self, token_hash: bytes) -> Session | None:
        """Return an unrevoked session, also when expired (the caller compares the time)."""
        ...

    async def sessions(self, token_hashes: Sequence[bytes]) -> dict[bytes, Session]:
        """Return the unrevoked sessions of ``token_hashes`` by these, of one moment, as ``session`` does."""
        ...

    async def close_session(self, session: SessionId) -> None:
        """Revoke a session."""
        ...

    async def create_board(self, board: Board, founder: AccountId) -> Refused | None:
        """Add a board with its founder's role; ``taken``."""
        ...

    async def boards(self) -> list[Board]:
        """Return every board."""
        ...

    async def set_board(self, board: Board) -> Refused | None:
        """Change name, summary, state or visibility; ``no_board``."""
        ...

    async def set_role(self, board: BoardId, account: AccountId, role: BoardRole, by: AccountId, at_us: int) -> Refused | None:
        """Give a role on a board; ``member`` removes any other. ``no_board``, ``no_account``."""
        ...


@dataclass(frozen=True, slots=True)
class Activation:
    """A rule that went live. ``ruleset``: the version of the whole set from then on."""

    rule: Rule
    ruleset: int
    at_us: int


class Rules(Protocol):
    """Policies and rule versions. The rule set has one version that rises with each activation or retirement."""

    async def policies(self) -> list[Policy]:
        """Return the catalogue."""
        ...

    async def put_policy(self, policy: Policy, by: AccountId | None, at_us: int) -> Policy:
        """Add a policy, or a new version of one; returns it with its version."""
        ...

    async def add(self, document: Mapping[str, object], rule_id: str, by: AccountId | None, at_us: int) -> int:
        """Store a draft as the rule's next version; returns that version."""
        ...

    async def get(self, rule_id: str) -> tuple[int, str, Mapping[str, object]] | None:
        """Return version, mode and document of a rule's latest version."""
        ...

    async def all(self) -> list[tuple[str, int, str, Mapping[str, object]]]:
        """Return id, version, mode and document of every rule's latest version."""
        ...

    async def live(self) -> tuple[int, list[tuple[int, Mapping[str, object]]]]:
        """Return the rule set's version, and version and document of each live rule."""
        ...

    async def activate(self, rule_id: str, version: int, by: AccountId | None, at_us: int) -> int:
        """Make a version live in place of the rule's earlier one; returns the new rule-set version."""
        ...

    async def retire(self, rule_id: str, by: AccountId | None, at_us: int) -> int | None:
        """Take a rule out; returns the new rule-set version, ``None`` if it was not live."""
        ...


@dataclass(frozen=True, slots=True)
class Item:
    """What is inspected: one field of one act.

    Attributes:
        field: ``body`` or ``name``.
        author: whose act it is.
        at_us: when it was received.
        edit: whether it replaces an earlier text (an edit is no repetition of itself).
    """

    field: str
    text: str
    board: BoardId
    author: AccountId
    at_us: int
    edit: bool = False


class Check(Protocol):
    """One way to look at a text. Compiled for one rule set; a new rule set makes new checks.

    ``local`` checks answer without waiting for anything. Others run at once beside each other and are cut off at the budget.
    An exception or a cut is no finding: each rule of the check meets its own fail mode.
    """

    @property
    def name(self) -> str:
        """Short name, as it stands in records."""
        ...

    @property
    def local(self) -> bool:
        """Whether it answers without waiting."""
        ...

    @property
    def rules(self) -> Sequence[Rule]:
        """The rules that need this check."""
        ...

    async def inspect(self, item: Item) -> Sequence[Finding]:
        """Return what was seen; only of rules that cover the item's board and field."""
        ...
