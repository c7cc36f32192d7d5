"""``parley watch``: the live alerts, on a screen or line by line."""

import sys
from typing import Annotated

import typer

from parley_client.client import Client
from parley_client.commands.lines import alert_line, line
from parley_client.commands.shared import Token, Url, fail, found, run
from parley_client.values import Connected, Disconnected
from parley_protocol.frames import Alert, CaseChanged, Error


def watch(
    board: Annotated[str, typer.Option("--board", "-b", help="One board, or the whole site.")] = "site",
    plain: Annotated[bool, typer.Option("--plain", help="One line per alert; the default where output is no terminal.")] = False,
    count: Annotated[int | None, typer.Option("--count", help="Line mode: end after this many alerts.", min=1)] = None,
    after: Annotated[
        int | None, typer.Option("--after", help="Start after this alert; else with all unacknowledged.", min=0)
    ] = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """Follow the moderators' alerts, and decide."""
    place = found(url, token)
    if plain or count is not None or not (sys.stdin.isatty() and sys.stdout.isatty()):
        run(_plain(Client(place.url, place.token, client="parley-watch/0.1"), board, after, count))
        return
    ended = run(_screen(Client(place.url, place.token, client="parley-watch/0.1"), board, after))
    if ended is not None:
        raise fail(ended)


async def _plain(client: Client, scope: str, after: int | None, count: int | None) -> None:
    async with client:
        head = await client.watch(scope, after)
        print(f"[-] watching {scope}; the latest alert is {head}", flush=True)
        left = count
        async for event in client:
            if isinstance(event, Alert):
                print(alert_line(event), flush=True)
                left = left - 1 if left is not None else None
                if left == 0:
                    return
            elif isinstance(event, CaseChanged | Error | Disconnected) or (isinstance(event, Connected) and event.resumed):
                print(line(event), flush=True)


async def _screen(client: Client, scope: str, after: int | None) -> str | None:
    from parley_client.commands.watch_screen import WatchScreen  # noqa: PLC0415 - half a second that line mode need not wait

    async with client:
        return await WatchScreen(client, scope, after).run_async()
