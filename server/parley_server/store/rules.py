"""Policies, rules and rule sets on PostgreSQL."""

import json
from collections.abc import Mapping

from parley_server.domain.rules import Ground, Policy
from parley_server.store import changes
from parley_server.store.pool import Connection, Database, Row


class PgRules:
    """``ports.Rules`` on PostgreSQL. What changes a rule or the set is done one after the other, on all nodes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def policies(self) -> list[Policy]:
        """Return the latest version of each policy, by id."""
        rows = await self._database.read("select distinct on (id) * from policies order by id, version desc")
        return [
            Policy(row["id"], row["version"], row["title"], Ground(row["ground"]), row["reference"], row["explanation"])
            for row in rows
        ]

    async def put_policy(self, policy: Policy, by: str | None, at_us: int) -> Policy:
        """Store a policy as the next version of its id, whatever version it says."""

        async def work(connection: Connection) -> Policy:
            await _alone(connection)
            version = await connection.fetchval(
                "insert into policies (id, version, title, ground, reference, explanation, by, at_us)"
                " select $1, coalesce(max(version), 0) + 1, $2, $3, $4, $5, $6, $7 from policies where id = $1 returning version",
                policy.id,
                policy.title,
                policy.ground.value,
                policy.reference,
                policy.explanation,
                by,
                at_us,
            )
            await changes.note(connection, "policies", policy.id)
            return Policy(policy.id, version, policy.title, policy.ground, policy.reference, policy.explanation)

        return await self._database.run(work)

    async def add(self, document: Mapping[str, object], rule_id: str, by: str | None, at_us: int) -> int:
        """Store a draft as the rule's next version."""

        async def work(connection: Connection) -> int:
            await _alone(connection)
            version: int = await connection.fetchval(
                "insert into rules (id, version, mode, document, by, at_us)"
                " select $1, coalesce(max(version), 0) + 1, 'draft', $2, $3, $4 from rules where id = $1 returning version",
                rule_id,
                json.dumps(document),
                by,
                at_us,
            )
            return version

        return await self._database.run(work)

    async def get(self, rule_id: str) -> tuple[int, str, Mapping[str, object]] | None:
        """Return version, mode and document of a rule's latest version."""
        row = await self._database.row("select * from rules where id = $1 order by version desc limit 1", rule_id)
        return None if row is None else (row["version"], row["mode"], _document(row))

    async def all(self) -> list[tuple[str, int, str, Mapping[str, object]]]:
        """Return the latest version of every rule, by id."""
        rows = await self._database.read("select distinct on (id) * from rules order by id, version desc")
        return [(row["id"], row["version"], row["mode"], _document(row)) for row in rows]

    async def live(self) -> tuple[int, list[tuple[int, Mapping[str, object]]]]:
        """Return the rule set as of one moment: one statement reads its version and its rules. Version 0 if none was ever live."""
        rows = await self._database.read(
            "select coalesce((select max(version) from rule_sets), 0) as ruleset, r.version, r.document"
            " from (select) one left join rules r on r.mode = 'live' order by r.id"
        )
        return rows[0]["ruleset"], [(row["version"], _document(row)) for row in rows if row["version"] is not None]

    async def activate(self, rule_id: str, version: int, by: str | None, at_us: int) -> int:
        """Make a version live in place of the rule's earlier one; see the port.

        Raises:
            LookupError: there is no such version; the caller has just read or stored it.
        """

        async def work(connection: Connection) -> int:
            await _alone(connection)
            await connection.execute("update rules set mode = 'retired' where id = $1 and mode = 'live'", rule_id)
            found = await connection.fetchval(
                "update rules set mode = 'live' where id = $1 and version = $2 returning version", rule_id, version
            )
            if found is None:
                raise LookupError(f"rule {rule_id} has no version {version}")
            return await _next_set(connection, "activate", rule_id, version, by, at_us)

        return await self._database.run(work)

    async def retire(self, rule_id: str, by: str | None, at_us: int) -> int | None:
        """Take a rule out; see the port."""

        async def work(connection: Connection) -> int | None:
            await _alone(connection)
            version = await connection.fetchval(
                "update rules set mode = 'retired' where id = $1 and mode = 'live' returning version", rule_id
            )
            return None if version is None else await _next_set(connection, "retire", rule_id, version, by, at_us)

        return await self._database.run(work)


async def _alone(connection: Connection) -> None:
    """Wait for any other change of policies and rules to commit; readers go on."""
    await connection.execute("lock table rule_sets in share row exclusive mode")


async def _next_set(connection: Connection, act: str, rule_id: str, version: int, by: str | None, at_us: int) -> int:
    """Give the rule set its next version."""
    ruleset: int = await connection.fetchval(
        "insert into rule_sets (version, act, rule, rule_version, by, at_us)"
        " select coalesce(max(version), 0) + 1, $1, $2, $3, $4, $5 from rule_sets returning version",
        act,
        rule_id,
        version,
        by,
        at_us,
    )
    await changes.note(connection, "rules", rule_id)
    return ruleset


def _document(row: Row) -> Mapping[str, object]:
    document: Mapping[str, object] = json.loads(row["document"])
    return document
