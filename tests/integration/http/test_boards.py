import asyncio
import socket

import pytest

from parley_protocol import codes
from parley_protocol.limits import BODY_BYTES_MAX
from parley_server.domain.people import BoardRole, SiteRole, Visibility
from parley_server.gateway.http import bounds
from parley_server.limits import SUPPRESSED_LINGER_S
from tests.integration.http.desk import Desk, assert_refused


async def test_a_board_is_made_by_an_administrator_and_seen_by_guests(desk: Desk) -> None:
    admin = await desk.account("root", SiteRole.ADMINISTRATOR)
    made = await desk.call("POST", "/v1/boards", {"slug": "tea", "name": "Tea", "summary": "All of it"}, token=admin.token)
    assert made.status == 201
    assert (made.json["id"], made.json["state"], made.json["visibility"]) == ("tea", "open", "public")
    seen = await desk.call("GET", "/v1/boards/tea")
    assert (seen.json["epoch"], seen.json["head"]) == (made.json["epoch"], 0)
    assert [item["id"] for item in (await desk.call("GET", "/v1/boards")).json["items"]] == ["tea"]


async def test_a_board_is_refused_to_members_and_with_a_bad_or_taken_slug(desk: Desk) -> None:
    admin = await desk.account("root", SiteRole.ADMINISTRATOR)
    ada = await desk.account("ada")
    await desk.board(admin, "tea")
    board = {"slug": "tea", "name": "Tea"}
    assert_refused(await desk.call("POST", "/v1/boards", board), codes.UNAUTHENTICATED)
    assert_refused(await desk.call("POST", "/v1/boards", board, token=ada.token), codes.FORBIDDEN)
    assert_refused(await desk.call("POST", "/v1/boards", board, token=admin.token), codes.TAKEN)
    bad = await desk.call("POST", "/v1/boards", board | {"slug": "Te a"}, token=admin.token)
    assert_refused(bad, codes.BAD_FIELD, "slug")


async def test_a_private_board_does_not_exist_for_those_without_a_role(desk: Desk) -> None:
    ada, bob = await desk.account("ada"), await desk.account("bob")
    await desk.board(ada, "secret", Visibility.PRIVATE)
    await desk.post(ada, "hidden words", "secret")
    for path in ("/v1/boards/secret", "/v1/boards/secret/events", "/v1/search?q=hidden&board=secret"):
        assert (await desk.call("GET", path, token=ada.token)).status == 200
        for token in (bob.token, None):
            assert_refused(await desk.call("GET", path, token=token), codes.NO_BOARD)
    assert (await desk.call("GET", "/v1/boards", token=bob.token)).json == {"items": []}
    assert (await desk.call("GET", "/v1/search?q=hidden", token=bob.token)).json == {"posts": []}
    assert [post["body"] for post in (await desk.call("GET", "/v1/search?q=hidden", token=ada.token)).json["posts"]] == [
        "hidden words"
    ]


async def test_managers_change_a_board_and_give_roles(desk: Desk) -> None:
    ada, bob = await desk.account("ada"), await desk.account("bob")
    await desk.board(ada)
    changed = await desk.call("PUT", "/v1/boards/general", {"summary": "New", "state": "read_only"}, token=ada.token)
    assert (changed.status, changed.json["summary"], changed.json["state"]) == (200, "New", "read_only")
    assert_refused(await desk.call("PUT", "/v1/boards/general", {"summary": "x"}, token=bob.token), codes.FORBIDDEN)
    path = "/v1/boards/general/roles/bob"
    assert_refused(await desk.call("PUT", path, {"role": "moderator"}, token=bob.token), codes.FORBIDDEN)
    given = await desk.call("PUT", path, {"role": "moderator"}, token=ada.token)
    assert given.json == {"board": "general", "account": bob.id, "role": "moderator"}
    assert (await desk.call("GET", "/v1/boards/general", token=bob.token)).json["role"] == "moderator"
    assert_refused(await desk.call("PUT", path, {"role": "king"}, token=ada.token), codes.BAD_FIELD, "role")
    assert_refused(await desk.call("PUT", "/v1/boards/general/roles/no", {"role": "muted"}, token=ada.token), codes.NO_ACCOUNT)
    assert_refused(await desk.call("PUT", "/v1/boards/none/roles/bob", {"role": "muted"}, token=ada.token), codes.NO_BOARD)


async def test_who_is_banned_reads_nothing_from_the_next_call_on(desk: Desk) -> None:
    ada, bob = await desk.account("ada"), await desk.account("bob")
    board = await desk.board(ada)
    await desk.people.set_role(board, bob.id, BoardRole.BANNED, ada.id, 0)
    assert_refused(await desk.call("GET", "/v1/boards/general/events", token=bob.token), codes.FORBIDDEN)


async def test_the_log_is_read_forwards_and_backwards(desk: Desk) -> None:
    ada = await desk.account("ada")
    await desk.board(ada)
    for number in range(1, 8):
        await desk.post(ada, f"post {number}")

    async def seqs(query: str) -> list[int]:
        page = (await desk.call("GET", f"/v1/boards/general/events{query}")).json
        assert (page["board"], page["epoch"], page["head"]) == ("general", "epoch-general", 7)
        return [event["seq"] for event in page["events"]]

    assert await seqs("") == [1, 2, 3, 4, 5, 6, 7]
    assert await seqs("?after=2&limit=3") == [3, 4, 5]
    assert await seqs("?after=7") == []
    assert await seqs("?before=5&limit=3") == [2, 3, 4]
    assert await seqs("?before=3&limit=3") == [1, 2]
    assert await seqs("?before=1") == []
    assert await seqs("?before=99&limit=2") == [6, 7]
    page = await desk.call("GET", "/v1/boards/general/events?limit=1")
    assert page.json["events"][0] | {"post": "", "at": 0} == {
        "type": "posted",
        "board": "general",
        "seq": 1,
        "post": "",
        "author": {"id": ada.id, "name": "Ada"},
        "body": "post 1",
        "at": 0,
        "rev": 1,
    }


async def test_a_cursor_beyond_the_head_or_out_of_range_is_refused(desk: Desk) -> None:
    ada = await desk.account("ada")
    await desk.board(ada)
    path = "/v1/boards/general/events"
    assert_refused(await desk.call("GET", f"{path}?after=1"), codes.BAD_CURSOR, "after")
    for query, scope in (
        ("after=-1", "after"),
        ("after=x", "after"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("after=99999999999999999999", "after"),
        ("after=0&before=1", "before"),
    ):
        assert_refused(await desk.call("GET", f"{path}?{query}"), codes.BAD_FIELD, scope)
    assert_refused(await desk.call("GET", "/v1/boards/none/events"), codes.NO_BOARD)


async def test_a_suppressed_post_leaves_neither_in_the_log_nor_in_a_search(desk: Desk) -> None:
    ada = await desk.account("ada")
    board = await desk.board(ada)
    bad = await desk.post(ada, "stopped words")
    await desk.post(ada, "other words")
    # Only hidden: the store still has the body, as between a suppression and its commit.
    assert desk.hub.suppress(board, bad.post) is None
    page = await desk.call("GET", "/v1/boards/general/events")
    found = await desk.call("GET", "/v1/search?q=words")
    assert page.json["events"][0] == {"type": "gone", "board": "general", "seq": 1, "post": bad.post}
    assert [post["body"] for post in found.json["posts"]] == ["other words"]
    assert b"stopped" not in page.raw + found.raw


def stopped_peer(desk: Desk) -> socket.socket:
    """Connect a peer that asks for a page, has little room for it, and does not read yet."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    peer.connect((desk.client.host, desk.client.port))
    peer.setblocking(False)
    peer.send(b"GET /v1/boards/general/events?limit=500 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    return peer


async def read_all(peer: socket.socket) -> bytes:
    got = b""
    while part := await asyncio.get_running_loop().sock_recv(peer, 65_536):
        got += part
    return got


async def test_a_peer_that_reads_slowly_gets_no_body_that_was_stopped_meanwhile(desk: Desk) -> None:
    ada = await desk.account("ada")
    board = await desk.board(ada)
    posts = [await desk.post(ada, "x" * (BODY_BYTES_MAX - 1)) for _ in range(500)]
    peer = stopped_peer(desk)
    await asyncio.sleep(0.3)  # the server writes until everything on the way is full
    for posted in posts:
        desk.hub.suppress(board, posted.post)
    got = await read_all(peer)
    peer.close()
    assert got.count(b'"type":"posted"') + got.count(b'"type":"gone"') == 500
    # What was handed to the kernel before: its two buffers and one segment.
    assert got.count(b'"type":"posted"') < 32


async def test_a_peer_that_does_not_take_its_page_in_time_is_cut(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "STREAM_S_MAX", 0.2)
    ada = await desk.account("ada")
    await desk.board(ada)
    for _ in range(500):
        await desk.post(ada, "x" * (BODY_BYTES_MAX - 1))
    peer = stopped_peer(desk)
    await asyncio.sleep(0.5)
    with pytest.raises(ConnectionResetError):
        await read_all(peer)
    peer.close()


def test_a_page_is_cut_before_the_hub_forgets_what_was_retracted_meanwhile() -> None:
    assert bounds.STREAM_S_MAX < SUPPRESSED_LINGER_S


async def test_a_search_without_words_is_refused(desk: Desk) -> None:
    for query in ("", "?q=", "?q=%20", "?q=..."):
        assert_refused(await desk.call("GET", f"/v1/search{query}"), codes.BAD_FIELD, "q")


async def test_a_store_that_does_not_answer_is_said_to_be_down(desk: Desk) -> None:
    ada = await desk.account("ada")
    await desk.board(ada)
    await desk.post(ada, "x")
    for step in ("head", "read"):
        desk.down = {step}
        assert_refused(await desk.call("GET", "/v1/boards/general/events"), codes.UNAVAILABLE)


async def test_a_head_request_is_answered_without_a_body(desk: Desk) -> None:
    ada = await desk.account("ada")
    await desk.board(ada)
    for path in ("/v1/boards", "/v1/boards/general/events", "/healthz"):
        answer = await desk.call("HEAD", path)
        assert (answer.status, answer.raw) == (200, b"")
    assert (await desk.call("GET", "/v1/boards/general/events")).status == 200
