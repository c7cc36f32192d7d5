"""Requests made from the OpenAPI document, good and bad: no answer is a mistake of ours or one that the document does not know."""

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, settings

from parley_server.domain.people import SiteRole
from parley_server.gateway.http.app import DECLARED
from parley_server.gateway.http.openapi import document
from parley_server.gateway.http.services import Site
from tests.integration.http.desk import Desk

schemathesis = pytest.importorskip("schemathesis", reason="it is not among the project's dependencies")

SITE = Site("Parley", "0.1.0", verified_only=True, node="node-1")
SCHEMA = schemathesis.openapi.from_dict(json.loads(document(DECLARED, SITE)))


class Running:
    """A server in a thread of its own, with an administrator."""

    def __init__(self) -> None:
        self._started = threading.Event()
        self._stop = asyncio.Event()
        self.url = ""
        self.token = ""
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._started.wait(10)

    def close(self) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        desk = Desk()
        await desk.rulebook.load()
        admin = await desk.account("root", SiteRole.ADMINISTRATOR)
        await desk.board(admin)
        await desk.post(admin, "hello")
        await desk.hold(admin, "maybe")
        runner = web.AppRunner(desk.app, access_log=None)
        await runner.setup()
        place = web.TCPSite(runner, "127.0.0.1", 0)
        await place.start()
        self.url, self.token = f"http://127.0.0.1:{runner.addresses[0][1]}", admin.token
        self._started.set()
        await self._stop.wait()
        await runner.cleanup()
        await desk.moderation.close()


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """One server for all requests."""
    server = Running()
    yield server
    server.close()


@SCHEMA.parametrize()  # type: ignore[untyped-decorator]  # the library is not typed where it is not installed
@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def test_every_answer_is_one_that_the_document_knows(case: Any, running: Running) -> None:
    checks = schemathesis.checks
    if case.path == "/v1/sessions/current":
        return  # it would end the session of all the others
    case.call_and_validate(
        base_url=running.url,
        headers={"Authorization": f"Bearer {running.token}"},
        checks=[
            checks.not_a_server_error,
            checks.CHECKS.get_one("status_code_conformance"),
            checks.CHECKS.get_one("content_type_conformance"),
            checks.CHECKS.get_one("response_schema_conformance"),
        ],
    )
