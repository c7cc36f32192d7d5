"""What the tests of HTTP ask for by name."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.http.desk import Desk


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """A server without rate limits."""
    desk = Desk()
    await desk.rulebook.load()
    async with desk.client:
        yield desk
    await desk.moderation.close()
