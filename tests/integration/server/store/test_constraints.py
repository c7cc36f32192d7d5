"""P6 and P7 as the database keeps them: whoever writes SQL by hand cannot break them either."""

# ruff: noqa: S608 -- the tables and columns that are named here are those of this file

from collections.abc import AsyncIterator

import asyncpg
import pytest

from parley_server.domain.takedowns import Filed, Kind
from parley_server.store.pool import Connection
from tests.samples import MODERATOR, a_draft, a_restriction, a_reversal
from tests.stores import Store

COLUMNS = (
    "id, n, kind, post, subject, rev, board, author, actor_type, policy, policy_version, reason, facts, severity, stage, detection,"
    " detected_at_us, stopped_at_us, recorded_at_us, appeal_until_us, evidence_takedown, evidence_rev, evidence_hash, case_id"
)


@pytest.fixture
async def raw(pg: Store, database_url: str) -> AsyncIterator[Connection]:
    """A connection beside the store's."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def published(store: Store) -> str:
    draft = a_draft()
    await store.log.append(draft)
    return draft.post


async def withheld(store: Store) -> str:
    """Store a held post; return its takedown."""
    restriction = a_restriction()
    assert isinstance(await store.takedowns.stop(a_draft(), restriction), Filed)
    return restriction.takedown


async def copy_takedown(raw: Connection, of: str, **changes: str) -> None:
    """Insert a takedown like another, but for some columns (name to SQL), with evidence of its own."""
    changes = {"id": "'copy'", "n": "99", "evidence_takedown": "'copy'", **changes}
    values = ", ".join(changes.get(name.strip(), name.strip()) for name in COLUMNS.split(","))
    async with raw.transaction():
        await raw.execute(
            "insert into evidence select 'copy', rev, post, sealed, wrapped_key, commitment, sealed_at_us"
            " from evidence where takedown = $1",
            of,
        )
        await raw.execute(
            "insert into log_leaves (n, record, leaf, salt) select n + 1, 'copy', leaf, salt from log_leaves where record = $1",
            of,
        )
        await raw.execute(f"insert into takedowns ({COLUMNS}) select {values} from takedowns where id = $1", of)


async def test_a_complete_record_can_be_copied(pg: Store, raw: Connection) -> None:
    """The test's own tool: what the others change is all that fails there."""
    await copy_takedown(raw, await withheld(pg))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("reason", "null"),
        ("reason", "''"),
        ("reason", "E' \\n\\t'"),
        ("facts", "null"),
        ("facts", "'  '"),
        ("policy", "null"),
        ("policy", "'no-such-policy'"),
        ("policy_version", "99"),
        ("appeal_until_us", "null"),
        ("appeal_until_us", "stopped_at_us"),
        ("appeal_until_us", "detected_at_us - 1"),
        ("actor_type", "'nobody'"),
        ("detection", "null"),
    ],
)
async def test_p7_no_restriction_without_reason_and_appeal(pg: Store, raw: Connection, column: str, value: str) -> None:
    takedown = await withheld(pg)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await copy_takedown(raw, takedown, **{column: value})


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("evidence_takedown", "null"),
        ("evidence_takedown", "'elsewhere'"),
        ("evidence_rev", "7"),
        ("evidence_hash", "null"),
        ("case_id", "null"),
        ("case_id", "'no-such-case'"),
    ],
)
async def test_p6_no_record_without_its_evidence_and_its_case(pg: Store, raw: Connection, column: str, value: str) -> None:
    takedown = await withheld(pg)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await copy_takedown(raw, takedown, **{column: value})


@pytest.mark.parametrize("state", ["held", "refused", "retracted"])
async def test_p6_no_post_is_restricted_without_a_record(pg: Store, raw: Connection, state: str) -> None:
    post = await published(pg)
    with pytest.raises(asyncpg.CheckViolationError, match="restricted_has_takedown"):
        await raw.execute("update posts set state = $2 where id = $1", post, state)
    with pytest.raises(asyncpg.ForeignKeyViolationError, match="restriction_has_its_record"):
        await raw.execute("update posts set state = $2, takedown = 'none' where id = $1", post, state)


async def test_p6_a_record_covers_its_own_post_and_kind_alone(pg: Store, raw: Connection) -> None:
    takedown, other = await withheld(pg), await published(pg)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await raw.execute("update posts set state = 'held', takedown = $2 where id = $1", other, takedown)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await raw.execute("update posts set state = 'retracted', seq = 1 where takedown = $1", takedown)


async def test_p6_no_edit_is_held_without_a_record(pg: Store, raw: Connection) -> None:
    post, elsewhere = await published(pg), await withheld(pg)
    insert = "insert into held (post, rev, takedown, ruleset, uninspected, at_us) values ($1, 2, $2, 0, false, 0)"
    for takedown in ("none", elsewhere):
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await raw.execute(insert, post, takedown)
    with pytest.raises(asyncpg.NotNullViolationError):
        await raw.execute(insert, post, None)


async def test_p6_no_case_without_its_first_alert_and_no_alert_without_its_case(pg: Store, raw: Connection) -> None:
    post = await published(pg)
    case = (
        "insert into cases (id, rev, state, board, post, policy, severity, opened_at_us, first_alert)"
        " values ('c', 1, 'new', 'general', $1, 'spam', 'low', 0, $2)"
    )
    for first_alert in (None, 99):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await raw.execute(case, post, first_alert)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await raw.execute(
            "insert into alerts (n, case_id, severity, board, policy, stage, excerpt, count, post, at_us)"
            " values (99, 'none', 'low', 'general', 'spam', 'late', '', 1, $1, 0)",
            post,
        )


@pytest.mark.parametrize(("table", "column"), [("takedowns", "reason"), ("reversals", "reason"), ("evidence_reads", "purpose")])
async def test_p6_records_are_never_changed_or_removed(pg: Store, raw: Connection, table: str, column: str) -> None:
    draft = a_draft()
    assert isinstance(await pg.takedowns.stop(draft, a_restriction()), Filed)
    await pg.takedowns.open_evidence(draft.post, MODERATOR, "decide", 5)
    assert isinstance(await pg.takedowns.release(draft.post, a_reversal(Kind.RELEASE)), Filed)
    for change in (f"update {table} set {column} = {column}", f"delete from {table}", f"truncate {table} cascade"):
        with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
            await raw.execute(change)
    assert await raw.fetchval(f"select count(*) from {table}") == 1


async def test_p6_evidence_stays_while_its_record_does(pg: Store, raw: Connection) -> None:
    await withheld(pg)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await raw.execute("delete from evidence")


async def test_a_takedown_is_reversed_once(pg: Store, raw: Connection) -> None:
    draft = a_draft()
    await pg.takedowns.stop(draft, a_restriction())
    await pg.takedowns.release(draft.post, a_reversal(Kind.RELEASE))
    with pytest.raises(asyncpg.UniqueViolationError):
        await raw.execute(
            "insert into reversals select 'r', 99, kind, reverses, actor_type, actor_account, reason, at_us, recorded_at_us, case_id"
            " from reversals"
        )


async def test_evidence_is_not_read_without_a_purpose(pg: Store) -> None:
    draft = a_draft()
    await pg.takedowns.stop(draft, a_restriction())
    with pytest.raises(asyncpg.CheckViolationError):
        await pg.takedowns.open_evidence(draft.post, MODERATOR, " ", 5)
