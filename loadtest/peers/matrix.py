"""What is said to Synapse, and its configuration: the Matrix client-server API. Pure."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

SERVER: Final = "localhost"
REGISTER: Final = "/_synapse/admin/v1/register"
CREATE_ROOM: Final = "/_matrix/client/v3/createRoom"
# What a reader needs and no more, which is Synapse's best case.
FILTER: Final = json.dumps(
    {
        "presence": {"types": []},
        "account_data": {"types": []},
        "room": {
            "timeline": {"limit": 100, "types": ["m.room.message"], "lazy_load_members": True},
            "state": {"types": []},
            "ephemeral": {"types": []},
            "account_data": {"types": []},
        },
    }
)
WAIT_MS: Final = 30_000
"""How long the server may hold a sync back when there is nothing new."""
PASSWORD: Final = "load"  # noqa: S105  # Guards nothing: the server is on loopback and ends with the run.
PLENTY: Final = {"per_second": 1_000_000, "burst_count": 1_000_000}


def configuration(port: int, folder: Path, database_url: str, secret: str) -> dict[str, Any]:
    """Return Synapse's configuration; as JSON it is YAML. Every rate limit is lifted, passwords are hashed as little as it can."""
    parts = urlsplit(database_url)
    return {
        "server_name": SERVER,
        "pid_file": str(folder / "synapse.pid"),
        "signing_key_path": str(folder / "signing.key"),
        "media_store_path": str(folder / "media"),
        "log_config": str(folder / "log.yaml"),
        "report_stats": False,
        "trusted_key_servers": [],
        "suppress_key_server_warning": True,
        "registration_shared_secret": secret,
        "macaroon_secret_key": secret,
        "form_secret": secret,
        "bcrypt_rounds": 4,
        "presence": {"enabled": False},
        "enable_metrics": False,
        "listeners": [{"port": port, "bind_addresses": ["127.0.0.1"], "type": "http", "resources": [{"names": ["client"]}]}],
        "database": {
            "name": "psycopg2",
            # Parley's embedded PostgreSQL has C.UTF-8; the database that is made for Synapse has C, as it wants.
            "args": {
                "host": parts.hostname,
                "port": parts.port,
                "user": parts.username,
                "password": parts.password,
                "dbname": parts.path[1:],
                "cp_min": 5,
                "cp_max": 10,
            },
        },
        **{
            f"rc_{name}": PLENTY
            for name in (
                "message",
                "registration",
                "admin_redaction",
                "room_creation",
                "delayed_event_mgmt",
                "reports",
                "presence",
            )
        },
        "rc_presence": {"per_user": PLENTY},
        "rc_login": {"address": PLENTY, "account": PLENTY, "failed_attempts": PLENTY},
        "rc_joins": {"local": PLENTY, "remote": PLENTY},
        "rc_joins_per_room": PLENTY,
        "rc_invites": {"per_room": PLENTY, "per_user": PLENTY, "per_issuer": PLENTY},
    }


LOGGING: Final = {"version": 1, "root": {"level": "ERROR"}, "disable_existing_loggers": False}


def registration(nonce: str, name: str, secret: str) -> dict[str, Any]:
    """Return the body that makes an account by the shared secret."""
    parts = (nonce, name, PASSWORD, "notadmin")
    mac = hmac.new(secret.encode(), b"\x00".join(part.encode() for part in parts), hashlib.sha1)
    return {"nonce": nonce, "username": name, "password": PASSWORD, "admin": False, "mac": mac.hexdigest()}


def join_path(room: str) -> str:
    """Return where one joins a room."""
    return f"/_matrix/client/v3/rooms/{quote(room, safe='')}/join"


def send_path(room: str, transaction: str) -> str:
    """Return where one sends a message."""
    return f"/_matrix/client/v3/rooms/{quote(room, safe='')}/send/m.room.message/{transaction}"


def sync_query(since: str | None) -> dict[str, str]:
    """Return the query of a sync: the first answers at once, those after it when there is something new."""
    query = {"filter": FILTER, "set_presence": "offline", "timeout": str(WAIT_MS if since else 0)}
    return query | ({"since": since} if since else {})


def messages_in(answer: Mapping[str, Any], room: str) -> int:
    """Return how many messages of the room a sync brought.

    Raises:
        ValueError: the server left some out.
    """
    timeline = answer.get("rooms", {}).get("join", {}).get(room, {}).get("timeline", {})
    if timeline.get("limited"):
        raise ValueError("a sync left messages out: fewer posts in flight, or a longer timeline")
    return sum(event["type"] == "m.room.message" for event in timeline.get("events", ()))
