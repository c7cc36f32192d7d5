"""Values for tests of the store and of what stands on it: each maker fills in what the test does not care about."""

from itertools import count

from parley_protocol.frames import Author
from parley_protocol.ids import AccountId, BoardId, CaseId, PostId, TakedownId, uuid7
from parley_server.bus.local import LocalBus
from parley_server.domain.hints import NodeId
from parley_server.domain.people import Board
from parley_server.domain.posts import Draft, EditDraft
from parley_server.domain.rules import Severity
from parley_server.domain.takedowns import Actor, AlertDraft, CaseAt, Detection, Kind, Restriction, Reversal
from parley_server.domain.verdict import Stage
from parley_server.pipeline.others import Others

AUTHOR = Author(AccountId("acc-author"), "Author")
OTHER = Author(AccountId("acc-other"), "Other")
MODERATOR = AccountId("acc-moderator")
GENERAL = BoardId("general")
QUIET = BoardId("quiet")
DAY_US = 86_400_000_000

_numbers = count(1)


def new_id() -> str:
    """Make an id that was not used before and sorts after those."""
    n = next(_numbers)
    return uuid7(1_700_000_000_000_000 + n * 1000, n.to_bytes(10))


def nobody_else(node: str = "node-1") -> Others:
    """The others of a node that is alone."""
    return Others(NodeId(node), LocalBus(NodeId(node)), None)


def a_board(board: str = GENERAL) -> Board:
    return Board(BoardId(board), board.capitalize(), "A board.", f"epoch-{board}", created_at_us=1)


def a_draft(
    body: str = "hello",
    *,
    board: str = GENERAL,
    author: Author = AUTHOR,
    nonce: str | None = None,
    at_us: int = 1_000,
    reply_to: PostId | None = None,
) -> Draft:
    post = PostId(new_id())
    return Draft(post, BoardId(board), author, nonce or f"nonce-{post}", body, at_us, 0, reply_to)


def an_edit(of: Draft, body: str, *, base_rev: int = 1, author: Author | None = None, at_us: int = 2_000) -> EditDraft:
    return EditDraft(of.post, of.board, author or of.author, base_rev, body, at_us, 0)


def a_restriction(
    kind: Kind = Kind.WITHHOLD,
    *,
    by: AccountId | None = None,
    policy: str = "spam",
    reason: str = "It advertises.",
    facts: str = "The post advertises a shop.",
    at_us: int = 3_000,
    appeal_until_us: int = 3_000 + 180 * DAY_US,
    severity: Severity = Severity.MEDIUM,
    case: CaseAt | None = None,
) -> Restriction:
    """Make a restriction by a rule, or by a moderator where ``by`` is given."""
    machine = by is None
    return Restriction(
        TakedownId(new_id()),
        kind,
        Actor("rule") if machine else Actor("moderator", by),
        policy,
        reason,
        facts,
        severity,
        Stage.INLINE if machine else Stage.MODERATOR,
        Detection(machine, (("casino-spam", 2),) if machine else (), ((0, 5),) if machine else (), 7 if machine else None),
        at_us,
        at_us,
        appeal_until_us,
        "h***o",
        CaseId(new_id()),
        case,
    )


def a_reversal(kind: Kind, *, reason: str = "It does not advertise.", at_us: int = 4_000, case: CaseAt | None = None) -> Reversal:
    return Reversal(TakedownId(new_id()), kind, Actor("moderator", MODERATOR), reason, at_us, case)


def an_alert(*, severity: Severity = Severity.LOW, stage: Stage = Stage.REPORT, at_us: int = 5_000) -> AlertDraft:
    return AlertDraft(CaseId(new_id()), severity, "spam", stage, "h***o", at_us, "casino-spam")
