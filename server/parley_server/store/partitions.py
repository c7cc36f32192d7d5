"""Months of the board log: each has its own partition, made before it begins."""

from datetime import UTC, datetime
from itertools import pairwise

from parley_server.store import bounds
from parley_server.store.pool import Connection, Database


def month_start(at_us: int, ahead: int = 0) -> datetime:
    """Return the first moment (UTC) of the month that lies ``ahead`` months after the one of ``at_us``."""
    now = datetime.fromtimestamp(at_us // 1_000_000, UTC)
    months = now.year * 12 + now.month - 1 + ahead
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)


async def ensure_partitions(database: Database, now_us: int) -> list[str]:
    """Create the partitions of this month and of the next ones.

    A month of which events already lie in the default partition stays there: to move them would lock the log. Nothing is lost by
    that, the partition is only larger.

    Returns:
        Names of the partitions that were created.
    """

    async def work(connection: Connection) -> list[str]:
        # Two nodes that start together would both find the month missing.
        await connection.execute("lock table events in share update exclusive mode")
        starts = [month_start(now_us, ahead) for ahead in range(bounds.PARTITIONS_AHEAD + 2)]
        return [name for first, end in pairwise(starts) if (name := await _ensure(connection, first, end))]

    return await database.run(work)


async def _ensure(connection: Connection, first: datetime, end: datetime) -> str | None:
    """Create one month's partition; ``None`` if it is there or its events are in the default partition."""
    name = f"events_{first:%Y_%m}"
    first_us, end_us = int(first.timestamp()) * 1_000_000, int(end.timestamp()) * 1_000_000
    if await connection.fetchval("select to_regclass($1)", name) is not None:
        return None
    if await connection.fetchval("select exists (select from events_default where at_us >= $1 and at_us < $2)", first_us, end_us):
        return None
    # ``create … partition of`` would lock the whole log; attaching locks only the default partition, which is all but empty.
    await connection.execute(f"create table {name} (like events including defaults including constraints)")
    await connection.execute(f"alter table events attach partition {name} for values from ({first_us}) to ({end_us})")
    return name
