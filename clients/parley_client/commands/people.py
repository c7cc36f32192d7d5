"""``parley signup``, ``login``, ``logout``, ``me``, ``users`` and ``boards``."""

from typing import Annotated, TypeAlias

import typer

from parley_client.commands.config import keep
from parley_client.commands.shared import Token, Url, ask, fail, found, run, show, table
from parley_client.http import Http, Map

Password: TypeAlias = Annotated[
    str,
    typer.Option("--password", prompt=True, hide_input=True, envvar="PARLEY_PASSWORD", help="Asked for where it is not given."),
]
Handle: TypeAlias = Annotated[str, typer.Argument(help="The account's handle.")]
Board: TypeAlias = Annotated[str, typer.Argument(help="The board's slug.")]

users = typer.Typer(no_args_is_help=True, help="Accounts; most of it is for administrators.")
boards = typer.Typer(no_args_is_help=True, help="Boards and the roles on them.")


def signup(
    handle: Handle,
    password: Password,
    name: Annotated[str | None, typer.Option("--name", help="Display name; the handle by default.")] = None,
    url: Url = None,
) -> None:
    """Create an account and sign in."""
    place = found(url, "")

    async def work() -> str:
        http = Http(place.url)
        await http.sign_up(handle, name or handle, password)
        return await http.sign_in(handle, password)

    _kept(place.url, handle, run(work()))


def login(
    handle: Handle,
    password: Password,
    otp: Annotated[str | None, typer.Option("--otp", help="One-time code, where the account has one.")] = None,
    url: Url = None,
) -> None:
    """Sign in; the token is kept for later commands."""
    place = found(url, "")
    _kept(place.url, handle, run(Http(place.url).sign_in(handle, password, otp)))


def logout(url: Url = None, token: Token = None) -> None:
    """End the session."""
    place = found(url, token)
    run(Http(place.url, place.token).sign_out())
    keep(place.url, "")


def me(url: Url = None, token: Token = None) -> None:
    """Show the account of the token."""
    show(ask(url, token, lambda http: http.me()))


def _kept(url: str, handle: str, token: str) -> None:
    try:
        file = keep(url, token)
    except OSError as error:
        raise fail(f"signed in, but the token cannot be kept: {error}") from None
    print(f"signed in to {url} as {handle}; the token is kept in {file}")


@users.command("list")
def list_users(url: Url = None, token: Token = None) -> None:
    """Show every account."""
    table(ask(url, token, lambda http: http.accounts()), "id", "handle", "display_name", "role", "state", "level")


@users.command("create")
def create_user(
    handle: Handle,
    password: Password,
    name: Annotated[str | None, typer.Option("--name", help="Display name; the handle by default.")] = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """Create an account for somebody."""
    show(ask(url, token, lambda http: http.sign_up(handle, name or handle, password)))


@users.command("verify")
def verify_user(handle: Handle, url: Url = None, token: Token = None) -> None:
    """Note that an account's identity is verified."""
    show(ask(url, token, lambda http: _changed(http, handle, level="verified")))


@users.command("role")
def set_user_role(
    handle: Handle,
    role: Annotated[str, typer.Argument(help="member or administrator.")],
    url: Url = None,
    token: Token = None,
) -> None:
    """Give an account a role on the whole site."""
    show(ask(url, token, lambda http: _changed(http, handle, role=role)))


@users.command("state")
def set_user_state(
    handle: Handle,
    state: Annotated[str, typer.Argument(help="active, suspended or closed.")],
    url: Url = None,
    token: Token = None,
) -> None:
    """Suspend an account, or let it act again."""
    show(ask(url, token, lambda http: _changed(http, handle, state=state)))


@users.command("bot")
def create_bot(
    handle: Handle,
    name: Annotated[str | None, typer.Option("--name", help="Display name; the handle by default.")] = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """Create a bot and show its token, once."""
    show(ask(url, token, lambda http: http.create_bot(handle, name or handle)))


@boards.command("list")
def list_boards(url: Url = None, token: Token = None) -> None:
    """Show the boards that one can see."""
    table(ask(url, token, lambda http: http.boards()), "id", "name", "summary", "state", "visibility")


@boards.command("create")
def create_board(
    slug: Board,
    name: Annotated[str | None, typer.Option("--name", help="Name; the slug by default.")] = None,
    summary: Annotated[str, typer.Option("--summary", help="What the board is for.")] = "",
    url: Url = None,
    token: Token = None,
) -> None:
    """Found a board."""
    show(ask(url, token, lambda http: http.create_board(slug, name or slug, summary)))


@boards.command("role")
def set_board_role(
    board: Board,
    handle: Handle,
    role: Annotated[str, typer.Argument(help="manager, moderator, member, muted or banned.")],
    url: Url = None,
    token: Token = None,
) -> None:
    """Give an account a role on a board."""

    async def work(http: Http) -> Map:
        account = await http.account(handle)
        return await http.set_role(board, str(account["id"]), role)

    show(ask(url, token, work))


async def _changed(http: Http, handle: str, **changes: str) -> Map:
    account = await http.account(handle)
    return await http.set_account(str(account["id"]), **changes)
