"""One declaration for each call: its route, who may make it, what goes in and comes out, and what can go wrong.

``app.py`` makes the routes from these, ``openapi.py`` the document; neither knows a call that is not declared.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Annotated, Any, Final, Generic, Literal, TypeAlias, TypeVar

from msgspec import Meta, Struct

from parley_protocol.codes import Code
from parley_protocol.frames import Event
from parley_protocol.limits import ID_BYTES_MAX, NAME_BYTES_MAX, REASON_BYTES_MAX, SEQ_MAX
from parley_server.domain.answers import Refused
from parley_server.domain.people import Person
from parley_server.domain.rules import BadRule
from parley_server.gateway.http import bounds
from parley_server.gateway.http.services import Rate, Services
from parley_server.ports import Session

B = TypeVar("B")
Q = TypeVar("Q", bound=Struct)

Id: TypeAlias = Annotated[str, Meta(min_length=1, max_length=ID_BYTES_MAX)]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=NAME_BYTES_MAX)]
Text: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=bounds.TEXT_BYTES_MAX, description=f"At most {bounds.TEXT_BYTES_MAX} bytes of UTF-8.")
]
Reason: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=REASON_BYTES_MAX, description=f"At most {REASON_BYTES_MAX} bytes of UTF-8.")
]
Micros: TypeAlias = Annotated[int, Meta(ge=0, description="Microseconds since the epoch.")]
Seq: TypeAlias = Annotated[int, Meta(ge=0, le=SEQ_MAX)]
Limit: TypeAlias = Annotated[int, Meta(ge=1, le=bounds.PAGE_MAX)]
Record: TypeAlias = Annotated[dict[str, Any], Meta(description="A takedown record, as its public map.")]


class Who(Enum):
    """Who may make a call, before its own decision is asked."""

    PUBLIC = auto()
    """Anybody; a token is not looked at."""
    ANYONE = auto()
    """Guests too; a token that is sent must be valid."""
    ACCOUNT = auto()
    """Whoever is signed in."""


class Nothing(Struct, frozen=True):
    """No body, or no query."""


@dataclass(frozen=True, slots=True)
class Asked(Generic[B, Q]):
    """One request, read and in range.

    Attributes:
        person: as of now; a guest without a token.
        session: whose token came with it.
        path: the parts of the path that stand in braces.
    """

    person: Person
    session: Session | None
    path: Mapping[str, str]
    body: B
    query: Q


@dataclass(frozen=True, slots=True)
class Streamed:
    """An answer with texts of posts: written piece by piece, each text as it may leave at that moment (P2).

    Attributes:
        head: the members before the list.
        name: the list's name.
        gone: show what was stopped meanwhile as ``gone``; else leave it out.
    """

    head: Mapping[str, object]
    name: str
    events: Sequence[Event]
    gone: bool


@dataclass(frozen=True, slots=True)
class Plain:
    """An answer that is already encoded."""

    data: bytes
    content_type: str


Done: TypeAlias = Struct | dict[str, Any] | Streamed | Plain | Refused | BadRule | None
"""What a handler answers; ``None`` has no content."""


@dataclass(frozen=True, slots=True)
class Call(Generic[B, Q]):
    """One call of the API.

    Attributes:
        path: with parts in braces.
        does: one sentence, for the document.
        body: what the request carries; ``Nothing`` reads no body.
        answer: what a success carries; ``None`` for no content.
        codes: what it can be refused with, besides what every call can.
        keyed: whether ``Idempotency-Key`` is honoured.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    does: str
    handler: Callable[[Services, Asked[B, Q]], Awaitable[Done]]
    body: type[B]
    query: type[Q]
    answer: Any
    status: int = 200
    who: Who = Who.ANYONE
    codes: tuple[Code, ...] = ()
    rate: Rate | None = Rate.CALLS
    body_bytes_max: int = bounds.REQUEST_BYTES_MAX
    keyed: bool = True


Calls: TypeAlias = tuple[Call[Any, Any], ...]

_TOO_LONG: Final = "`{name}` has more than {most} bytes"


def author_view(record: Record) -> Record:
    """Return a takedown record as its author reads it: with the role of whoever acted, without what would tell the account."""
    return {**record, "actor": {**record["actor"], "account": None, "salt": None}}


def within(name: str, text: str | None, bytes_max: int = bounds.TEXT_BYTES_MAX) -> None:
    """Check the bytes of a text in a request's ``__post_init__``; lone surrogates were refused before.

    Raises:
        ValueError: it is too long; names the field as msgspec does.
    """
    if text is not None and len(text.encode()) > bytes_max:
        raise ValueError(_TOO_LONG.format(name=name, most=bytes_max))
