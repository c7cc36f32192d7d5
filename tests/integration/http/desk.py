"""The HTTP application on fakes of the store, and what a test does with it."""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from argon2 import PasswordHasher
from yarl import URL

from parley_protocol.codes import Code
from parley_protocol.frames import Author, Posted
from parley_protocol.ids import AccountId, BoardId
from parley_server.clock import World
from parley_server.domain.answers import Refused
from parley_server.domain.people import SiteRole, Visibility
from parley_server.domain.takedowns import APPEAL_WITHIN_US, Filed
from parley_server.gateway.http.app import make_app
from parley_server.gateway.http.services import Rate, Services, Site
from parley_server.gateway.hub import Hub
from parley_server.gateway.registry import Registry
from parley_server.inspection.stage import Stage
from parley_server.moderation.alerts import AlertStream
from parley_server.pipeline.accounts import Accounts
from parley_server.pipeline.announce import Announcer
from parley_server.pipeline.checkpoints import Checkpoints
from parley_server.pipeline.directory import Directory
from parley_server.pipeline.rates import Rates
from parley_server.pipeline.rulebook import Rulebook
from parley_server.pipeline.takedown import Moderation
from parley_server.ports import Unavailable
from tests.fakes import (
    FakeAlerts,
    FakeBoardLog,
    FakeKeptAnswers,
    FakePeople,
    FakeRecordLog,
    FakeRules,
    FakeTakedowns,
    FakeWorld,
)
from tests.samples import a_board, a_draft, a_restriction, nobody_else

PASSWORD = "correct horse battery"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def code(self) -> str:
        return str(self.json["code"])


class Desk:
    """A server to make calls to.

    Attributes:
        down: steps of the fake store that do not answer now.
        now_us: the server's time.
    """

    def __init__(self, *, pages: Path | None = None, rates: Mapping[Rate, Rates] | None = None) -> None:
        """Put the parts together as the composition root does; needs a running loop."""
        self.stored = FakeWorld()
        self.down: set[str] = set()
        self.now_us = 1_700_000_000_000_000
        self.is_ready = True
        numbers = itertools.count()
        world = World(now_us=lambda: self.now_us, random=lambda size: next(numbers).to_bytes(size))
        self.log = FakeBoardLog(self.stored, self._step)
        self.people = FakePeople(self.stored, self._step)
        self.takedowns = FakeTakedowns(self.stored, self._step)
        alerts, rules = FakeAlerts(self.stored, self._step), FakeRules(self.stored, self._step)
        self.hub = Hub(self.log)
        registry = Registry(self.hub, world)
        self.directory = Directory(self.people)
        stage, others = Stage(), nobody_else()
        self.rulebook = Rulebook(rules, stage, world.now_us, others)
        announcer = Announcer(self.hub, registry, AlertStream(alerts), others, lambda: 0.0)
        hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        self.accounts = Accounts(self.people, self.directory, registry, others, world, hasher, stage)
        self.moderation = Moderation(self.log, self.takedowns, alerts, self.rulebook, self.directory, self.hub, announcer, world)
        self.services = Services(
            accounts=self.accounts,
            directory=self.directory,
            moderation=self.moderation,
            rulebook=self.rulebook,
            log=self.log,
            takedowns=self.takedowns,
            alerts=alerts,
            rules=rules,
            people=self.people,
            kept_answers=FakeKeptAnswers(self.stored, self._step),
            hub=self.hub,
            checkpoints=Checkpoints(FakeRecordLog(self.stored, self._step), b"k" * 32, "Parley/records", world.now_us),
            site=Site("Parley", "0.1.0", verified_only=True, node="node-1"),
            ready=self._ready,
            metrics=lambda: b"parley_connections 0.0\n",
            pages=pages,
            rates=rates,
            world=world,
        )
        self.app = make_app(self.services)
        self.client: TestClient[web.Request, web.Application] = TestClient(TestServer(self.app))

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Make a call; ``data`` goes out as it is."""
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None:
            data = json.dumps(body).encode()
        async with self.client.request(method, URL(path, encoded=True), data=data, headers=sent) as response:
            return Answer(response.status, response.headers, await response.read())

    async def account(self, handle: str, role: SiteRole = SiteRole.MEMBER) -> "Someone":
        """Make an account that is signed in."""
        made = await self.accounts.sign_up(handle, handle.capitalize(), PASSWORD, role)
        assert not isinstance(made, Refused)
        signed_in = await self.accounts.sign_in(handle, PASSWORD)
        assert not isinstance(signed_in, Refused)
        assert made.account is not None
        return Someone(made.account, made.name, signed_in.token)

    async def board(self, founder: "Someone", board: str = "general", visibility: Visibility = Visibility.PUBLIC) -> BoardId:
        """Make a board."""
        made = replace(a_board(board), visibility=visibility)
        assert await self.people.create_board(made, founder.id) is None
        await self.directory.board_changed(made.id)
        return made.id

    async def post(self, author: "Someone", body: str, board: str = "general") -> Posted:
        """Publish a post."""
        posted = await self.log.append(a_draft(body, board=board, author=Author(author.id, author.name)))
        assert isinstance(posted, Posted)
        return posted

    async def hold(self, author: "Someone", body: str, board: str = "general") -> Filed:
        """Withhold a post by a rule."""
        draft = a_draft(body, board=board, author=Author(author.id, author.name))
        filed = await self.takedowns.stop(draft, a_restriction(at_us=self.now_us, appeal_until_us=self.now_us + APPEAL_WITHIN_US))
        assert isinstance(filed, Filed)
        return filed

    async def _step(self, label: str) -> None:
        if label in self.down:
            cause = f"{label} did not answer"
            raise Unavailable(cause)

    async def _ready(self) -> bool:
        return self.is_ready


@dataclass(frozen=True, slots=True)
class Someone:
    """An account with a token."""

    id: AccountId
    name: str
    token: str


def assert_refused(answer: Answer, code: Code, scope: str | None = None) -> None:
    """Check that an answer is the problem of ``code``, whole (RFC 9457)."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json
    assert (problem["code"], answer.status) == (code.name, code.http), problem
    assert problem["status"] == code.http
    assert problem["type"] == f"urn:parley:problem:{code.name}"
    assert problem["title"] == code.says
    assert problem["detail"]
    assert problem["request"] == answer.headers["X-Request-Id"]
    assert problem.get("scope") == scope
    assert code.retry == ("retry_after_ms" in problem) == ("Retry-After" in answer.headers)
