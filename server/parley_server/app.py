"""The composition root: every part is made here, once, and handed what it needs."""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import structlog
from aiohttp import web

from parley_protocol import codes
from parley_server import embedded_postgres, limits
from parley_server.bus.local import LocalBus
from parley_server.bus.redis import RedisBus
from parley_server.clock import World
from parley_server.config import Settings
from parley_server.domain.answers import Refused
from parley_server.domain.hints import NodeId
from parley_server.domain.people import SiteRole
from parley_server.domain.signed_note import origin_of
from parley_server.gateway.desk import Desk
from parley_server.gateway.door import FrontDoor
from parley_server.gateway.http.app import make_app, make_probes
from parley_server.gateway.http.services import Services, Site, usual_rates
from parley_server.gateway.hub import Hub
from parley_server.gateway.lanes import Lanes
from parley_server.gateway.registry import Registry
from parley_server.gateway.session import Session
from parley_server.gateway.websocket import WebSocket
from parley_server.inspection.stage import Inspected, Stage
from parley_server.moderation.alerts import AlertStream
from parley_server.pipeline.accounts import Accounts
from parley_server.pipeline.announce import Announcer
from parley_server.pipeline.beats import Beats
from parley_server.pipeline.checkpoints import Checkpoints
from parley_server.pipeline.claims import Claims
from parley_server.pipeline.directory import Directory
from parley_server.pipeline.incoming import Incoming
from parley_server.pipeline.others import Others
from parley_server.pipeline.publish import Publisher
from parley_server.pipeline.rates import Rates
from parley_server.pipeline.rulebook import Rulebook
from parley_server.pipeline.takedown import Moderation
from parley_server.pipeline.watching import Watching
from parley_server.ports import Bus, Unavailable
from parley_server.store.alerts import PgAlerts
from parley_server.store.board_log import PgBoardLog
from parley_server.store.kept_answers import PgKeptAnswers
from parley_server.store.migrate import migrate
from parley_server.store.nodes import PgNodes
from parley_server.store.people import PgPeople
from parley_server.store.pool import Database, open_database
from parley_server.store.record_log import PgRecordLog
from parley_server.store.rules import PgRules
from parley_server.store.seal import Sealer, load_or_create_key, read_key
from parley_server.store.takedowns import PgTakedowns
from parley_server.store.upkeep import keep_up
from parley_server.telemetry import Sources, Telemetry

log = structlog.get_logger(__name__)

ADMINISTRATOR: Final = "admin"
"""Handle of the account that the first start makes."""

_PASSWORD_BYTES: Final = 12
_HOST_CHARS: Final = 40  # of a node's name, which is an id among others


@dataclass(frozen=True, slots=True)
class Worker:
    """One of several processes that share a port.

    Attributes:
        number: from 1 on.
        node: its name among the nodes.
        after: the node that ended and whose place it takes.
    """

    number: int
    node: NodeId
    after: NodeId | None


@dataclass(frozen=True, slots=True)
class Running:
    """A server that takes connections.

    Attributes:
        host: where it listens.
        port: likewise; the one that was free, if the settings asked for any.
        database: where the data is: a folder, or the PostgreSQL of one's own.
        first_password: of the account ``admin``, if this start made it and chose the password.
        failed: set if a part that must run for ever ended; the server must be stopped.
    """

    host: str
    port: int
    database: str
    first_password: str | None
    failed: "asyncio.Future[None]"


class CannotListen(Exception):
    """The port is taken, or the address is not this machine's."""


@asynccontextmanager
async def serve(settings: Settings, world: World | None = None, worker: Worker | None = None) -> AsyncIterator[Running]:
    """Run a server until the block ends: data first, the port last; on the way out the other way round.

    Args:
        worker: which of several processes this is; ``None`` for the only one on its port.

    Raises:
        EmbeddedPostgresError: the embedded PostgreSQL does not start.
        Unavailable: the PostgreSQL of one's own cannot be reached.
        MigrationError: the database belongs to a newer version, or was changed.
        CannotListen: the port cannot be had.
    """
    world = world or World()
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        url, where = await database_url(settings, stack)
        await migrate(url)
        database = await open_database(url)
        stack.push_async_callback(database.close)
        sealer = Sealer(_evidence_key(settings))
        people, rules, alerts = PgPeople(database), PgRules(database), PgAlerts(database)
        board_log, takedowns = PgBoardLog(database, sealer), PgTakedowns(database, sealer)

        record_log = PgRecordLog(database)
        if added := await record_log.complete():
            log.info("record_log_completed", leaves=added)
        checkpoints = Checkpoints(record_log, _log_key(settings), origin_of(settings.site_name), world.now_us)

        telemetry = Telemetry(None if worker is None else worker.number)
        nodes, node = PgNodes(database), node_name() if worker is None else worker.node
        bus = _bus(settings, await nodes.site(), node, telemetry)
        # Alone on its database it waits for nobody, and nobody for it.
        shared = settings.redis_url is not None
        others = Others(node, bus, nodes if shared else None)
        stack.push_async_callback(others.close)

        stage = Stage(observe=lambda seen: _count(telemetry, seen))
        rulebook = Rulebook(rules, stage, world.now_us, others)
        directory = Directory(people)
        hub = Hub(board_log)
        stack.push_async_callback(hub.close)
        registry = Registry(hub, world)
        directory.on_person.append(registry.recheck)
        directory.on_board.append(lambda _: registry.recheck_all())
        stream = AlertStream(alerts)
        await stream.load()
        announcer = Announcer(hub, registry, stream, others, loop.time)
        claims = Claims(hub, board_log, loop.time)
        beats = Beats(nodes, others, bus, board_log, hub, claims, directory, registry, rulebook, shared, loop.time)
        incoming = Incoming(hub, claims, directory, registry, rulebook, stream, beats, loop.time)
        if worker is not None and worker.after is not None:
            await nodes.leave(worker.after)
        await beats.begin()
        stack.push_async_callback(beats.leave)
        rates = Rates(limits.POSTS_PER_S, limits.POSTS_BURST) if settings.limits else None
        publisher = Publisher(
            log=board_log,
            takedowns=takedowns,
            inspection=stage,
            rulebook=rulebook,
            directory=directory,
            hub=hub,
            announcer=announcer,
            world=world,
            rates=rates,
            verified_only=settings.verified_only,
            observe=telemetry.appended,
        )
        moderation = Moderation(board_log, takedowns, alerts, rulebook, directory, hub, announcer, world)
        stack.push_async_callback(moderation.close)
        accounts = Accounts(people, directory, registry, others, world, inspection=stage)
        if shared:
            telemetry.read_nodes(lambda: others.living, hub.fence.holds, lambda: len(claims))
        first_password = await _first_start(accounts, settings)
        telemetry.read_from(Sources(hub.counts, lambda: registry.size, lambda: len(stream), lambda: len(moderation.unrecorded)))

        failed: asyncio.Future[None] = loop.create_future()
        for work in (
            board_log.run(),
            stream.run(),
            registry.run(),
            bus.run(incoming.take),
            beats.run(),
            keep_up(database, world.now_us),
        ):
            _keep_running(stack, work, failed)

        services = Services(
            accounts=accounts,
            directory=directory,
            moderation=moderation,
            rulebook=rulebook,
            log=board_log,
            takedowns=takedowns,
            alerts=alerts,
            rules=rules,
            people=people,
            kept_answers=PgKeptAnswers(database, sealer),
            hub=hub,
            checkpoints=checkpoints,
            site=Site(settings.site_name, version("parley"), settings.verified_only, node),
            ready=lambda: _ready(database, hub),
            metrics=telemetry.page,
            pages=_pages(),
            rates=usual_rates() if settings.limits else None,
            world=world,
        )
        watching = Watching(alerts, stream, directory, world)
        desk = Desk(hub, registry, directory, accounts, publisher, moderation, watching, others, world, settings.limits)
        if worker is not None and settings.metrics_port is not None:
            await _open_probes(settings, stack, services, settings.metrics_port + worker.number - 1)
        port = await _open_door(settings, stack, desk, services, share=worker is not None)
        yield Running(settings.host, port, where, first_password, failed)


def node_name(worker: int | None = None) -> NodeId:
    """Make a name for a process, from its start to its end."""
    host = socket.gethostname()[:_HOST_CHARS]
    return NodeId(f"{host}-{secrets.token_hex(3)}" if worker is None else f"{host}-{worker}-{secrets.token_hex(3)}")


def _bus(settings: Settings, site: str, node: NodeId, telemetry: Telemetry) -> Bus:
    """Make the way to the other nodes."""
    if settings.redis_url is None:
        return LocalBus(node)
    bus = RedisBus(settings.redis_url, site, node, asked=telemetry.asked)
    telemetry.read_bus(bus.counts, lambda: bus.up)
    return bus


async def _open_door(settings: Settings, stack: AsyncExitStack, desk: Desk, services: Services, *, share: bool) -> int:
    """Listen on the one port; on the way out, ask everybody to come back, spread over a while. ``share``: with other processes."""
    runner = web.AppRunner(make_app(services), access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    http = runner.server
    assert http is not None

    def begin(connection: WebSocket, lanes: Lanes) -> Session:
        return Session(desk, connection, lanes)

    try:
        listener = await asyncio.get_running_loop().create_server(
            lambda: FrontDoor(desk.registry, desk.hub.fence, lambda: WebSocket(desk.registry, begin), http),
            settings.host,
            settings.port,
            backlog=4_096,
            reuse_address=True,
            reuse_port=share,
        )
    except OSError as error:
        raise CannotListen(f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}") from error

    async def close_door() -> None:
        listener.close()
        desk.registry.send_away(codes.RESTART, limits.SHUTDOWN_SPREAD_MS, reset=False)
        until = asyncio.get_running_loop().time() + limits.SHUTDOWN_S
        while desk.registry.size and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.05)

    stack.push_async_callback(close_door)
    address: tuple[str, int] = listener.sockets[0].getsockname()[:2]
    return address[1]


async def _open_probes(settings: Settings, stack: AsyncExitStack, services: Services, port: int) -> None:
    """Answer for this process alone, on a port of its own."""
    runner = web.AppRunner(make_probes(services), access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        await web.TCPSite(runner, settings.host, port).start()
    except OSError as error:
        raise CannotListen(f"cannot listen on {settings.host}:{port}: {error.strerror or error}") from error


async def database_url(settings: Settings, stack: AsyncExitStack) -> tuple[str, str]:
    """Return the address of the database, starting the embedded one if there is no other, and what to call it."""
    if settings.database_url is not None:
        return settings.database_url, "PostgreSQL of your own (PARLEY_DATABASE_URL)"
    folder = settings.data_dir.resolve()
    embedded = await embedded_postgres.start(folder / "postgres")
    stack.push_async_callback(embedded.stop)
    where = f"embedded PostgreSQL in {folder}"
    if not embedded.cluster.is_relative_to(folder):
        # Started by root below a closed folder: PostgreSQL runs as another user, who cannot pass through it.
        where += f" (its files: {embedded.cluster})"
    return embedded.url, where


def _evidence_key(settings: Settings) -> bytes:
    """Return the key that seals evidence: from the settings, else from its file, made at the first start."""
    if settings.evidence_key is not None:
        return read_key(settings.evidence_key)
    return _kept_key(settings.evidence_key_path)


def _log_key(settings: Settings) -> bytes:
    """Return the key that signs checkpoints: from the settings, else from its file, made at the first start."""
    if settings.log_key is not None:
        return read_key(settings.log_key)
    return _kept_key(settings.log_key_path)


def _kept_key(path: Path) -> bytes:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return load_or_create_key(path)


async def _first_start(accounts: Accounts, settings: Settings) -> str | None:
    """Make the administrator's account if it is not there; return its password if nobody chose one."""
    if await accounts.store.find(ADMINISTRATOR) is not None:
        return None
    chosen = settings.admin_password or secrets.token_urlsafe(_PASSWORD_BYTES)
    made = await accounts.sign_up(ADMINISTRATOR, "Administrator", chosen, SiteRole.ADMINISTRATOR)
    if isinstance(made, Refused) and made.code is not codes.TAKEN:
        raise ValueError(f"PARLEY_ADMIN_PASSWORD: {made.detail or made.code.says}")
    return None if settings.admin_password or isinstance(made, Refused) else chosen


async def _ready(database: Database, hub: Hub) -> bool:
    """Say whether requests can be answered here now."""
    try:
        return hub.fence.holds() and await database.row("select 1") is not None
    except Unavailable:
        return False


def _pages() -> Path | None:
    """Find the web app: beside the packages in a checkout, inside this package in an installed wheel."""
    here = Path(__file__).resolve().parent
    for folder in (here / "webapp", here.parents[1] / "clients" / "web"):
        if (folder / "index.html").is_file():
            return folder
    return None


def _keep_running(stack: AsyncExitStack, work: Coroutine[Any, Any, None], failed: "asyncio.Future[None]") -> None:
    """Run ``work`` for as long as the server; if it ends by itself, the server ends."""
    task = asyncio.get_running_loop().create_task(work)

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and not failed.done():
            failed.set_exception(task.exception() or RuntimeError("a part that must run for ever ended"))

    async def stop() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    task.add_done_callback(ended)
    stack.push_async_callback(stop)


def _count(telemetry: Telemetry, seen: Inspected) -> None:
    telemetry.inspected(seen.verdict, seen.took_us)
