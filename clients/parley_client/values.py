"""What the SDK hands to its caller beside the frames of the wire: answers, and events that the client itself makes."""

from dataclasses import dataclass
from typing import TypeAlias

from parley_protocol.frames import (
    Alert,
    BoardState,
    CaseChanged,
    Error,
    Event,
    Presence,
    Suppress,
    Typing,
    Unsuppress,
    VerdictNotice,
)
from parley_protocol.ids import BoardId, CaseId, PostId, TakedownId


@dataclass(frozen=True, slots=True)
class PostedAnswer:
    """The post is published. ``at``: microseconds since the epoch."""

    post: PostId
    seq: int
    at: int


@dataclass(frozen=True, slots=True)
class EditedAnswer:
    """The edit is published as revision ``rev``."""

    seq: int
    rev: int


@dataclass(frozen=True, slots=True)
class HeldAnswer:
    """The post or edit waits for a person; its author gets a ``verdict`` in time."""

    post: PostId


@dataclass(frozen=True, slots=True)
class StoppedAnswer:
    """A moderator's act was done. ``takedown``: its record; ``seq``: its event, where readers get one."""

    takedown: TakedownId | None
    seq: int | None


@dataclass(frozen=True, slots=True)
class CaseAnswer:
    """The case now stands at revision ``rev``."""

    case: CaseId
    rev: int
    takedown: TakedownId | None = None


@dataclass(frozen=True, slots=True)
class GapEvent:
    """Events ``first`` … ``last`` of a board will not come.

    ``reason``: the server's ``window`` (too many; read them over HTTP) or ``epoch`` (the log is another one, start afresh), or
    ``hole`` (the server skipped them twice; read them over HTTP).
    """

    board: BoardId
    first: int
    last: int
    reason: str


@dataclass(frozen=True, slots=True)
class SubscriptionStarted:
    """A board is followed: at first, and again after each reconnect. The events after seq ``after`` come next."""

    state: BoardState
    after: int


@dataclass(frozen=True, slots=True)
class SubscriptionEnded:
    """A board that was followed cannot be followed any more."""

    board: BoardId
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Connected:
    """The connection is up; ``handle`` is ``None`` for a guest."""

    handle: str | None
    resumed: bool


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection is down and comes back by itself after ``after_s`` seconds."""

    why: str
    after_s: float


ClientEvent: TypeAlias = GapEvent | SubscriptionStarted | SubscriptionEnded | Connected | Disconnected
"""Events that the client makes."""

Incoming: TypeAlias = (
    Event | Suppress | Unsuppress | VerdictNotice | Alert | CaseChanged | Presence | Typing | Error | ClientEvent
)
"""All that iteration over a client gives. An ``Error`` here is one that answers no request."""
