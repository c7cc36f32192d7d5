"""Who asks, and where they stand: accounts, boards and roles as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from parley_protocol.ids import AccountId, BoardId


class SiteRole(StrEnum):
    """What an account is on the whole site."""

    GUEST = "guest"
    MEMBER = "member"
    BOT = "bot"
    ADMINISTRATOR = "administrator"


class BoardRole(StrEnum):
    """What an account is on one board; an account without an entry is a plain member."""

    FOUNDER = "founder"
    MANAGER = "manager"
    MODERATOR = "moderator"
    MEMBER = "member"
    MUTED = "muted"
    BANNED = "banned"


class AccountState(StrEnum):
    """Whether an account may act at all."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class Level(StrEnum):
    """How far the identity behind an account is known."""

    UNVERIFIED = "unverified"
    VERIFIED = "verified"


class BoardState(StrEnum):
    """What may happen on a board."""

    OPEN = "open"
    READ_ONLY = "read_only"
    CLOSED = "closed"


class Visibility(StrEnum):
    """Who may read a board: everybody, or those with a role on it."""

    PUBLIC = "public"
    PRIVATE = "private"


@dataclass(frozen=True, slots=True)
class Person:
    """Who is behind a request, as of now. A change makes a new value; nothing keeps an old one across a request.

    Attributes:
        account: ``None`` for a guest.
        boards: the account's roles, by board.
    """

    account: AccountId | None = None
    handle: str = "guest"
    name: str = "Guest"
    role: SiteRole = SiteRole.GUEST
    state: AccountState = AccountState.ACTIVE
    level: Level = Level.UNVERIFIED
    boards: Mapping[BoardId, BoardRole] = field(default_factory=dict)


GUEST = Person()
"""Whoever sends no token: reads public boards."""


@dataclass(frozen=True, slots=True)
class Board:
    """A board as of now, without its log's head."""

    id: BoardId
    name: str
    summary: str
    epoch: str
    state: BoardState = BoardState.OPEN
    visibility: Visibility = Visibility.PUBLIC
    created_at_us: int = 0
