"""Addresses of a server: one base, as http(s) or ws(s), gives both endpoints."""

from typing import Final
from urllib.parse import urlsplit, urlunsplit

WEBSOCKET_PATH: Final = "/v1/ws"
_OVER_HTTP: Final = {"ws": "http", "wss": "https", "http": "http", "https": "https"}
_OVER_WEBSOCKET: Final = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def http_base(url: str) -> str:
    """Return ``scheme://host:port/prefix`` for HTTP calls, without a slash at the end.

    Raises:
        ValueError: the scheme is none of http, https, ws, wss, or there is no host.
    """
    scheme, host, prefix = _split(url)
    return urlunsplit((_OVER_HTTP[scheme], host, prefix, "", ""))


def websocket_url(url: str) -> str:
    """Return the address of the WebSocket endpoint. Raises as ``http_base``."""
    scheme, host, prefix = _split(url)
    return urlunsplit((_OVER_WEBSOCKET[scheme], host, prefix + WEBSOCKET_PATH, "", ""))


def is_loopback(url: str) -> bool:
    """Say whether the host is this machine; a proxy from the environment is of no use then."""
    return urlsplit(url).hostname in _LOOPBACK


def _split(url: str) -> tuple[str, str, str]:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in _OVER_HTTP or not parts.netloc:
        raise ValueError(f"{url!r} is no address of a server; write it like https://parley.example")
    return parts.scheme, parts.netloc, parts.path.rstrip("/").removesuffix(WEBSOCKET_PATH)
