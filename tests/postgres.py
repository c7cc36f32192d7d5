"""A PostgreSQL for tests: one server for each pytest session and kind, a fresh database for each test.

``postgres_url`` is the address of a new, empty database. A test that must hold on Debian's PostgreSQL (15) as well as on the
embedded one asks for both::

    @on_every_postgres
    async def test_...(postgres_url: str) -> None: ...

To hand out databases that are already migrated, make one, migrate it, and copy it: ``postgres.create(template=...)``.
"""

import asyncio
import os
import shutil
import tempfile
import threading
from collections.abc import Coroutine, Iterator
from itertools import count
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from parley_server import embedded_postgres

Kind: TypeAlias = Literal["embedded", "debian"]
T = TypeVar("T")

# Tests lose nothing in a power cut, so nothing waits for the disk.
TEST_SETTINGS: Final = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}
WAIT_SECONDS_MAX: Final = 60

on_every_postgres = pytest.mark.parametrize("postgres_kind", ["embedded", "debian"], indirect=True, scope="session")
"""Run the test on the embedded PostgreSQL and on Debian's; the latter is skipped where it is not installed."""


def debian_bin_dir() -> Path | None:
    """Where Debian's PostgreSQL keeps its programs, the newest version; none when it is not installed."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(found, key=lambda path: int(path.parent.name), default=None)


class PostgresForTests:
    """A running server that makes databases. All of its methods block, and work whether or not a loop runs in this thread."""

    def __init__(self, kind: Kind) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="parley-postgres-"))
        self._folder.chmod(0o711)  # when we are root PostgreSQL runs as another user, who must get through
        self._numbers = count(1)
        # A thread of its own: it lasts as long as the server must, and is free of the loops that tests come with.
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="postgres-for-tests")
        self._thread.start()
        bin_dir = debian_bin_dir() if kind == "debian" else None
        self._server = self._wait(embedded_postgres.start(self._folder / "data", bin_dir=bin_dir, settings=TEST_SETTINGS))

    @property
    def data_dir(self) -> Path:
        """The folder of this server."""
        return self._folder / "data"

    def create(self, template: str | None = None) -> str:
        """Make a database and return its URL.

        Args:
            template: URL of a database to copy, which nobody may be connected to; none: an empty database. Some 20 ms.
        """
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        source = urlsplit(template).path[1:] if template else "template0"
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{source}"')
        return urlunsplit(urlsplit(self._server.url)._replace(path="/" + name))

    def drop(self, url: str) -> None:
        """Remove a database; connections that a test left open are cut."""
        self._execute(f'DROP DATABASE IF EXISTS "{urlsplit(url).path[1:]}" WITH (FORCE)')

    def stop(self) -> None:
        """End the server and remove its folder."""
        self._wait(self._server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT_SECONDS_MAX)
        self._loop.close()
        shutil.rmtree(self._folder)

    def _execute(self, statement: str) -> None:
        """Run one statement outside a transaction."""

        async def execute() -> None:
            connection = await asyncpg.connect(self._server.url, timeout=10)
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        self._wait(execute())

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the thread and wait for it, for a bounded time."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT_SECONDS_MAX)


@pytest.fixture(scope="session")
def postgres_kind(request: pytest.FixtureRequest) -> Kind:
    """Which PostgreSQL: the embedded one, unless the test asks for another (``on_every_postgres``)."""
    kind: Kind = getattr(request, "param", "embedded")
    if kind == "debian" and debian_bin_dir() is None:
        pytest.skip("Debian's PostgreSQL is not installed")
    return kind


@pytest.fixture(scope="session")
def postgres(postgres_kind: Kind) -> Iterator[PostgresForTests]:
    """The session's server."""
    server = PostgresForTests(postgres_kind)
    yield server
    server.stop()


@pytest.fixture
def postgres_url(postgres: PostgresForTests) -> Iterator[str]:
    """The URL of a new, empty database, removed after the test."""
    url = postgres.create()
    yield url
    postgres.drop(url)
