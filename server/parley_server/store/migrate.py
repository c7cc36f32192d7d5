"""Bring a database to the schema of this version: numbered SQL files, forward only, each in a transaction of its own."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Final

import asyncpg

from parley_server.store import bounds
from parley_server.store.pool import Connection, reaching

_NAME: Final = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
# Any number, the same in every process; holds off a second one that starts at the same time.
_LOCK: Final = 7_215_019_846

_TABLE: Final = """
create table if not exists migrations (
    number     integer     primary key,
    name       text        not null,
    checksum   text        not null,
    applied_at timestamptz not null default now()
)
"""


class MigrationError(Exception):
    """The database and this version do not fit. The message says what to do; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of ``store/migrations``. ``checksum``: SHA-256 of its text, in hex."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Digest by which a change of an applied file shows."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations() -> list[Migration]:
    """Read the files that come with this version, in order."""
    files = resources.files("parley_server.store").joinpath("migrations").iterdir()
    named = ((file, _NAME.fullmatch(file.name)) for file in files)
    found = [Migration(int(name[1]), name[2], file.read_text(encoding="utf-8")) for file, name in named if name]
    found.sort(key=lambda migration: migration.number)
    assert [migration.number for migration in found] == list(range(1, len(found) + 1)), "migrations are numbered without gap"
    return found


async def migrate(url: str, known: Sequence[Migration] | None = None) -> list[Migration]:
    """Apply what is missing and return it; several processes may call this at once, one of them does the work.

    Args:
        url: of the database, for a role that may create tables.
        known: the migrations of this version; ``None``: the files that come with it.

    Raises:
        MigrationError: an applied migration differs from the file here, or is newer than this version.
        Unavailable: PostgreSQL cannot be reached.
    """
    known = migrations() if known is None else known
    async with reaching():
        connection = await asyncpg.connect(url, timeout=bounds.ACQUIRE_S, command_timeout=bounds.MIGRATION_S)
        try:
            # A lock of the session: it covers all the transactions below and ends with the connection, also when the process dies.
            await connection.execute(f"select pg_advisory_lock({_LOCK})")
            await connection.execute(_TABLE)
            missing = await _missing(connection, known)
            for migration in missing:
                async with connection.transaction():
                    await connection.execute(migration.sql)
                    await connection.execute(
                        "insert into migrations (number, name, checksum) values ($1, $2, $3)",
                        migration.number,
                        migration.name,
                        migration.checksum,
                    )
            return missing
        finally:
            await connection.close(timeout=bounds.ACQUIRE_S)


async def _missing(connection: Connection, known: Sequence[Migration]) -> list[Migration]:
    """Compare what was applied with ``known``."""
    applied = {
        row["number"]: row for row in await connection.fetch("select number, name, checksum from migrations order by number")
    }
    here = {migration.number: migration for migration in known}
    for number, row in applied.items():
        migration = here.get(number)
        if migration is None:
            raise MigrationError(
                f"The database has migration {number:04}_{row['name']}, which this version does not know. "
                "Start the version that made it, or a newer one; there is no way back."
            )
        if migration.checksum != row["checksum"]:
            raise MigrationError(
                f"Migration {number:04}_{migration.name} differs from the one that was applied to this database. "
                "Put the original file back, and make the change in a new migration."
            )
    return [migration for migration in known if migration.number not in applied]
