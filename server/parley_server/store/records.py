"""Takedown records and their evidence, as steps inside a transaction, and the map that the public record is.

A record holds no text of the post and nothing about a person but pseudonymous account ids. Its fields are those of the statement of
reasons of the Digital Services Act, article 17, as far as a post can have them.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from parley_server.domain.record_leaf import SALT_BYTES, commitment, leaf_of
from parley_server.domain.rules import Ground
from parley_server.domain.takedowns import Actor, Case, Detection, Kind, Restriction, Reversal
from parley_server.domain.verdict import Stage
from parley_server.store.pool import Connection, Row
from parley_server.store.seal import Sealed, Sealer, evidence_hash
from parley_server.store.writes import Stored

_SCHEMA_VERSION: Final = 1

# Reversals stand in the same order as restrictions and take policy and subject from the one that they end.
_EVERY: Final = """
select s.*, p.ground, p.reference, p.explanation, l.salt
from (
    select t.n, t.id, t.kind, t.post, t.subject, t.rev, t.board, t.author, t.actor_type, t.actor_account, t.policy, t.policy_version,
           t.reason, t.facts, t.severity, t.stage, t.detection, t.detected_at_us, t.stopped_at_us, t.recorded_at_us,
           t.appeal_until_us, t.evidence_takedown, t.evidence_hash, t.case_id,
           null as reverses, (select r.id from reversals r where r.reverses = t.id) as reversed_by
    from takedowns t
    union all
    select r.n, r.id, r.kind, t.post, t.subject, t.rev, t.board, t.author, r.actor_type, r.actor_account, t.policy, t.policy_version,
           r.reason, null, null, null, null, null, null, r.recorded_at_us,
           null, null, null, r.case_id,
           r.reverses, null
    from reversals r join takedowns t on t.id = r.reverses
) s
join policies p on p.id = s.policy and p.version = s.policy_version
left join log_leaves l on l.record = s.id
"""

RECORDS: Final = (
    _EVERY  # noqa: S608 -- every part of it is a constant of this module
    + """
where ($1::text is null or s.post = $1) and ($2::text is null or s.author = $2)
  and s.n > coalesce((select n from takedowns where id = $3), (select n from reversals where id = $3), 0)
order by s.n
limit $4
"""
)

RECORD: Final = _EVERY + "where s.id = $1"

RECORDS_ABOVE: Final = _EVERY + "where s.n > $1 order by s.n limit $2"


async def policy_version(connection: Connection, policy: str) -> int | None:
    """Return the version of a policy that is in force; ``None`` if there is no such policy."""
    version: int | None = await connection.fetchval("select max(version) from policies where id = $1", policy)
    return version


async def seal_texts(
    connection: Connection, sealer: Sealer, takedown: str, post: str, texts: Sequence[tuple[int, str]], at_us: int
) -> bytes:
    """Store texts (revision, body; oldest first) as sealed evidence of a takedown; return the hash for its record."""
    sealed = [(rev, sealer.seal(takedown, post, rev, body)) for rev, body in texts]
    await connection.executemany(
        "insert into evidence (takedown, rev, post, sealed, wrapped_key, commitment, sealed_at_us) values ($1, $2, $3, $4, $5, $6, $7)",
        [(takedown, rev, post, one.text, one.wrapped_key, one.commitment, at_us) for rev, one in sealed],
    )
    return evidence_hash([one.commitment for _, one in sealed])


async def unseal_texts(connection: Connection, sealer: Sealer, takedown: str) -> list[tuple[int, str]]:
    """Open the evidence of a takedown: revision and body, oldest first.

    Raises:
        BrokenSeal: it cannot be opened.
    """
    rows = await connection.fetch("select * from evidence where takedown = $1 order by rev", takedown)
    return [(row["rev"], open_row(sealer, row)) for row in rows]


def open_row(sealer: Sealer, row: Row) -> str:
    """Open a row of ``evidence``; ``BrokenSeal`` if that fails."""
    sealed = Sealed(row["sealed"], row["wrapped_key"], row["commitment"])
    return sealer.unseal(row["takedown"], row["post"], row["rev"], sealed)


async def add_takedown(
    connection: Connection,
    stored: Stored,
    restriction: Restriction,
    version: int,
    case: Case,
    *,
    rev: int,
    evidence: tuple[str, int],
    evidence_hash: bytes,
) -> None:
    """Write the record of a restriction of revision ``rev``, and its leaf; ``evidence``: takedown and revision that its text is sealed under."""
    await connection.execute(
        "with head as (update alert_head set records = records + 1 returning records)"
        " insert into takedowns (id, kind, post, subject, rev, board, author, actor_type, actor_account, policy, policy_version, reason,"
        " facts, severity, stage, detection, detected_at_us, stopped_at_us, appeal_until_us, evidence_takedown, evidence_rev,"
        " evidence_hash, case_id, n, recorded_at_us)"
        " select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, records,"
        " (extract(epoch from clock_timestamp()) * 1000000)::bigint from head",
        restriction.takedown,
        restriction.kind.value,
        stored.post,
        "edit" if rev > stored.rev else "post",
        rev,
        stored.board,
        stored.author.id,
        restriction.actor.type,
        restriction.actor.account,
        restriction.policy,
        version,
        restriction.reason,
        restriction.facts,
        restriction.severity.value,
        restriction.stage.value,
        detection_text(restriction.detection),
        restriction.detected_at_us,
        restriction.stopped_at_us,
        restriction.appeal_until_us,
        *evidence,
        evidence_hash,
        case.case,
    )
    await _log(connection, restriction.takedown)


async def add_reversal(connection: Connection, reversal: Reversal, reverses: str, case: Case) -> None:
    """Write the record that a takedown was reversed, and its leaf."""
    await connection.execute(
        "with head as (update alert_head set records = records + 1 returning records)"
        " insert into reversals (id, kind, reverses, actor_type, actor_account, reason, at_us, case_id, n, recorded_at_us)"
        " select $1, $2, $3, $4, $5, $6, $7, $8, records, (extract(epoch from clock_timestamp()) * 1000000)::bigint from head",
        reversal.takedown,
        reversal.kind.value,
        reverses,
        reversal.actor.type,
        reversal.actor.account,
        reversal.reason,
        reversal.at_us,
        case.case,
    )
    await _log(connection, reversal.takedown)


async def _log(connection: Connection, record: str) -> None:
    """Add the leaf of a record, as it will be read, in the transaction that writes it (P6)."""
    row = await connection.fetchrow(RECORD, record)
    assert row is not None  # It was written by the statement before.
    await add_leaf(connection, row)


async def add_leaf(connection: Connection, row: Row) -> None:
    """Append the leaf of a row of ``RECORDS``; the caller holds the row of ``alert_head``, which numbers both."""
    salt = secrets.token_bytes(SALT_BYTES)
    await connection.execute(
        "insert into log_leaves (n, record, leaf, salt) values ($1, $2, $3, $4)",
        row["n"],
        row["id"],
        leaf_of(public({**row, "salt": salt})),
        salt,
    )


def by_machine(actor: Actor) -> bool:
    """Whether nobody has decided yet: what a rule or the system stopped waits for a person."""
    return actor.type in ("system", "rule")


def public(row: Row | Mapping[str, Any]) -> dict[str, object]:
    """Write a row of ``RECORDS`` as the record that its author, moderators and auditors read: JSON, times as RFC 3339."""
    kind = Kind(row["kind"])
    record: dict[str, object] = {
        "id": row["id"],
        "kind": kind.value,
        "schema_version": _SCHEMA_VERSION,
        "effect": _EFFECTS[kind],
        "subject": {"type": row["subject"], "id": row["post"], "version": row["rev"], "board": row["board"]},
        "policy": {"id": row["policy"], "version": row["policy_version"]},
        **_ground(row),
        "reason": row["reason"],
        "actor": _actor(row),
        "recorded_at": _time(row["recorded_at_us"]),
        "case_id": row["case_id"],
    }
    if kind in (Kind.RELEASE, Kind.RESTORE):
        return record | {"reverses": row["reverses"]}
    detection = json.loads(row["detection"])
    return record | {
        "facts": row["facts"],
        "severity": row["severity"],
        "source": "notice" if row["stage"] == Stage.REPORT else "own-initiative",
        "detection": detection,
        "decision_mode": _decision_mode(row["actor_type"], automated=detection["automated"]),
        "verdict_stage": row["stage"],
        "rule_set_version": detection["ruleset"],
        "detected_at": _time(row["detected_at_us"]),
        "stopped_at": _time(row["stopped_at_us"]),
        "appeal_until": _time(row["appeal_until_us"]),
        "evidence_ref": row["evidence_takedown"],
        "evidence_hash": row["evidence_hash"].hex(),
        "reversed_by": row["reversed_by"],
    }


_EFFECTS: Final = {
    Kind.WITHHOLD: ["withhold"],
    Kind.REFUSE: ["remove"],
    Kind.RETRACT: ["remove"],
    Kind.RELEASE: [],
    Kind.RESTORE: [],
}


def _ground(row: Row | Mapping[str, Any]) -> dict[str, object]:
    """Name what the policy rests on, under the key that the statement of reasons has for it."""
    if Ground(row["ground"]) is Ground.LAW:
        return {"ground": "illegal", "legal_ground": row["reference"], "legal_explanation": row["explanation"]}
    return {"ground": "incompatible", "terms_ground": row["reference"], "terms_explanation": row["explanation"]}


def _actor(row: Row | Mapping[str, Any]) -> dict[str, object]:
    """Say who acted, and what the log binds that to; a rule has no account to bind."""
    account, salt = row["actor_account"], row["salt"]
    if account is None:
        return {"type": row["actor_type"], "account": None, "salt": None, "commitment": None}
    bound = commitment(salt, account).hex()
    return {"type": row["actor_type"], "account": account, "salt": salt.hex(), "commitment": bound}


def _decision_mode(actor_type: str, *, automated: bool) -> str:
    """Say how much of the decision was a machine's: ``full``, ``partial`` (it found, a person decided) or ``none``."""
    if actor_type in ("system", "rule"):
        return "full"
    return "partial" if automated else "none"


def detection_text(detection: Detection) -> str:
    """Write a detection as the JSON that the record keeps."""
    return json.dumps(
        {
            "automated": detection.automated,
            "rules": [{"id": rule, "version": version} for rule, version in detection.rules],
            "spans": [list(span) for span in detection.spans],
            "ruleset": detection.ruleset,
            "failed_checks": list(detection.failed_checks),
            "normaliser": detection.normaliser,
            "disguises": list(detection.disguises),
        }
    )


def _time(at_us: int) -> str:
    moment = datetime.fromtimestamp(at_us // 1_000_000, UTC).replace(microsecond=at_us % 1_000_000)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
