"""The OpenAPI 3.1 document, made from the declared calls."""

import re
from collections import defaultdict
from typing import Any, Final

import msgspec

from parley_protocol import codes
from parley_protocol.codes import Code
from parley_server.gateway.http.calls import Call, Calls, Nothing, Who
from parley_server.gateway.http.problems import CONTENT_TYPE, Problem
from parley_server.gateway.http.services import Site

Map = dict[str, Any]

_IN_BRACES: Final = re.compile(r"{(\w+)}")
_ALWAYS: Final = (codes.LIMITED, codes.INTERNAL, codes.UNAVAILABLE)
_WITH_TOKEN: Final = (codes.BAD_TOKEN, codes.TOKEN_EXPIRED, codes.REVOKED)
_WITH_BODY: Final = (codes.BAD_REQUEST, codes.TOO_LARGE, codes.BAD_FIELD, codes.NOT_TEXT)


def document(calls: Calls, site: Site) -> bytes:
    """Describe the calls, and the one that serves this very document."""
    shapes = [shape for call in calls for shape in (call.body, call.query, call.answer) if shape not in (None, Nothing, str)]
    unique = [*dict.fromkeys(shape for shape in shapes if isinstance(shape, type)), Problem]
    others = [shape for shape in shapes if not isinstance(shape, type)]
    made, components = msgspec.json.schema_components([*unique, *others], ref_template="#/components/schemas/{name}")
    schemas = dict(zip(map(repr, [*unique, *others]), made, strict=True))
    paths: defaultdict[str, Map] = defaultdict(dict)
    for call in calls:
        paths[call.path][call.method.lower()] = _operation(call, schemas, components)
    paths["/v1/openapi.json"]["get"] = {
        "summary": "This document.",
        "operationId": "openapi",
        "tags": ["openapi.json"],
        "security": [{}],
        "responses": {"200": {"description": "This document.", "content": {"application/json": {"schema": {"type": "object"}}}}}
        | _refusals(_ALWAYS),
    }
    queries = {call.query.__name__ for call in calls if call.query is not Nothing}
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "Parley", "version": site.version, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
            "paths": paths,
            "components": {
                # A query's fields are parameters; its struct is no shape that anybody sends.
                "schemas": {name: schema for name, schema in components.items() if name not in queries},
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            },
        }
    )


def refusals_of(call: Call[Any, Any]) -> tuple[Code, ...]:
    """Return every code that a call can be refused with."""
    named = [*call.codes, *_ALWAYS]
    if call.who is not Who.PUBLIC:
        named += _WITH_TOKEN
    if call.who is Who.ACCOUNT:
        named.append(codes.UNAUTHENTICATED)
    if call.body is not Nothing:
        named += _WITH_BODY
    if call.query is not Nothing or "{" in call.path:
        named += (codes.BAD_FIELD, codes.NOT_TEXT)
    if call.method == "POST" and call.keyed:
        named += (codes.NONCE_REUSED, codes.BAD_FIELD)
    return tuple(dict.fromkeys(named))


def _operation(call: Call[Any, Any], schemas: Map, components: Map) -> Map:
    operation: Map = {
        "summary": call.does,
        "operationId": call.handler.__name__,
        "tags": [call.path.removeprefix("/v1").split("/")[1]],
        "responses": _success(call, schemas) | _refusals(refusals_of(call)),
    }
    parameters = _parameters(call, components)
    if parameters:
        operation["parameters"] = parameters
    if call.body is not Nothing:
        schema = schemas[repr(call.body)]
        needed = _is_needed(schema, components)
        operation["requestBody"] = {"required": needed, "content": {"application/json": {"schema": schema}}}
    match call.who:
        case Who.PUBLIC:
            operation["security"] = [{}]
        case Who.ANYONE:
            operation["security"] = [{}, {"token": []}]
        case Who.ACCOUNT:
            operation["security"] = [{"token": []}]
    return operation


def _is_needed(schema: Map, components: Map) -> bool:
    """Say whether an empty body, which is read as ``{}``, lacks something."""
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return name not in components or bool(components[name].get("required"))


def _parameters(call: Call[Any, Any], components: Map) -> list[Map]:
    found: list[Map] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1, "maxLength": 64}}
        for name in _IN_BRACES.findall(call.path)
    ]
    if call.query is not Nothing:
        shape = components[call.query.__name__]
        found += [
            {"name": name, "in": "query", "required": name in shape.get("required", ()), "schema": _without_null(schema)}
            for name, schema in shape["properties"].items()
        ]
    if call.method == "POST" and call.keyed:
        found.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "The same key and request again give the same answer for an hour.",
                "schema": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[!-~]+$"},
            }
        )
    return found


def _without_null(schema: Map) -> Map:
    """Return the schema of a parameter: one that is not given is absent, not null."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    return kinds[0] if len(kinds) == 1 else schema


def _success(call: Call[Any, Any], schemas: Map) -> Map:
    if call.answer is None:
        return {str(call.status): {"description": "Done."}}
    if call.answer is str:
        content: Map = {"text/plain": {"schema": {"type": "string"}}}
    else:
        content = {"application/json": {"schema": schemas[repr(call.answer)]}}
    return {str(call.status): {"description": "Done.", "content": content}}


def _refusals(refused: tuple[Code, ...]) -> Map:
    """Describe the problems by status, with the codes that each status can carry."""
    by_status: defaultdict[int, list[str]] = defaultdict(list)
    for code in refused:
        by_status[code.http].append(f"`{code.name}`: {code.says}")
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        str(status): {"description": "\n\n".join(says), "content": {CONTENT_TYPE: {"schema": schema}}}
        for status, says in sorted(by_status.items())
    }
