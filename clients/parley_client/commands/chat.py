"""``parley chat BOARD``: a room on a screen, or line by line for scripts."""

import asyncio
import contextlib
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Annotated, BinaryIO, Final, TextIO

import typer

from parley_client.client import Client
from parley_client.commands.lines import Hint, Quit, intention, line, printable
from parley_client.commands.room import Room
from parley_client.commands.shared import Token, Url, fail, found, run
from parley_client.connection import OnRaw
from parley_client.errors import ParleyError
from parley_client.http import Http
from parley_protocol.codec import FormatName
from parley_protocol.frames import Unsuppress
from parley_protocol.replica import Change, Hidden

SETTLE_S: Final = 5.0
"""After the last line of input: longest wait for one's own posts to come back as events."""


def chat(
    board: Annotated[str, typer.Argument(help="The board's slug.")],
    plain: Annotated[bool, typer.Option("--plain", help="Line mode; the default where input or output is no terminal.")] = False,
    stay: Annotated[bool, typer.Option("--stay", help="Line mode: go on printing after the input has ended.")] = False,
    history: Annotated[
        int, typer.Option("--history", help="Line mode: print this many earlier events first.", min=0, max=500)
    ] = 0,
    raw: Annotated[Path | None, typer.Option("--raw", help="Write every message as it came off the socket to this file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Speak JSON on the wire instead of MessagePack.")] = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Talk on a board."""
    place = found(url, token)
    format: FormatName = "json" if json else "msgpack"
    with contextlib.ExitStack() as stack:
        on_raw: OnRaw | None = None
        if raw is not None:
            try:
                on_raw = _writer(stack.enter_context(raw.open("ab", buffering=0)))
            except OSError as error:
                raise fail(f"cannot write {raw}: {error.strerror}") from None
        http = Http(place.url, place.token)
        if plain or stay or not (sys.stdin.isatty() and sys.stdout.isatty()):
            run(
                _plain(
                    Client(place.url, place.token, client="parley-chat/0.1", format=format, on_raw=on_raw),
                    http,
                    board,
                    stay,
                    history,
                )
            )
            return
        ended = run(_screen(Client(place.url, place.token, client="parley-chat/0.1", format=format, on_raw=on_raw), http, board))
        if ended is not None:
            raise fail(ended)


def _writer(file: BinaryIO) -> OnRaw:
    """Write each message followed by a line feed, at once."""

    def write(message: bytes) -> None:
        file.write(message + b"\n")

    return write


async def _screen(client: Client, http: Http, board: str) -> str | None:
    from parley_client.commands.room_screen import RoomScreen  # noqa: PLC0415 - half a second that line mode need not wait

    async with client:
        return await RoomScreen(Room(board, client, http)).run_async()


async def _plain(client: Client, http: Http, board: str, stay: bool, history: int) -> None:
    async with client:
        await converse(Room(board, client, http), lines_of(sys.stdin), _print, stay=stay, history=history)


async def converse(
    room: Room, typed: AsyncIterator[str], out: Callable[[str], None], *, stay: bool = False, history: int = 0
) -> None:
    """Print events as they come, and do what is typed, in order.

    Args:
        room: not entered yet.
        typed: lines of input.
        out: prints a line.
        stay: go on after the input has ended, until the connection ends for good.
        history: earlier events to print first.

    Raises:
        ParleyError: the board cannot be followed, or the connection ended for good.
    """
    await room.enter()
    head = room.oldest - 1
    if history and head:
        page = await room.history.events(room.board, max(0, head - history), history)
        for event in page.events:
            if event.seq <= head:
                room.take(event)
                _say(line(event, room.place), out)
    came = asyncio.Event()
    printing = asyncio.create_task(_events(room, out, came), name="parley chat events")
    typing = asyncio.create_task(_typed(room, typed, out), name="parley chat input")
    try:
        await asyncio.wait((printing, typing), return_when=asyncio.FIRST_COMPLETED)
        if typing.done() and not printing.done():
            typing.result()
            if stay:
                await printing
            else:
                # An answer can overtake its event by a moment, and a script should see its own posts.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(SETTLE_S):
                        while room.replica.seq < room.answered:
                            came.clear()
                            await came.wait()
        if printing.done():
            printing.result()
    finally:
        for task in (printing, typing):
            task.cancel()
        await asyncio.gather(printing, typing, return_exceptions=True)


async def _events(room: Room, out: Callable[[str], None], came: asyncio.Event) -> None:
    async for event in room.client:
        room.take(event)
        _say(line(event, room.place), out)
        if isinstance(event, Unsuppress):
            await _again(room, out)
        came.set()


async def _again(room: Room, out: Callable[[str], None]) -> None:
    """Print the posts that were not given while a retraction of theirs was tried."""

    def shown(change: Change) -> None:
        if not isinstance(change, Hidden):
            post = change.post
            out(printable(f"[{post.place}] {post.author.name}: {post.body}"))

    try:
        await room.read_again(shown)
    except (ParleyError, TimeoutError) as error:
        out(printable(f"[-] history did not come: {error}"))


async def _typed(room: Room, typed: AsyncIterator[str], out: Callable[[str], None]) -> None:
    async for text in typed:
        match intention(text):
            case None:
                continue
            case Quit():
                return
            case Hint(hint):
                out(f"[-] {hint}")
            case meant:
                try:
                    _say(await room.do(meant), out, prefix="[-] ")
                except ParleyError as error:
                    out(printable(f"[-] error {error.code}: {error.message}"))
                except TimeoutError:
                    out("[-] error timeout: no answer came")


def _say(text: str | None, out: Callable[[str], None], prefix: str = "") -> None:
    if text is not None:
        out(prefix + text)


def _print(text: str) -> None:
    print(text, flush=True)


async def lines_of(file: TextIO) -> AsyncIterator[str]:
    """Read lines without stopping the event loop. The reading thread is a daemon: a terminal that says nothing holds nobody up."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[str | None] = asyncio.Queue(1)

    def read() -> None:
        with contextlib.suppress(RuntimeError, ValueError):
            # RuntimeError: the loop has ended; ValueError: the file was closed. Either way nobody listens.
            for text in file:
                asyncio.run_coroutine_threadsafe(queue.put(text), loop).result()
            asyncio.run_coroutine_threadsafe(queue.put(None), loop).result()

    threading.Thread(target=read, daemon=True, name="parley chat stdin").start()
    while (text := await queue.get()) is not None:
        yield text
