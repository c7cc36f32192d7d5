"""Calls about accounts, sessions and bots."""

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from parley_protocol import codes
from parley_protocol.ids import AccountId
from parley_server.domain.access import administers
from parley_server.domain.answers import Refused
from parley_server.domain.people import AccountState, Level, Person, SiteRole
from parley_server.gateway.http.calls import Asked, Call, Calls, Id, Limit, Micros, Nothing, Record, Who, author_view
from parley_server.gateway.http.services import Rate, Services
from parley_server.pipeline.accounts import NAME_CHARS, PASSWORD_CHARS

Handle: TypeAlias = Annotated[str, Meta(max_length=64, description="2 to 32 of A-Z, a-z, 0-9, hyphen and underscore.")]
DisplayName: TypeAlias = Annotated[str, Meta(min_length=NAME_CHARS[0], max_length=NAME_CHARS[1])]
# Any password is taken to be tried, but none that would cost more than the longest one that can be set.
Password: TypeAlias = Annotated[str, Meta(max_length=PASSWORD_CHARS[1])]
NewPassword: TypeAlias = Annotated[str, Meta(min_length=PASSWORD_CHARS[0], max_length=PASSWORD_CHARS[1])]


class SignUp(Struct, frozen=True):
    """A new account."""

    handle: Handle
    display_name: DisplayName
    password: NewPassword


class AccountFace(Struct, frozen=True, kw_only=True):
    """What everybody sees of an account."""

    id: str
    handle: str
    display_name: str
    level: Level


class AccountView(AccountFace, frozen=True, kw_only=True):
    """An account with its role on the site."""

    role: SiteRole


class AccountDetails(AccountView, frozen=True, kw_only=True):
    """An account as its owner and administrators see it. ``boards``: its roles, by board."""

    state: AccountState
    boards: dict[str, str]


class AccountPage(Struct, frozen=True, kw_only=True):
    """Accounts by handle. ``next``: ``after`` of the next page."""

    items: list[AccountDetails]
    next: str | UnsetType = UNSET


class SignIn(Struct, frozen=True):
    """A password to be checked. ``otp`` is not asked for: no account has a second factor yet."""

    handle: Handle
    password: Password
    otp: Annotated[str, Meta(max_length=16)] | None = None


class SignedInView(Struct, frozen=True):
    """A new session. ``token`` is shown this once."""

    token: str
    account: AccountView
    expires_at: Micros | None


class AccountChange(Struct, frozen=True):
    """What is to change; what is not given stays."""

    role: Literal["member", "bot", "administrator"] | None = None
    state: AccountState | None = None
    level: Level | None = None


class NewBot(Struct, frozen=True):
    """A new bot."""

    handle: Handle
    display_name: DisplayName


class BotToken(Struct, frozen=True):
    """A new bot. ``token`` is shown this once, and does not expire."""

    id: str
    handle: str
    token: str


class AccountQuery(Struct, frozen=True):
    """A page of accounts. ``after``: the last handle."""

    after: Id | None = None
    limit: Limit = 100


class RecordQuery(Struct, frozen=True):
    """A page of records. ``after``: the last record's id."""

    after: Id | None = None
    limit: Limit = 100


class MyRecords(Struct, frozen=True, kw_only=True):
    """Takedown records, oldest first."""

    items: list[Record]
    next: str | UnsetType = UNSET


async def sign_up(services: Services, asked: Asked[SignUp, Nothing]) -> AccountFace | Refused:
    """Create an account."""
    body = asked.body
    made = await services.accounts.sign_up(body.handle, body.display_name, body.password)
    return made if isinstance(made, Refused) else _face(made)


async def sign_in(services: Services, asked: Asked[SignIn, Nothing]) -> SignedInView | Refused:
    """Check a password and open a session."""
    done = await services.accounts.sign_in(asked.body.handle, asked.body.password)
    return done if isinstance(done, Refused) else SignedInView(done.token, _view(done.person), done.expires_at_us)


async def sign_out(services: Services, asked: Asked[Nothing, Nothing]) -> None:
    """Revoke the session that the request is signed with."""
    assert asked.session is not None
    await services.accounts.sign_out(asked.session)


async def me(_: Services, asked: Asked[Nothing, Nothing]) -> AccountDetails:
    """Return the account that asks."""
    return _details(asked.person)


async def my_takedowns(services: Services, asked: Asked[Nothing, RecordQuery]) -> MyRecords:
    """Return the takedown records of one's own posts."""
    query = asked.query
    held = await services.takedowns.records(author=asked.person.account, after=query.after, limit=query.limit)
    records = [author_view(record) for record in held]
    return MyRecords(items=records, next=str(records[-1]["id"]) if len(records) == query.limit else UNSET)


async def accounts(services: Services, asked: Asked[Nothing, AccountQuery]) -> AccountPage | Refused:
    """Return a page of accounts, to administrators."""
    no = administers(asked.person)
    if no is not None:
        return no
    people = await services.people.people(after=asked.query.after, limit=asked.query.limit)
    more = people[-1].handle if len(people) == asked.query.limit else UNSET
    return AccountPage(items=[_details(person) for person in people], next=more)


async def account(services: Services, asked: Asked[Nothing, Nothing]) -> AccountView | Refused:
    """Return the public face of an account."""
    person = await found(services, asked.path["account"])
    return person if isinstance(person, Refused) else _view(person)


async def change_account(services: Services, asked: Asked[AccountChange, Nothing]) -> AccountDetails | Refused:
    """Change an account's role, state or level."""
    no = administers(asked.person)
    if no is not None:
        return no
    person = await found(services, asked.path["account"])
    if isinstance(person, Refused) or person.account is None:
        return person if isinstance(person, Refused) else Refused(codes.NO_ACCOUNT)
    body = asked.body
    role = None if body.role is None else SiteRole(body.role)
    done = await services.accounts.change(asked.person, person.account, role=role, state=body.state, level=body.level)
    return done if isinstance(done, Refused) else _details(done)


async def add_bot(services: Services, asked: Asked[NewBot, Nothing]) -> BotToken | Refused:
    """Create a bot and its token."""
    made = await services.accounts.add_bot(asked.person, asked.body.handle, asked.body.display_name)
    if isinstance(made, Refused):
        return made
    assert made.person.account is not None
    return BotToken(made.person.account, made.person.handle, made.token)


async def found(services: Services, named: str) -> Person | Refused:
    """Find an account by its id or its handle."""
    person = await services.people.person(AccountId(named)) or await services.people.find(named)
    return person or Refused(codes.NO_ACCOUNT)


def _face(person: Person) -> AccountFace:
    assert person.account is not None
    return AccountFace(id=person.account, handle=person.handle, display_name=person.name, level=person.level)


def _view(person: Person) -> AccountView:
    assert person.account is not None
    return AccountView(id=person.account, handle=person.handle, display_name=person.name, level=person.level, role=person.role)


def _details(person: Person) -> AccountDetails:
    assert person.account is not None
    return AccountDetails(
        id=person.account,
        handle=person.handle,
        display_name=person.name,
        level=person.level,
        role=person.role,
        state=person.state,
        boards={board: role.value for board, role in person.boards.items()},
    )


CALLS: Final[Calls] = (
    Call(
        "POST", "/v1/accounts", "Create an account.", sign_up, SignUp, Nothing, AccountFace, 201, Who.PUBLIC,
        (codes.TAKEN, codes.REFUSED), Rate.SIGN_UP,
    ),
    Call(
        "POST", "/v1/sessions", "Sign in: check a password and open a session.", sign_in, SignIn, Nothing, SignedInView, 201,
        Who.PUBLIC, (codes.BAD_CREDENTIALS,), Rate.SIGN_IN, keyed=False,
    ),
    Call(
        "DELETE", "/v1/sessions/current", "Sign out: revoke the token of this request.", sign_out, Nothing, Nothing, None, 204,
        Who.ACCOUNT,
    ),
    Call("GET", "/v1/me", "The account that asks.", me, Nothing, Nothing, AccountDetails, who=Who.ACCOUNT),
    Call(
        "GET", "/v1/me/takedowns", "Takedown records of one's own posts.", my_takedowns, Nothing, RecordQuery, MyRecords,
        who=Who.ACCOUNT,
    ),
    Call(
        "GET", "/v1/accounts", "Accounts by handle; administrators.", accounts, Nothing, AccountQuery, AccountPage,
        who=Who.ACCOUNT, codes=(codes.FORBIDDEN,),
    ),
    Call(
        "GET", "/v1/accounts/{account}", "An account's public face, by id or handle.", account, Nothing, Nothing, AccountView,
        codes=(codes.NO_ACCOUNT,),
    ),
    Call(
        "PUT", "/v1/accounts/{account}", "Change an account; administrators.", change_account, AccountChange, Nothing,
        AccountDetails, who=Who.ACCOUNT, codes=(codes.FORBIDDEN, codes.NO_ACCOUNT),
    ),
    Call(
        "POST", "/v1/bots", "Create a bot; administrators.", add_bot, NewBot, Nothing, BotToken, 201, Who.ACCOUNT,
        (codes.FORBIDDEN, codes.TAKEN, codes.REFUSED),
    ),
)  # fmt: skip
