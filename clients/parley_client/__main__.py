"""The ``parley`` command. Its needs are the extra ``cli``; a bot's installation does without them."""

import sys
from importlib.util import find_spec
from typing import Final

NEEDS: Final = ("typer", "rich", "textual")
"""What the extra ``cli`` brings."""


def main() -> None:
    """Run the command, or say what is missing."""
    missing = [name for name in NEEDS if find_spec(name) is None]
    if missing:
        print(f"parley: {', '.join(missing)} missing; install the command with: pip install 'parley[cli]'", file=sys.stderr)
        raise SystemExit(1)
    from parley_client.commands.app import app  # noqa: PLC0415 - not importable without the extra

    app()


if __name__ == "__main__":
    main()
