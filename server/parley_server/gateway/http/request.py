"""From a request to its values: who asks, how often, what the path, the query and the body say."""

import asyncio
import ipaddress
import json
import re
from collections.abc import Hashable
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

from parley_protocol import codes
from parley_protocol.limits import ID_BYTES_MAX, TOKEN_BYTES_MAX
from parley_server.domain.answers import Refused
from parley_server.domain.people import GUEST, AccountState, Person
from parley_server.gateway.http import bounds
from parley_server.gateway.http.calls import Call, Nothing, Who
from parley_server.gateway.http.services import Rate, Services
from parley_server.ports import Session

T = TypeVar("T")

_FIELD_AT: Final = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_FIELD_NAMED: Final = re.compile(r"^(Object missing required field )?`(?P<path>\w+)`")


async def who_asks(services: Services, call: Call[Any, Any], request: web.Request) -> tuple[Person, Session | None] | Refused:
    """Find out who makes a call: ``unauthenticated``, ``bad_token``, ``token_expired``, ``revoked``."""
    sent = request.headers.get("Authorization")
    if call.who is Who.PUBLIC or sent is None:
        return Refused(codes.UNAUTHENTICATED) if call.who is Who.ACCOUNT else (GUEST, None)
    scheme, _, token = sent.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or not token.isascii() or len(token) > TOKEN_BYTES_MAX:
        return Refused(codes.BAD_TOKEN)
    session = await services.accounts.identify(token)
    if isinstance(session, Refused):
        return session
    person = await services.directory.person(session.account)
    if person is None:
        return Refused(codes.BAD_TOKEN)
    return Refused(codes.REVOKED) if person.state is AccountState.CLOSED else (person, session)


def counted_as(person: Person, request: web.Request) -> str:
    """Return whom a request is counted for: the account, or the address, of which IPv6 gives everybody 2**64."""
    return person.account or address_of(request)


def address_of(request: web.Request) -> str:
    """Return the peer's address; its network of 64 bits for IPv6."""
    text = request.remote or ""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
    return text


def take_turn(services: Services, rate: Rate | None, who: Hashable) -> Refused | None:
    """Count a request; ``limited``."""
    if rate is None or services.rates is None:
        return None
    wait_ms = services.rates[rate].take(who, services.world.now_us())
    return None if wait_ms is None else Refused(codes.LIMITED, scope=rate.value, retry_after_ms=wait_ms)


def read_path(request: web.Request) -> dict[str, str] | Refused:
    """Return the parts of the path, each of which can be an id or a handle."""
    parts = dict(request.match_info)
    for name, part in parts.items():
        if not part.isascii() or not part.isprintable() or len(part) > ID_BYTES_MAX:
            return Refused(codes.BAD_FIELD, f"`{name}` in the path is no id.", scope=name)
    return parts


def read_query(cls: type[T], request: web.Request) -> T | Refused:
    """Read the query; a name without value counts as not given, an unknown name is ignored."""
    given = {name: value for name, value in request.query.items() if value}
    try:
        value = msgspec.convert(given, cls, strict=False)
    except msgspec.ValidationError as error:
        return _bad_field(error)
    return _untidy(given) or value


async def read_body(call: Call[Any, Any], request: web.Request) -> bytes | Refused:
    """Read the body: ``too_large``, or ``bad_request`` if it does not come in time."""
    if call.body is Nothing:
        return b""
    most = call.body_bytes_max
    if (request.content_length or 0) > most:
        return Refused(codes.TOO_LARGE, f"A request has at most {most} bytes here.")
    data = bytearray()
    try:
        async with asyncio.timeout(bounds.REQUEST_WITHIN_S):
            async for part in request.content.iter_any():
                data += part
                if len(data) > most:
                    return Refused(codes.TOO_LARGE, f"A request has at most {most} bytes here.")
    except TimeoutError:
        return Refused(codes.BAD_REQUEST, "The body did not come in time.")
    return bytes(data)


def parse_body(cls: type[T], data: bytes) -> T | Refused:
    """Read JSON: ``bad_request`` if it is none, ``bad_field`` and ``not_text`` with the field's name in ``scope``. Empty is ``{}``."""
    try:
        value = msgspec.json.decode(data or b"{}", type=cls)
    except msgspec.ValidationError as error:
        return _bad_field(error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _not_json(data)
    return _untidy(msgspec.to_builtins(value)) or value


def _not_json(data: bytes) -> Refused:
    """Tell a string with a lone surrogate, which JSON can write, from what is no JSON."""
    try:
        held = json.loads(data)
    except (ValueError, RecursionError):
        return Refused(codes.BAD_REQUEST, "The body is not JSON in UTF-8.")
    return _untidy(held) or Refused(codes.BAD_REQUEST, "The body is not JSON in UTF-8.")


def _bad_field(error: msgspec.ValidationError) -> Refused:
    """Name the field that an error of msgspec is about."""
    says = str(error)
    at = _FIELD_AT.search(says)
    path = at["path"] if at is not None else ""
    named = _FIELD_NAMED.search(says)
    if named is not None:
        path = f"{path}.{named['path']}".strip(".")
    return Refused(codes.BAD_FIELD, says.replace("`$.", "`"), scope=path or None)


def _untidy(value: object, path: str = "") -> Refused | None:
    """Find a string that no text may be: with a lone surrogate, or with NUL, which the store cannot hold."""
    if isinstance(value, str):
        if "\0" in value:
            return Refused(codes.NOT_TEXT, "A string holds NUL.", scope=path or None)
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            return Refused(codes.NOT_TEXT, "A string holds a lone surrogate.", scope=path or None)
        return None
    if isinstance(value, dict):
        for name, held in value.items():
            no = _untidy(name, path) or _untidy(held, f"{path}.{name}".lstrip("."))
            if no is not None:
                return no
    elif isinstance(value, list | tuple):
        for entry in value:
            no = _untidy(entry, path)
            if no is not None:
                return no
    return None
