"""A moderator's desk: one row per case, made of the alerts and case changes that came. Pure."""

from dataclasses import dataclass, field, replace
from typing import Final

from parley_client.values import Incoming
from parley_protocol.frames import Action, Alert, CaseChanged, Standing

ROWS_MAX: Final = 1_000
"""Cases on a desk. Full: the oldest decided one leaves, else the oldest; ``parley cases`` lists them all."""

NEEDS_POLICY: Final[frozenset[Action]] = frozenset({"retract", "refuse"})
"""Decisions that tell the author a policy and a reason."""


@dataclass(frozen=True, slots=True)
class Row:
    """A case: its latest alert, and how the case stands. ``acked``: this moderator has seen the alert."""

    alert: Alert
    rev: int
    state: str = "new"
    by: str | None = None
    acked: bool = False


@dataclass(slots=True)
class Desk:
    """Cases by id, in the order in which they first came."""

    rows: dict[str, Row] = field(default_factory=dict[str, Row])

    def take(self, event: Incoming) -> Row | None:
        """Let an event change a row; return that row."""
        match event:
            case Alert():
                held = self.rows.get(event.case)
                fresh = Row(event, event.rev)
                if held is not None:
                    fresh = replace(held, alert=event, rev=max(held.rev, event.rev), acked=False)
                self.rows[event.case] = fresh
                if len(self.rows) > ROWS_MAX:
                    decided = (case for case, row in self.rows.items() if row.state == "decided")
                    del self.rows[next(decided, next(iter(self.rows)))]
                return fresh
            case CaseChanged():
                return self._stands(event.case, event.rev, event.state, event.by)
            case _:
                return None

    def conflict(self, standing: Standing) -> Row | None:
        """Take over how a case stands, after somebody was first."""
        return self._stands(standing.case, standing.rev, standing.state, standing.by)

    def acked(self, case: str) -> Row | None:
        """Note that the latest alert of a case was seen."""
        held = self.rows.get(case)
        if held is not None:
            held = self.rows[case] = replace(held, acked=True)
        return held

    def _stands(self, case: str, rev: int, state: str, by: str | None) -> Row | None:
        held = self.rows.get(case)
        if held is None or rev < held.rev:
            return None
        held = self.rows[case] = replace(held, rev=rev, state=state, by=by)
        return held
