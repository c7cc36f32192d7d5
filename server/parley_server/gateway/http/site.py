"""Calls about the server itself, and the pages of the web app."""

from pathlib import Path
from typing import Any, Final, Literal

from aiohttp import web
from msgspec import Struct

from parley_protocol import codes, limits
from parley_server.domain.answers import Refused
from parley_server.gateway.http import bounds
from parley_server.gateway.http.calls import Asked, Call, Calls, Nothing, Plain, Who
from parley_server.gateway.http.services import Services
from parley_server.pipeline.accounts import NAME_CHARS, PASSWORD_CHARS, SUMMARY_CHARS_MAX

METRICS_TYPE: Final = "text/plain"

PAGE_TYPES: Final = {
    "css": "text/css",
    "js": "text/javascript",
    "json": "application/json",
    "mjs": "text/javascript",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
    "woff2": "font/woff2",
}
"""Types of the web app's files, by ending: those that the machine's own table knows may be wrong (RFC 9239 for JavaScript)."""

LIMITS: Final[dict[str, int]] = {
    "body_bytes_max": limits.BODY_BYTES_MAX,
    "reason_bytes_max": limits.REASON_BYTES_MAX,
    "text_bytes_max": bounds.TEXT_BYTES_MAX,
    "history_events_max": limits.HISTORY_EVENTS_MAX,
    "page_max": bounds.PAGE_MAX,
    "search_max": bounds.SEARCH_MAX,
    "name_chars_max": NAME_CHARS[1],
    "summary_chars_max": SUMMARY_CHARS_MAX,
    "password_chars_min": PASSWORD_CHARS[0],
    "password_chars_max": PASSWORD_CHARS[1],
}
"""What a client can run into over HTTP; the wire announces its own in ``welcome``."""


class Health(Struct, frozen=True):
    """It runs."""

    status: Literal["ok"] = "ok"


class SiteView(Struct, frozen=True):
    """What the server says of itself. ``identity``: whether publishing needs a verified identity; ``ws``: where the wire is."""

    name: str
    version: str
    identity: Literal["unverified", "verified"]
    ws: str
    limits: dict[str, int]


async def health(_: Services, __: Asked[Nothing, Nothing]) -> Health:
    """Say that the process answers."""
    return Health()


async def ready(services: Services, _: Asked[Nothing, Nothing]) -> Health | Refused:
    """Say whether the store answers."""
    return Health() if await services.ready() else Refused(codes.UNAVAILABLE, "The store does not answer.")


async def metrics(services: Services, _: Asked[Nothing, Nothing]) -> Plain:
    """Return all metrics in Prometheus' text format."""
    return Plain(services.metrics(), METRICS_TYPE)


async def site(services: Services, _: Asked[Nothing, Nothing]) -> SiteView:
    """Return what the server says of itself."""
    held = services.site
    return SiteView(held.name, held.version, "verified" if held.verified_only else "unverified", "/v1/ws", LIMITS)


PROBES: Final[Calls] = (
    Call("GET", "/healthz", "Whether the process answers.", health, Nothing, Nothing, Health, who=Who.PUBLIC, rate=None),
    Call("GET", "/readyz", "Whether the store answers.", ready, Nothing, Nothing, Health, who=Who.PUBLIC, rate=None),
    Call("GET", "/metrics", "Metrics in Prometheus' text format.", metrics, Nothing, Nothing, str, who=Who.PUBLIC, rate=None),
)
"""What a node says of itself to whoever keeps it running; answered also while it is silent."""

CALLS: Final[Calls] = (
    *PROBES,
    Call("GET", "/v1/site", "What the server says of itself.", site, Nothing, Nothing, SiteView, who=Who.PUBLIC),
)


def document_call(document: bytes) -> Call[Any, Any]:
    """Return the call that serves the OpenAPI document."""

    async def openapi(_: Services, __: Asked[Nothing, Nothing]) -> Plain:
        return Plain(document, "application/json")

    return Call(
        "GET", "/v1/openapi.json", "This document.", openapi, Nothing, Nothing, dict[str, Any], who=Who.PUBLIC
    )  # fmt: skip


def add_pages(app: web.Application, folder: Path) -> None:
    """Serve the web app: ``index.html`` at ``/`` and ``/app/``, every file of the folder below ``/app/``.

    ``FileResponse`` brings type, ETag and the answer 304; ``add_static`` does not leave the folder and follows no link out of it.
    """
    index = folder / "index.html"

    async def page(_: web.Request) -> web.FileResponse:
        return web.FileResponse(index)

    app.router.add_get("/", page)
    app.router.add_get("/app/", page)
    app.router.add_static("/app/", folder)
