"""Every frame of wire v1, as values.

A frame's ``type`` is what the map carries under ``"type"``. Times are integer microseconds since the epoch, ids are strings.
Frames that are events of a board's log carry ``board`` and ``seq``; the server hands those very values from the store to the
hub, so that an event has one shape everywhere.

Source: protocol/SPEC.md, "Client frames" and "Server frames".
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Literal, TypeAlias

from parley_protocol import limits
from parley_protocol.fields import Int, Many, Text
from parley_protocol.ids import AccountId, BoardId, CaseId, PostId, SessionId, TakedownId

Id: TypeAlias = Annotated[str, Text(limits.ID_BYTES_MAX)]
Account: TypeAlias = Annotated[AccountId, Text(limits.ID_BYTES_MAX)]
Board: TypeAlias = Annotated[BoardId, Text(limits.ID_BYTES_MAX)]
PostRef: TypeAlias = Annotated[PostId, Text(limits.ID_BYTES_MAX)]
TakedownRef: TypeAlias = Annotated[TakedownId, Text(limits.ID_BYTES_MAX)]
CaseRef: TypeAlias = Annotated[CaseId, Text(limits.ID_BYTES_MAX)]
Name: TypeAlias = Annotated[str, Text(limits.NAME_BYTES_MAX)]
Reason: TypeAlias = Annotated[str, Text(limits.REASON_BYTES_MAX)]
Emoji: TypeAlias = Annotated[str, Text(limits.EMOJI_BYTES_MAX)]
# A body that is too long, empty or no text is answered with its own code, so the frame lets it pass (domain/text.py judges it).
Body: TypeAlias = Annotated[str, Text(limits.FRAME_BYTES_MAX, bytes_min=0, nul=True)]
Seq: TypeAlias = Annotated[int, Int()]
Rev: TypeAlias = Annotated[int, Int(1)]
Micros: TypeAlias = Annotated[int, Int()]
Millis: TypeAlias = Annotated[int, Int()]
Count: TypeAlias = Annotated[int, Int()]
RequestRef: TypeAlias = Annotated[int, Int()] | Annotated[str, Text(limits.ID_BYTES_MAX)]
Severity: TypeAlias = Literal["low", "medium", "high", "critical"]
CaseState: TypeAlias = Literal["new", "claimed", "decided"]
Outcome: TypeAlias = Literal["held", "released", "refused", "retracted", "restored"]
Action: TypeAlias = Literal["release", "refuse", "retract", "restore", "dismiss"]


# Client frames.


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a board's log: the last seq that the reader has, and the log it belongs to."""

    board: Board
    epoch: Id
    seq: Seq


@dataclass(frozen=True, slots=True)
class Hello:
    """First frame of a connection; without a token its sender is a guest."""

    type: ClassVar[str] = "hello"
    v: Count
    client: Annotated[str, Text(limits.NAME_BYTES_MAX, bytes_min=0)] = ""
    token: Annotated[str, Text(limits.TOKEN_BYTES_MAX)] | None = None
    resume: Annotated[tuple[Cursor, ...], Many(limits.SUBSCRIPTIONS_MAX)] = ()


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Follow a board: from a cursor where one is given, else from now on. ``kinds`` narrows what is sent."""

    type: ClassVar[str] = "subscribe"
    id: RequestRef
    board: Board
    epoch: Id | None = None
    seq: Seq | None = None
    kinds: Annotated[tuple[Id, ...], Many(limits.KINDS_MAX)] = ()


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Stop following a board."""

    type: ClassVar[str] = "unsubscribe"
    id: RequestRef
    board: Board


@dataclass(frozen=True, slots=True)
class Typing:
    """The sender is writing; also what its readers get, then with ``account``. Droppable, never logged."""

    type: ClassVar[str] = "typing"
    board: Board
    account: Account | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """The sender has read the board up to ``seq``."""

    type: ClassVar[str] = "read"
    board: Board
    seq: Seq


@dataclass(frozen=True, slots=True)
class Post:
    """Publish ``body``. The same author and nonce again give the first answer again."""

    type: ClassVar[str] = "post"
    id: RequestRef
    board: Board
    nonce: Id
    body: Body
    reply_to: PostRef | None = None
    attachments: Annotated[tuple[Id, ...], Many(limits.ATTACHMENTS_MAX)] = ()


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the body of one's own post; ``rev`` is the revision that the author saw."""

    type: ClassVar[str] = "edit"
    id: RequestRef
    post: PostRef
    rev: Rev
    body: Body


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove one's own post."""

    type: ClassVar[str] = "delete"
    id: RequestRef
    post: PostRef


@dataclass(frozen=True, slots=True)
class React:
    """Add (``on``) or take back a reaction."""

    type: ClassVar[str] = "react"
    id: RequestRef
    post: PostRef
    emoji: Emoji
    on: bool = True


@dataclass(frozen=True, slots=True)
class Retract:
    """Stop a published post everywhere."""

    type: ClassVar[str] = "retract"
    id: RequestRef
    post: PostRef
    policy: Name
    reason: Reason


@dataclass(frozen=True, slots=True)
class Restore:
    """Undo a retraction."""

    type: ClassVar[str] = "restore"
    id: RequestRef
    post: PostRef
    reason: Reason


@dataclass(frozen=True, slots=True)
class Release:
    """Publish a withheld post or edit."""

    type: ClassVar[str] = "release"
    id: RequestRef
    post: PostRef
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Refuse:
    """End a withheld post or edit unpublished."""

    type: ClassVar[str] = "refuse"
    id: RequestRef
    post: PostRef
    policy: Name
    reason: Reason


@dataclass(frozen=True, slots=True)
class Watch:
    """Follow the alerts of the site or of one board: those after ``after``, or all that nobody acknowledged."""

    type: ClassVar[str] = "watch"
    id: RequestRef
    scope: Id
    after: Seq | None = None


@dataclass(frozen=True, slots=True)
class Ack:
    """Say that a person has seen an alert."""

    type: ClassVar[str] = "ack"
    id: RequestRef
    alert: Seq


@dataclass(frozen=True, slots=True)
class Claim:
    """Take a case, if it still stands at ``rev``."""

    type: ClassVar[str] = "claim"
    id: RequestRef
    case: CaseRef
    rev: Rev


@dataclass(frozen=True, slots=True)
class Decide:
    """Decide a case, if it still stands at ``rev``; ``dismiss`` leaves the post as it is."""

    type: ClassVar[str] = "decide"
    id: RequestRef
    case: CaseRef
    rev: Rev
    action: Action
    policy: Name | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Ping:
    """Ask for a ``pong``."""

    type: ClassVar[str] = "ping"
    id: RequestRef


ClientFrame: TypeAlias = (
    Hello
    | Subscribe
    | Unsubscribe
    | Typing
    | Read
    | Post
    | Edit
    | Delete
    | React
    | Retract
    | Restore
    | Release
    | Refuse
    | Watch
    | Ack
    | Claim
    | Decide
    | Ping
)


# Server frames: parts.


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote a post: the account's id, and the name that it chose."""

    id: Account
    name: Name


@dataclass(frozen=True, slots=True)
class Self:
    """The account of this connection."""

    id: Account
    handle: Name
    name: Name
    role: Name


@dataclass(frozen=True, slots=True)
class Gap:
    """Events that a resume cannot give: seqs ``first`` … ``last``, and why (``epoch`` | ``window``)."""

    first: Seq
    last: Seq
    reason: Name


@dataclass(frozen=True, slots=True)
class BoardState:
    """Where a subscription starts. ``recovered``: every event after the given cursor follows."""

    board: Board
    epoch: Id
    head: Seq
    recovered: bool
    gap: Gap | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """The decision that already stands on a case."""

    case: CaseRef
    rev: Rev
    state: CaseState
    by: Account | None = None
    action: Action | None = None
    policy: Name | None = None
    reason: Reason | None = None


# Server frames: events of a board's log.


@dataclass(frozen=True, slots=True)
class Posted:
    """A post became visible. ``rev`` above 1: this is the text of its latest edit."""

    type: ClassVar[str] = "posted"
    board: Board
    seq: Seq
    post: PostRef
    author: Author
    body: Body
    at: Micros
    rev: Rev
    reply_to: PostRef | None = None


@dataclass(frozen=True, slots=True)
class Edited:
    """A post has a new body."""

    type: ClassVar[str] = "edited"
    board: Board
    seq: Seq
    post: PostRef
    author: Author
    body: Body
    at: Micros
    rev: Rev


@dataclass(frozen=True, slots=True)
class Deleted:
    """The author removed the post."""

    type: ClassVar[str] = "deleted"
    board: Board
    seq: Seq
    post: PostRef
    at: Micros


@dataclass(frozen=True, slots=True)
class Reacted:
    """An account added (``on``) or took back a reaction."""

    type: ClassVar[str] = "reacted"
    board: Board
    seq: Seq
    post: PostRef
    account: Account
    emoji: Emoji
    on: bool
    at: Micros


@dataclass(frozen=True, slots=True)
class Retracted:
    """The post was stopped; carries no body."""

    type: ClassVar[str] = "retracted"
    board: Board
    seq: Seq
    post: PostRef
    policy: Name
    reason: Reason
    takedown: TakedownRef
    at: Micros


@dataclass(frozen=True, slots=True)
class Restored:
    """A retraction was undone: the post again, with its original time ``posted_at``."""

    type: ClassVar[str] = "restored"
    board: Board
    seq: Seq
    post: PostRef
    author: Author
    body: Body
    at: Micros
    posted_at: Micros
    rev: Rev
    reply_to: PostRef | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """Stands at the seq of an event whose content was stopped since."""

    type: ClassVar[str] = "gone"
    board: Board
    seq: Seq
    post: PostRef | None = None


Event: TypeAlias = Posted | Edited | Deleted | Reacted | Retracted | Restored | Gone
"""What a place in a board's log reads as."""

WithBody: TypeAlias = Posted | Edited | Restored
"""Events that carry a body; each reads as ``Gone`` once its post is stopped."""


# Server frames: everything else.

# An alias, since inside ``Welcome`` the name ``limits`` is the field.
BoardStates: TypeAlias = Annotated[tuple[BoardState, ...], Many(limits.SUBSCRIPTIONS_MAX)]


@dataclass(frozen=True, slots=True)
class Welcome:
    """Answer to ``hello``."""

    type: ClassVar[str] = "welcome"
    v: Count
    session: Annotated[SessionId, Text(limits.ID_BYTES_MAX)]
    limits: dict[str, int]
    beat_ms: Millis
    account: Self | None = None
    boards: BoardStates = ()


@dataclass(frozen=True, slots=True)
class Ok:
    """The request ``re`` was done; the fields that it has are those of the request's answer."""

    type: ClassVar[str] = "ok"
    re: RequestRef
    post: PostRef | None = None
    seq: Seq | None = None
    at: Micros | None = None
    rev: Count | None = None
    board: Board | None = None
    epoch: Id | None = None
    head: Seq | None = None
    recovered: bool | None = None
    gap: Gap | None = None
    takedown: TakedownRef | None = None
    case: CaseRef | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """The post or edit is stored and waits for a person; nobody but its author and moderators knows of it."""

    type: ClassVar[str] = "held"
    re: RequestRef
    post: PostRef


@dataclass(frozen=True, slots=True)
class Suppress:
    """Hide this post now; the event that says why follows."""

    type: ClassVar[str] = "suppress"
    board: Board
    post: PostRef


@dataclass(frozen=True, slots=True)
class Unsuppress:
    """What hid this post came to nothing: show it again."""

    type: ClassVar[str] = "unsuppress"
    board: Board
    post: PostRef


@dataclass(frozen=True, slots=True)
class VerdictNotice:
    """Statement of reasons, to the author alone. ``appeal``: where to object, as an address on this server."""

    type: ClassVar[str] = "verdict"
    post: PostRef
    outcome: Outcome
    policy: Name
    reason: Reason
    takedown: TakedownRef
    appeal: Name | None = None
    automated: bool = False


@dataclass(frozen=True, slots=True)
class Alert:
    """Something a moderator should look at. ``excerpt`` is masked; ``n`` is the cursor of the alert stream."""

    type: ClassVar[str] = "alert"
    n: Seq
    case: CaseRef
    severity: Severity
    policy: Name
    stage: Name
    excerpt: Annotated[str, Text(1_024, bytes_min=0)]
    count: Count
    at: Micros
    board: Board | None = None
    rule: Name | None = None
    post: PostRef | None = None
    rev: Rev = 1


@dataclass(frozen=True, slots=True)
class CaseChanged:
    """A case that the watcher can see has a new state."""

    type: ClassVar[str] = "case"
    case: CaseRef
    rev: Rev
    state: CaseState
    by: Account | None = None


@dataclass(frozen=True, slots=True)
class Presence:
    """How many connections follow the board now."""

    type: ClassVar[str] = "presence"
    board: Board
    online: Count


@dataclass(frozen=True, slots=True)
class Beat:
    """The server is alive; the head of each board that this connection follows."""

    type: ClassVar[str] = "beat"
    at: Micros
    heads: dict[str, int]


@dataclass(frozen=True, slots=True)
class Error:
    """The request ``re`` was not done, or, without ``re``, a frame could not be read."""

    type: ClassVar[str] = "error"
    code: Id
    message: Reason
    re: RequestRef | None = None
    scope: Name | None = None
    retry_after_ms: Millis | None = None
    standing: Standing | None = None


@dataclass(frozen=True, slots=True)
class Bye:
    """The server closes next. ``after_ms``: come back no sooner."""

    type: ClassVar[str] = "bye"
    code: Id
    why: Reason
    after_ms: Millis | None = None


@dataclass(frozen=True, slots=True)
class Pong:
    """Answer to ``ping``."""

    type: ClassVar[str] = "pong"
    re: RequestRef
    at: Micros


ServerFrame: TypeAlias = (
    Event
    | Welcome
    | Ok
    | Held
    | Suppress
    | Unsuppress
    | VerdictNotice
    | Alert
    | CaseChanged
    | Presence
    | Typing
    | Beat
    | Error
    | Bye
    | Pong
)

CLIENT_FRAMES: Final[dict[str, type[ClientFrame]]] = {
    cls.type: cls
    for cls in (
        Hello,
        Subscribe,
        Unsubscribe,
        Typing,
        Read,
        Post,
        Edit,
        Delete,
        React,
        Retract,
        Restore,
        Release,
        Refuse,
        Watch,
        Ack,
        Claim,
        Decide,
        Ping,
    )
}
"""Client frames by their type."""

SERVER_FRAMES: Final[dict[str, type[ServerFrame]]] = {
    cls.type: cls
    for cls in (
        Posted,
        Edited,
        Deleted,
        Reacted,
        Retracted,
        Restored,
        Gone,
        Welcome,
        Ok,
        Held,
        Suppress,
        Unsuppress,
        VerdictNotice,
        Alert,
        CaseChanged,
        Presence,
        Typing,
        Beat,
        Error,
        Bye,
        Pong,
    )
}
"""Server frames by their type."""
