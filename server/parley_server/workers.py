"""Several processes on one port: a parent that starts workers, starts those again that died, and ends them with itself.

The parent serves nobody. It holds the embedded PostgreSQL where there is one, and keeps the port for its workers, which each listen on it
(``SO_REUSEPORT``): the kernel spreads new connections over them. The first worker is ready before the others start, so that
migrations, keys and the first account are made once.
"""

import asyncio
import contextlib
import json
import os
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog

from parley_server import bound_child, limits
from parley_server.app import CannotListen, Running, Worker, database_url, node_name
from parley_server.config import Settings
from parley_server.domain.hints import NodeId

log = structlog.get_logger(__name__)

OPTION: Final = "--worker"
"""How a worker is told that it is one; not for people."""


class WorkersFail(Exception):
    """A worker ended at its start again and again; it said why."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker is told on its command line. ``port``: that all share."""

    worker: Worker
    port: int

    def text(self) -> str:
        """Write it as JSON."""
        return json.dumps([self.worker.number, self.worker.node, self.worker.after, self.port])

    @classmethod
    def read(cls, text: str) -> "Order":
        """Read what ``text`` wrote."""
        number, node, after, port = json.loads(text)
        return cls(Worker(number, NodeId(node), None if after is None else NodeId(after)), port)


def report(running: Running) -> str:
    """Write what a worker prints when it takes connections: one line, which its parent reads."""
    return json.dumps({"first_password": running.first_password})


@asynccontextmanager
async def workers(settings: Settings) -> AsyncIterator[Running]:
    """Run ``settings.workers`` processes until the block ends; it begins when all of them take connections.

    Raises:
        EmbeddedPostgresError: the embedded PostgreSQL does not start.
        CannotListen: the port cannot be had.
        WorkersFail: a worker does not start.
    """
    async with AsyncExitStack() as stack:
        url, where = await database_url(settings, stack)
        port = stack.enter_context(_kept_port(settings.host, settings.port))
        crew = Crew(url, port)
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        stack.push_async_callback(crew.end)
        first_password = await crew.begin(1, failed)
        for number in range(2, settings.workers + 1):
            await crew.begin(number, failed)
        yield Running(settings.host, port, where, first_password, failed)


@dataclass(slots=True)
class Crew:
    """The workers of one parent. ``url``: of their database."""

    url: str
    port: int
    _processes: dict[int, Process] = field(default_factory=dict)
    _tasks: list["asyncio.Task[None]"] = field(default_factory=list)

    async def begin(self, number: int, failed: "asyncio.Future[None]") -> str | None:
        """Start a worker and keep it running; returns the first password if it made the account, once it takes connections.

        Args:
            failed: gets ``WorkersFail`` if it cannot be kept running.

        Raises:
            WorkersFail: it ended before it took connections.
        """
        node = node_name(number)
        said = await self._start(Worker(number, node, None))
        if said is None:
            raise WorkersFail(f"worker {number} ended at its start")

        def ended(task: "asyncio.Task[None]") -> None:
            if not task.cancelled() and (error := task.exception()) is not None and not failed.done():
                failed.set_exception(error)

        task = asyncio.get_running_loop().create_task(self._keep(number, node))
        task.add_done_callback(ended)
        self._tasks.append(task)
        return said

    async def end(self) -> None:
        """Ask every worker to end, and end those that do not."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        waits = [asyncio.get_running_loop().create_task(process.wait()) for process in self._processes.values()]
        if waits:
            await asyncio.wait(waits, timeout=limits.WORKER_END_S)
        for number, process in self._processes.items():
            if process.returncode is None:
                log.error("worker_killed", worker=number)
                process.kill()
        await asyncio.gather(*waits)

    async def _keep(self, number: int, node: NodeId) -> None:
        """Start a worker anew whenever it ended."""
        failures = 0
        while True:
            status = await self._processes[number].wait()
            log.error("worker_ended", worker=number, node=node, status=status)
            while True:
                await asyncio.sleep(limits.WORKER_AGAIN_S[min(failures, len(limits.WORKER_AGAIN_S) - 1)])
                after, node = node, node_name(number)
                began = asyncio.get_running_loop().time()
                if await self._start(Worker(number, node, after)) is not None:
                    break
                failures += 1
                if failures >= limits.WORKER_STARTS_MAX:
                    raise WorkersFail(f"worker {number} ended at its start {failures} times in a row")
            log.info("worker_started", worker=number, node=node, seconds=round(asyncio.get_running_loop().time() - began, 2))
            failures = 0

    async def _start(self, worker: Worker) -> str | None:
        """Start a process and wait until it takes connections; ``None`` if it ended before.

        Returns:
            The first password; empty if nobody needs to be told one.
        """
        program = [sys.executable, "-m", "parley_server", OPTION, Order(worker, self.port).text()]
        process = await asyncio.create_subprocess_exec(
            # It ends with this process, whatever ends that.
            *(sys.executable, "-I", "-S", bound_child.__file__, str(os.getpid()), "-1", "-1", *program),
            env={**os.environ, "PARLEY_DATABASE_URL": self.url},
            stdin=DEVNULL,
            stdout=PIPE,
            # Ctrl-C reaches every process of the terminal's group; the workers hear of it from their parent.
            start_new_session=True,
        )
        self._processes[worker.number] = process
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not line:
            await process.wait()
            return None
        return json.loads(line)["first_password"] or ""


@contextlib.contextmanager
def _kept_port(host: str, port: int) -> Iterator[int]:
    """Hold a port for the workers without listening on it, so that it is theirs while none of them runs.

    Raises:
        CannotListen: somebody has it, and be it another Parley, with which a worker would share it unasked.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # Without sharing: this fails where anybody listens or holds the port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            free: tuple[str, int] = (host, probe.getsockname()[1])
        held = socket.socket(family, socket.SOCK_STREAM)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((address[0], free[1], *address[2:]))
    except OSError as error:
        raise CannotListen(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    with held:
        yield free[1]
