"""The room in a terminal: scrollback that follows the picture, an input line, and the state of the connection."""

from datetime import UTC, datetime
from time import monotonic
from typing import ClassVar, Final

from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Footer, Input, Static

from parley_client.commands.lines import Act, Hint, Quit, Say, intention, line, printable
from parley_client.commands.room import Room
from parley_client.errors import ConnectionEnded, ParleyError
from parley_client.values import Connected, Disconnected, GapEvent, Incoming, SubscriptionEnded
from parley_protocol.frames import Error, Presence, Typing, Unsuppress, VerdictNotice
from parley_protocol.replica import Change, Hidden, PostView

TYPING_S: Final = 5.0
"""How long a name stands as typing after its last notice, and least time between two notices of one's own."""


class Line(Static):
    """One post on the screen."""

    def __init__(self, view: PostView, mine: bool) -> None:
        super().__init__(_rendered(view, mine), markup=False)
        self.view = view
        self.mine = mine

    def show(self, view: PostView) -> None:
        """Show another state of the same post."""
        self.view = view
        self.update(_rendered(view, self.mine))


class RoomScreen(App[str | None]):
    """A board in a terminal. Its result is why it ended, where the visitor did not end it."""

    CSS = """
    #posts { height: 1fr; }
    .notice { color: $warning; }
    #state { height: 1; background: $panel; color: $text-muted; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pageup", "older", "Older", priority=True),
        Binding("pagedown", "newer", "Newer", priority=True),
        Binding("ctrl+c", "quit", "Quit", priority=True),
    ]

    def __init__(self, room: Room) -> None:
        super().__init__()
        self.room = room
        self.title = room.board
        self.state = "connected"
        self.online: int | None = None
        self.typing: dict[str, float] = {}
        self._told_typing_at = 0.0
        self._lines: dict[str, Line] = {}

    def compose(self) -> ComposeResult:
        """Scrollback, state, input."""
        yield VerticalScroll(id="posts", can_focus=False)
        yield Static(id="state", markup=False)
        yield Input(placeholder=f"Write to {self.room.board}; /help for commands", id="input")
        yield Footer()

    @property
    def texts(self) -> list[str]:
        """The posts on the screen, top down."""
        return [line.view.body for line in self.query(Line)]

    def on_mount(self) -> None:
        """Start to follow the board."""
        self.query_one(Input).focus()
        self.set_interval(1.0, self._show_state)
        self.follow()

    @work(exclusive=True, group="follow", exit_on_error=False)
    async def follow(self) -> None:
        """Enter, then show each event as it comes."""
        try:
            await self.room.enter()
            self._show_state()
            self.load_older(first=True)
            async for event in self.room.client:
                self._take(event)
        except ConnectionEnded as error:
            self.exit(f"{error.code}: {error.message}")
        except ParleyError as error:
            self.exit(f"{error.code}: {error.message}")
        except TimeoutError:
            self.exit("timeout: the server took too long")

    async def on_input_submitted(self, message: Input.Submitted) -> None:
        """Do what was typed."""
        message.input.value = ""
        match intention(message.value):
            case None:
                pass
            case Quit():
                self.exit(None)
            case Hint(text):
                self.note(text)
            case meant:
                self.do(meant)

    @work(group="do", exit_on_error=False)
    async def do(self, meant: Say | Act) -> None:
        """Send a request; its outcome is a notice or an event."""
        try:
            if (notice := await self.room.do(meant)) is not None:
                self.note(notice)
        except ParleyError as error:
            self.note(f"{error.code}: {error.message}")
        except TimeoutError:
            self.note("no answer came; look before you repeat it")

    async def on_input_changed(self, message: Input.Changed) -> None:
        """Let others see that one is writing, now and then."""
        if self.room.client.account is None:
            return
        if message.value and not message.value.startswith("/") and monotonic() - self._told_typing_at > TYPING_S:
            self._told_typing_at = monotonic()
            await self.room.client.typing(self.room.board)

    async def action_older(self) -> None:
        """Scroll up, and load older posts where there is nothing above."""
        posts = self.query_one("#posts", VerticalScroll)
        if posts.scroll_y > 0:
            posts.scroll_page_up()
        else:
            self.load_older()

    def action_newer(self) -> None:
        """Scroll down."""
        self.query_one("#posts", VerticalScroll).scroll_page_down()

    @work(exclusive=True, group="older", exit_on_error=False)
    async def load_older(self, *, first: bool = False) -> None:
        """Load a page of history above what is shown; ``first``: the page that one enters with, whose end is shown."""
        try:
            if await self.room.older(self._show):
                if first:
                    self._to_end()
            elif not first:
                self.note("there is nothing older to show here")
        except (ParleyError, TimeoutError) as error:
            self.note(f"history did not come: {error}")

    @work(group="again", exit_on_error=False)
    async def read_again(self) -> None:
        """Read what came without its text while a retraction was tried that came to nothing."""
        try:
            await self.room.read_again(self._show)
        except (ParleyError, TimeoutError) as error:
            self.note(f"history did not come: {error}")

    def note(self, text: str) -> None:
        """Show a line that is no post."""
        self.query_one("#posts").mount(Static(Text(printable(text)), classes="notice", markup=False))
        self._to_end()

    def _take(self, event: Incoming) -> None:
        """Show one event."""
        change = self.room.take(event)
        if change is not None:
            self._show(change)
        match event:
            case Connected():
                self.state = "connected"
                self._drop_strangers()
            case Disconnected():
                self.state = f"reconnecting: {event.why}"
            case Presence():
                self.online = event.online
            case Unsuppress():
                self.read_again()
            case Typing():
                self.typing[self.room.typing_name(event)] = monotonic() + TYPING_S
            case VerdictNotice() | GapEvent() | SubscriptionEnded() | Error():
                if (text := line(event, self.room.place)) is not None:
                    self.note(text.removeprefix("[-] "))
                self._drop_strangers()
            case _:
                return
        self._show_state()

    def _show(self, change: Change) -> None:
        """Let the screen follow a change of the picture; a hidden post leaves it before anything else is drawn."""
        if isinstance(change, Hidden):
            held = self._lines.pop(change.post, None)
            if held is not None:
                held.update("")
                held.remove()
            return
        view = change.post
        held = self._lines.get(view.post)
        if held is not None and held.view.place == view.place:
            held.show(view)
            return
        if held is not None:
            held.remove()
        me = self.room.client.account
        fresh = self._lines[view.post] = Line(view, me is not None and view.author.id == me.id)
        posts = self.query_one("#posts", VerticalScroll)
        at_end = posts.max_scroll_y - posts.scroll_y < 2
        after = next((line for line in self._lines.values() if line is not fresh and line.view.place > view.place), None)
        if after is None:
            posts.mount(fresh)
        else:
            posts.mount(fresh, before=min((li for li in self._lines.values() if li.view.place > view.place), key=_place))
        if len(self._lines) > self.room.replica.keep:
            first = min(self._lines.values(), key=_place)
            del self._lines[first.view.post]
            first.remove()
        if at_end:
            self._to_end()

    def _drop_strangers(self) -> None:
        """Take away posts that are not in the picture any more, after another epoch began."""
        shown = {view.post for view in self.room.replica.posts()}
        for post in [post for post in self._lines if post not in shown]:
            self._lines.pop(post).remove()

    def _to_end(self) -> None:
        self.call_after_refresh(self.query_one("#posts", VerticalScroll).scroll_end, animate=False)

    def _show_state(self) -> None:
        """Write the line above the input."""
        now = monotonic()
        self.typing = {name: until for name, until in self.typing.items() if until > now}
        me = self.room.client.account
        parts = [f"{self.room.board} as {me.name if me is not None else 'guest (read-only)'}", self.state]
        parts += [f"{self.online} online"] if self.online is not None else []
        parts += [f"{', '.join(sorted(self.typing))} typing…"] if self.typing else []
        self.query_one("#state", Static).update(Text(printable(" · ".join(parts))))


def _place(line: Line) -> int:
    return line.view.place


def _rendered(view: PostView, mine: bool) -> Text:
    """Draw a post. Text from others is never markup."""
    at = datetime.fromtimestamp(view.at / 1_000_000, UTC).astimezone()
    drawn = Text.assemble(
        (f"{view.place:>5} ", "dim"),
        (f"{at:%H:%M} ", "dim"),
        (f"{printable(view.author.name)} ", "bold green" if mine else "bold cyan"),
        (f"→ {view.reply_to[:8]} " if view.reply_to else "", "dim"),
        printable(view.body),
        (" (edited)" if view.rev > 1 else "", "dim"),
    )
    for emoji, count in view.reactions:
        drawn.append(f"  {printable(emoji)} {count}", "dim")
    return drawn
