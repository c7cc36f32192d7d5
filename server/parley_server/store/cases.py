"""Cases and their alerts, as steps inside a transaction.

An alert's ``n`` comes from a row that stays locked until the transaction ends, so a watcher that saw ``n`` has missed nothing below.
"""

from parley_protocol import codes
from parley_protocol.frames import Action, Alert, CaseState, Standing
from parley_protocol.ids import AccountId, BoardId, CaseId, PostId
from parley_server.domain.answers import Refused
from parley_server.domain.rules import Severity
from parley_server.domain.takedowns import AlertDraft, Case, CaseAt
from parley_server.store.pool import Connection, Row
from parley_server.store.writes import Stored

# The revision is the case's as of now: what a watcher needs to claim or decide it, whenever it reads the alert.
ALERTS = "select a.*, c.rev as case_rev from alerts a join cases c on c.id = a.case_id "


async def lock_case(connection: Connection, at: CaseAt) -> Case | Refused:
    """Lock a case if it stands at this revision; else ``conflict`` with what stands, or ``no_case``."""
    row = await connection.fetchrow("select * from cases where id = $1 for update", at.case)
    if row is None:
        return Refused(codes.NO_CASE)
    return case(row) if row["rev"] == at.rev else Refused(codes.CONFLICT, standing=_standing(row))


async def lock_case_of(connection: Connection, post: str, at: CaseAt | None) -> Case | Refused | None:
    """Lock the case that a decision on ``post`` is about: the one named, or else its open one, at whatever revision."""
    if at is not None:
        found = await lock_case(connection, at)
        return Refused(codes.NO_CASE) if isinstance(found, Case) and found.post != post else found
    row = await connection.fetchrow("select * from cases where post = $1 and state <> 'decided' for update", post)
    return None if row is None else case(row)


async def lock_any_case(connection: Connection, case_id: str) -> Case:
    """Lock a case that a record refers to, at whatever revision."""
    row = await connection.fetchrow("select * from cases where id = $1 for update", case_id)
    assert row is not None  # A record's case is a foreign key.
    return case(row)


async def raise_alert(connection: Connection, stored: Stored, found: Case | None, draft: AlertDraft) -> tuple[Case, Alert]:
    """Store an alert on the open case ``found``, or on a new one; a graver alert makes the case graver."""
    n = await connection.fetchval("update alert_head set n = n + 1 returning n")
    count = 1
    if found is None:
        found = await _open(connection, stored, draft, n)
    else:
        count += await connection.fetchval("select count(*) from alerts where case_id = $1", found.case)
        if draft.severity.rank > found.severity.rank:
            found = await _changed(connection, "severity = $2", found.case, draft.severity.value)
    await connection.execute(
        "insert into alerts (n, case_id, severity, board, policy, rule, stage, excerpt, count, post, at_us)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        n,
        found.case,
        draft.severity.value,
        stored.board,
        draft.policy,
        draft.rule,
        draft.stage.value,
        draft.excerpt,
        count,
        stored.post,
        draft.at_us,
    )
    alert_frame = Alert(
        n,
        found.case,
        draft.severity.value,
        draft.policy,
        draft.stage.value,
        draft.excerpt,
        count,
        draft.at_us,
        stored.board,
        draft.rule,
        stored.post,
        found.rev,
    )
    return found, alert_frame


async def decide(
    connection: Connection, found: Case, action: Action, by: AccountId | None, policy: str | None, reason: str, at_us: int
) -> Case:
    """Close a locked case with a decision, which stands from now on."""
    return await _changed(
        connection,
        "rev = rev + 1, state = 'decided', decided_action = $2, decided_by = $3, decided_policy = $4, decided_reason = $5,"
        " decided_at_us = $6",
        found.case,
        action,
        by,
        policy,
        reason,
        at_us,
    )


async def claim(connection: Connection, found: Case, by: AccountId, at_us: int) -> Case:
    """Note who takes a locked case."""
    change = "rev = rev + 1, state = 'claimed', claimed_by = $2, claimed_at_us = $3"
    return await _changed(connection, change, found.case, by, at_us)


async def reopen(connection: Connection, found: Case) -> Case:
    """Put a locked, decided case back among those that wait for a person."""
    return await _changed(
        connection,
        "rev = rev + 1, state = 'new', claimed_by = null, decided_action = null, decided_by = null, decided_policy = null,"
        " decided_reason = null, decided_at_us = null",
        found.case,
    )


def case(row: Row) -> Case:
    """Read a row of ``cases``."""
    return Case(
        CaseId(row["id"]),
        row["rev"],
        row["state"],
        BoardId(row["board"]),
        PostId(row["post"]),
        row["policy"],
        Severity(row["severity"]),
        row["opened_at_us"],
        _account(row["claimed_by"]),
        _standing(row) if row["state"] == "decided" else None,
    )


def alert(row: Row) -> Alert:
    """Read a row of ``ALERTS``."""
    return Alert(
        row["n"],
        CaseId(row["case_id"]),
        row["severity"],
        row["policy"],
        row["stage"],
        row["excerpt"],
        row["count"],
        row["at_us"],
        BoardId(row["board"]),
        row["rule"],
        PostId(row["post"]),
        row["case_rev"],
    )


async def _open(connection: Connection, stored: Stored, draft: AlertDraft, n: int) -> Case:
    row = await connection.fetchrow(
        "insert into cases (id, rev, state, board, post, policy, severity, opened_at_us, first_alert)"
        " values ($1, 1, 'new', $2, $3, $4, $5, $6, $7) returning *",
        draft.new_case,
        stored.board,
        stored.post,
        draft.policy,
        draft.severity.value,
        draft.at_us,
        n,
    )
    assert row is not None
    return case(row)


async def _changed(connection: Connection, change: str, case_id: str, *values: object) -> Case:
    row = await connection.fetchrow(f"update cases set {change} where id = $1 returning *", case_id, *values)  # noqa: S608  # ``change`` is one of the texts above.
    assert row is not None
    return case(row)


def _standing(row: Row) -> Standing:
    """Say what stands: who decided what, or who has claimed it."""
    state: CaseState = row["state"]
    by = row["decided_by"] if state == "decided" else row["claimed_by"]
    return Standing(
        CaseId(row["id"]), row["rev"], state, _account(by), row["decided_action"], row["decided_policy"], row["decided_reason"]
    )


def _account(account: str | None) -> AccountId | None:
    return None if account is None else AccountId(account)
