"""What is said to ejabberd, and its configuration: XMPP over WebSocket (RFC 7395), rooms (XEP-0045), archive (XEP-0313). Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from harness.readers import Opening

PATH: Final = "/ws"
SUBPROTOCOL: Final = "xmpp"
ROOM: Final = "load@conference.localhost"
BODY: Final = "<body>"
"""Stands once in each message of a room that has a text, and in nothing else: what readers count."""
OPENING_FRAMES: Final = 9
"""Answers to an opening: open, features, success, open, features, bind, then presence of the room, one's own, and the subject."""
LONG_S: Final = 36_000

_OPEN: Final = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>"
COUNT_QUERY: Final = (
    f"<iq type='set' id='count' to='{ROOM}'><query xmlns='urn:xmpp:mam:2'>"
    "<set xmlns='http://jabber.org/protocol/rsm'><max>0</max></set></query></iq>"
)
"""Asks for a page of the archive with nothing on it, whose answer says how much there is (XEP-0059, 2.7)."""
_COUNT: Final = re.compile(r" id='count'.*<count>(\d+)</count>")
_ID: Final = re.compile(r" id='(p\d+-\d+)'")


def opening(nickname: str) -> list[Opening]:
    """Return what a client sends to stand in the room, all in a row: signs in without an account, binds, joins without history."""
    stanzas = (
        _OPEN,
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>",
        _OPEN,
        "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
        f"<presence to='{ROOM}/{nickname}'><x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x></presence>",
    )
    return [Opening(stanza.encode(), text=True) for stanza in stanzas]


def message(author: int, number: int, body: str) -> str:
    """Return a message to the room. ``body`` must hold nothing that XML would escape."""
    return f"<message type='groupchat' to='{ROOM}' id='p{author}-{number}'><body>{body}</body></message>"


def message_id(stanza: str) -> str | None:
    """Return the id that ``message`` gave, from the room's copy; none for any other stanza."""
    found = _ID.search(stanza) if BODY in stanza else None
    return found[1] if found else None


def archived_count(stanza: str) -> int | None:
    """Return the answer to COUNT_QUERY; none for any other stanza."""
    found = _COUNT.search(stanza)
    return int(found[1]) if found else None


def configuration(port: int, postgresql: str | None) -> dict[str, Any]:
    """Return ejabberd's configuration; as JSON it is YAML.

    Everybody may make rooms and send as fast as it goes, and a room does not tell its occupants of each other, which would make
    joining quadratic. Nothing pings.

    Args:
        port: of the WebSocket listener.
        postgresql: URL of the archive's database; none: Mnesia.
    """
    return {
        "hosts": ["localhost"],
        "loglevel": "error",
        "listen": [{"port": port, "ip": "127.0.0.1", "module": "ejabberd_http", "request_handlers": {PATH: "ejabberd_http_ws"}}],
        "auth_method": ["anonymous"],
        "anonymous_protocol": "sasl_anon",
        "websocket_ping_interval": LONG_S,
        "websocket_timeout": LONG_S,
        "modules": {
            "mod_muc": {
                "access_create": "all",
                "history_size": 0,
                "max_users": 5_000,
                "min_message_interval": 0,
                "min_presence_interval": 0,
                "default_room_options": {"mam": True, "presence_broadcast": [], "allow_change_subj": False},
            },
            "mod_mam": {"default": "always", "db_type": "sql" if postgresql else "mnesia"},
        },
        **(_sql(postgresql) if postgresql else {}),
    }


def _sql(url: str) -> Mapping[str, Any]:
    parts = urlsplit(url)
    return {
        "sql_type": "pgsql",
        "sql_server": parts.hostname,
        "sql_port": parts.port,
        "sql_database": parts.path[1:],
        "sql_username": parts.username,
        "sql_password": parts.password,
    }
