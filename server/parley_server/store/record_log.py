"""The record log on PostgreSQL. Its leaves are written with their records (``records.add_leaf``) and read here."""

from parley_server.store import bounds, records
from parley_server.store.pool import Connection, Database


class BrokenLog(Exception):
    """A leaf is missing: somebody changed the table by hand. No checkpoint can be made."""


class PgRecordLog:
    """``ports.RecordLog`` on PostgreSQL.

    A transaction that writes a record holds the row that numbers it until it commits, so no leaf can be seen before those below it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def size(self) -> int:
        """Return the number of leaves."""
        row = await self._database.row("select coalesce(max(n), 0) as size from log_leaves")
        assert row is not None  # An aggregate always has a row.
        size: int = row["size"]
        return size

    async def leaves(self, after: int, limit: int) -> list[bytes]:
        """Return at most ``LEAVES_MAX`` leaves; see the port.

        Raises:
            BrokenLog: there is a gap.
        """
        rows = await self._database.read(
            "select n, leaf from log_leaves where n > $1 order by n limit $2", after, min(limit, bounds.LEAVES_MAX)
        )
        for n, row in enumerate(rows, after + 1):
            if row["n"] != n:
                raise BrokenLog(f"The record log has no leaf {n}, but a leaf {row['n']}.")
        return [row["leaf"] for row in rows]

    async def complete(self) -> int:
        """Add the leaves of records that are older than the log, at a start; returns how many. Several processes may call this at once."""
        added = 0
        while page := await self._database.run(_complete_page):
            added += page
        return added


async def _complete_page(connection: Connection) -> int:
    # The row that numbers records is the lock: while it is held nobody else adds a leaf.
    await connection.execute("select from alert_head for update")
    last = await connection.fetchval("select coalesce(max(n), 0) from log_leaves")
    rows = await connection.fetch(records.RECORDS_ABOVE, last, bounds.PAGE_MAX)
    for row in rows:
        await records.add_leaf(connection, row)
    return len(rows)
