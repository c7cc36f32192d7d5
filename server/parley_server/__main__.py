"""``python -m parley_server``: read the settings, run the server until it is told to stop."""

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from parley_server.app import ADMINISTRATOR, CannotListen, Running, serve
from parley_server.config import BadSettings, Settings, load
from parley_server.embedded_postgres import EmbeddedPostgresError
from parley_server.pipeline.rulebook import CannotCompile
from parley_server.ports import Unavailable
from parley_server.store.migrate import MigrationError
from parley_server.store.seal import BadKey
from parley_server.telemetry import set_up_logs
from parley_server.workers import OPTION, Order, WorkersFail, report, workers

CONFIG_FILE: Final = Path("parley.toml")


def main() -> None:
    """Run the server; exits with 2 for bad settings, 1 if it cannot start or a part of it failed."""
    given = _arguments()
    environ = os.environ if given.workers is None else {**os.environ, "PARLEY_WORKERS": given.workers}
    settings = load(environ, CONFIG_FILE if CONFIG_FILE.is_file() else None)
    if isinstance(settings, BadSettings):
        for sentence in settings.says:
            print(f"parley: {sentence}", file=sys.stderr)
        sys.exit(2)
    set_up_logs(settings.log_format)
    try:
        if given.worker is not None:
            order = Order.read(given.worker)
            settings = replace(settings, port=order.port)
            run(_until_told(serve(settings, worker=order.worker), lambda running: print(report(running), flush=True)))
        else:
            site = workers(settings) if settings.workers > 1 else serve(settings)
            run(_until_told(site, lambda running: _greet(settings, running)))
    except (BadKey, CannotCompile, CannotListen, EmbeddedPostgresError, MigrationError, ValueError, WorkersFail) as error:
        sys.exit(f"parley: {error}")
    except Unavailable as error:
        sys.exit(f"parley: the database cannot be reached: {error}")


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run on uvloop where there is one, else on asyncio's own loop."""
    if sys.platform == "win32":
        asyncio.run(work)
    else:
        import uvloop  # noqa: PLC0415  # Not made for Windows.

        uvloop.run(work)


def _arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="parley-server",
        description="Run Parley. Settings come from the environment and from parley.toml; deploy/RUNBOOK.md has them all.",
    )
    parser.add_argument(
        "--workers", metavar="N", help="processes that share the port; above 1 they need a Redis [PARLEY_WORKERS]"
    )
    parser.add_argument(OPTION, help=argparse.SUPPRESS)
    return parser.parse_args()


async def _until_told(site: AbstractAsyncContextManager[Running], ready: Callable[[Running], None]) -> None:
    """Serve until SIGINT or SIGTERM, or until a part fails; ``ready`` is called when connections are taken."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    async with site as running:
        ready(running)
        waiting = loop.create_task(told.wait())
        await asyncio.wait((waiting, running.failed), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if running.failed.done():
            running.failed.result()
        with contextlib.suppress(BrokenPipeError):
            print("Parley stops; clients are asked to come back.", flush=True)


def _greet(settings: Settings, running: Running) -> None:
    """Say where it is, how to get in, what to try next."""
    address = f"http://{running.host}:{running.port}"
    lines = [f"Parley listens on {address}", f"Data: {running.database}"]
    if not settings.verified_only:
        lines.append("Identity: UNVERIFIED. Anybody may publish; for development only (PARLEY_IDENTITY).")
    if running.first_password is not None:
        lines += ["", f"Sign in as {ADMINISTRATOR} with this password; it is shown once:", f"    {running.first_password}"]
    parley = _command()
    lines += [
        "",
        "Three things to try, each in a terminal of its own:",
        f"    {parley} login {ADMINISTRATOR} --url {address}",
        f'    {parley} boards create lobby --name "Lobby" --summary "For everything"',
        f"    {parley} chat lobby",
        f"or open {address} in a browser. Ctrl-C stops Parley; nothing is lost.",
    ]
    print("\n".join(lines), flush=True)


def _command() -> str:
    """Return how the ``parley`` command is called from where this was started."""
    beside = Path(sys.executable).parent / "parley"
    if shutil.which("parley") is not None or not beside.exists():
        return "parley"
    here = Path.cwd()
    return str(beside.relative_to(here) if beside.is_relative_to(here) else beside)


if __name__ == "__main__":
    main()
