"""The way to PostgreSQL: a bounded pool, one transaction per piece of work, and what its errors mean.

A piece of work is a coroutine function of one connection. It runs inside a transaction at READ COMMITTED: each statement sees what
was committed before it began, so a statement after a lock sees what the lock's last owner wrote. The store relies on that.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

import asyncpg
from asyncpg import exceptions as sql

from parley_server.ports import Unavailable
from parley_server.store import bounds

# asyncpg's classes are generic for type checkers only. A pool lends a proxy of a connection, with the same methods.
if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Row: TypeAlias = asyncpg.Record
else:
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool
    Row = asyncpg.Record

Result = TypeVar("Result")

# PostgreSQL undid the transaction and says that the same one may succeed now.
AGAIN: Final = (sql.DeadlockDetectedError, sql.SerializationError)

# The world is down, full or too slow; nothing in our statement was wrong. ``InterfaceError`` stands for a connection that closed
# under us (asyncpg gives it no class of its own), ``InternalClientError`` for the same when a prepared statement meets it,
# ``TimeoutError`` for ``command_timeout`` and for the wait for a connection.
_DOWN: Final = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    sql.PostgresConnectionError,
    sql.InsufficientResourcesError,
    sql.OperatorInterventionError,
    sql.LockNotAvailableError,
    sql.ReadOnlySQLTransactionError,
    sql.IdleInTransactionSessionTimeoutError,
    sql.InvalidAuthorizationSpecificationError,
    sql.InvalidCatalogNameError,
    sql.PostgresSystemError,
)

_SETTINGS: Final = {
    "application_name": "parley",
    "statement_timeout": str(bounds.STATEMENT_MS),
    "lock_timeout": str(bounds.LOCK_MS),
    "idle_in_transaction_session_timeout": str(bounds.IDLE_TRANSACTION_MS),
    # An acknowledged post is on disk, whatever the server's own default says (P4).
    "synchronous_commit": "on",
    # The statements are small; compiling them costs more than they do.
    "jit": "off",
}


@asynccontextmanager
async def reaching() -> AsyncIterator[None]:
    """Turn what says that PostgreSQL cannot answer into ``Unavailable``, chained; all else is a mistake of ours and passes."""
    try:
        yield
    except AGAIN + _DOWN as error:
        if isinstance(error, ValueError):
            raise  # asyncpg's refusal of an argument is an ``InterfaceError`` too; that one is a mistake of ours.
        raise Unavailable(f"PostgreSQL: {type(error).__name__}") from error


class Database:
    """A pool of connections with the limits of ``bounds``. Made by ``open_database``.

    ``calls``: statements, transactions and group commits since the start, each counted once.
    """

    def __init__(self, url: str, pool: Pool) -> None:
        self._url = url
        self._pool = pool
        self.calls = 0

    async def run(self, work: Callable[[Connection], Awaitable[Result]]) -> Result:
        """Run ``work`` in one transaction and return its result once that is committed.

        Runs it a second time, from its beginning, if PostgreSQL broke a deadlock or could not serialise: then nothing was changed.

        Raises:
            Unavailable: nothing was changed; unless the connection was lost during the commit itself, which nobody can tell from here.
        """
        async with reaching():
            try:
                return await self._once(work)
            except AGAIN:
                # Not at once: the winner must wake and take the lock before this transaction can take it again.
                await asyncio.sleep(bounds.AGAIN_S)
                return await self._once(work)

    async def _once(self, work: Callable[[Connection], Awaitable[Result]]) -> Result:
        self.calls += 1
        async with self._pool.acquire(timeout=bounds.ACQUIRE_S) as connection, connection.transaction():
            return await work(connection)

    async def read(self, query: str, *arguments: object) -> list[Row]:
        """Run one reading statement, which is its own snapshot, and return its rows."""
        self.calls += 1
        async with reaching():
            return await self._pool.fetch(query, *arguments)

    async def row(self, query: str, *arguments: object) -> Row | None:
        """Run one statement and return its first row."""
        self.calls += 1
        async with reaching():
            return await self._pool.fetchrow(query, *arguments)

    async def connect(self) -> Connection:
        """Open a connection beside the pool, for one task that keeps it; the caller closes it."""
        async with reaching():
            return await asyncpg.connect(
                self._url, timeout=bounds.ACQUIRE_S, command_timeout=bounds.COMMAND_S, server_settings=_SETTINGS
            )

    async def close(self) -> None:
        """Wait for what runs, then close every connection."""
        try:
            async with asyncio.timeout(bounds.COMMAND_S):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()


async def _as_it_is(connection: Connection) -> None:
    """Give a connection back without the query that undoes what its user set: nobody here sets anything beyond a transaction.

    That query would be a second round trip after each statement.
    """


async def open_database(url: str, *, connections_max: int = bounds.CONNECTIONS_MAX) -> Database:
    """Connect to PostgreSQL 15 or later.

    Args:
        url: ``postgresql://user:password@host:port/database``.
        connections_max: of the pool; the board log's writer has one beside it.

    Raises:
        Unavailable: it cannot be reached.
    """
    async with reaching():
        pool = await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=connections_max,
            command_timeout=bounds.COMMAND_S,
            timeout=bounds.ACQUIRE_S,
            server_settings=_SETTINGS,
            reset=_as_it_is,
        )
    return Database(url, pool)
