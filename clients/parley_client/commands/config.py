"""Where the command talks to, and as whom: the command line, then the environment, then what ``login`` kept."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from parley_client.address import http_base

URL_DEFAULT: Final = "http://127.0.0.1:8080"


@dataclass(frozen=True, slots=True)
class Where:
    """A server, and the token to show it; none for a guest."""

    url: str
    token: str | None


def file_of(environment: Mapping[str, str]) -> Path:
    """Return the file that keeps tokens (XDG base directories)."""
    home = environment.get("XDG_CONFIG_HOME") or str(Path(environment.get("HOME", "~")).expanduser() / ".config")
    return Path(home) / "parley" / "sessions.json"


def where(url: str | None, token: str | None, environment: Mapping[str, str] | None = None) -> Where:
    """Find the server and the token.

    Args:
        url: from the command line, or ``None``.
        token: from the command line, or ``None``; empty for a guest on purpose.
        environment: ``PARLEY_URL``, ``PARLEY_TOKEN``, ``XDG_CONFIG_HOME``; the process's own by default.

    Raises:
        ValueError: the address is none.
    """
    environment = os.environ if environment is None else environment
    held = _read(file_of(environment))
    base = http_base(url or environment.get("PARLEY_URL") or held.get("last") or URL_DEFAULT)
    found = token if token is not None else environment.get("PARLEY_TOKEN", held.get(base))
    return Where(base, found or None)


def keep(url: str, token: str, environment: Mapping[str, str] | None = None) -> Path:
    """Keep a token for a server, readable by its owner alone, and make the server the default. Return the file."""
    file = file_of(os.environ if environment is None else environment)
    base = http_base(url)
    held = {**_read(file), base: token, "last": base}
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    # Created with its mode, so that the token is never readable by others, not even for a moment.
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        json.dump(held, out, indent=1)
    fresh.replace(file)
    return file


def _read(file: Path) -> dict[str, str]:
    """Return what is kept; a file that cannot be read counts as none."""
    try:
        held = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return {name: value for name, value in held.items() if isinstance(value, str)} if isinstance(held, dict) else {}
