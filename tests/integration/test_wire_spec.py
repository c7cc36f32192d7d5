"""The wire as SPEC.md says it, on real sockets against the real server, in both formats."""

import asyncio
import contextlib
import http.client
import time
from typing import Any

import asyncpg
import pytest
from websockets.exceptions import ConnectionClosed

from parley_protocol import limits as wire_limits
from parley_server import limits
from tests.integration.server_process import ServerProcess, StartServer
from tests.integration.wire_client import FORMS, Map, Wire, Wires, encode

pytestmark = pytest.mark.parametrize("form", FORMS)


async def execute(url: str, statement: str, *arguments: object) -> None:
    """Change the database behind the server's back."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement, *arguments)
    finally:
        await connection.close()


async def assert_ends(wire: Wire, code: str, close: int) -> None:
    """The connection ends with a bye of this code and its close number."""
    number, bye = await wire.closed()
    assert bye is not None and bye["code"] == code and bye["why"], wire.frames
    assert number == close


def assert_error(answer: Map, code: str, **fields: Any) -> None:
    """The answer is an error of this code."""
    assert answer["type"] == "error" and answer["code"] == code and answer["message"], answer
    assert {name: answer.get(name) for name in fields} == fields


# The handshake.


def handshake(server: ServerProcess, offered: str | None) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }
    connection.request("GET", "/v1/ws", headers=headers | ({} if offered is None else {"Sec-WebSocket-Protocol": offered}))
    response = connection.getresponse()
    connection.close()
    return response


def test_the_server_takes_the_format_that_is_offered_and_prefers_msgpack(server: ServerProcess, form: str) -> None:
    name = f"parley.v1.{form}"
    assert handshake(server, name).getheader("Sec-WebSocket-Protocol") == name
    assert handshake(server, f"something, {name}").getheader("Sec-WebSocket-Protocol") == name
    both = handshake(server, f"{name}, parley.v1.json, parley.v1.msgpack")
    assert both.status == 101 and both.getheader("Sec-WebSocket-Protocol") == "parley.v1.msgpack"


async def test_no_subprotocol_means_json_and_an_unknown_one_is_refused(server: ServerProcess, wires: Wires, form: str) -> None:
    if form == "json":
        wire = await wires(server.ws_url, "json", subprotocols=())
        assert (await wire.hello())["v"] == 1
    else:
        assert handshake(server, "parley.v2.msgpack").status == 400


# Hello.


async def test_a_guest_is_welcomed_with_the_limits_and_no_account(server: ServerProcess, wires: Wires, form: str) -> None:
    wire = await wires(server.ws_url, form)
    welcome = await wire.hello()
    assert welcome["v"] == 1 and welcome["session"] and welcome["beat_ms"] == wire_limits.BEAT_MS
    assert "account" not in welcome and not welcome.get("boards")
    assert welcome["limits"] == {
        "frame_bytes_max": wire_limits.FRAME_BYTES_MAX,
        "body_bytes_max": wire_limits.BODY_BYTES_MAX,
        "subscriptions_max": wire_limits.SUBSCRIPTIONS_MAX,
        "resume_events_max": wire_limits.RESUME_EVENTS_MAX,
        "history_events_max": wire_limits.HISTORY_EVENTS_MAX,
        "hello_within_ms": wire_limits.HELLO_WITHIN_MS,
        "frames_per_s": limits.FRAMES_PER_S,
        "frames_burst": limits.FRAMES_BURST,
        "posts_per_s": limits.POSTS_PER_S,
        "posts_burst": limits.POSTS_BURST,
        "requests_max": limits.REQUESTS_MAX,
    }


@pytest.mark.parametrize(("handle", "role"), [("ana", "member"), ("admin", "administrator")])
async def test_an_account_is_told_who_it_is(server: ServerProcess, wires: Wires, form: str, handle: str, role: str) -> None:
    someone = server.admin if handle == "admin" else server.person(handle)
    wire = await wires(server.ws_url, form)
    welcome = await wire.hello(someone.token)
    assert welcome["account"] == {"id": someone.id, "handle": someone.handle, "name": someone.name, "role": role}


async def test_a_guest_reads_and_does_not_write(server: ServerProcess, wires: Wires, form: str) -> None:
    board = server.board()
    guest = await wires.joined(server.ws_url, form, None, board)
    member = await wires.joined(server.ws_url, form, server.person("ana").token)
    posted = await member.post(board, "hello guests")
    event = await guest.expect("posted", post=posted["post"])
    assert event["body"] == "hello guests"
    assert_error(await guest.post(board, "hello members"), "unauthenticated")
    assert_error(await guest.ask("react", post=posted["post"], emoji="+"), "unauthenticated")
    assert_error(await guest.ask("watch", scope=board), "unauthenticated")


async def test_another_frame_first_ends_the_connection(server: ServerProcess, wires: Wires, form: str) -> None:
    wire = await wires(server.ws_url, form)
    await wire.send({"type": "ping", "id": 1})
    await assert_ends(wire, "hello_first", 4501)


async def test_a_version_that_is_not_spoken_ends_the_connection(server: ServerProcess, wires: Wires, form: str) -> None:
    wire = await wires(server.ws_url, form)
    await wire.send({"type": "hello", "v": 2})
    await assert_ends(wire, "version", 4503)


async def test_a_second_hello_was_said_already(server: ServerProcess, wires: Wires, form: str) -> None:
    wire = await wires.joined(server.ws_url, form, None)
    await wire.send({"type": "hello", "v": 1})
    assert_error(await wire.expect("error"), "again", re=None)


async def test_frames_behind_hello_are_answered_after_the_welcome(server: ServerProcess, wires: Wires, form: str) -> None:
    wire = await wires(server.ws_url, form)
    await wire.send({"type": "hello", "v": 1, "token": server.person("ana").token})
    await wire.send({"type": "ping", "id": "early"})
    await wire.expect("pong", re="early")
    assert wire.types() == ["welcome", "pong"]


async def test_tokens_that_do_not_count_end_the_connection(
    server: ServerProcess, server_url: str, wires: Wires, form: str
) -> None:
    async def assert_refused(token: str, code: str, close: int) -> None:
        wire = await wires(server.ws_url, form)
        await wire.send({"type": "hello", "v": 1, "token": token})
        await assert_ends(wire, code, close)

    await assert_refused("wrong", "bad_token", 4510)

    signed_out = server.newcomer()
    open_already = await wires.joined(server.ws_url, form, signed_out.token)
    assert (await server.call("DELETE", "/v1/sessions/current", token=signed_out.token)).status == 204
    await assert_ends(open_already, "revoked", 4512)
    await assert_refused(signed_out.token, "bad_token", 4510)

    expired = server.newcomer()
    await execute(server_url, "update sessions set expires_at_us = 1 where account = $1", expired.id)
    await assert_refused(expired.token, "token_expired", 4511)

    closed = server.newcomer()
    done = await server.call("PUT", f"/v1/accounts/{closed.id}", {"state": "closed"}, token=server.admin.token)
    assert done.status == 200
    await assert_refused(closed.token, "revoked", 4512)


# Subscriptions.


async def test_a_subscriber_gets_what_comes_in_order(server: ServerProcess, wires: Wires, form: str) -> None:
    board = server.board()
    author = await wires.joined(server.ws_url, form, server.person("ana").token)
    await author.post(board, "before")
    reader = await wires(server.ws_url, form)
    await reader.hello()
    answer = await reader.ask("subscribe", board=board)
    assert {name: answer.get(name) for name in ("type", "board", "head", "recovered", "gap")} == {
        "type": "ok", "board": board, "head": 1, "recovered": True, "gap": None,
    }  # fmt: skip
    oks = await asyncio.gather(*(author.post(board, f"number {number}") for number in range(30)))
    await reader.expect("posted", seq=31)
    assert [event["seq"] for event in reader.events(board)] == list(range(2, 32))
    by_post = {event["post"]: event for event in reader.events(board)}
    for number, ok in enumerate(oks):
        event = by_post[ok["post"]]
        assert (event["seq"], event["at"], event["body"]) == (ok["seq"], ok["at"], f"number {number}")
        assert event["author"] == {"id": server.person("ana").id, "name": server.person("ana").name} and event["rev"] == 1


async def test_a_resume_brings_what_was_missed_once_then_what_comes(server: ServerProcess, wires: Wires, form: str) -> None:
    board = server.board()
    author = await wires.joined(server.ws_url, form, server.person("ana").token)
    for number in range(5):
        await author.post(board, f"missed {number}")
    epoch = (await author.ask("subscribe", board=board))["epoch"]

    by_request = await wires(server.ws_url, form)
    await by_request.hello()
    answer = await by_request.ask("subscribe", board=board, epoch=epoch, seq=2)
    assert (answer["recovered"], answer["head"]) == (True, 5)

    by_hello = await wires(server.ws_url, form)
    welcome = await by_hello.hello(resume=[{"board": board, "epoch": epoch, "seq": 2}])
    assert welcome["boards"] == [{"board": board, "epoch": epoch, "head": 5, "recovered": True}]

    await author.post(board, "live")
    for reader in (by_request, by_hello):
        await reader.expect("posted", seq=6)
        assert [event["seq"] for event in reader.events(board)] == [3, 4, 5, 6]
        place = reader.types().index("posted")
        assert ("ok" if reader is by_request else "welcome") in reader.types()[:place]


async def test_a_cursor_of_another_log_brings_the_gap_of_the_whole_log(server: ServerProcess, wires: Wires, form: str) -> None:
    board, empty = server.board(), server.board()
    author = await wires.joined(server.ws_url, form, server.person("ana").token)
    await author.post(board, "one")
    reader = await wires(server.ws_url, form)
    await reader.hello()
    answer = await reader.ask("subscribe", board=board, epoch="another", seq=7)
    assert answer["recovered"] is False and answer["gap"] == {"first": 1, "last": 1, "reason": "epoch"}
    answer = await reader.ask("subscribe", board=empty, epoch="another", seq=7)
    assert answer["recovered"] is False and answer["gap"] == {"first": 1, "last": 0, "reason": "epoch"}
    await author.post(board, "two")
    await reader.expect("posted", seq=2)
    assert [event["seq"] for event in reader.events(board)] == [2]


async def test_a_cursor_beyond_the_head_is_no_subscription(server: ServerProcess, wires: Wires, form: str) -> None:
    board = server.board()
    member = await wires.joined(server.ws_url, form, server.person("ana").token)
    assert_error(await member.ask("subscribe", board=board, seq=1), "bad_cursor")
    assert_error(await member.ask("unsubscribe", board=board), "not_subscribed")


async def test_entries_of_resume_that_cannot_be_followed_say_why_and_the_others_are(
    server: ServerProcess, wires: Wires, form: str
) -> None:
    board, beyond = server.board(), server.board()
    probe = await wires.joined(server.ws_url, form, None)
    epochs = {name: (await probe.ask("subscribe", board=name))["epoch"] for name in (board, beyond)}
    wire = await wires(server.ws_url, form)
    welcome = await wire.hello(
        resume=[
            {"board": "no-such-board", "epoch": "e", "seq": 0},
            {"board": beyond, "epoch": epochs[beyond], "seq": 9},
            {"board": board, "epoch": epochs[board], "seq": 0},
        ]
    )
    assert [state["board"] for state in welcome["boards"]] == [board]
    assert_error(await wire.expect("error", scope="no-such-board"), "no_board", re=None)
    assert_error(await wire.expect("error", scope=beyond), "bad_cursor", re=None)


async def test_a_cursor_too_far_behind_brings_a_gap_and_then_everything(
    server: ServerProcess, server_url: str, wires: Wires, form: str
) -> None:
    board, window, author = server.board(), wire_limits.RESUME_EVENTS_MAX, server.person("ana")
    head = window + 50
    made = "from generate_series(1, $2::integer) n"
    await execute(
        server_url,
        "insert into posts (id, board, author, author_name, state, rev, seq, at_us, ruleset, uninspected)"
        f" select $1::text || '-' || n, $1, $3::text, 'Ana', 'published', 1, n, n, 0, false {made}",
        board,
        head,
        author.id,
    )
    events = "insert into events (board, seq, at_us, kind, rev, post) select $1::text, n, n, 'posted', 1, $1 || '-' || n"
    await execute(server_url, f"{events} {made}", board, head)
    await execute(server_url, f"insert into bodies (post, rev, body) select $1::text || '-' || n, 1, 'old' {made}", board, head)
    await execute(server_url, "update boards set head = $2::integer where id = $1", board, head)
    reader = await wires(server.ws_url, form)
    await reader.hello()
    answer = await reader.ask("subscribe", board=board, seq=10)
    assert answer["recovered"] is False
    assert answer["gap"] == {"first": 11, "last": 50, "reason": "window"} and answer["head"] == head
    await reader.expect("posted", seq=head, within_s=30)
    assert [event["seq"] for event in reader.events(board)] == list(range(51, head + 1))


async def test_kinds_narrow_what_comes_but_never_a_retraction(server: ServerProcess, wires: Wires, form: str) -> None:
    board, ana = server.board(), server.person("ana")
    author = await wires.joined(server.ws_url, form, ana.token)
    desk = await wires.joined(server.ws_url, form, server.admin.token)
    reader = await wires(server.ws_url, form)
    await reader.hello()
    assert_error(await reader.ask("subscribe", board=board, kinds=["posted", "nonsense"]), "bad_field")
    assert_error(await reader.ask("subscribe", board=board, kinds=["retracted"]), "bad_field")
    assert (await reader.ask("subscribe", board=board, kinds=["reacted"]))["type"] == "ok"
    post = (await author.post(board, "left out"))["post"]
    await author.ask("react", post=post, emoji="+")
    await author.ask("edit", post=post, rev=1, body="left out too")
    await desk.ask("retract", post=post, policy="spam", reason="For the test.")
    await reader.expect("retracted", post=post)
    assert [event["type"] for event in reader.events(board)] == ["reacted", "retracted"]
    assert reader.types().index("suppress") < reader.types().index("retracted")


async def test_after_unsubscribe_nothing_of_the_board_comes(server: ServerProcess, wires: Wires, form: str) -> None:
    board = server.board()
    author = await wires.joined(server.ws_url, form, server.person("ana").token, board)
    reader = await wires.joined(server.ws_url, form, None, board)
    assert (await reader.ask("unsubscribe", board=board))["type"] == "ok"
    count = len(reader.frames)
    ok = await author.post(board, "unheard")
    await author.expect("posted", post=ok["post"])
    await reader.ask("ping")
    assert [frame["type"] for frame in reader.frames[count:]] == ["pong"]
    assert_error(await reader.ask("unsubscribe", board=board), "not_subscribed")


async def test_a_subscription_to_a_followed_board_starts_anew(server: ServerProcess, wires: Wires, form: str) -> None:
    board = server.board()
    author = await wires.joined(server.ws_url, form, server.person("ana").token)
    reader = await wires.joined(server.ws_url, form, None, board)
    await author.post(board, "one")
    await reader.expect("posted", seq=1)
    answer = await reader.ask("subscribe", board=board, seq=0, kinds=["posted"])
    assert (answer["type"], answer["head"], answer["recovered"]) == ("ok", 1, True)
    ok = await author.post(board, "two")
    await author.ask("react", post=ok["post"], emoji="+")
    await author.post(board, "three")
    await reader.expect("posted", seq=4)
    assert [event["seq"] for event in reader.events(board)] == [1, 1, 2, 4]


async def test_boards_beyond_the_limit_are_not_followed(server: ServerProcess, wires: Wires, form: str) -> None:
    boards = [f"many-{number}" for number in range(wire_limits.SUBSCRIPTIONS_MAX + 1)]
    for board in boards:
        await server.call(
            "POST", "/v1/boards", {"slug": board, "name": board, "summary": ""}, token=server.admin.token
        )  # made by the first format, `taken` for the second
    reader = await wires(server.ws_url, form)
    await reader.hello()
    answers = await asyncio.gather(*(reader.ask("subscribe", board=board) for board in boards))
    refused = [answer for answer in answers if answer["type"] != "ok"]
    assert len(refused) == 1
    assert_error(refused[0], "limited", scope="subscriptions")
    assert (await reader.ask("unsubscribe", board=boards[0]))["type"] == "ok"
    assert (await reader.ask("subscribe", board=boards[-1]))["type"] == "ok"


# Writing.


async def test_a_nonce_again_gives_the_first_answer_again(server: ServerProcess, wires: Wires, form: str) -> None:
    board, ana = server.board(), server.person("ana")
    first = await wires.joined(server.ws_url, form, ana.token, board)
    second = await wires.joined(server.ws_url, form, ana.token)
    answer = await first.post(board, "once", nonce=f"nonce-{board}")
    assert (answer["type"], answer["seq"]) == ("ok", 1) and answer["post"] and answer["at"]
    again = await second.post(board, "once", nonce=f"nonce-{board}")
    assert {**again, "re": 0} == {**answer, "re": 0}
    assert_error(await second.post(board, "twice", nonce=f"nonce-{board}"), "nonce_reused")
    other = await wires.joined(server.ws_url, form, server.person("ben").token)
    assert (await other.post(board, "another author's", nonce=f"nonce-{board}"))["seq"] == 2
    await first.expect("posted", seq=2)
    assert [event["seq"] for event in first.events(board)] == [1, 2]


async def test_twins_of_one_nonce_at_the_same_time_make_one_post(server: ServerProcess, wires: Wires, form: str) -> None:
    board = server.board()
    author = await wires.joined(server.ws_url, form, server.person("ana").token, board)
    answers = await asyncio.gather(*(author.post(board, "twin", nonce=f"twin-{board}") for _ in range(8)))
    assert len({(answer["type"], answer["post"], answer["seq"], answer["at"]) for answer in answers}) == 1


async def test_a_post_answers_only_a_published_post_of_its_board(server: ServerProcess, wires: Wires, form: str) -> None:
    board, elsewhere = server.board(), server.board()
    author = await wires.joined(server.ws_url, form, server.person("ana").token, board)
    first = await author.post(board, "question")
    second = await author.post(board, "answer", reply_to=first["post"])
    assert (await author.expect("posted", post=second["post"]))["reply_to"] == first["post"]
    assert_error(await author.post(elsewhere, "lost", reply_to=first["post"]), "no_post")
    assert_error(await author.post(board, "lost", reply_to="no-such-post"), "no_post")
    assert_error(await author.post(board, "lost", attachments=["file"]), "bad_field")


async def test_an_edit_replaces_the_text_that_its_author_saw(server: ServerProcess, wires: Wires, form: str) -> None:
    board = server.board()
    author = await wires.joined(server.ws_url, form, server.person("ana").token, board)
    other = await wires.joined(server.ws_url, form, server.person("ben").token, board)
    post = (await author.post(board, "first text"))["post"]
    edited = await author.ask("edit", post=post, rev=1, body="second text")
    assert (edited["type"], edited["seq"], edited["rev"]) == ("ok", 2, 2)
    event = await other.expect("edited", post=post)
    assert (event["seq"], event["rev"], event["body"]) == (2, 2, "second text")
    assert_error(await author.ask("edit", post=post, rev=1, body="third text"), "conflict")
    assert_error(await other.ask("edit", post=post, rev=2, body="not mine"), "not_yours")
    assert_error(await other.ask("delete", post=post), "not_yours")
    assert_error(await author.ask("edit", post="no-such-post", rev=1, body="x"), "no_post")
    late = await wires(server.ws_url, form)
    await late.hello()
    await late.ask("subscribe", board=board, seq=0)
    await late.expect("edited", seq=2)
    assert not late.got("first text")


async def test_a_deleted_post_is_gone_for_all(server: ServerProcess, wires: Wires, form: str) -> None:
    board = server.board()
    author = await wires.joined(server.ws_url, form, server.person("ana").token, board)
    post = (await author.post(board, "regretted words"))["post"]
    answer = await author.ask("delete", post=post)
    assert (answer["type"], answer["seq"]) == ("ok", 2)
    await author.expect("deleted", post=post, seq=2)
    late = await wires(server.ws_url, form)
    await late.hello()
    await late.ask("subscribe", board=board, seq=0)
    await late.expect("deleted", seq=2)
    assert [event["type"] for event in late.events(board)] == ["gone", "deleted"] and not late.got("regretted")
    assert_error(await author.ask("delete", post=post), "post_stopped")
    assert_error(await author.ask("edit", post=post, rev=1, body="back"), "post_stopped")


async def test_a_reaction_that_stands_already_takes_no_seq(server: ServerProcess, wires: Wires, form: str) -> None:
    board, ana = server.board(), server.person("ana")
    author = await wires.joined(server.ws_url, form, ana.token, board)
    post = (await author.post(board, "nice"))["post"]
    assert (await author.ask("react", post=post, emoji="👍"))["seq"] == 2
    event = await author.expect("reacted", seq=2)
    assert (event["account"], event["emoji"], event["on"]) == (ana.id, "👍", True)
    again = await author.ask("react", post=post, emoji="👍")
    assert again["type"] == "ok" and "seq" not in again
    assert (await author.ask("react", post=post, emoji="👍", on=False))["seq"] == 3
    assert (await author.expect("reacted", seq=3))["on"] is False
    assert "seq" not in await author.ask("react", post=post, emoji="👍", on=False)


async def test_typing_presence_and_read_take_no_answer(server: ServerProcess, wires: Wires, form: str) -> None:
    board, ana = server.board(), server.person("ana")
    reader = await wires.joined(server.ws_url, form, None, board)
    await reader.expect("presence", board=board, online=1)
    writer = await wires.joined(server.ws_url, form, ana.token, board)
    await reader.expect("presence", board=board, online=2)
    await writer.send({"type": "typing", "board": board, "account": "somebody-else"})
    assert (await reader.expect("typing", board=board))["account"] == ana.id
    await writer.post(board, "typed")
    await writer.expect("posted", seq=1)
    count = writer.types().count("error")
    await writer.send({"type": "read", "board": board, "seq": 1})
    await writer.send({"type": "read", "board": board, "seq": 0})
    await writer.ask("ping")
    assert writer.types().count("error") == count == 0
    assert "typing" not in writer.types()
    await writer.send({"type": "read", "board": board, "seq": 99})
    assert_error(await writer.expect("error", scope=board), "bad_cursor", re=None)


async def test_a_ping_is_answered_with_the_time(server: ServerProcess, wires: Wires, form: str) -> None:
    wire = await wires.joined(server.ws_url, form, None)
    pong = await wire.ask("ping", id="a-string")
    assert abs(pong["at"] / 1_000_000 - time.time()) < 5 and pong["re"] == "a-string"


async def test_silence_is_told_from_a_dead_server_by_deadlines_and_beats(server: ServerProcess, wires: Wires, form: str) -> None:
    board = server.board()
    silent, unread = await wires(server.ws_url, form), await wires(server.ws_url, form)
    follower = await wires.joined(server.ws_url, form, server.person("ana").token, board)
    began = time.monotonic()
    await unread.send({"type": "hello", "v": "one"})
    assert_error(await unread.expect("error"), "bad_field", re=None)
    await follower.post(board, "one")
    for wire in (silent, unread):
        await asyncio.wait_for(wire.closed(10), 10)
        await assert_ends(wire, "hello_late", 4001)
        assert wire_limits.HELLO_WITHIN_MS / 1_000 - 0.1 < time.monotonic() - began < wire_limits.HELLO_WITHIN_MS / 1_000 + 3
    beat = await follower.expect("beat", wire_limits.BEAT_MS / 1_000 + 0.5)
    assert beat["heads"] == {board: 1}


# What cannot be read.


async def test_an_unknown_type_is_an_error_and_the_connection_stays(server: ServerProcess, wires: Wires, form: str) -> None:
    wire = await wires.joined(server.ws_url, form, None)
    assert_error(await wire.ask("juggle", balls=3), "unknown_type")
    assert_error(await wire.ask("posted", board="b"), "unknown_type")
    assert (await wire.ask("ping"))["type"] == "pong"


async def test_unknown_keys_and_nulls_are_ignored(server: ServerProcess, wires: Wires, form: str) -> None:
    board = server.board()
    author = await wires.joined(server.ws_url, form, server.person("ana").token, board)
    answer = await author.post(board, "with extras", reply_to=None, colour={"deep": [1, None, {"er": 2.5}]})
    assert answer["type"] == "ok"
    assert "colour" not in await author.expect("posted", post=answer["post"])


async def test_a_message_at_the_limit_is_read_and_one_beyond_it_is_too_large(
    server: ServerProcess, wires: Wires, form: str
) -> None:
    wire = await wires.joined(server.ws_url, form, None)
    frame = {"type": "ping", "id": 1, "padding": ""}
    room = wire_limits.FRAME_BYTES_MAX - len(encode({**frame, "padding": "x" * 60_000}, form)) + 60_000
    assert len(encode({**frame, "padding": "x" * room}, form)) == wire_limits.FRAME_BYTES_MAX
    await wire.send({**frame, "padding": "x" * room})
    await wire.expect("pong", re=1)
    await wire.send({**frame, "padding": "x" * (room + 1)})
    await assert_ends(wire, "too_large", 4502)


@pytest.mark.parametrize("size", [2 * wire_limits.FRAME_BYTES_MAX + 1, 1_000_000])
async def test_a_message_far_beyond_the_limit_is_too_large_as_well(
    server: ServerProcess, wires: Wires, form: str, size: int
) -> None:
    wire = await wires.joined(server.ws_url, form, None)
    await wire.send({"type": "ping", "id": 1, "padding": "x" * size})
    await assert_ends(wire, "too_large", 4502)


async def test_a_message_in_fragments_is_one_frame_within_one_limit(server: ServerProcess, wires: Wires, form: str) -> None:
    wire = await wires.joined(server.ws_url, form, None)
    data = encode({"type": "ping", "id": "whole", "padding": "ü" * 1_000}, form)
    # Cut at any byte, inside of a character too.
    cut = data.index("ü".encode()) + 1
    pieces = [data[:cut], b"", data[cut : cut + 500], data[cut + 500 :]]

    async def fragments(parts: list[bytes], *, text: bool) -> None:
        """Write the frames of one message by hand: the library would not cut a character."""
        protocol = wire.socket.protocol
        for place, part in enumerate(parts):
            fin = place == len(parts) - 1
            if place:
                protocol.send_continuation(part, fin=fin)
            elif text:
                protocol.send_text(part, fin=fin)
            else:
                protocol.send_binary(part, fin=fin)
            for bytes_out in protocol.data_to_send():
                wire.socket.transport.write(bytes_out)
            await asyncio.sleep(0)

    await fragments(pieces, text=form == "json")
    await wire.expect("pong", re="whole")
    much = encode({"type": "ping", "id": 2, "padding": "x" * wire_limits.FRAME_BYTES_MAX}, form)
    await fragments([much[:30_000], much[30_000:60_000], much[60_000:]], text=form == "json")
    await assert_ends(wire, "too_large", 4502)


async def test_a_message_of_the_other_kind_is_malformed(server: ServerProcess, wires: Wires, form: str) -> None:
    wire = await wires.joined(server.ws_url, form, None)
    await wire.send_bytes(encode({"type": "ping", "id": 1}, "json"), text=form == "msgpack")
    await assert_ends(wire, "malformed", 4500)


# Limits.


async def test_too_many_frames_are_limited_and_abuse_is_cut(limited_server: ServerProcess, wires: Wires, form: str) -> None:
    server = limited_server
    wire = await wires.joined(server.ws_url, form, None)
    ping = {"type": "ping"}
    for number in range(limits.FRAMES_BURST + 50):
        await wire.send({**ping, "id": number + 1_000})
    error = await wire.expect("error")
    assert_error(error, "limited", scope="frames")
    assert error["re"] >= 1_000 and 0 < error["retry_after_ms"] <= 1_000
    answered = limits.FRAMES_BURST + 50
    await wire.wait(lambda _: sum(frame.get("re", 0) >= 1_000 for frame in wire.frames) == answered)
    await asyncio.sleep(1.1)
    assert (await wire.ask("ping"))["type"] == "pong"
    with contextlib.suppress(ConnectionClosed):
        for number in range(limits.FRAMES_BURST + limits.LIMITED_MAX + 500):
            await wire.send({**ping, "id": number + 5_000})
            if number % 20 == 0:
                await asyncio.sleep(0.001)  # Who does not read what it is told is reset instead.
    await assert_ends(wire, "abuse", 4520)


async def test_too_many_posts_of_an_account_are_limited(limited_server: ServerProcess, wires: Wires, form: str) -> None:
    server = limited_server
    author = await wires.joined(server.ws_url, form, server.newcomer().token)
    board = server.board()
    answers = await asyncio.gather(*(author.post(board, f"post {number}") for number in range(limits.POSTS_BURST + 5)))
    refused = [answer for answer in answers if answer["type"] == "error"]
    assert 1 <= len(refused) <= 5
    for answer in refused:
        assert_error(answer, "limited", scope="posts")
        assert 0 < answer["retry_after_ms"] <= 1_000


# The end.


async def test_a_server_that_ends_asks_its_clients_to_come_back_at_different_times(
    own_server: StartServer, server_url: str, wires: Wires, form: str
) -> None:
    server = own_server({"PARLEY_DATABASE_URL": server_url})
    clients = [await wires.joined(server.ws_url, form, None) for _ in range(10)]
    unwelcomed = await wires(server.ws_url, form)
    status = await asyncio.to_thread(server.interrupt)
    assert status == 0
    waits = []
    for client in clients:
        number, bye = await client.closed()
        assert number == 4000 and bye is not None and bye["code"] == "restart"
        waits.append(bye["after_ms"])
    assert len(set(waits)) == 10 and min(waits) >= 0 and max(waits) <= limits.SHUTDOWN_SPREAD_MS
    await unwelcomed.closed()
    await asyncio.to_thread(server.start)
    again = await wires.joined(server.ws_url, form, None)
    assert (await again.ask("ping"))["type"] == "pong"
