"""The moderators' stream and its cases on PostgreSQL."""

from parley_protocol import codes
from parley_protocol.frames import Alert
from parley_protocol.ids import AccountId, CaseId
from parley_server.domain.answers import Refused
from parley_server.domain.takedowns import Case, CaseAt, KeptDraft
from parley_server.store import bounds, cases
from parley_server.store.pool import Connection, Database


class PgAlerts:
    """``ports.Alerts`` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def head(self) -> int:
        """Return the greatest ``n``."""
        row = await self._database.row("select n from alert_head")
        assert row is not None  # The migration put it there.
        n: int = row["n"]
        return n

    async def after(self, n: int, boards: frozenset[str] | None, limit: int) -> list[Alert]:
        """Return at most ``PAGE_MAX`` alerts above ``n``."""
        rows = await self._database.read(
            cases.ALERTS + "where a.n > $1 and ($2::text[] is null or a.board = any($2)) order by a.n limit $3",
            n,
            _names(boards),
            min(limit, bounds.PAGE_MAX),
        )
        return [cases.alert(row) for row in rows]

    async def unacknowledged(self, boards: frozenset[str] | None, limit: int) -> list[Alert]:
        """Return at most ``PAGE_MAX`` alerts that nobody acknowledged."""
        rows = await self._database.read(
            cases.ALERTS + "where a.acknowledged_by is null and ($1::text[] is null or a.board = any($1)) order by a.n limit $2",
            _names(boards),
            min(limit, bounds.PAGE_MAX),
        )
        return [cases.alert(row) for row in rows]

    async def acknowledge(self, n: int, by: AccountId, at_us: int, boards: frozenset[str] | None) -> Refused | None:
        """Note the first person that saw an alert; ``no_alert``, also for one on other boards."""
        row = await self._database.row(
            "update alerts set acknowledged_at_us = coalesce(acknowledged_at_us, $3), acknowledged_by = coalesce(acknowledged_by, $2)"
            " where n = $1 and ($4::text[] is null or board = any($4)) returning n",
            n,
            by,
            at_us,
            _names(boards),
        )
        return Refused(codes.NO_ALERT) if row is None else None

    async def case(self, case: CaseId) -> Case | None:
        """Return a case as it stands."""
        row = await self._database.row("select * from cases where id = $1", case)
        return None if row is None else cases.case(row)

    async def cases(self, *, state: str | None, boards: frozenset[str] | None, after: str | None, limit: int) -> list[Case]:
        """Return at most ``PAGE_MAX`` cases in the order of their ids, which is the order of their making."""
        rows = await self._database.read(
            "select * from cases where id > $3 and ($1::text is null or state = $1) and ($2::text[] is null or board = any($2))"
            " order by id limit $4",
            state,
            _names(boards),
            after or "",
            min(limit, bounds.PAGE_MAX),
        )
        return [cases.case(row) for row in rows]

    async def claim(self, at: CaseAt, by: AccountId, at_us: int) -> Case | Refused:
        """Take a case, also from another who has it, if it is not decided; see the port."""

        async def work(connection: Connection) -> Case | Refused:
            found = await cases.lock_case(connection, at)
            if isinstance(found, Refused):
                return found
            if found.standing is not None:
                return Refused(codes.CONFLICT, standing=found.standing)
            return await cases.claim(connection, found, by, at_us)

        return await self._database.run(work)

    async def keep(self, draft: KeptDraft) -> None:
        """Keep a text; for no case that exists, keep nothing."""
        await self._database.row(
            "insert into case_drafts (case_id, by, action, policy, reason, at_us)"
            " select id, $2, $3, $4, $5, $6 from cases where id = $1",
            draft.case,
            draft.by,
            draft.action,
            draft.policy,
            draft.reason,
            draft.at_us,
        )

    async def kept(self, case: CaseId) -> list[KeptDraft]:
        """Return at most ``PAGE_MAX`` texts, oldest first."""
        rows = await self._database.read(
            "select * from case_drafts where case_id = $1 order by n limit $2", case, bounds.PAGE_MAX
        )
        return [
            KeptDraft(CaseId(row["case_id"]), AccountId(row["by"]), row["action"], row["policy"], row["reason"], row["at_us"])
            for row in rows
        ]


def _names(boards: frozenset[str] | None) -> list[str] | None:
    return None if boards is None else sorted(boards)
