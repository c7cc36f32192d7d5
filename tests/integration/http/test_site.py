from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from parley_protocol import codes
from parley_server.gateway.http import bounds
from parley_server.gateway.http.services import usual_rates
from tests.integration.http.desk import Desk, assert_refused

PAGE = "<!doctype html><title>Parley</title>"


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[Desk]:
    """A server with a web app, and a file beside it that is not its."""
    pages = tmp_path / "web"
    (pages / "parts").mkdir(parents=True)
    (pages / "index.html").write_text(PAGE)
    (pages / "app.js").write_text("export {};")
    (pages / "style.css").write_text("body {}")
    (pages / "icon.svg").write_text("<svg/>")
    (tmp_path / "secret.txt").write_text("secret")
    (pages / "link.txt").symlink_to(tmp_path / "secret.txt")
    desk = Desk(pages=pages)
    async with desk.client:
        yield desk


async def test_the_server_says_what_it_is(desk: Desk) -> None:
    site = (await desk.call("GET", "/v1/site")).json
    assert (site["name"], site["version"], site["identity"], site["ws"]) == ("Parley", "0.1.0", "verified", "/v1/ws")
    assert site["limits"]["body_bytes_max"] == 8192


async def test_health_readiness_and_metrics_need_no_token_and_mind_no_bad_one(desk: Desk) -> None:
    for token in (None, "wrong"):
        assert (await desk.call("GET", "/healthz", token=token)).json == {"status": "ok"}
        assert (await desk.call("GET", "/readyz", token=token)).status == 200
        metrics = await desk.call("GET", "/metrics", token=token)
        assert (metrics.raw, metrics.headers["Content-Type"]) == (b"parley_connections 0.0\n", "text/plain; charset=utf-8")


async def test_a_server_whose_store_is_down_runs_and_is_not_ready(desk: Desk) -> None:
    desk.is_ready = False
    assert (await desk.call("GET", "/healthz")).status == 200
    assert_refused(await desk.call("GET", "/readyz"), codes.UNAVAILABLE)


async def test_the_web_app_is_served_with_its_types(web: Desk) -> None:
    for path, kind in (
        ("/", "text/html"),
        ("/app/", "text/html"),
        ("/app/app.js", "text/javascript"),
        ("/app/style.css", "text/css"),
        ("/app/icon.svg", "image/svg+xml"),
    ):
        answer = await web.call("GET", path)
        assert (answer.status, answer.headers["Content-Type"].partition(";")[0]) == (200, kind)
    assert (await web.call("GET", "/")).raw == PAGE.encode()


async def test_a_page_that_has_not_changed_is_not_sent_again(web: Desk) -> None:
    first = await web.call("GET", "/app/app.js")
    assert first.headers["Cache-Control"] == "no-cache"
    again = await web.call("GET", "/app/app.js", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.raw) == (304, b"")


@pytest.mark.parametrize(
    "path",
    ["/app/../secret.txt", "/app/%2e%2e/secret.txt", "/app/..%2fsecret.txt", "/app/link.txt", "/app//etc/passwd", "/app/%00"],
)
async def test_no_path_leaves_the_folder(web: Desk, path: str) -> None:
    answer = await web.call("GET", path)
    assert answer.status == 404
    assert b"secret" not in answer.raw


async def test_a_folder_is_not_listed(web: Desk) -> None:
    assert_refused(await web.call("GET", "/app/parts"), codes.NO_ROUTE)


async def test_every_answer_carries_the_headers_that_protect_a_browser(web: Desk) -> None:
    for path in ("/", "/app/app.js", "/v1/site", "/v1/me", "/nothing"):
        headers = (await web.call("GET", path)).headers
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Request-Id"]
    assert (await web.call("GET", "/v1/site")).headers["Cache-Control"] == "no-store"


async def test_what_is_not_there_is_a_problem(desk: Desk) -> None:
    assert_refused(await desk.call("GET", "/nothing"), codes.NO_ROUTE)
    answer = await desk.call("DELETE", "/v1/boards")
    assert_refused(answer, codes.NO_METHOD)
    assert "GET" in answer.headers["Allow"]


async def test_a_body_that_is_no_json_is_refused(desk: Desk) -> None:
    for data in (b"{", b"\xff\xfe", b"handle=ada&password=x"):
        assert_refused(await desk.call("POST", "/v1/sessions", data=data), codes.BAD_REQUEST)


async def test_strings_that_are_no_text_are_refused(desk: Desk) -> None:
    for held in (b'"\\ud800"', b'"a\\u0000"'):
        data = b'{"handle": %s, "password": "x"}' % held
        assert_refused(await desk.call("POST", "/v1/sessions", data=data), codes.NOT_TEXT, "handle")
    assert_refused(await desk.call("GET", "/v1/search?q=a%00"), codes.NOT_TEXT, "q")
    assert_refused(await desk.call("GET", "/v1/boards/a%00"), codes.BAD_FIELD, "board")
    assert_refused(await desk.call("GET", "/v1/accounts/" + "a" * 65), codes.BAD_FIELD, "account")


async def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(desk: Desk) -> None:
    large = b" " * (bounds.REQUEST_BYTES_MAX + 1)
    assert_refused(await desk.call("POST", "/v1/sessions", data=large), codes.TOO_LARGE)

    async def parts() -> AsyncIterator[bytes]:
        yield large[:-10]
        yield large[-10:]

    async with desk.client.post("/v1/sessions", data=parts()) as response:
        assert (response.status, (await response.json(content_type=None))["code"]) == (413, "too_large")


async def test_a_mistake_of_ours_is_answered_without_details(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[object]:
        cause = "the details"
        raise RuntimeError(cause)

    monkeypatch.setattr(desk.directory, "boards", broken)
    answer = await desk.call("GET", "/v1/boards")
    assert_refused(answer, codes.INTERNAL)
    assert b"the details" not in answer.raw


async def test_calls_of_one_address_are_limited_and_those_of_an_account_on_their_own() -> None:
    desk = Desk(rates=usual_rates())
    async with desk.client:
        ada = await desk.account("ada")
        for _ in range(bounds.CALLS_BURST):
            assert (await desk.call("GET", "/v1/boards")).status == 200
        limited = await desk.call("GET", "/v1/boards")
        assert_refused(limited, codes.LIMITED, "calls")
        assert limited.json["retry_after_ms"] <= 1_000 / bounds.CALLS_PER_S + 1
        assert (await desk.call("GET", "/v1/boards", token=ada.token)).status == 200
        assert_refused(await desk.call("GET", "/v1/boards", token="guessed"), codes.LIMITED, "calls")
        desk.now_us += 1_000_000
        assert (await desk.call("GET", "/v1/boards")).status == 200


async def test_sign_ups_sign_ins_and_reports_of_one_address_are_limited_apart() -> None:
    desk = Desk(rates=usual_rates())
    async with desk.client:
        for path, scope, burst in (
            ("/v1/accounts", "sign_up", bounds.SIGN_UPS_BURST),
            ("/v1/sessions", "sign_in", bounds.SIGN_INS_BURST),
            ("/v1/posts/p/reports", "reports", bounds.REPORTS_BURST),
        ):
            for _ in range(burst):
                assert (await desk.call("POST", path, {})).status == 422
            assert_refused(await desk.call("POST", path, {}), codes.LIMITED, scope)
