"""The living nodes and the changes that each must hear of, on PostgreSQL."""

from typing import Final

from parley_server.domain.hints import NodeId
from parley_server.ports import Change, NodeState, Seen
from parley_server.store import bounds
from parley_server.store.pool import Database, Row

_BEAT: Final = """
insert into nodes (node, beat_at, heard, ruleset, ruleset_at_us) values ($1, clock_timestamp(), $2, $3, $4)
on conflict (node) do update
    set beat_at = excluded.beat_at, heard = excluded.heard, ruleset = excluded.ruleset, ruleset_at_us = excluded.ruleset_at_us
"""

# One statement is one snapshot: what is seen of the nodes and the number of the last change are of one moment.
_LOOK: Final = """
select h.n as changes, o.*
from change_head h left join nodes o on o.node <> $1 and o.beat_at > clock_timestamp() - make_interval(secs => $2)
order by o.node
"""


class PgNodes:
    """``ports.Nodes`` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def beat(self, state: NodeState) -> Seen:
        """Say that this node lives; see the port. Two statements: the second sees what was committed before the first was."""
        await self._database.row(_BEAT, state.node, state.heard, state.ruleset, state.ruleset_at_us)
        return await self.look(state.node)

    async def site(self) -> str:
        """Return what names this database among all that may share a Redis: the cluster, and the database in it."""
        row = await self._database.row(
            "select c.system_identifier, d.oid from pg_control_system() c, pg_database d where d.datname = current_database()"
        )
        assert row is not None
        return f"{row['system_identifier']}-{row['oid']}"

    async def look(self, node: NodeId) -> Seen:
        """See who lives; see the port."""
        rows = await self._database.read(_LOOK, node, bounds.NODE_LEASE_S)
        return Seen(rows[0]["changes"], tuple(_state(row) for row in rows if row["node"] is not None))

    async def leave(self, node: NodeId) -> None:
        """Forget a node."""
        await self._database.row("delete from nodes where node = $1", node)

    async def changes(self, after: int, limit: int) -> list[Change]:
        """Return at most ``PAGE_MAX`` changes; see the port."""
        rows = await self._database.read(
            "select * from changes where n > $1 order by n limit $2", after, min(limit, bounds.PAGE_MAX)
        )
        return [Change(row["n"], row["kind"], row["subject"], row["board"], row["seq"]) for row in rows]


def _state(row: Row) -> NodeState:
    return NodeState(NodeId(row["node"]), row["heard"], row["ruleset"], row["ruleset_at_us"])
