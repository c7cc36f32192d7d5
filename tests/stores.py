"""The store under test as fixtures: the fakes, and PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from parley_server import ports
from parley_server.domain.hints import NodeId
from parley_server.domain.people import Level, SiteRole
from parley_server.store.alerts import PgAlerts
from parley_server.store.board_log import PgBoardLog
from parley_server.store.kept_answers import PgKeptAnswers
from parley_server.store.migrate import migrate
from parley_server.store.nodes import PgNodes
from parley_server.store.people import PgPeople
from parley_server.store.pool import Database, open_database
from parley_server.store.record_log import PgRecordLog
from parley_server.store.rules import PgRules
from parley_server.store.seal import Sealer
from parley_server.store.takedowns import PgTakedowns
from tests import samples
from tests.fakes import (
    FakeAlerts,
    FakeBoardLog,
    FakeKeptAnswers,
    FakeNodes,
    FakePeople,
    FakeRecordLog,
    FakeRules,
    FakeTakedowns,
    FakeWorld,
)
from tests.postgres import PostgresForTests

KEY = b"k" * 32


@dataclass(frozen=True, slots=True)
class Store:
    """Every port of one store.

    Attributes:
        other_log: the log as another node has it.
        age: makes the last beat of a node older by so many seconds.
    """

    log: ports.BoardLog
    other_log: ports.BoardLog
    takedowns: ports.Takedowns
    record_log: ports.RecordLog
    alerts: ports.Alerts
    people: ports.People
    rules: ports.Rules
    nodes: ports.Nodes
    kept_answers: ports.KeptAnswers
    age: Callable[[NodeId, float], Awaitable[None]]


@pytest.fixture(scope="session")
def migrated_url(postgres: PostgresForTests) -> Iterator[str]:
    """A database to copy."""
    url = postgres.create()
    with ThreadPoolExecutor(1) as elsewhere:  # This thread may run a loop already.
        elsewhere.submit(asyncio.run, migrate(url)).result()
    yield url
    postgres.drop(url)


@pytest.fixture
def database_url(postgres: PostgresForTests, migrated_url: str) -> Iterator[str]:
    """A database with the schema and nothing else."""
    url = postgres.create(template=migrated_url)
    yield url
    postgres.drop(url)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A pool of that database."""
    opened = await open_database(database_url)
    yield opened
    await opened.close()


@asynccontextmanager
async def running(database: Database) -> AsyncIterator[PgBoardLog]:
    """A board log whose writer runs."""
    log = PgBoardLog(database, Sealer(KEY))
    writer = asyncio.create_task(log.run())
    yield log
    writer.cancel()
    await asyncio.gather(writer, return_exceptions=True)


@asynccontextmanager
async def postgres_store(url: str) -> AsyncIterator[Store]:
    """A store of two nodes on one database, which has its people and boards."""
    async with AsyncExitStack() as stack:
        database = await open_database(url)
        stack.push_async_callback(database.close)
        other = await open_database(url, connections_max=2)
        stack.push_async_callback(other.close)
        log = await stack.enter_async_context(running(database))
        other_log = await stack.enter_async_context(running(other))
        takedowns, people = PgTakedowns(database, Sealer(KEY)), PgPeople(database)
        await settle(people)

        async def age(node: NodeId, seconds: float) -> None:
            await database.row("update nodes set beat_at = beat_at - make_interval(secs => $2) where node = $1", node, seconds)

        yield Store(
            log,
            other_log,
            takedowns,
            PgRecordLog(database),
            PgAlerts(database),
            people,
            PgRules(database),
            PgNodes(database),
            PgKeptAnswers(database, Sealer(KEY)),
            age,
        )


@pytest.fixture
async def pg(database_url: str) -> AsyncIterator[Store]:
    """The store on PostgreSQL, for what only PostgreSQL can show."""
    async with postgres_store(database_url) as store:
        yield store


@pytest.fixture(params=["fake", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """Either store: what a contract says holds on both."""
    if request.param == "fake":
        world = FakeWorld()
        log, people = FakeBoardLog(world), FakePeople(world)
        await settle(people)

        async def age(node: NodeId, seconds: float) -> None:
            state, beat = world.nodes[node]
            world.nodes[node] = (state, beat - seconds)

        yield Store(
            log,
            log,
            FakeTakedowns(world),
            FakeRecordLog(world),
            FakeAlerts(world),
            people,
            FakeRules(world),
            FakeNodes(world),
            FakeKeptAnswers(world),
            age,
        )
    else:
        async with postgres_store(request.getfixturevalue("database_url")) as made:
            yield made


async def settle(people: ports.People) -> None:
    """Add the accounts and boards of the samples."""
    for account in (samples.AUTHOR.id, samples.OTHER.id, samples.MODERATOR):
        handle = account.removeprefix("acc-")
        assert await people.create_account(account, handle, handle.capitalize(), None, SiteRole.MEMBER, Level.VERIFIED, 1) is None
    for board in (samples.GENERAL, samples.QUIET):
        assert await people.create_board(samples.a_board(board), samples.MODERATOR) is None
