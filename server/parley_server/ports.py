"""What the pipeline asks of the world: one contract per outside part.

Each port has one contract suite in ``tests/contract/``, run on the fake and on the real thing. Every method may raise
``Unavailable``; then nothing was changed unless the text says otherwise, and the call may be repeated.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from parley_protocol.frames import Alert, Deleted, Edited, Event, Posted, Reacted
from parley_protocol.ids import AccountId, BoardId, CaseId, PostId, SessionId, TakedownId
from parley_protocol.values import dataclass
from parley_server.domain.answers import Refused
from parley_server.domain.conditions import AuthorFacts
from parley_server.domain.hints import Hint, NodeId, Urgent
from parley_server.domain.people import AccountState, Board, BoardRole, Level, Person, SiteRole
from parley_server.domain.posts import Draft, EditDraft, PostInfo, Reaction, Repeat
from parley_server.domain.rules import Policy, Rule, ShadowCount, StoredRule, TermList
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

    async def heads(self, boards: Sequence[BoardId]) -> dict[BoardId, int]:
        """Return the greatest seq of each of ``boards``, in one query; a board that does not exist is left out."""
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


@dataclass(frozen=True, slots=True)
class History:
    """An account's past. ``posts``: how many it published, counted up to ``domain.bounds.POSTS_COUNTED_MAX``; times as in ``AuthorFacts``."""

    created_at_us: int
    posts: int
    restricted_at_us: int | None


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

    async def history(self, account: AccountId) -> History | None:
        """Return since when an account exists and what became of its posts."""
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

    async def board(self, board: BoardId) -> Board | None:
        """Return one board, as of now."""
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

    async def get(self, rule_id: str) -> StoredRule | None:
        """Return a rule's latest version."""
        ...

    async def all(self) -> list[StoredRule]:
        """Return every rule's latest version, by id."""
        ...

    async def in_force(self) -> tuple[int, list[StoredRule]]:
        """Return the rule set's version, and the versions that judge: live and in the shadow, by id, live ones first."""
        ...

    async def activate(self, rule_id: str, version: int, by: AccountId | None, at_us: int, *, shadow: bool = False) -> int:
        """Make a version live, or let it judge in the shadow, in place of the rule's earlier one there; returns the new rule-set version."""
        ...

    async def retire(self, rule_id: str, by: AccountId | None, at_us: int) -> int | None:
        """Take a rule out, live and in the shadow; returns the new rule-set version, ``None`` if it was neither."""
        ...

    async def approve(self, rule_id: str, version: int, by: AccountId, at_us: int) -> Refused | None:
        """Note that a person approves a version; again is no error. ``no_rule``; ``forbidden`` to whoever wrote it."""
        ...

    async def put_list(self, name: str, terms: Sequence[str], by: AccountId | None, at_us: int) -> int:
        """Store a list of terms, or the next version of one; returns that version."""
        ...

    async def term_list(self, name: str, version: int | None = None) -> TermList | None:
        """Return a version of a list, the latest for ``None``."""
        ...

    async def term_lists(self) -> list[tuple[str, int, int]]:
        """Return name, latest version and number of terms of every list, by name."""
        ...

    async def count_shadow(self, counts: Sequence[ShadowCount]) -> None:
        """Add to what rules in the shadow would have done; of the samples of a board the latest ``SHADOW_SAMPLES`` are kept."""
        ...

    async def shadow(self, rule_id: str, version: int) -> list[ShadowCount]:
        """Return what a version would have done so far, by board."""
        ...


@dataclass(frozen=True, slots=True)
class Item:
    """What is inspected: one field of one act.

    Attributes:
        field: ``body`` or ``name``.
        author: whose act it is.
        at_us: when it was received.
        edit: whether it replaces an earlier text (an edit is no repetition of itself).
        facts: what is known of the author; ``None`` where nobody asked.
        join: whether it is the handle of an account that is being made.
    """

    field: str
    text: str
    board: BoardId
    author: AccountId
    at_us: int
    edit: bool = False
    facts: AuthorFacts | None = None
    join: bool = False


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


class Bus(Protocol):
    """The way to the other nodes of the site. Everything on it may be lost, doubled, late or shuffled; nothing waits for it but ``ask``.

    An ordinary hint is taken at most ``limits.HINT_AGE_S_MAX`` after it was sent, or never: no text on its way outlives the suppression of
    its post. An urgent one waits until it can be sent.
    """

    @property
    def up(self) -> bool:
        """Whether other nodes can be reached now, as far as this one knows."""
        ...

    def send(self, hint: Hint) -> None:
        """Give a hint to every other node. Never waits, never raises.

        Full: the oldest hint of the lane is dropped (``limits.ORDINARY_HINTS_MAX``, ``limits.URGENT_HINTS_MAX``).
        """
        ...

    async def ask(self, hint: Urgent, nodes: frozenset[NodeId], within_s: float) -> frozenset[NodeId]:
        """Send an urgent hint, wait until all of ``nodes`` acted on it or ``within_s`` is over; returns those that did."""
        ...

    async def run(self, take: Callable[[Hint], Awaitable[None]]) -> None:
        """Hand over what other nodes send, until cancelled: urgent hints ahead of ordinary ones, each lane in the order of its arrival.

        ``take`` of an urgent hint begins when it has arrived, whether or not that of an earlier one still waits for something: a
        suppression is not held up by a node that reads an account. An ordinary one begins when the one before it has ended.
        An urgent hint is answered for (see ``ask``) once ``take`` returned; one for which it raised is not, and the error is logged.
        The connection to the others is made again, after growing waits, whenever it is lost.
        """
        ...


@dataclass(frozen=True, slots=True)
class Change:
    """One committed change of what nodes keep in memory. ``n`` rises by one with each, in the order of commit.

    Attributes:
        kind: ``person``, ``session``, ``board``, ``rules``, ``policies``, or of a post ``retracted`` or ``deleted``.
        subject: the account, session, board, rule, policy or post.
        board: of a post, and ``seq``: of the event that stopped it.
    """

    n: int
    kind: str
    subject: str
    board: BoardId | None = None
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class NodeState:
    """What a node says of itself at each beat.

    Attributes:
        heard: number of the last ``Change`` that it acted on; not of the rules, which take time to compile.
        ruleset: version that it judges by, and ``ruleset_at_us`` since when.
    """

    node: NodeId
    heard: int
    ruleset: int
    ruleset_at_us: int


@dataclass(frozen=True, slots=True)
class Seen:
    """The site at one moment. ``changes``: the last change's number; ``others``: the nodes that live, by name."""

    changes: int
    others: tuple[NodeState, ...]


class Nodes(Protocol):
    """Which processes serve the site, and what changed that each of them keeps in memory.

    A node lives until it leaves, or until its last beat is older than ``store.bounds.NODE_LEASE_S`` by the database's clock.
    """

    async def beat(self, state: NodeState) -> Seen:
        """Say that this node lives, and how far it is. What is seen is of a moment when all others can see this beat."""
        ...

    async def look(self, node: NodeId) -> Seen:
        """See the site as ``node`` does, without a beat; everything is in it that was committed before the call."""
        ...

    async def leave(self, node: NodeId) -> None:
        """Say that a node ended."""
        ...

    async def changes(self, after: int, limit: int) -> list[Change]:
        """Return changes above ``after``, in order; those older than ``store.bounds.CHANGES_KEPT_S`` may be missing."""
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of HTTP as it went out."""

    status: int
    data: bytes
    content_type: str


class KeptAnswers(Protocol):
    """Answers kept for requests that are made again with the same ``Idempotency-Key``, on whichever node."""

    async def begin(self, who: str, key: str, digest: bytes, at_us: int) -> Reply | Refused | None:
        """Start a request.

        Args:
            who: account or address.
            digest: of everything that the request says.

        Returns:
            ``None`` if it is new, and ``end`` is to be called; what it was answered with before; ``nonce_reused`` if the key belongs to
            another request; ``limited`` if the first one is still under way.
        """
        ...

    async def end(self, who: str, key: str, reply: Reply | None) -> None:
        """Keep an answer; ``None`` forgets the request, so that it can be tried again."""
        ...
