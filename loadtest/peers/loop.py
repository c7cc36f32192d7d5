"""The event loop of the Python peers: uvloop where it is installed, as Parley's."""

import asyncio
import importlib
from collections.abc import Coroutine
from typing import Any


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run ``main`` to its end."""
    try:
        run_on = importlib.import_module("uvloop").run
    except ModuleNotFoundError:
        run_on = asyncio.run
    run_on(main)
