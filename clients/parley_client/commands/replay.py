"""``parley replay FILE --board B``: post a transcript, with its authors and at its pace, and say how that went."""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from parley_client.client import Client
from parley_client.commands.shared import Token, Url, fail, found, run
from parley_client.commands.transcript import SHAPES, BadTranscript, Entry, due_s, entries, handle_of
from parley_client.errors import ParleyError
from parley_client.http import Http
from parley_client.values import HeldAnswer

T = TypeVar("T")

AUTHORS_MAX: Final = 500
"""Accounts and connections that one replay makes. Full: the command ends before it posts anything."""

SETUPS_MAX: Final = 4
"""Accounts that are made at once; the server's password hash is slow on purpose."""

SETUP_RETRIES_MAX: Final = 20
"""Times that a ``limited`` account is asked for again."""


@dataclass(slots=True)
class Tally:
    """How a replay went. ``latencies_s``: request to answer, published and held posts alike."""

    answers: Counter[str] = field(default_factory=Counter[str])
    latencies_s: list[float] = field(default_factory=list[float])
    took_s: float = 0.0

    def lines(self) -> list[str]:
        """Write the tally, one line each."""
        posts = self.answers.total()
        refused = {code: count for code, count in self.answers.items() if code not in ("ok", "held")}
        per_second = posts / self.took_s if self.took_s else 0.0
        written = [
            f"{posts} posts in {self.took_s:.2f} s: {per_second:.1f} posts/s",
            f"ok {self.answers['ok']} · held {self.answers['held']} · refused {sum(refused.values())}",
        ]
        written += [f"  {code} {count}" for code, count in sorted(refused.items(), key=lambda entry: -entry[1])]
        if self.latencies_s:
            ordered = sorted(self.latencies_s)
            p50, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * part))] for part in (0.5, 0.99))
            written.append(f"answer p50 {p50 * 1000:.1f} ms · p99 {p99 * 1000:.1f} ms · max {ordered[-1] * 1000:.1f} ms")
        return written


def replay(
    file: Annotated[Path, typer.Argument(help="JSON lines, CSV or TSV with a header, or lines of `author: text`.")],
    board: Annotated[str, typer.Option("--board", "-b", help="The board to post on.")],
    rate: Annotated[
        float | None, typer.Option("--rate", help="Posts per second; as fast as it goes by default.", min=0.001)
    ] = None,
    speed: Annotated[float | None, typer.Option("--speed", help="Times the transcript's own pace.", min=0.001)] = None,
    window: Annotated[int, typer.Option("--window", help="Posts in flight.", min=1, max=1000)] = 32,
    authors: Annotated[int, typer.Option("--authors", help="Accounts for lines that name no author.", min=1)] = 4,
    author_column: Annotated[str | None, typer.Option("--author-column", help="Column or key of the author.")] = None,
    body_column: Annotated[str | None, typer.Option("--body-column", help="Column or key of the text.")] = None,
    alone: Annotated[bool, typer.Option("--alone", help="Post everything as the token's own account.")] = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Post a chat transcript, each author by an account of its own; with an administrator's token they are verified."""
    place = found(url, token)
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            said = list(entries(lines, SHAPES.get(file.suffix.lower(), "text"), author=author_column, body=body_column))
    except (OSError, UnicodeDecodeError, BadTranscript) as error:
        raise fail(f"{file}: {error}") from None
    voices = {_voice(entry, index, authors) for index, entry in enumerate(said)}
    if alone and place.token is None:
        raise fail("--alone needs a token")
    if not alone and len(voices) > AUTHORS_MAX:
        raise fail(f"{len(voices)} authors, at most {AUTHORS_MAX}")
    progress = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=Console(stderr=True)
    )

    async def work() -> Tally:
        admin = Http(place.url, place.token)
        # One account for all, or one for each.
        tokens: dict[str, str | None] = dict.fromkeys(voices, place.token)
        if not alone:
            tokens.update(await _accounts(admin, sorted(voices), progress))
        async with AsyncExitStack() as stack:
            by_token: dict[str | None, Client] = {}
            for voice_token in dict.fromkeys(tokens.values()):
                client = Client(place.url, voice_token, client="parley-replay/0.1")
                by_token[voice_token] = await stack.enter_async_context(client)
            clients = {voice: by_token[voice_token] for voice, voice_token in tokens.items()}
            spoken = [(clients[_voice(entry, index, authors)], entry) for index, entry in enumerate(said)]
            return await play(spoken, board, rate=rate, speed=speed, window=window, progress=progress)

    with progress:
        tally = run(work())
    for written in tally.lines():
        print(written)


async def play(
    spoken: list[tuple[Client, Entry]],
    board: str,
    *,
    rate: float | None,
    speed: float | None,
    window: int,
    progress: Progress,
) -> Tally:
    """Post entries in order, at their pace, at most ``window`` at once; what the server refuses is counted, not raised."""
    tally = Tally()
    task = progress.add_task("posting", total=len(spoken))
    room = asyncio.Semaphore(window)
    began = time.monotonic()
    first_at_s = next((entry.at_s for _, entry in spoken if entry.at_s is not None), None)

    async def post(client: Client, entry: Entry) -> None:
        asked = time.monotonic()
        try:
            answer = await client.post(board, entry.body)
            tally.answers["held" if isinstance(answer, HeldAnswer) else "ok"] += 1
            tally.latencies_s.append(time.monotonic() - asked)
        except ParleyError as error:
            tally.answers[error.code] += 1
        except TimeoutError:
            tally.answers["timeout"] += 1
        finally:
            room.release()
            progress.advance(task)

    async with asyncio.TaskGroup() as group:
        for index, (client, entry) in enumerate(spoken):
            due = began + due_s(first_at_s, entry.at_s, index, rate=rate, speed=speed)
            if (early := due - time.monotonic()) > 0:
                await asyncio.sleep(early)
            await room.acquire()
            group.create_task(post(client, entry))
    tally.took_s = time.monotonic() - began
    return tally


def _voice(entry: Entry, index: int, authors: int) -> str:
    """Return whose account posts an entry."""
    return entry.author if entry.author is not None else f"reader {index % authors + 1}"


async def _accounts(admin: Http, voices: list[str], progress: Progress) -> dict[str, str]:
    """Make an account for each author and sign in; return their tokens."""
    task = progress.add_task("accounts", total=len(voices))
    room = asyncio.Semaphore(SETUPS_MAX)
    tokens: dict[str, str] = {}

    async def make(voice: str) -> None:
        async with room:
            tokens[voice] = await _account(admin, voice)
            progress.advance(task)

    try:
        async with asyncio.TaskGroup() as group:
            for voice in voices:
                group.create_task(make(voice))
    except* ParleyError as errors:
        # The first refusal is the reason; the others are its echo.
        first = errors.exceptions[0]
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise fail(f"an author's account cannot be made: {first}") from None
    return tokens


async def _account(admin: Http, voice: str) -> str:
    """Make an account for an author, and return its token."""
    password = secrets.token_urlsafe(18)
    http = Http(admin.base)
    handle = handle_of(voice)
    try:
        account = await _patiently(lambda: http.sign_up(handle, voice, password))
    except ParleyError as error:
        if error.code != "taken":
            raise
        # Its password is not ours: an earlier replay of the same file made it, or a person.
        fresh = handle = f"{handle[:25].rstrip('-')}-{secrets.token_hex(3)}"
        account = await _patiently(lambda: http.sign_up(fresh, voice, password))
    if admin.token is not None:
        await _verify(admin, str(account["id"]))
    return await _patiently(lambda: http.sign_in(handle, password))


async def _patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Make a call, and wait where the server says that it is too much at once."""
    for _ in range(SETUP_RETRIES_MAX):
        try:
            return await call()
        except ParleyError as error:
            if error.code != "limited" or error.retry_after_ms is None:
                raise
            await asyncio.sleep(error.retry_after_ms / 1000)
    return await call()


async def _verify(admin: Http, account: str) -> None:
    """Note a verified identity, where the token may; a site that asks for none posts without."""
    try:
        await admin.set_account(account, level="verified")
    except ParleyError as error:
        if error.code not in ("forbidden", "unauthenticated"):
            raise
