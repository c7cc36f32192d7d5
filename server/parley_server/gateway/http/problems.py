"""How HTTP says no: problem details (RFC 9457), with the codes of the wire."""

from typing import Any, Final

import msgspec
from aiohttp import web
from msgspec import UNSET, Struct, UnsetType

from parley_protocol import codes
from parley_protocol.codes import Code
from parley_protocol.fields import to_map
from parley_server.domain.answers import Refused
from parley_server.domain.rules import BadRule

CONTENT_TYPE: Final = "application/problem+json"
_RETRY_MS: Final = 1_000
"""Wait that is proposed where a code can be tried again and nobody knows better."""


class Problem(Struct, frozen=True, kw_only=True):
    """Why a call was not done. ``code`` is what a program compares; it means the same on the wire.

    Attributes:
        type: an identifier, made of the code.
        detail: one sentence for a person.
        scope: the limit or the field that the answer is about.
        where: the key of a rule document, from the outside in.
        standing: the decision that was there first, with ``conflict``.
        request: the request's id, as in the server's log.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    request: str
    scope: str | UnsetType = UNSET
    where: str | UnsetType = UNSET
    retry_after_ms: int | UnsetType = UNSET
    standing: dict[str, Any] | UnsetType = UNSET


def problem_of(no: Refused | BadRule, request_id: str) -> Problem:
    """Describe a refusal."""
    if isinstance(no, BadRule):
        return _problem(codes.BAD_RULE, request_id, no.says, where=no.where)
    wait = no.retry_after_ms
    if wait is None and no.code.retry:
        wait = _RETRY_MS
    return _problem(
        no.code,
        request_id,
        no.detail,
        scope=UNSET if no.scope is None else no.scope,
        retry_after_ms=UNSET if wait is None else wait,
        standing=UNSET if no.standing is None else to_map(no.standing),
    )


def respond(no: Refused | BadRule, request_id: str) -> web.Response:
    """Make the response of a refusal."""
    problem = problem_of(no, request_id)
    response = web.Response(status=problem.status, body=msgspec.json.encode(problem), content_type=CONTENT_TYPE)
    if isinstance(problem.retry_after_ms, int):
        response.headers["Retry-After"] = str(-(-problem.retry_after_ms // 1_000))
    if problem.status == web.HTTPUnauthorized.status_code:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _problem(
    code: Code,
    request_id: str,
    detail: str | None,
    *,
    scope: str | UnsetType = UNSET,
    where: str | UnsetType = UNSET,
    retry_after_ms: int | UnsetType = UNSET,
    standing: dict[str, Any] | UnsetType = UNSET,
) -> Problem:
    return Problem(
        type=f"urn:parley:problem:{code.name}",
        title=code.says,
        status=code.http,
        code=code.name,
        detail=detail or code.says,
        request=request_id,
        scope=scope,
        where=where,
        retry_after_ms=retry_after_ms,
        standing=standing,
    )
