"""What is about to be written to a board's log, and what is known of a post that was."""

from enum import StrEnum

from parley_protocol.frames import Author
from parley_protocol.ids import AccountId, BoardId, PostId
from parley_protocol.values import dataclass


class PostState(StrEnum):
    """Where a post stands."""

    PUBLISHED = "published"
    HELD = "held"
    REFUSED = "refused"
    RETRACTED = "retracted"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Draft:
    """A post that passed access and inspection.

    Attributes:
        nonce: the author's own key; the same author and nonce again mean the same post.
        at_us: when it was accepted; stays its time if it is released later.
        ruleset: version of the rule set that judged it.
        uninspected: a check could not answer and its rules say ``allow-and-rescan``.
    """

    post: PostId
    board: BoardId
    author: Author
    nonce: str
    body: str
    at_us: int
    ruleset: int
    reply_to: PostId | None = None
    uninspected: bool = False


@dataclass(frozen=True, slots=True)
class EditDraft:
    """A new body for one's own post. ``base_rev``: the revision that the author saw."""

    post: PostId
    board: BoardId
    author: Author
    base_rev: int
    body: str
    at_us: int
    ruleset: int
    uninspected: bool = False


@dataclass(frozen=True, slots=True)
class Repeat:
    """The same author and nonce were seen before: what was answered then. ``seq`` and ``at_us`` for a published post."""

    post: PostId
    state: PostState
    seq: int | None
    at_us: int


@dataclass(frozen=True, slots=True)
class PostInfo:
    """A post without its text. ``rev`` is the latest published revision; ``at_us`` the original time."""

    post: PostId
    board: BoardId
    author: Author
    state: PostState
    rev: int
    seq: int | None
    at_us: int
    reply_to: PostId | None = None
    edit_held: bool = False


@dataclass(frozen=True, slots=True)
class Reaction:
    """A reaction about to be added (``on``) or taken back."""

    post: PostId
    board: BoardId
    account: AccountId
    emoji: str
    on: bool
    at_us: int
