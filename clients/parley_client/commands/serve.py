"""``parley serve``: become the server, where it is installed."""

import os
import sys
from importlib.util import find_spec

import typer

from parley_client.commands.shared import fail


def serve(context: typer.Context) -> None:
    """Start the server in this process; what follows is passed on to it."""
    # The client never imports the server: finding is not importing, and aiohttp stands for the rest of the extra.
    if find_spec("parley_server") is None or find_spec("aiohttp") is None:
        raise fail("the server is not installed here; install it with: pip install 'parley[server]'")
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "parley_server", *context.args])  # noqa: S606 - no shell is wanted: the server takes this process over
