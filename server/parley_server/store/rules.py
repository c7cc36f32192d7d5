"""Policies, rules and rule sets on PostgreSQL."""

import json
from collections.abc import Mapping, Sequence

from parley_protocol import codes
from parley_server.domain.answers import Refused
from parley_server.domain.bounds import SHADOW_SAMPLES
from parley_server.domain.rules import Ground, Mode, Policy, ShadowCount, StoredRule, TermList
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

    async def get(self, rule_id: str) -> StoredRule | None:
        """Return a rule's latest version."""
        row = await self._database.row("select * from stored_rules where id = $1 order by version desc limit 1", rule_id)
        return None if row is None else _stored(row)

    async def all(self) -> list[StoredRule]:
        """Return the latest version of every rule, by id."""
        rows = await self._database.read("select distinct on (id) * from stored_rules order by id, version desc")
        return [_stored(row) for row in rows]

    async def in_force(self) -> tuple[int, list[StoredRule]]:
        """Return the rule set as of one moment: one statement reads its version and its rules. Version 0 if none was ever in force."""
        rows = await self._database.read(
            "select coalesce((select max(version) from rule_sets), 0) as ruleset, r.*"
            " from (select) one left join stored_rules r on r.mode in ('live', 'shadow') order by r.id, r.mode"
        )
        return rows[0]["ruleset"], [_stored(row) for row in rows if row["version"] is not None]

    async def activate(self, rule_id: str, version: int, by: str | None, at_us: int, *, shadow: bool = False) -> int:
        """Let a version judge in place of the rule's earlier one; see the port.

        Raises:
            LookupError: there is no such version; the caller has just read or stored it.
        """
        mode = "shadow" if shadow else "live"

        async def work(connection: Connection) -> int:
            await _alone(connection)
            await connection.execute(
                "update rules set mode = 'retired' where id = $1 and mode = $2 and version <> $3", rule_id, mode, version
            )
            found = await connection.fetchval(
                "update rules set mode = $3 where id = $1 and version = $2 returning version", rule_id, version, mode
            )
            if found is None:
                raise LookupError(f"rule {rule_id} has no version {version}")
            return await _next_set(connection, "shadow" if shadow else "activate", rule_id, version, by, at_us)

        return await self._database.run(work)

    async def retire(self, rule_id: str, by: str | None, at_us: int) -> int | None:
        """Take a rule out; see the port."""

        async def work(connection: Connection) -> int | None:
            await _alone(connection)
            rows = await connection.fetch(
                "update rules set mode = 'retired' where id = $1 and mode in ('live', 'shadow') returning version", rule_id
            )
            if not rows:
                return None
            return await _next_set(connection, "retire", rule_id, max(row["version"] for row in rows), by, at_us)

        return await self._database.run(work)

    async def approve(self, rule_id: str, version: int, by: str, at_us: int) -> Refused | None:
        """Note an approval; see the port."""
        rows = await self._database.read(
            "with found as (select by from rules where id = $1 and version = $2),"
            " added as (insert into rule_approvals (rule, version, by, at_us)"
            "  select $1, $2, $3, $4 from found where by is distinct from $3 on conflict do nothing)"
            " select by is not distinct from $3 as own from found",
            rule_id,
            version,
            by,
            at_us,
        )
        if not rows:
            return Refused(codes.NO_RULE)
        return Refused(codes.FORBIDDEN, "Nobody approves a rule of their own.") if rows[0]["own"] else None

    async def put_list(self, name: str, terms: Sequence[str], by: str | None, at_us: int) -> int:
        """Store the next version of a list."""

        async def work(connection: Connection) -> int:
            await _alone(connection)
            version: int = await connection.fetchval(
                "insert into term_lists (name, version, terms, by, at_us)"
                " select $1, coalesce(max(version), 0) + 1, $2, $3, $4 from term_lists where name = $1 returning version",
                name,
                list(terms),
                by,
                at_us,
            )
            return version

        return await self._database.run(work)

    async def term_list(self, name: str, version: int | None = None) -> TermList | None:
        """Return a version of a list, the latest for ``None``."""
        row = await self._database.row(
            "select * from term_lists where name = $1 and ($2::integer is null or version = $2) order by version desc limit 1",
            name,
            version,
        )
        return None if row is None else TermList(row["name"], row["version"], tuple(row["terms"]))

    async def term_lists(self) -> list[tuple[str, int, int]]:
        """Return name, latest version and number of terms of every list, by name."""
        rows = await self._database.read(
            "select distinct on (name) name, version, cardinality(terms) as size from term_lists order by name, version desc"
        )
        return [(row["name"], row["version"], row["size"]) for row in rows]

    async def count_shadow(self, counts: Sequence[ShadowCount]) -> None:
        """Add to what rules in the shadow would have done; see the port."""

        async def work(connection: Connection) -> None:
            for count in counts:
                before = await connection.fetchval(
                    "insert into shadow_counts as c (rule, version, board, inspected, would, also) values ($1, $2, $3, $4, $5, $6)"
                    " on conflict (rule, version, board) do update set inspected = c.inspected + excluded.inspected,"
                    "  would = c.would + excluded.would, also = c.also + excluded.also returning would - $5",
                    count.rule,
                    count.version,
                    count.board,
                    count.inspected,
                    count.would,
                    count.also,
                )
                # The last of the texts that were met are in ``samples``: each has a place by its number among all of them.
                first = before + count.would - len(count.samples)
                await connection.executemany(
                    "insert into shadow_samples (rule, version, board, place, excerpt, met) values ($1, $2, $3, $4, $5, $6)"
                    " on conflict (rule, version, board, place) do update set excerpt = excluded.excerpt, met = excluded.met",
                    [
                        (count.rule, count.version, count.board, (first + n) % SHADOW_SAMPLES, excerpt, first + n)
                        for n, excerpt in enumerate(count.samples)
                    ],
                )

        await self._database.run(work)

    async def shadow(self, rule_id: str, version: int) -> list[ShadowCount]:
        """Return what a version would have done so far, by board."""
        rows = await self._database.read(
            "select c.*, coalesce((select array_agg(s.excerpt order by s.met) from shadow_samples s"
            "  where (s.rule, s.version, s.board) = (c.rule, c.version, c.board)), '{}') as samples"
            " from shadow_counts c where rule = $1 and version = $2 order by board",
            rule_id,
            version,
        )
        return [
            ShadowCount(
                row["rule"], row["version"], row["board"], row["inspected"], row["would"], row["also"], tuple(row["samples"])
            )
            for row in rows
        ]


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


def _stored(row: Row) -> StoredRule:
    return StoredRule(
        row["id"], row["version"], Mode(row["mode"]), json.loads(row["document"]), row["by"], frozenset(row["approved_by"])
    )
