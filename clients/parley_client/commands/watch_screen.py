"""The alerts in a terminal: a table that follows the stream, and a key for each decision."""

from collections.abc import Awaitable, Callable
from typing import ClassVar, Final

from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Input, Label, Static

from parley_client.client import Client
from parley_client.commands.desk import NEEDS_POLICY, Desk, Row
from parley_client.commands.lines import printable, standing_line
from parley_client.errors import ParleyError
from parley_client.values import Connected, Disconnected
from parley_protocol.frames import Action, Error

COLUMNS: Final = ("n", "seen", "state", "severity", "board", "policy", "rule", "stage", "count", "excerpt")
_COLOURS: Final = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "dim"}


class Asked(ModalScreen[tuple[str, str] | None]):
    """Asks for the policy and the reason of a decision. Its result is both, or nothing after Escape."""

    CSS = """
    Asked { align: center middle; }
    Asked Vertical { width: 80; height: auto; border: round $accent; padding: 1 2; background: $panel; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "Cancel")]

    def __init__(self, action: Action, row: Row) -> None:
        super().__init__()
        self.action = action
        self.row = row

    def compose(self) -> ComposeResult:
        """Policy, where one is needed, and reason."""
        with Vertical():
            yield Label(Text(f"{self.action}: {printable(self.row.alert.excerpt)}"))
            if self.action in NEEDS_POLICY:
                yield Input(self.row.alert.policy, placeholder="policy", id="policy")
            yield Input(placeholder="reason, as its author reads it", id="reason")

    def on_mount(self) -> None:
        """Start at the reason, since the policy is suggested."""
        self.query_one("#reason", Input).focus()

    def on_input_submitted(self) -> None:
        """Enter in either field is enough, once there is what the decision needs."""
        reason = self.query_one("#reason", Input).value.strip()
        policy = self.query_one("#policy", Input).value.strip() if self.action in NEEDS_POLICY else ""
        if self.action in NEEDS_POLICY and not (policy and reason):
            self.query_one("#reason" if policy else "#policy", Input).focus()
            return
        self.dismiss((policy, reason))

    def action_cancel(self) -> None:
        """Decide nothing."""
        self.dismiss(None)


class WatchScreen(App[str | None]):
    """The desk in a terminal. Its result is why it ended, where the moderator did not end it."""

    CSS = """
    DataTable { height: 1fr; }
    #state { height: auto; max-height: 4; background: $panel; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "claim", "Claim"),
        Binding("r", "decide('retract')", "Retract"),
        Binding("l", "decide('release')", "Release"),
        Binding("x", "decide('refuse')", "Refuse"),
        Binding("d", "decide('dismiss')", "Dismiss"),
        Binding("a", "ack", "Seen"),
        Binding("q,ctrl+c", "quit", "Quit"),
    ]

    def __init__(self, client: Client, scope: str, after: int | None) -> None:
        super().__init__()
        self.client = client
        self.scope = scope
        self.after = after
        self.desk = Desk()
        self.title = f"alerts of {scope}"

    def compose(self) -> ComposeResult:
        """Table, notice, keys."""
        yield DataTable[Text](cursor_type="row", zebra_stripes=True)
        yield Static(id="state", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Start to watch."""
        table = self._table()
        for name in COLUMNS:
            table.add_column(name, key=name)
        table.focus()
        self.follow()

    @work(exclusive=True, group="follow", exit_on_error=False)
    async def follow(self) -> None:
        """Show each alert as it comes."""
        try:
            head = await self.client.watch(self.scope, self.after)
            self.note(f"watching {self.scope}; the latest alert is {head}")
            async for event in self.client:
                match event:
                    case Connected(resumed=True):
                        self.note("connected again")
                    case Disconnected():
                        self.note(f"reconnecting: {event.why}")
                    case Error():
                        self.note(f"{event.code}: {event.message}")
                    case _:
                        self._show(self.desk.take(event))
        except ParleyError as error:
            self.exit(f"{error.code}: {error.message}")
        except TimeoutError:
            self.exit("timeout: the server took too long")

    def action_claim(self) -> None:
        """Take the case under the cursor."""
        row = self._row()
        if row is not None:
            self.do("claimed", lambda: self.client.claim(row.alert.case, row.rev))

    def action_ack(self) -> None:
        """Say that the alert under the cursor was seen."""
        row = self._row()
        if row is not None:
            self.do("seen", lambda: self.client.ack(row.alert.n), seen=row.alert.case)

    def action_decide(self, action: Action) -> None:
        """Ask for policy and reason, and decide the case under the cursor as it stood when it was asked about."""
        row = self._row()
        if row is None:
            return

        def answered(given: tuple[str, str] | None) -> None:
            if given is not None:
                policy, reason = given
                self.do(
                    action,
                    lambda: self.client.decide(row.alert.case, row.rev, action, policy=policy or None, reason=reason or None),
                )

        self.push_screen(Asked(action, row), answered)

    @work(group="do", exit_on_error=False)
    async def do(self, what: str, call: Callable[[], Awaitable[object]], seen: str | None = None) -> None:
        """Send a request; a conflict shows what stands."""
        try:
            await call()
            self.note(f"{what}: done")
            if seen is not None:
                self._show(self.desk.acked(seen))
        except ParleyError as error:
            if error.standing is not None:
                self._show(self.desk.conflict(error.standing))
                self.note(f"somebody was first: {standing_line(error.standing)}")
            else:
                self.note(f"{error.code}: {error.message}")
        except TimeoutError:
            self.note("no answer came; look before you repeat it")

    def note(self, text: str) -> None:
        """Say something below the table."""
        self.query_one("#state", Static).update(Text(printable(text)))

    def _table(self) -> "DataTable[Text]":
        return self.query_one(DataTable)

    def _row(self) -> Row | None:
        """Return the case under the cursor."""
        table = self._table()
        if not table.row_count:
            self.note("there is no alert yet")
            return None
        case = table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value
        return self.desk.rows.get(case or "")

    def _show(self, row: Row | None) -> None:
        """Write a case into its row of the table."""
        if row is None:
            return
        table, case = self._table(), row.alert.case
        cells = _cells(row)
        if case in table.rows:
            for name, cell in zip(COLUMNS, cells, strict=True):
                table.update_cell(case, name, cell, update_width=True)
            return
        table.add_row(*cells, key=case)
        for key in [key for key in table.rows if key.value not in self.desk.rows]:
            table.remove_row(key)


def _cells(row: Row) -> tuple[Text, ...]:
    """Draw a case. Text from others is never markup."""
    alert = row.alert
    state = f"{row.state} by {row.by}" if row.by else row.state
    drawn = (
        str(alert.n),
        "✓" if row.acked else "",
        state,
        alert.severity,
        alert.board or "",
        alert.policy,
        alert.rule or "",
        alert.stage,
        str(alert.count),
        alert.excerpt,
    )
    return tuple(
        Text(printable(cell), _COLOURS[alert.severity] if name == "severity" else "")
        for name, cell in zip(COLUMNS, drawn, strict=True)
    )
