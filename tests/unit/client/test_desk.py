"""The moderator's desk: a row per case, whatever comes in whatever order."""

from parley_client.commands.desk import ROWS_MAX, Desk
from parley_protocol.frames import Alert, CaseChanged, Standing
from parley_protocol.ids import AccountId, CaseId


def alert(n: int, case: str = "c1", rev: int = 1) -> Alert:
    return Alert(n, CaseId(case), "high", "spam", "inline", "…", 1, 1, rev=rev)


def test_a_second_alert_of_a_case_is_news_in_the_same_row() -> None:
    desk = Desk()
    desk.take(alert(1))
    desk.acked("c1")
    desk.take(alert(2))
    assert [(row.alert.n, row.acked) for row in desk.rows.values()] == [(2, False)]


def test_a_row_follows_its_case() -> None:
    desk = Desk()
    desk.take(alert(1))
    row = desk.take(CaseChanged(CaseId("c1"), 2, "claimed", AccountId("mo")))
    assert row is not None
    assert (row.rev, row.state, row.by) == (2, "claimed", "mo")


def test_an_older_state_that_comes_late_changes_nothing() -> None:
    desk = Desk()
    desk.take(alert(1))
    desk.take(CaseChanged(CaseId("c1"), 3, "decided"))
    assert desk.take(CaseChanged(CaseId("c1"), 2, "claimed")) is None
    assert desk.rows["c1"].state == "decided"


def test_a_conflict_shows_the_decision_that_stands() -> None:
    desk = Desk()
    desk.take(alert(1))
    row = desk.conflict(Standing(CaseId("c1"), 4, "decided", AccountId("ann"), "release"))
    assert row is not None
    assert (row.rev, row.state, row.by) == (4, "decided", "ann")


def test_a_full_desk_lets_a_decided_case_go_first() -> None:
    desk = Desk()
    for n in range(ROWS_MAX):
        desk.take(alert(n, f"c{n}"))
    desk.take(CaseChanged(CaseId("c7"), 2, "decided"))
    desk.take(alert(ROWS_MAX, "new"))
    assert len(desk.rows) == ROWS_MAX
    assert "c7" not in desk.rows
    assert "c0" in desk.rows
