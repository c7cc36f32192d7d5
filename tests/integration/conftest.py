"""What every integration test may ask for by name."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.server_process import limited_server, own_server, server, server_url
from tests.integration.wire_client import Wires, connecting

__all__ = ["limited_server", "own_server", "server", "server_url", "wires"]


@pytest.fixture
async def wires() -> AsyncIterator[Wires]:
    """Opens connections, which end with the test."""
    async with connecting() as opened:
        yield opened
