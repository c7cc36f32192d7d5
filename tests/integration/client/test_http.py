"""The HTTP client against prepared answers."""

import pytest

from parley_client import Http, ParleyError
from parley_protocol.frames import Gone, Posted
from tests.integration.client.http_server import http_server

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(20)]


def posted(seq: int) -> dict[str, object]:
    return {
        "type": "posted",
        "board": "lobby",
        "seq": seq,
        "post": f"p{seq}",
        "author": {"id": "a", "name": "ann"},
        "body": "x",
        "at": 1,
        "rev": 1,
    }


async def test_signing_in_signs_the_calls_that_follow() -> None:
    with http_server({"POST /v1/sessions": [(201, {"token": "t"})], "GET /v1/me": {"id": "a"}}) as server:
        http = Http(server.url.replace("http", "ws"))
        await http.sign_in("ann", "pässword")
        assert await http.me() == {"id": "a"}
    assert [(asked.path, asked.token) for asked in server.asked] == [("/v1/sessions", None), ("/v1/me", "t")]
    assert server.asked[0].body == {"handle": "ann", "password": "pässword"}


async def test_a_problem_is_an_error_with_its_code_and_wait() -> None:
    answers = {"GET /v1/me": [(429, {"code": "limited", "detail": "slow down"})]}
    with http_server(answers, {"Retry-After": "3"}) as server, pytest.raises(ParleyError) as raised:
        await Http(server.url).me()
    assert (raised.value.code, raised.value.message, raised.value.retry_after_ms) == ("limited", "slow down", 3_000)


@pytest.mark.parametrize(
    ("status", "body", "code"), [(502, b"<html>", "http_502"), (200, b"<html>", "bad_answer"), (200, [1], "bad_answer")]
)
async def test_what_is_no_answer_of_this_server_is_named(status: int, body: object, code: str) -> None:
    with http_server({"GET /v1/me": [(status, body)]}) as server, pytest.raises(ParleyError) as raised:
        await Http(server.url).me()
    assert raised.value.code == code


async def test_a_redirect_is_not_followed_with_the_token() -> None:
    with (
        http_server({"GET /v1/me": {"stolen": True}}) as other,
        http_server({"GET /v1/me": [(302, {})]}, {"Location": f"{other.url}/v1/me"}) as server,
    ):
        with pytest.raises(ParleyError) as raised:
            await Http(server.url, "secret").me()
        assert raised.value.code == "http_302"
        assert other.asked == []


async def test_a_server_that_is_not_there_is_unreachable() -> None:
    with pytest.raises(ParleyError) as raised:
        await Http("http://127.0.0.1:9").me()
    assert raised.value.code == "unreachable"


async def test_an_export_reads_every_page_once_and_passes_over_unknown_kinds() -> None:
    pages = {
        "GET /v1/boards/lobby/events?after=0&limit=500": {
            "board": "lobby", "epoch": "e", "head": 4, "events": [posted(1), {"type": "gone", "board": "lobby", "seq": 2, "post": "p2"}],
        },
        "GET /v1/boards/lobby/events?after=2&limit=500": {
            "board": "lobby", "epoch": "e", "head": 4, "events": [{"type": "future", "seq": 3}, posted(4)],
        },
    }  # fmt: skip
    with http_server(pages) as server:
        events = [event async for event in Http(server.url).export("lobby")]
    assert [(type(event), event.seq) for event in events] == [(Posted, 1), (Gone, 2), (Posted, 4)]


async def test_a_list_is_followed_to_its_end_and_names_are_quoted() -> None:
    pages = {
        "GET /v1/accounts": {"items": [{"id": "a"}], "next": "n 1"},
        "GET /v1/accounts?after=n+1": {"items": [{"id": "b"}]},
        "GET /v1/accounts/a%2Fb%3F": {"id": "odd"},
    }
    with http_server(pages) as server:
        assert [account["id"] for account in await Http(server.url).accounts()] == ["a", "b"]
        assert (await Http(server.url).account("a/b?"))["id"] == "odd"
