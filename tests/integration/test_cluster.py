"""Two nodes of one site: real servers, a real PostgreSQL and a real Redis between them.

Named after the promises, as on one node; each is kept from one node to the other.
"""

import asyncio
import contextlib
import http.client
import json
from collections.abc import Iterator

import pytest

from tests.integration.server_process import ServerProcess
from tests.integration.site import Site, site
from tests.integration.test_promises import read_everywhere
from tests.integration.wire_client import Map, Wire, Wires
from tests.postgres import PostgresForTests
from tests.redis_server import RedisForTests


@pytest.fixture(scope="module")
def pair(postgres: PostgresForTests, shared_redis: RedisForTests) -> Iterator[Site]:
    """Two nodes, for tests that leave them as they were."""
    url = postgres.create()
    with site(url, shared_redis.url) as made:
        yield made
    postgres.drop(url)


def seqs(wire: Wire, board: str) -> list[int]:
    """The places of the events that a connection got."""
    return [event["seq"] for event in wire.events(board)]


# P5


async def test_p5_readers_of_both_nodes_get_one_order_of_what_both_nodes_take(pair: Site, wires: Wires) -> None:
    board = pair.a.board()
    authors = [
        await wires.joined(node.ws_url, "msgpack", pair.a.person(name).token)
        for name in ("ana", "ben")
        for node in (pair.a, pair.b)
    ]
    readers = [await wires.joined(node.ws_url, form, None, board) for node in (pair.a, pair.b) for form in ("msgpack", "json")]
    await asyncio.gather(*(author.post(board, f"{place} {n}") for place, author in enumerate(authors) for n in range(50)))
    for reader in readers:
        await reader.reach(board, 200)
        assert seqs(reader, board) == list(range(1, 201))
        assert [event["body"] for event in reader.events(board)] == [event["body"] for event in readers[0].events(board)]


async def test_p5_a_reader_that_is_ahead_of_its_new_node_goes_on_from_where_it_was(pair: Site, wires: Wires) -> None:
    board = pair.a.board()
    author = await wires.joined(pair.a.ws_url, "msgpack", pair.a.person("ana").token)
    epoch = (await author.ask("subscribe", board=board))["epoch"]
    # The other node has the board in memory, and hears of each post a moment after its author.
    await wires.joined(pair.b.ws_url, "json", None, board)
    for number in range(20):
        seq = (await author.post(board, f"ahead {number}"))["seq"]
        moved = await wires(pair.b.ws_url)
        welcome = await moved.hello(resume=[{"board": board, "epoch": epoch, "seq": seq}])
        [state] = welcome["boards"]
        assert state["recovered"] and state["head"] >= seq
        await moved.aclose()
    beyond = await wires.joined(pair.b.ws_url, "json", None)
    assert (await beyond.ask("subscribe", board=board, epoch=epoch, seq=21))["code"] == "bad_cursor"


# P2


async def test_p2_after_a_retraction_is_acknowledged_its_body_leaves_no_node(pair: Site, wires: Wires) -> None:
    board = pair.a.board()
    author = await wires.joined(pair.a.ws_url, "msgpack", pair.a.person("ana").token)
    desk = await wires.joined(pair.a.ws_url, "json", pair.a.admin.token)
    reader = await wires.joined(pair.b.ws_url, "json", None, board)
    posts = [(await author.post(board, f"retractme{number} words"))["post"] for number in range(10)]
    await reader.reach(board, 10)
    await asyncio.sleep(0.3)  # Until the reader's kernel has acknowledged: else it is reset, and resumes.
    for number in (3, 7):
        done = await desk.ask("retract", post=posts[number], policy="harassment", reason="For the test.")
        assert done["type"] == "ok", done
        everything = await read_everywhere(pair.b, wires, board, None, f"retractme{number}")
        assert b"retractme4" in everything and f"retractme{number}".encode() not in everything
        await reader.expect("retracted", post=posts[number])
        about = [frame["type"] for frame in reader.frames if frame.get("post") == posts[number]]
        assert about == ["posted", "suppress", "retracted"]
    restored = await (await wires.joined(pair.b.ws_url, "json", pair.a.admin.token)).ask(
        "restore", post=posts[3], reason="It was a test."
    )
    assert (await reader.expect("restored", post=posts[3]))["seq"] == restored["seq"]
    assert b"retractme3" in (await pair.b.call("GET", f"/v1/search?q=retractme3&board={board}")).raw


async def test_p2_an_authors_deletion_is_gone_from_the_other_node_when_it_is_acknowledged(pair: Site, wires: Wires) -> None:
    board = pair.a.board()
    author = await wires.joined(pair.a.ws_url, "msgpack", pair.a.person("ana").token)
    reader = await wires.joined(pair.b.ws_url, "json", None, board)
    for number in range(5):
        post = (await author.post(board, f"deleteme{number} words"))["post"]
        await reader.expect("posted", post=post)
        assert (await author.ask("delete", post=post))["type"] == "ok"
        everything = await read_everywhere(pair.b, wires, board, None, f"deleteme{number}")
        assert f"deleteme{number}".encode() not in everything
        await reader.expect("deleted", post=post)


async def test_p2_two_nodes_that_stop_one_post_at_once_end_with_one_picture(pair: Site, wires: Wires) -> None:
    board = pair.a.board()
    author = await wires.joined(pair.a.ws_url, "msgpack", pair.a.person("ana").token)
    desks = [await wires.joined(node.ws_url, "json", pair.a.admin.token) for node in (pair.a, pair.b, pair.a, pair.b)]
    readers = [await wires.joined(node.ws_url, "msgpack", None, board) for node in (pair.a, pair.b)]
    for number in range(10):
        post = (await author.post(board, f"contested{number} words"))["post"]
        for reader in readers:
            await reader.expect("posted", post=post)
        await asyncio.sleep(0.1)
        answers = await asyncio.gather(*(desk.ask("retract", post=post, policy="spam", reason="At once.") for desk in desks))
        assert sorted(answer.get("code", "ok") for answer in answers) == ["ok", *["post_stopped"] * 3]
        for node in (pair.a, pair.b):
            assert b"contested" not in (await node.call("GET", f"/v1/boards/{board}/events?limit=500")).raw
        for reader in readers:
            await reader.expect("retracted", post=post)
            await reader.ask("ping")
            assert [frame["type"] for frame in reader.frames if frame.get("post") == post] == ["posted", "suppress", "retracted"]


# P14


@pytest.mark.parametrize("change", ["banned", "suspended"])
async def test_p14_a_ban_on_one_node_binds_the_sockets_of_the_other_before_it_is_answered(
    pair: Site, wires: Wires, change: str
) -> None:
    board = pair.a.board()
    member = await asyncio.to_thread(pair.a.newcomer)
    author = await wires.joined(pair.a.ws_url, "msgpack", pair.a.person("ana").token)
    bound = await wires.joined(pair.b.ws_url, "json", member.token, board)
    await author.post(board, "before the ban")
    await bound.reach(board, 1)
    if change == "banned":
        path, body = f"/v1/boards/{board}/roles/{member.id}", {"role": "banned"}
    else:
        path, body = f"/v1/accounts/{member.id}", {"state": "suspended"}
    done = await pair.a.call("PUT", path, body, token=pair.a.admin.token)
    assert done.status == 200, done.raw
    await author.post(board, "after the ban")
    if change == "banned":
        await bound.expect("error", code="revoked", scope=board)
        assert (await bound.post(board, "from the banned"))["type"] == "error"
    else:
        await bound.closed()
    assert not bound.got("after the ban")


async def test_p14_a_session_that_is_closed_on_one_node_is_closed_on_the_other(pair: Site, wires: Wires) -> None:
    member = await asyncio.to_thread(pair.a.newcomer)
    other = await asyncio.to_thread(pair.a.sign_in, member.handle)
    bound = await wires.joined(pair.b.ws_url, "json", member.token)
    kept = await wires.joined(pair.b.ws_url, "json", other.token)
    assert (await pair.a.call("DELETE", "/v1/sessions/current", token=member.token)).status == 204
    await bound.closed()
    assert (await kept.ask("ping"))["type"] == "pong"


async def test_p14_a_board_that_is_closed_on_one_node_takes_no_post_on_the_other(pair: Site, wires: Wires) -> None:
    for number in range(5):
        board = await asyncio.to_thread(pair.a.board)
        author = await wires.joined(pair.b.ws_url, "json", pair.a.person("ana").token)
        assert (await author.post(board, "the first"))["type"] == "ok", f"board {number} is known where it was not made"
        done = await pair.a.call("PUT", f"/v1/boards/{board}", {"state": "read_only"}, token=pair.a.admin.token)
        assert done.status == 200, done.raw
        assert (await author.post(board, "too late"))["code"] == "board_closed"


# P12


async def test_p12_a_rule_judges_on_both_nodes_when_its_activation_is_answered(pair: Site, wires: Wires) -> None:
    board = pair.a.board()
    author = await wires.joined(pair.b.ws_url, "json", pair.a.person("ana").token)
    for number in range(3):
        term = f"zqcluster{number}"
        assert (await author.post(board, f"{term} passes"))["type"] == "ok"
        rule = await asyncio.to_thread(pair.a.rule, term, "withhold", boards=[board])
        assert (await author.post(board, f"{term} is held"))["type"] == "held"
        again = (await pair.a.call("POST", f"/v1/rules/{rule}/activate", {}, token=pair.a.admin.token)).json
        assert len({node["node"] for node in again["nodes"]}) == 2 and all(node["at"] > 0 for node in again["nodes"])
        retired = await pair.a.call("POST", f"/v1/rules/{rule}/retire", {}, token=pair.a.admin.token)
        assert retired.status == 200, retired.raw
        assert (await author.post(board, f"{term} passes again"))["type"] == "ok"


async def test_p12_a_policy_is_known_on_the_other_node_when_it_is_answered(pair: Site, wires: Wires) -> None:
    board = pair.a.board()
    author = await wires.joined(pair.a.ws_url, "json", pair.a.person("ana").token)
    desk = await wires.joined(pair.b.ws_url, "json", pair.a.admin.token)
    post = (await author.post(board, "against the new policy"))["post"]
    assert (await desk.ask("retract", post=post, policy="of-a", reason="Not yet."))["code"] == "no_policy"
    policy = {"title": "Of A", "ground": "terms", "reference": "the terms", "explanation": "Made on the other node."}
    assert (await pair.a.call("PUT", "/v1/policies/of-a", policy, token=pair.a.admin.token)).status == 200
    assert (await desk.ask("retract", post=post, policy="of-a", reason="Now."))["type"] == "ok"


# P8, and what else one node tells the other


async def test_p8_an_alert_of_one_node_reaches_the_watcher_and_the_author_on_the_other(pair: Site, wires: Wires) -> None:
    board = pair.a.board()
    await asyncio.to_thread(pair.a.rule, "zqalert", "withhold", boards=[board])
    watcher = await wires.joined(pair.a.ws_url, "json", pair.a.admin.token)
    assert (await watcher.ask("watch", scope=board))["type"] == "ok"
    author = await wires.joined(pair.b.ws_url, "json", pair.a.person("ana").token)
    elsewhere = await wires.joined(pair.a.ws_url, "msgpack", pair.a.person("ana").token)
    held = await author.post(board, "zqalert here")
    assert held["type"] == "held"
    alert = await watcher.expect("alert", board=board)
    assert (await elsewhere.expect("verdict", post=held["post"]))["outcome"] == "held"
    desk = await wires.joined(pair.b.ws_url, "json", pair.a.admin.token)
    assert (await desk.ask("claim", case=alert["case"], rev=1))["type"] == "ok"
    assert (await watcher.expect("case", case=alert["case"], state="claimed"))["rev"] == 2


async def test_readers_of_a_board_are_counted_over_both_nodes_and_typing_crosses(pair: Site, wires: Wires) -> None:
    board = pair.a.board()
    ana = pair.a.person("ana")
    first = await wires.joined(pair.a.ws_url, "json", None, board)
    second = await wires.joined(pair.b.ws_url, "json", ana.token, board)
    for wire in (first, second):
        await wire.expect("presence", board=board, online=2)
    await second.send({"type": "typing", "board": board})
    assert (await first.expect("typing", board=board))["account"] == ana.id
    await second.aclose()
    await first.wait(lambda frame: frame == first.frames[-1] and frame.get("online") == 1)


def keyed(node: ServerProcess, path: str, body: Map, token: str, key: str) -> tuple[int, bytes]:
    """Make a call with an idempotency key."""
    connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=30)
    with contextlib.closing(connection):
        connection.request("POST", path, json.dumps(body), {"Authorization": f"Bearer {token}", "Idempotency-Key": key})
        response = connection.getresponse()
        return response.status, response.read()


async def test_a_request_that_is_made_again_on_the_other_node_is_answered_as_before(pair: Site) -> None:
    bot = {"handle": "echo-of-two", "display_name": "Echo"}
    first = keyed(pair.a, "/v1/bots", bot, pair.a.admin.token, "k1")
    assert first[0] == 201 and b"token" in first[1]
    assert keyed(pair.b, "/v1/bots", bot, pair.a.admin.token, "k1") == first
    assert keyed(pair.b, "/v1/bots", bot | {"handle": "another"}, pair.a.admin.token, "k1")[0] == 409
