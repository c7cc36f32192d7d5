"""What every command shares: its options, how it runs, how it says no."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeAlias, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from parley_client.commands.config import Where, where
from parley_client.commands.lines import printable
from parley_client.errors import ParleyError
from parley_client.http import Http, Map

T = TypeVar("T")

Url: TypeAlias = Annotated[str | None, typer.Option("--url", help="Server, as http(s):// or ws(s)://. [env: PARLEY_URL]")]
Token: TypeAlias = Annotated[str | None, typer.Option("--token", help="Token; empty for a guest. [env: PARLEY_TOKEN]")]

# In a pipe nothing is cut off: the next program needs whole ids.
console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 1_000)


def fail(message: str) -> typer.Exit:
    """Print why, and return what to raise."""
    print(f"parley: {printable(message)}", file=sys.stderr)
    return typer.Exit(1)


def found(url: str | None, token: str | None) -> Where:
    """Find server and token, or end the command."""
    try:
        return where(url, token)
    except ValueError as error:
        raise fail(str(error)) from None


def run(work: Awaitable[T]) -> T:
    """Run a command to its end; what the server refuses ends it with one line and status 1."""

    async def working() -> T:
        return await work

    try:
        return asyncio.run(working())
    except ParleyError as error:
        raise fail(f"{error.code}: {error.message}") from None
    except TimeoutError:
        raise fail("timeout: the server took too long") from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def ask(url: str | None, token: str | None, call: Callable[[Http], Awaitable[T]]) -> T:
    """Make calls to the server that the options name."""
    place = found(url, token)
    return run(call(Http(place.url, place.token)))


def show(held: object) -> None:
    """Print a value as JSON, for people and for programs."""
    print(json.dumps(held, ensure_ascii=False, indent=2))


def table(rows: list[Map], *columns: str) -> None:
    """Print rows as a table, the named columns of each."""
    shown = Table(*columns, box=None, header_style="bold")
    for row in rows:
        shown.add_row(*(printable(_cell(row.get(column))) for column in columns))
    console.print(shown, markup=False)


def _cell(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
