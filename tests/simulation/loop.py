"""An event loop without waiting: when nothing is ready, its clock jumps to the next timer.

Everything that runs on it is one thread and one order, so a run is a function of its seed. Sockets and threads have no place here: the
selector never looks at a file, and what is sent to a thread runs at once in the loop.
"""

import asyncio
import selectors
from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

OWNER: ContextVar[str] = ContextVar("owner", default="")
"""Whose work runs: tasks and timers inherit it, so that a crash of a node ends all that the node began and nothing else."""


class Stuck(Exception):
    """Nothing is ready and no timer runs: what is waited for will never come."""


class _Jumping(selectors.SelectSelector):
    """A selector that never blocks; where a real one would wait, time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Stuck
        self.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop of a simulation. ``failures``: what no task and no caller took, by the loop's own report."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)
        self.failures: list[str] = []
        self._owned: dict[str, list[asyncio.Task[Any]]] = {}
        self.set_task_factory(self._own)  # type: ignore[arg-type]  # the stub asks for more than the loop passes
        self.set_exception_handler(self._failed)

    def time(self) -> float:
        return self._jumping.now

    def run_in_executor(self, executor: object, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Run at once what would go to a thread: one order for everything."""
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  # whatever it is belongs to the caller, as from a thread
            done.set_exception(error)
        return done

    async def end(self, owner: str) -> None:
        """Cancel everything that ``owner`` began, and what that begins while it ends."""
        while tasks := [task for task in self._owned.pop(owner, []) if not task.done()]:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def unfinished(self, owner: str) -> list[asyncio.Task[Any]]:
        """Return the tasks of ``owner`` that have not ended."""
        return [task for task in self._owned.get(owner, []) if not task.done()]

    def _own(
        self, loop: AbstractEventLoop, work: Coroutine[Any, Any, T], context: Context | None = None, **options: Any
    ) -> asyncio.Task[T]:
        task = asyncio.Task(work, loop=self, context=context, **options)
        owner = OWNER.get() if context is None else context.get(OWNER, "")
        self._owned.setdefault(owner, []).append(task)
        return task

    def _failed(self, loop: AbstractEventLoop, context: dict[str, Any]) -> None:
        self.failures.append(f"{context.get('message')}: {context.get('exception')!r}")


def run(work: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """Run ``work`` to its end on a loop of its own."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(work(loop))
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        asyncio.set_event_loop(None)
        loop.close()
