"""What people, programs and broken networks send, each with its code."""

import asyncio
import json
from typing import Any

import pytest

from parley_protocol import codes
from parley_protocol import limits as wire_limits
from tests.fault_proxy import proxying
from tests.integration.server_process import ServerProcess, Someone, StartServer
from tests.integration.wire_client import FORMS, Map, Wire, Wires, encode
from tests.postgres import PostgresForTests

both_forms = pytest.mark.parametrize("form", FORMS)

BAD_BODIES = {
    "": "empty_body",
    " \n\t ": "empty_body",
    "\u200b\u200d\u2060": "empty_body",
    "x" * (wire_limits.BODY_BYTES_MAX + 1): "body_too_long",
    "字" * (wire_limits.BODY_BYTES_MAX // 3 + 1): "body_too_long",
    "with a \0 in it": "body_not_text",
    "with an \x1b[2J escape": "body_not_text",
    "harmless \u202etxt.exe": "body_not_text",
    "a" + "\u0301" * 17: "body_not_text",
    # 10,000 of these are 20,000 bytes: the length is looked at first.
    "a" + "\u0301" * 10_000: "body_too_long",
}


def assert_error(answer: Map, code: str, **fields: Any) -> None:
    assert answer["type"] == "error" and answer["code"] == code and answer["message"], answer
    assert {name: answer.get(name) for name in fields} == fields


# Frames.


@both_forms
@pytest.mark.parametrize(
    "data", [b"", b"\xc1", b"[1, 2]", b"\x92\x01\x02", b'"text"', b"\xff\xfe{}", b"{} {}", b"\x80\x80", b"NaN"]
)
async def test_bytes_that_are_no_map_end_the_connection(server: ServerProcess, wires: Wires, form: str, data: bytes) -> None:
    wire = await wires.joined(server.ws_url, form, None)
    if form == "json":
        # The library would refuse to send text that is no UTF-8; the server must not.
        wire.socket.protocol.send_text(data)
        for out in wire.socket.protocol.data_to_send():
            wire.socket.transport.write(out)
    else:
        await wire.send_bytes(data)
    number, bye = await wire.closed()
    assert (number, bye and bye["code"]) == (codes.MALFORMED.close, "malformed")


@both_forms
async def test_nesting_without_end_is_malformed(server: ServerProcess, wires: Wires, form: str) -> None:
    wire = await wires.joined(server.ws_url, form, None)
    depth = 20_000
    data = b"[" * depth + b"]" * depth if form == "json" else b"\x91" * depth + b"\x80"
    await wire.send_bytes(data)
    number, _ = await wire.closed()
    assert number == codes.MALFORMED.close


@both_forms
@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"type": "subscribe"}, "bad_field"),
        ({"type": "subscribe", "board": 7}, "bad_field"),
        ({"type": "subscribe", "board": ""}, "bad_field"),
        ({"type": "subscribe", "board": "x" * 65}, "bad_field"),
        ({"type": "subscribe", "board": "b", "seq": -1}, "bad_field"),
        ({"type": "subscribe", "board": "b", "seq": 2**53}, "bad_field"),
        ({"type": "subscribe", "board": "b", "seq": 1.0}, "bad_field"),
        ({"type": "subscribe", "board": "b", "seq": True}, "bad_field"),
        ({"type": "subscribe", "board": "b", "kinds": ["posted"] * 17}, "bad_field"),
        ({"type": "post", "board": "b", "nonce": "n"}, "bad_field"),
        ({"type": "post", "board": "b", "nonce": "", "body": "x"}, "bad_field"),
        ({"type": "edit", "post": "p", "rev": 0, "body": "x"}, "bad_field"),
        ({"type": "react", "post": "p", "emoji": "x" * 65}, "bad_field"),
        ({"type": "retract", "post": "p", "policy": "spam", "reason": ""}, "bad_field"),
        ({"type": "decide", "case": "c", "rev": 1, "action": "explode"}, "bad_field"),
        ({"type": 7}, "unknown_type"),
        ({"type": "hello", "v": 1}, "again"),
        ({"type": "welcome"}, "unknown_type"),
        ({"type": "ack", "alert": 1}, "unauthenticated"),
        ({"type": "claim", "case": "none", "rev": 1}, "no_case"),
        ({"type": "decide", "case": "none", "rev": 1, "action": "dismiss"}, "no_case"),
        ({"type": "retract", "post": "none", "policy": "spam", "reason": "r"}, "no_post"),
        ({"type": "release", "post": "none"}, "no_post"),
    ],
)
async def test_a_frame_that_is_wrong_names_its_fault_and_its_request(
    server: ServerProcess, wires: Wires, form: str, fields: Map, code: str
) -> None:
    wire = await wires.joined(server.ws_url, form, None)
    await wire.send({"id": "mine", **fields})
    error = await wire.expect("error")
    assert_error(error, code)
    assert error.get("re") == (None if fields["type"] == "hello" else "mine")
    assert (await wire.ask("ping"))["type"] == "pong"


@both_forms
async def test_requests_before_hello_are_not_done(server: ServerProcess, wires: Wires, form: str) -> None:
    board = server.board()
    wire = await wires(server.ws_url, form)
    await wire.send({"type": "post", "id": 1, "board": board, "nonce": "early", "body": "too early"})
    await wire.send({"type": "hello", "v": 1, "token": server.person("ana").token})
    number, bye = await wire.closed()
    assert (number, bye and bye["code"]) == (4501, "hello_first")
    assert server.history(board) == []


# Bodies.


@both_forms
async def test_a_body_that_no_board_can_show_has_its_code_on_post_and_edit(
    server: ServerProcess, wires: Wires, form: str
) -> None:
    board = server.board()
    author = await wires.joined(server.ws_url, form, server.person("ana").token)
    post = (await author.post(board, "fine"))["post"]
    for body, code in BAD_BODIES.items():
        assert_error(await author.post(board, body), code)
        assert_error(await author.ask("edit", post=post, rev=1, body=body), code)
    assert_error(await author.post(board, "x" * 65_000), "body_too_long")
    assert [event["seq"] for event in server.history(board)] == [1]


@both_forms
async def test_a_lone_surrogate_is_not_text(server: ServerProcess, wires: Wires, form: str) -> None:
    board = server.board()
    author = await wires.joined(server.ws_url, form, server.person("ana").token)
    data = encode({"type": "post", "id": "s", "board": board, "nonce": "s", "body": "a SURR b"}, form)
    # U+D800, as each format can smuggle it in.
    await author.send_bytes(data.replace(b"SURR", b"\\ud800") if form == "json" else data.replace(b"SURR", b"\xed\xa0\x80S"))
    assert_error(await author.expect("error"), "not_text", re="s")
    assert server.history(board) == []


@both_forms
@pytest.mark.parametrize(
    "body", ["👩‍👩‍👧‍👦 family", "שלום עולם", "เก้าอี้", "x" * wire_limits.BODY_BYTES_MAX, "two\nlines\tand a tab", "\u2067rtl\u2069"]
)
async def test_text_of_any_script_comes_back_as_it_was(server: ServerProcess, wires: Wires, form: str, body: str) -> None:
    board = server.board()
    author = await wires.joined(server.ws_url, form, server.person("ana").token, board)
    answer = await author.post(board, body)
    assert answer["type"] == "ok", answer
    assert (await author.expect("posted", post=answer["post"]))["body"] == body


# Boards.


async def every_answer(server: ServerProcess, wire: Wire, board: str, someone: Someone) -> list[object]:
    """What all paths say of a board, without what names the board or the request."""
    asked = [
        await wire.ask("subscribe", id=1, board=board),
        await wire.ask("subscribe", id=2, board=board, seq=0),
        await wire.ask("subscribe", id=3, board=board, epoch="e", seq=5),
        await wire.ask("unsubscribe", id=4, board=board),
        await wire.ask("post", id=5, board=board, nonce="n", body="knock"),
        await wire.ask("watch", id=6, scope=board),
    ]
    await wire.send({"type": "typing", "board": board})
    await wire.send({"type": "read", "board": board, "seq": 1})
    await wire.ask("ping", id=7)
    loose = [frame for frame in wire.frames if frame["type"] == "error" and "re" not in frame]
    calls = [
        await server.call(method, path, body, token=someone.token)
        for method, path, body in (
            ("GET", f"/v1/boards/{board}", None),
            ("GET", f"/v1/boards/{board}/events", None),
            ("GET", f"/v1/search?q=secret&board={board}", None),
            ("PUT", f"/v1/boards/{board}", {"name": "Mine"}),
            ("PUT", f"/v1/boards/{board}/roles/{server.admin.id}", {"role": "banned"}),
        )
    ]
    said = json.dumps([asked, loose, [(call.status, {**call.json, "request": ""}) for call in calls]])
    found: list[object] = json.loads(said.replace(board, "BOARD"))
    return found


@both_forms
async def test_a_private_board_that_is_not_yours_answers_as_one_that_does_not_exist(
    server: ServerProcess, wires: Wires, form: str
) -> None:
    board, ana = server.board(visibility="private"), server.person("ana")
    founder = await wires.joined(server.ws_url, form, server.admin.token)
    held = (await founder.post(board, "secret words"))["post"]
    hidden = await every_answer(server, await wires.joined(server.ws_url, form, ana.token), board, ana)
    missing = await every_answer(server, await wires.joined(server.ws_url, form, ana.token), "board-of-nobody", ana)
    assert hidden == missing
    stranger = await wires.joined(server.ws_url, form, ana.token)
    for request in ({"type": "react", "emoji": "+"}, {"type": "edit", "rev": 1, "body": "x"}, {"type": "delete"}):
        real = await stranger.ask(**request, post=held)
        none = await stranger.ask(**request, post="no-such-post")
        assert {**real, "re": 0} == {**none, "re": 0}
    for act in ({"type": "retract", "policy": "spam", "reason": "r"}, {"type": "restore", "reason": "r"}, {"type": "release"}):
        real = await stranger.ask(**act, post=held)
        none = await stranger.ask(**act, post="no-such-post")
        assert {**real, "re": 0} == {**none, "re": 0}, act
    welcomed = await wires(server.ws_url, form)
    assert not (await welcomed.hello(ana.token, resume=[{"board": board, "epoch": "e", "seq": 0}])).get("boards")
    assert (await welcomed.expect("error", scope=board))["code"] == "no_board"
    assert not any("secret words" in str(wire.frames) for wire in wires.open[1:])


@both_forms
async def test_a_closed_and_a_read_only_board_take_no_posts(server: ServerProcess, wires: Wires, form: str) -> None:
    board = server.board()
    author = await wires.joined(server.ws_url, form, server.person("ana").token, board)
    post = (await author.post(board, "before"))["post"]
    for state in ("read_only", "closed"):
        done = await server.call("PUT", f"/v1/boards/{board}", {"state": state}, token=server.admin.token)
        assert done.status == 200, done.raw
        assert_error(await author.post(board, "after"), "board_closed")
        assert_error(await author.ask("edit", post=post, rev=1, body="after"), "board_closed")
        assert_error(await author.ask("react", post=post, emoji="+"), "board_closed")
        reader = await wires.joined(server.ws_url, form, None)
        assert (await reader.ask("subscribe", board=board, seq=0))["type"] == "ok"
        await reader.expect("posted", seq=1)


async def test_a_board_cannot_be_called_site(server: ServerProcess) -> None:
    for slug in ("site", "Upper", "-edge", "edge-", "", "x" * 65, "a b", "ü"):
        made = server.request("POST", "/v1/boards", {"slug": slug, "name": "N", "summary": ""}, token=server.admin.token)
        assert made.status in {400, 422} and made.code == "bad_field", (slug, made.raw)


async def test_a_token_of_another_account_gives_that_accounts_rights_alone(server: ServerProcess, wires: Wires) -> None:
    board, ben = server.board(), server.person("ben")
    ana = await wires.joined(server.ws_url, "json", server.person("ana").token)
    post = (await ana.post(board, "anas", nonce=f"own-{board}"))["post"]
    foreign = await wires.joined(server.ws_url, "json", ben.token)
    assert_error(await foreign.ask("edit", post=post, rev=1, body="bens"), "not_yours")
    assert_error(await foreign.ask("delete", post=post), "not_yours")
    assert_error(await foreign.ask("retract", post=post, policy="spam", reason="r"), "forbidden")
    assert (await server.call("GET", f"/v1/takedowns?post={post}", token=ben.token)).code == "no_post"
    assert (await server.call("GET", "/v1/me", token=ben.token)).json["id"] == ben.id
    assert (await server.call("GET", "/v1/me", token=ben.token + "x")).code == "bad_token"


# Rules.


def rule_document(**changed: object) -> dict[str, object]:
    return {
        "id": "some-rule",
        "policy": "spam",
        "severity": "medium",
        "effect": "withhold",
        "fail": "hold",
        "fields": ["body"],
        "boards": ["*"],
        "match": {"terms": ["zzyzx"]},
        "examples": {"must": ["a zzyzx here"], "must_not": ["plain"]},
    } | changed


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"match": {"patterns": ["(unclosed"]}}, "bad_rule"),
        ({"match": {"patterns": [r"(a)\1"]}}, "bad_rule"),
        ({"match": {}}, "bad_rule"),
        ({"examples": {"must": ["nothing of the kind"], "must_not": []}}, "bad_rule"),
        ({"examples": {"must": ["a zzyzx here"], "must_not": ["zzyzx"]}}, "bad_rule"),
        ({"effect": "explode"}, "bad_rule"),
        ({"id": "Not A Slug!"}, "bad_rule"),
        ({"unheard": 1}, "bad_rule"),
        ({"policy": "no-such-policy"}, "no_policy"),
    ],
)
async def test_a_rule_that_cannot_be_used_is_not_stored(server: ServerProcess, changed: dict[str, object], code: str) -> None:
    made = server.request("POST", "/v1/rules", rule_document(**changed), token=server.admin.token)
    assert (made.status, made.code) == (422, code), made.raw
    assert server.request("GET", "/v1/rules/some-rule", token=server.admin.token).code == "no_rule"


async def test_an_id_that_is_used_again_is_the_next_version_of_its_rule(server: ServerProcess, wires: Wires) -> None:
    """One id names one rule: a second document with it is a draft beside the live version, until it is activated."""
    board = server.board()
    first = rule_document(id="twice", boards=[board])
    second = rule_document(
        id="twice", boards=[board], match={"terms": ["qwxyz"]}, examples={"must": ["a qwxyz"], "must_not": ["zzyzx"]}
    )
    author = await wires.joined(server.ws_url, "json", server.person("ana").token)

    async def outcomes() -> tuple[str, str]:
        return (await author.post(board, "a zzyzx"))["type"], (await author.post(board, "a qwxyz"))["type"]

    for document, expected in ((first, ("held", "ok")), (second, ("ok", "held"))):
        before = await outcomes()
        made = server.request("POST", "/v1/rules", document, token=server.admin.token)
        assert made.status == 201 and made.json["mode"] == "draft"
        assert await outcomes() == before
        assert server.request("POST", "/v1/rules/twice/activate", {}, token=server.admin.token).status == 200
        assert await outcomes() == expected
    done = server.request("POST", "/v1/rules/twice/retire", {}, token=server.admin.token)
    assert done.status == 200 and await outcomes() == ("ok", "ok")


# HTTP.


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff", b'{"handle": 1}', b"[" * 100_000])
async def test_a_body_that_cannot_be_read_is_a_problem_and_no_mistake_of_the_servers(server: ServerProcess, data: bytes) -> None:
    for path in ("/v1/accounts", "/v1/sessions"):
        answer = server.request("POST", path, data=data)
        assert 400 <= answer.status < 500 and answer.code in codes.CODES, answer.raw


# The store.


async def test_a_store_that_falls_silent_is_unavailable_and_one_post_comes_of_one_nonce(
    own_server: StartServer, postgres: PostgresForTests, wires: Wires
) -> None:
    url = postgres.create()
    async with proxying(url) as (proxy, through):
        server = await asyncio.to_thread(own_server, {"PARLEY_DATABASE_URL": through})
        ana = await asyncio.to_thread(server.person, "ana")
        board = await asyncio.to_thread(server.board)
        author = await wires.joined(server.ws_url, "msgpack", ana.token, board)
        reader = await wires.joined(server.ws_url, "json", None, board)
        assert (await author.post(board, "before", nonce="n0"))["seq"] == 1

        proxy.cut()
        cut = await author.post(board, "while cut", nonce="n1")
        assert_error(cut, "unavailable")
        assert cut["retry_after_ms"] > 0
        assert (await server.call("GET", f"/v1/boards/{board}/events")).status == 503
        assert (await server.call("GET", "/readyz")).status == 503
        assert (await server.call("GET", "/healthz")).status == 200
        assert_error(await author.ask("retract", post="x", policy="spam", reason="r"), "unavailable")

        proxy.heal()
        again = await retried(author, board, "while cut", "n1")
        assert again["seq"] == 2

        proxy.silence()
        nonces = [f"s{number}" for number in range(5)]
        asked = [asyncio.create_task(patient_post(author, board, f"silent {nonce}", nonce)) for nonce in nonces]
        for answer in await asyncio.gather(*asked):
            assert_error(answer, "unavailable")
        assert not reader.got("silent s")
        proxy.heal()
        oks = [await retried(author, board, f"silent {nonce}", nonce) for nonce in nonces]
        last = await retried(author, board, "after", "n9")
        await reader.expect("posted", seq=last["seq"])
        events = await asyncio.to_thread(server.history, board)
        assert [event["seq"] for event in events] == list(range(1, 9)) == [event["seq"] for event in reader.events(board)]
        assert {ok["post"] for ok in oks} == {event["post"] for event in events if event["body"].startswith("silent")}
        assert len({event["post"] for event in events}) == 8
        await asyncio.to_thread(server.interrupt)
    postgres.drop(url)


async def patient_post(author: Wire, board: str, body: str, nonce: str) -> Map:
    """Post, and wait as long as the server may wait for its store."""
    await author.send({"type": "post", "id": nonce, "board": board, "nonce": nonce, "body": body})
    return await author.wait(lambda frame: frame.get("re") == nonce, 40)


async def retried(author: Wire, board: str, body: str, nonce: str) -> Map:
    """Post with one nonce until it is done."""
    async with asyncio.timeout(20):
        while True:
            answer = await author.post(board, body, nonce=nonce)
            if answer["type"] == "ok":
                return answer
            assert_error(answer, "unavailable")
            await asyncio.sleep(0.2)
