"""The OpenAPI document: whole, valid, and true to what the server does."""

import json
from typing import Any

import pytest

from parley_server.gateway.http.app import DECLARED
from parley_server.gateway.http.calls import Who
from parley_server.gateway.http.openapi import refusals_of
from tests.integration.http.desk import Desk


async def documented(desk: Desk) -> dict[str, Any]:
    document: dict[str, Any] = (await desk.call("GET", "/v1/openapi.json")).json
    return document


async def test_every_route_is_documented(desk: Desk) -> None:
    paths = (await documented(desk))["paths"]
    routes = {
        (route.method.lower(), route.resource.canonical)
        for route in desk.app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    assert {(method, path) for path, methods in paths.items() for method in methods} == routes


async def test_every_reference_leads_somewhere(desk: Desk) -> None:
    document = await documented(desk)
    assert document["openapi"] == "3.1.0"
    schemas = document["components"]["schemas"]
    named = {part.partition('"')[0] for part in json.dumps(document).split("#/components/schemas/")[1:]}
    assert named == set(schemas)


async def test_every_shape_is_a_schema(desk: Desk) -> None:
    jsonschema_rs = pytest.importorskip("jsonschema_rs")
    schemas = (await documented(desk))["components"]["schemas"]
    for schema in schemas.values():
        jsonschema_rs.Draft202012Validator({**schema, "components": {"schemas": schemas}})


async def test_operations_have_names_of_their_own(desk: Desk) -> None:
    paths = (await documented(desk))["paths"]
    names = [operation["operationId"] for methods in paths.values() for operation in methods.values()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("call", [call for call in DECLARED if call.who is Who.ACCOUNT], ids=lambda call: call.handler.__name__)
async def test_a_call_for_accounts_is_refused_to_guests(desk: Desk, call: Any) -> None:
    answer = await desk.call(call.method, call.path.replace("{", "").replace("}", ""))
    assert answer.code == "unauthenticated"
    assert answer.code in {code.name for code in refusals_of(call)}
