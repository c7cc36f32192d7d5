"""What the nodes of one site tell each other.

PostgreSQL is the truth; a hint only saves the time until a node would have asked it. So every hint may be lost, doubled, late or out of
order, and whoever takes one must be right all the same.
"""

from dataclasses import dataclass
from typing import NewType, TypeAlias

from parley_protocol.frames import Event, VerdictNotice
from parley_protocol.ids import AccountId, BoardId, PostId, SessionId
from parley_server.domain.takedowns import Case

NodeId = NewType("NodeId", str)
"""One server process of the site, from its start to its end."""

ActId = NewType("ActId", str)
"""One act that hides a post, named by the node that began it."""


# Urgent: these overtake everything else, and whoever sends one may wait until it was acted on.


@dataclass(frozen=True, slots=True)
class Hide:
    """An act that stops ``post`` has begun. ``reset``: as in ``Hub.suppress``. Sent again for as long as its outcome is unknown."""

    act: ActId
    board: BoardId
    post: PostId
    reset: bool


@dataclass(frozen=True, slots=True)
class Settle:
    """The act is committed, at ``seq`` if that is known."""

    act: ActId
    post: PostId
    seq: int | None


@dataclass(frozen=True, slots=True)
class Lift:
    """The act led to nothing."""

    act: ActId
    post: PostId


@dataclass(frozen=True, slots=True)
class PersonChanged:
    """A change of an account is committed: role, state, level, name, a role on a board."""

    account: AccountId


@dataclass(frozen=True, slots=True)
class SessionClosed:
    """A session is revoked."""

    account: AccountId
    session: SessionId


@dataclass(frozen=True, slots=True)
class BoardChanged:
    """A new or changed board is committed."""

    board: BoardId


@dataclass(frozen=True, slots=True)
class RulesChanged:
    """The rule set or the catalogue of policies changed. ``ruleset``: its version now."""

    ruleset: int


# Ordinary.


@dataclass(frozen=True, slots=True)
class Committed:
    """An event of a board's log, as the store returned it."""

    event: Event


@dataclass(frozen=True, slots=True)
class Alerted:
    """The alerts grew."""


@dataclass(frozen=True, slots=True)
class CaseMoved:
    """How a case stands now."""

    case: Case


@dataclass(frozen=True, slots=True)
class Told:
    """A statement of reasons, for every connection of its author."""

    account: AccountId
    verdict: VerdictNotice


@dataclass(frozen=True, slots=True)
class Counted:
    """How many connections follow a board on ``node``; forgotten when it is not said again in time."""

    node: NodeId
    board: BoardId
    online: int


@dataclass(frozen=True, slots=True)
class Typed:
    """Somebody writes."""

    board: BoardId
    account: AccountId


Urgent: TypeAlias = Hide | Settle | Lift | PersonChanged | SessionClosed | BoardChanged | RulesChanged
Ordinary: TypeAlias = Committed | Alerted | CaseMoved | Told | Counted | Typed
Hint: TypeAlias = Urgent | Ordinary
