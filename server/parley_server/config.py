"""Settings: ``parley.toml``, and the environment over it.

A key ``data_dir`` of the file is the variable ``PARLEY_DATA_DIR`` of the environment. The file is ``PARLEY_CONFIG``, else ``parley.toml`` in
the working directory if there is one. Everything that is wrong is said at once, in sentences; nothing is guessed.

========================= ============================================================================================================
``PARLEY_HOST``           where to listen; ``127.0.0.1``
``PARLEY_PORT``           ``8080``; 0 takes a free one
``PARLEY_DATA_DIR``       keys and the embedded PostgreSQL; ``parley-data`` in the working directory
``PARLEY_DATABASE_URL``   a PostgreSQL (15 or later) of one's own; none: embedded
``PARLEY_REDIS_URL``      a Redis (7 or later) that joins several processes on one database; none: one process
``PARLEY_WORKERS``        ``1``; more share the port of this machine, and need ``PARLEY_REDIS_URL``
``PARLEY_METRICS_PORT``   where the first worker shows its metrics, the next one at the next port; none: on the shared port alone
``PARLEY_ADMIN_PASSWORD`` of the account ``admin``, made at the first start; none: a one-time password is printed
``PARLEY_IDENTITY``       ``verified`` | ``unverified``: whether publishing needs a verified identity
``PARLEY_LIMITS``         ``on`` | ``off``: rate limits; ``off`` on loopback only
``PARLEY_EVIDENCE_KEY``   32 bytes in base64 that seal evidence; none: ``DATA_DIR/keys/evidence.key``
``PARLEY_LOG_KEY``        32 bytes in base64 that sign checkpoints; none: ``DATA_DIR/keys/log.key``
``PARLEY_SITE_NAME``      what the site is called; ``Parley``
``PARLEY_LOG_FORMAT``     ``console`` | ``json``
========================= ============================================================================================================
"""

import base64
import binascii
import difflib
import ipaddress
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from parley_server.bus.redis import what_is_wrong
from parley_server.pipeline.accounts import NAME_CHARS, PASSWORD_CHARS

PREFIX: Final = "PARLEY_"
CONFIG: Final = "PARLEY_CONFIG"
CLIENT: Final = frozenset({"PARLEY_URL", "PARLEY_TOKEN", "PARLEY_PASSWORD"})
"""Variables of the ``parley`` command, which may stand in the same environment."""

KEY_BYTES: Final = 32

WORKERS_MAX: Final = 64

DEFAULTS: Final[Mapping[str, str]] = {
    "host": "127.0.0.1",
    "port": "8080",
    "data_dir": "parley-data",
    "database_url": "",
    "redis_url": "",
    "workers": "1",
    "metrics_port": "",
    "admin_password": "",
    "identity": "verified",
    "limits": "on",
    "evidence_key": "",
    "log_key": "",
    "site_name": "Parley",
    "log_format": "console",
}
"""Every key and its default; empty means none."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator chose. Secrets stay out of ``repr``.

    Attributes:
        redis_url: ``None``: this process is alone on its database.
        workers: processes that share the port.
        metrics_port: of the first worker; ``None``: on the port alone.
        evidence_key: base64 of ``KEY_BYTES`` bytes; ``None``: in ``evidence_key_path``.
        log_key: likewise, in ``log_key_path``.
        verified_only: whether publishing needs a verified identity.
        limits: whether rates are limited.
    """

    host: str
    port: int
    data_dir: Path
    database_url: str | None = field(repr=False)
    redis_url: str | None = field(repr=False)
    workers: int
    metrics_port: int | None
    admin_password: str | None = field(repr=False)
    evidence_key: str | None = field(repr=False)
    log_key: str | None = field(repr=False)
    verified_only: bool
    limits: bool
    site_name: str
    log_format: Literal["console", "json"]

    @property
    def evidence_key_path(self) -> Path:
        """Where the key that seals evidence is kept, if the environment does not give it."""
        return self.data_dir / "keys" / "evidence.key"

    @property
    def log_key_path(self) -> Path:
        """Where the key is kept that signs checkpoints of the record log."""
        return self.data_dir / "keys" / "log.key"


@dataclass(frozen=True, slots=True)
class BadSettings:
    """What is wrong, one sentence each; never holds a value that may be secret."""

    says: tuple[str, ...]


def load(environ: Mapping[str, str], toml_path: Path | None) -> Settings | BadSettings:
    """Read the settings.

    Args:
        environ: the environment; an empty variable counts as not set.
        toml_path: the file, if there is one; ``PARLEY_CONFIG`` stands above it, and must then be there.
    """
    wrong: list[str] = []
    given = dict(DEFAULTS)
    named = environ.get(CONFIG)
    path = Path(named) if named else toml_path
    if path is not None:
        given |= _from_file(path, wrong)
    given |= _from_environment(environ, wrong)
    settings = _settings(given, wrong)
    return BadSettings(tuple(wrong)) if wrong else settings


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach ``host``."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _from_file(path: Path, wrong: list[str]) -> dict[str, str]:
    try:
        held = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        wrong.append(f"{path} cannot be read: {error.strerror}.")
        return {}
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        # Only where it stands: the line itself may hold a password.
        where = str(error)[str(error).rfind("(at ") :] if "(at " in str(error) else ""
        wrong.append(f"{path} is not TOML {where}".rstrip() + ".")
        return {}
    found: dict[str, str] = {}
    for key, value in held.items():
        if key not in DEFAULTS:
            wrong.append(f"{path}: there is no setting {key}{_nearest(key, DEFAULTS)}.")
        elif isinstance(value, bool) or not isinstance(value, str | int):
            wrong.append(f"{path}: {key} is neither a string nor a number.")
        else:
            found[key] = str(value)
    return found


def _from_environment(environ: Mapping[str, str], wrong: list[str]) -> dict[str, str]:
    known = {PREFIX + key.upper(): key for key in DEFAULTS}
    found: dict[str, str] = {}
    for name, value in sorted(environ.items()):
        if not name.startswith(PREFIX) or name == CONFIG or name in CLIENT:
            continue
        if name not in known:
            wrong.append(f"There is no setting {name}{_nearest(name, known)}.")
        elif value:
            found[known[name]] = value
    return found


def _nearest(name: str, known: Mapping[str, str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; the nearest is {near[0]}" if near else ""


def _settings(given: Mapping[str, str], wrong: list[str]) -> Settings:
    """Check the values; what is wrong with them is added to ``wrong``."""
    host = given["host"]
    port = _number("port", given, 0, 65_535, wrong)
    workers = _number("workers", given, 1, WORKERS_MAX, wrong)
    metrics_port = _number("metrics_port", given, 1, 65_536 - workers, wrong) if given["metrics_port"] else None
    redis_url = given["redis_url"]
    if redis_url and (what := what_is_wrong(redis_url)) is not None:
        wrong.append(f"PARLEY_REDIS_URL {what}.")
    if workers > 1 and not redis_url:
        wrong.append(f"PARLEY_WORKERS is {workers}, but several processes need a Redis between them: set PARLEY_REDIS_URL.")
    if workers > 1 and sys.platform != "linux":
        wrong.append(f"PARLEY_WORKERS is {workers}, but only Linux shares a port among processes evenly; use 1.")
    database_url = given["database_url"]
    if database_url and not database_url.startswith(("postgresql://", "postgres://")):
        wrong.append("PARLEY_DATABASE_URL does not begin with postgresql://.")
    password = given["admin_password"]
    if password and not PASSWORD_CHARS[0] <= len(password) <= PASSWORD_CHARS[1]:
        wrong.append(f"PARLEY_ADMIN_PASSWORD has {len(password)} characters, not {PASSWORD_CHARS[0]} to {PASSWORD_CHARS[1]}.")
    identity = _one_of("identity", given, ("verified", "unverified"), wrong)
    limits = _one_of("limits", given, ("on", "off"), wrong)
    if limits == "off" and not is_loopback(host):
        wrong.append(f"PARLEY_LIMITS is off, which is accepted on loopback only, but PARLEY_HOST is {host}.")
    wrong += [
        f"{PREFIX}{key.upper()} is not base64 of {KEY_BYTES} bytes; make one with: openssl rand -base64 {KEY_BYTES}."
        for key in ("evidence_key", "log_key")
        if given[key] and not _is_key(given[key])
    ]
    name = given["site_name"].strip()
    if not 0 < len(name) <= NAME_CHARS[1] or not name.isprintable():
        wrong.append(f"PARLEY_SITE_NAME is not {NAME_CHARS[0]} to {NAME_CHARS[1]} printable characters.")
    log_format = _one_of("log_format", given, ("console", "json"), wrong)
    return Settings(
        host=host,
        port=port,
        data_dir=Path(given["data_dir"]).expanduser(),
        database_url=database_url or None,
        redis_url=redis_url or None,
        workers=workers,
        metrics_port=metrics_port,
        admin_password=password or None,
        evidence_key=given["evidence_key"] or None,
        log_key=given["log_key"] or None,
        verified_only=identity == "verified",
        limits=limits == "on",
        site_name=name,
        log_format="json" if log_format == "json" else "console",
    )


def _number(key: str, given: Mapping[str, str], low: int, high: int, wrong: list[str]) -> int:
    value = given[key]
    if value.isascii() and value.isdigit() and len(value) < 6 and low <= int(value) <= high:
        return int(value)
    wrong.append(f"{PREFIX}{key.upper()} is {value}, not a number from {low} to {high}.")
    return low


def _one_of(key: str, given: Mapping[str, str], values: tuple[str, ...], wrong: list[str]) -> str:
    value = given[key]
    if value not in values:
        wrong.append(f"{PREFIX}{key.upper()} is {value}, not {' or '.join(values)}.")
    return value


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text.strip(), validate=True)) == KEY_BYTES
    except (binascii.Error, ValueError):
        return False
