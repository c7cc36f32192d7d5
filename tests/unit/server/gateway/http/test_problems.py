from typing import Any

import msgspec
import pytest
from aiohttp import web

from parley_protocol import codes
from parley_protocol.codes import Code
from parley_protocol.frames import Standing
from parley_protocol.ids import AccountId, CaseId
from parley_server.domain.answers import Refused
from parley_server.domain.rules import BadRule
from parley_server.gateway.http.problems import problem_of, respond


def read(response: web.Response) -> Any:
    assert isinstance(response.body, bytes)
    return msgspec.json.decode(response.body)


@pytest.mark.parametrize("code", codes.CODES.values(), ids=codes.CODES.keys())
def test_every_code_is_a_whole_problem(code: Code) -> None:
    response = respond(Refused(code), "r1")
    assert response.status == code.http
    assert response.content_type == "application/problem+json"
    problem = read(response)
    assert {name: problem[name] for name in ("type", "title", "status", "code", "detail", "request")} == {
        "type": f"urn:parley:problem:{code.name}",
        "title": code.says,
        "status": code.http,
        "code": code.name,
        "detail": code.says,
        "request": "r1",
    }
    assert ("Retry-After" in response.headers) == code.retry
    assert ("WWW-Authenticate" in response.headers) == (code.http == 401)


def test_a_wait_is_said_in_milliseconds_and_rounded_up_to_seconds() -> None:
    response = respond(Refused(codes.LIMITED, scope="calls", retry_after_ms=1_001), "r1")
    assert response.headers["Retry-After"] == "2"
    problem = read(response)
    assert (problem["retry_after_ms"], problem["scope"]) == (1_001, "calls")


def test_a_conflict_carries_what_stands() -> None:
    standing = Standing(CaseId("c1"), 2, "decided", AccountId("mo"), "release")
    problem = problem_of(Refused(codes.CONFLICT, standing=standing), "r1")
    assert problem.standing == {"case": "c1", "rev": 2, "state": "decided", "by": "mo", "action": "release"}


def test_a_bad_rule_names_the_place() -> None:
    problem = problem_of(BadRule("match.terms[3]", "The term is empty."), "r1")
    assert (problem.code, problem.where, problem.detail) == ("bad_rule", "match.terms[3]", "The term is empty.")
