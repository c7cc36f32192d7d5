"""The HTTP application: every declared call becomes a route that reads, asks, answers the same way.

A request passes: who asks, how often, path and query, body, a kept answer for a repeated key, the call's own handler. Any no on the way
is a problem (problems.py). Texts of posts leave in ``_stream`` alone.
"""

import asyncio
import hashlib
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

import msgspec
import structlog
from aiohttp import web
from msgspec import Struct

from parley_protocol import codes
from parley_protocol.fields import to_map
from parley_protocol.frames import Gone
from parley_server.domain.answers import Refused
from parley_server.domain.rules import BadRule
from parley_server.gateway.http import accounts, boards, bounds, cases, rules, site, takedowns
from parley_server.gateway.http import log as record_log
from parley_server.gateway.http.calls import Asked, Call, Calls, Plain, Streamed
from parley_server.gateway.http.openapi import document
from parley_server.gateway.http.problems import CONTENT_TYPE, respond
from parley_server.gateway.http.request import (
    address_of,
    counted_as,
    parse_body,
    read_body,
    read_path,
    read_query,
    take_turn,
    who_asks,
)
from parley_server.gateway.http.services import Rate, Services
from parley_server.gateway.hub import Hub
from parley_server.gateway.lanes import TransportSink
from parley_server.limits import SEND_BUFFER_BYTES
from parley_server.ports import Reply, Unavailable

log = structlog.get_logger(__name__)

Route = Callable[[web.Request], Awaitable[web.StreamResponse]]

DECLARED: Final[Calls] = (
    *site.CALLS,
    *accounts.CALLS,
    *boards.CALLS,
    *rules.CALLS,
    *takedowns.CALLS,
    *cases.CALLS,
    *record_log.CALLS,
)
"""Every call but the one that serves the document, which is made from these."""

HEADERS: Final = {
    # 'self' covers the WebSocket of the same host and port (CSP 3 §6.7.2.8).
    "Content-Security-Policy": (
        "default-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Server": "Parley",
}
"""Sent with everything."""

_REQUEST_ID: Final = web.RequestKey("request_id", str)
_BEGUN: Final = web.RequestKey("begun", bool)
_KEY: Final = "Idempotency-Key"
_ALWAYS: Final = frozenset(call.path for call in site.PROBES)
"""Answered also by a node that fell silent: whoever asks wants to know."""


def make_app(services: Services) -> web.Application:
    """Make the application."""
    app = web.Application(middlewares=[_guard(services)])
    app.on_response_prepare.append(_add_headers)
    calls = (*DECLARED, site.document_call(document(DECLARED, services.site)))
    for call in calls:
        route = _route(services, call)
        if call.method == "GET":
            app.router.add_get(call.path, route)
        else:
            app.router.add_route(call.method, call.path, route)
    if services.pages is not None:
        site.add_pages(app, services.pages)
    return app


def make_probes(services: Services) -> web.Application:
    """Make the application of a worker's own port, which nobody shares."""
    app = web.Application(middlewares=[_guard(services)])
    app.on_response_prepare.append(_add_headers)
    for call in site.PROBES:
        app.router.add_get(call.path, _route(services, call))
    return app


# One call.


def _route(services: Services, call: Call[Any, Any]) -> Route:
    """Make the route of a call."""

    async def route(request: web.Request) -> web.StreamResponse:
        request_id = request[_REQUEST_ID]
        asker = await who_asks(services, call, request)
        if isinstance(asker, Refused):
            # Tokens that are guessed are counted like what guests ask.
            return respond(take_turn(services, Rate.CALLS, address_of(request)) or asker, request_id)
        person, session = asker
        who = counted_as(person, request)
        by_address = call.rate is not Rate.CALLS
        no = take_turn(services, call.rate, address_of(request) if by_address else who)
        if no is not None:
            return respond(no, request_id)
        path, query = read_path(request), read_query(call.query, request)
        data = await read_body(call, request)
        if isinstance(path, Refused) or isinstance(query, Refused) or isinstance(data, Refused):
            return respond(next(part for part in (path, query, data) if isinstance(part, Refused)), request_id)
        body = parse_body(call.body, data)
        if isinstance(body, Refused):
            return respond(body, request_id)

        key = request.headers.get(_KEY) if call.method == "POST" and call.keyed else None
        if key is None:
            done = await call.handler(services, Asked(person, session, path, body, query))
            if isinstance(done, Streamed):
                return await _stream(request, services.hub, done)
            return _respond(_reply(call, done, request_id), request_id, done)
        if not key.isascii() or not 1 <= len(key) <= bounds.KEY_CHARS_MAX:
            return respond(Refused(codes.BAD_FIELD, f"A key has 1 to {bounds.KEY_CHARS_MAX} characters.", scope=_KEY), request_id)
        digest = hashlib.sha256(f"{request.path_qs}\n".encode() + data).digest()
        kept = await services.kept_answers.begin(who, key, digest, services.world.now_us())
        if isinstance(kept, Refused):
            return respond(kept, request_id)
        if kept is not None:
            return _respond(kept, request_id, None)
        reply: Reply | None = None
        try:
            done = await call.handler(services, Asked(person, session, path, body, query))
            assert not isinstance(done, Streamed), "what streams is read, and reads take no key"
            made = _reply(call, done, request_id)
            # What may succeed later is not kept: the same key tries again.
            reply = None if isinstance(done, Refused) and done.code.retry else made
            return _respond(made, request_id, done)
        finally:
            await _keep(services, who, key, reply)

    return route


async def _keep(services: Services, who: str, key: str, reply: Reply | None) -> None:
    """Keep an answer; what was done is done, also where that fails: then the same key begins anew after ``UNDER_WAY_S``."""
    try:
        await services.kept_answers.end(who, key, reply)
    except Unavailable as error:
        log.warning("answer_not_kept", cause=str(error))


def _reply(call: Call[Any, Any], done: Struct | dict[str, Any] | Plain | Refused | BadRule | None, request_id: str) -> Reply:
    """Encode what a handler answered."""
    match done:
        case Refused() | BadRule():
            made = respond(done, request_id)
            return Reply(made.status, cast("bytes", made.body), CONTENT_TYPE)
        case Plain():
            return Reply(call.status, done.data, done.content_type)
        case None:
            return Reply(call.status, b"", "application/json")
        case _:
            return Reply(call.status, msgspec.json.encode(done), "application/json")


def _respond(reply: Reply, request_id: str, done: object) -> web.Response:
    """Make the response; a refusal carries more headers."""
    if isinstance(done, Refused | BadRule):
        return respond(done, request_id)
    if not reply.data:
        return web.Response(status=reply.status)
    charset = "utf-8" if reply.content_type.startswith("text/") else None
    return web.Response(status=reply.status, body=reply.data, content_type=reply.content_type, charset=charset)


async def _stream(request: web.Request, hub: Hub, done: Streamed) -> web.StreamResponse:
    """Write texts of posts so that none leaves after its retraction (P2).

    Each is rendered when it is encoded, and at most ``SEGMENT_BYTES`` and one event are encoded before they are handed to the transport.
    A peer that does not take the page in time is reset, before the hub forgets what was retracted meanwhile.
    """
    response = web.StreamResponse()
    response.content_type = "application/json"
    request[_BEGUN] = True
    writer = await response.prepare(request)
    if request.method == "HEAD" or writer is None:
        return response
    transport = request.transport
    _bound(transport)
    head = msgspec.json.encode({**done.head, done.name: []})
    part = bytearray(head[:-2])
    first = True
    try:
        async with asyncio.timeout(bounds.STREAM_S_MAX):
            for event in done.events:
                if not hub.fence.holds():
                    raise TimeoutError
                shown = hub.rendered(event)
                if isinstance(shown, Gone) and not done.gone:
                    continue
                part += (b"" if first else b",") + msgspec.json.encode(to_map(shown))
                first = False
                if len(part) >= bounds.SEGMENT_BYTES:
                    data, part = bytes(part), bytearray()
                    await response.write(data)
                    await writer.drain()
            await response.write(bytes(part) + b"]}")
            await response.write_eof()
    except TimeoutError:
        if transport is not None:
            TransportSink(transport).reset()
    return response


def _bound(transport: asyncio.Transport | None) -> None:
    """Keep small what lies between a text that was rendered and its peer (P3).

    The kernel would let its buffer grow to megabytes for a peer that has stopped reading: of 500 posts of 8 kB, 347 still came out after they
    were hidden (Linux 6.18, loopback). With these bounds it is what a WebSocket may hold too: the rest of one segment, and the kernel's buffer.
    """
    if transport is None:
        return
    # No room of its own: a write is waited for until the kernel has all of it.
    transport.set_write_buffer_limits(high=0)
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)


# Every request.


def _guard(services: Services) -> Any:
    """Give each request an id, and turn whatever goes wrong into a problem."""

    @web.middleware
    async def guard(request: web.Request, handler: Route) -> web.StreamResponse:
        request_id = services.world.new_id()
        request[_REQUEST_ID] = request_id
        try:
            if not services.hub.fence.holds() and request.path not in _ALWAYS:
                return respond(Refused(codes.UNAVAILABLE), request_id)
            return await handler(request)
        except web.HTTPException as error:
            return _from_aiohttp(error, request_id)
        except Unavailable as error:
            if _BEGUN in request:
                raise
            log.warning("unavailable", request=request_id, cause=str(error))
            return respond(Refused(codes.UNAVAILABLE), request_id)
        except ConnectionError:
            # The peer went away while it was being answered: nobody is left to tell.
            raise
        except Exception:  # The task boundary: logged once, answered without details.
            log.exception("request_failed", request=request_id, method=request.method, path=_pattern(request))
            if _BEGUN in request:
                raise
            return respond(
                Refused(codes.INTERNAL, f"The server made a mistake; ask the operator about {request_id}."), request_id
            )

    return guard


def _from_aiohttp(error: web.HTTPException, request_id: str) -> web.Response:
    """Say in our own words what aiohttp refused."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        response = respond(Refused(codes.NO_METHOD), request_id)
        response.headers["Allow"] = error.headers.get("Allow", "")
        return response
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return respond(Refused(codes.TOO_LARGE), request_id)
    # A folder of the web app is "forbidden" to list; there is nothing at that address.
    if isinstance(error, web.HTTPNotFound | web.HTTPForbidden):
        return respond(Refused(codes.NO_ROUTE), request_id)
    return respond(Refused(codes.BAD_REQUEST, error.reason), request_id)


def _pattern(request: web.Request) -> str:
    """Return the route's path with its braces: the log holds no ids that a peer made up."""
    resource = request.match_info.route.resource
    return "" if resource is None else resource.canonical


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add what every answer carries; answers of calls are not to be stored, pages are to be asked for again."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["X-Request-Id"] = request.get(_REQUEST_ID, "")
    page = request.path == "/" or request.path.startswith("/app/")
    if isinstance(response, web.FileResponse) and response.status == web.HTTPOk.status_code:
        kind = site.PAGE_TYPES.get(request.path.rpartition(".")[2])
        response.content_type = kind or response.content_type
    response.headers.setdefault("Cache-Control", "no-cache" if page else "no-store")
