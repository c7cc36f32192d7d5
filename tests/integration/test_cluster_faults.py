"""Two nodes of one site when something between them breaks: Redis, a node, a worker. What was promised holds, later."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Iterator

import asyncpg
import pytest

from parley_server.store.bounds import NODE_LEASE_S
from tests.integration.site import Site, site
from tests.integration.test_promises import read_everywhere
from tests.integration.wire_client import Map, Wire, Wires
from tests.postgres import PostgresForTests
from tests.redis_server import RedisForTests


@pytest.fixture
def pair(postgres: PostgresForTests, own_redis: RedisForTests) -> Iterator[Site]:
    """Two nodes that the test may break, and the Redis between them."""
    url = postgres.create()
    with site(url, own_redis.url) as made:
        yield made
    postgres.drop(url)


async def test_p2_p14_hold_without_redis_when_they_are_acknowledged(pair: Site, own_redis: RedisForTests, wires: Wires) -> None:
    board = await asyncio.to_thread(pair.a.board)
    ana, member = await asyncio.to_thread(pair.a.person, "ana"), await asyncio.to_thread(pair.a.newcomer)
    author = await wires.joined(pair.a.ws_url, "msgpack", ana.token)
    desk = await wires.joined(pair.a.ws_url, "json", pair.a.admin.token)
    bound = await wires.joined(pair.b.ws_url, "json", member.token, board)
    own_redis.kill()
    posts = [(await author.post(board, f"retractme{number} words"))["post"] for number in range(4)]
    await bound.reach(board, 4)
    await asyncio.sleep(0.3)
    for number in range(2):
        done = await desk.ask("retract", post=posts[number], policy="spam", reason="For the test.")
        assert done["type"] == "ok", done
        everything = await read_everywhere(pair.b, wires, board, None, f"retractme{number}")
        assert b"retractme3" in everything and f"retractme{number}".encode() not in everything
        await bound.expect("retracted", post=posts[number])
    rule = await asyncio.to_thread(pair.a.rule, "zqwithout", "withhold", boards=[board])
    assert rule
    there = await wires.joined(pair.b.ws_url, "json", ana.token)
    assert (await there.post(board, "zqwithout a bus"))["type"] == "held"
    await asyncio.to_thread(pair.a.role, board, member, "banned")
    await author.post(board, "after the ban")
    await bound.expect("error", code="revoked", scope=board)
    assert not bound.got("after the ban")


async def test_p5_a_redis_that_is_killed_and_comes_back_under_load_costs_no_event_and_no_retraction(
    pair: Site, own_redis: RedisForTests, wires: Wires
) -> None:
    board = await asyncio.to_thread(pair.a.board)
    nodes = (pair.a, pair.b)
    people = [await asyncio.to_thread(pair.a.person, name) for name in ("ana", "ben", "cleo", "dan")]
    authors = [await wires.joined(nodes[place % 2].ws_url, "msgpack", someone.token) for place, someone in enumerate(people)]
    desks = [await wires.joined(node.ws_url, "json", pair.a.admin.token) for node in nodes]
    readers = [await wires.joined(node.ws_url, form, None, board) for node in nodes for form in ("msgpack", "json")]
    answers: list[Map] = []
    retracted: list[str] = []
    ended = False

    async def load(author: Wire, worker: int) -> None:
        number = 0
        while not ended:
            answer = await author.post(board, f"loaded-{worker}-{number:05} words")
            assert answer["type"] == "ok", answer
            answers.append({**answer, "body": f"loaded-{worker}-{number:05}"})
            number += 1
            await asyncio.sleep(0.002)

    async def stop(desk: Wire, place: int) -> None:
        while not ended:
            await asyncio.sleep(0.05)
            if len(answers) < 10 or len(retracted) > len(answers) // 3:
                continue
            answer = answers[-1 - place]
            done = await desk.ask("retract", post=answer["post"], policy="spam", reason="Under load.")
            if done["type"] == "ok":
                retracted.append(answer["body"])
                for node in nodes:
                    search = await node.call("GET", f"/v1/search?q={answer['body']}&board={board}")
                    assert search.json["posts"] == [], "gone from both nodes when it is acknowledged"

    tasks = [asyncio.create_task(load(author, worker)) for worker, author in enumerate(authors)]
    tasks += [asyncio.create_task(stop(desk, place)) for place, desk in enumerate(desks)]
    for _ in range(2):
        await asyncio.sleep(1.0)
        own_redis.kill()
        await asyncio.sleep(1.5)
        own_redis.start()
    await asyncio.sleep(1.0)
    ended = True
    await asyncio.gather(*tasks)
    events = await asyncio.to_thread(pair.a.history, board)
    print(f"\n{len(answers)} posts, {len(retracted)} retractions, {len(events)} events")
    assert len(answers) > 200 and len(retracted) > 10
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    head = events[-1]["seq"]
    for place, reader in enumerate(readers):
        seen = {event["seq"]: event for event in reader.events(board)}
        if max(seen, default=0) < head:
            with contextlib.suppress(AssertionError):
                await reader.reach(board, head)
            seen = {event["seq"]: event for event in reader.events(board)}
        if head not in seen:
            # Reset, since its bytes may have held a retracted body: it resumes, on the other node.
            again = await wires(nodes[1 - place // 2].ws_url, reader.form)
            known = (await pair.a.call("GET", f"/v1/boards/{board}")).json
            await again.hello(resume=[{"board": board, "epoch": known["epoch"], "seq": max(seen, default=0)}])
            await again.reach(board, head)
            seen |= {event["seq"]: event for event in again.events(board)}
        assert sorted(seen) == list(range(1, head + 1)), "every reader got every place of the log"
        stopped = {event["post"] for event in events if event["type"] == "retracted"}
        assert {event["post"] for event in seen.values() if event["type"] == "retracted"} == stopped
    counted = [await node.call("GET", "/metrics") for node in nodes]
    assert all(b"parley_bus_up 1.0" in page.raw for page in counted)


async def test_p2_a_frozen_node_holds_up_a_retraction_until_its_lease_ends_and_is_silent_when_it_goes_on(
    pair: Site, wires: Wires
) -> None:
    board = await asyncio.to_thread(pair.a.board)
    author = await wires.joined(pair.a.ws_url, "msgpack", (await asyncio.to_thread(pair.a.person, "ana")).token)
    desk = await wires.joined(pair.a.ws_url, "json", pair.a.admin.token)
    live = await wires.joined(pair.b.ws_url, "json", None, board)
    post = (await author.post(board, "frozen words"))["post"]
    await live.reach(board, 1)
    late = [await wires(pair.b.ws_url, form) for form in ("msgpack", "json")]
    for wire in late:
        await wire.hello()
    assert pair.b.process is not None
    pair.b.process.send_signal(signal.SIGSTOP)
    try:
        # What is waiting for the node when it goes on: whoever asks for the text in every way, and a post that it would hand on.
        for wire in late:
            await wire.send({"type": "subscribe", "id": 1, "board": board, "seq": 0})
        history = asyncio.create_task(pair.b.call("GET", f"/v1/boards/{board}/events?limit=500"))
        search = asyncio.create_task(pair.b.call("GET", f"/v1/search?q=frozen&board={board}"))
        second = (await author.post(board, "frozen as well"))["post"]
        began = time.monotonic()
        done = await asyncio.gather(
            *(desk.ask("retract", post=stopped, policy="spam", reason="For the test.") for stopped in (post, second))
        )
        took = time.monotonic() - began
        assert [answer["type"] for answer in done] == ["ok", "ok"], done
        # Nobody waits less than what is left of the lease of a node that beats once a second.
        assert took > NODE_LEASE_S - 2.5, took
        hidden = await read_everywhere(pair.a, wires, board, None, "frozen")
        assert b"frozen words" not in hidden
        assert not live.got("frozen as well")
    finally:
        pair.b.process.send_signal(signal.SIGCONT)
    for wire in (live, *late):
        await wire.closed()
        assert wire.socket.close_code in {4001, 4003, 1006}, wire.socket.close_code
    assert not any(wire.got("frozen") for wire in late) and not live.got("frozen as well")
    for answer in await asyncio.gather(history, search, return_exceptions=True):
        assert isinstance(answer, Exception) or b"frozen" not in answer.raw, answer
    async with asyncio.timeout(20):
        while (await pair.b.call("GET", "/readyz")).status != 200:
            await asyncio.sleep(0.1)
    again = await wires.joined(pair.b.ws_url, "json", None, board)
    assert b"frozen words" not in await read_everywhere(pair.b, wires, board, None, "frozen")
    last = await author.post(board, "both speak again")
    await again.expect("posted", post=last["post"])


async def test_a_node_that_dies_in_the_middle_of_retractions_leaves_no_post_hidden_for_ever(
    pair: Site, postgres: PostgresForTests, wires: Wires
) -> None:
    board = await asyncio.to_thread(pair.a.board)
    author = await wires.joined(pair.b.ws_url, "msgpack", (await asyncio.to_thread(pair.a.person, "ana")).token)
    desk = await wires.joined(pair.a.ws_url, "json", pair.a.admin.token)
    posts = [(await author.post(board, f"claimed{number} words"))["post"] for number in range(40)]
    # The transaction of some is held up by whoever holds the board's head, so that they are hidden and not committed when the node dies.
    connection = await asyncpg.connect(pair.a.environment["PARLEY_DATABASE_URL"])
    tasks = [asyncio.create_task(desk.ask("retract", post=post, policy="spam", reason="Cut short.")) for post in posts[:10]]
    await asyncio.gather(*tasks)
    async with connection.transaction():
        await connection.execute("select from boards where id = $1 for update", board)
        tasks = [asyncio.create_task(desk.ask("retract", post=post, policy="spam", reason="Cut short.")) for post in posts[10:20]]
        async with asyncio.timeout(10):
            while b"parley_claims 10.0" not in (await pair.b.call("GET", "/metrics")).raw:
                await asyncio.sleep(0.02)
        hidden = (await pair.b.call("GET", f"/v1/boards/{board}/events?limit=500")).raw
        assert b"claimed15 " not in hidden and b"claimed25 " in hidden, "hidden on the other node before it is recorded"
        await asyncio.to_thread(pair.a.kill)
        await asyncio.gather(*tasks, return_exceptions=True)
        # Its backends end before the lock does, so that nothing of these is committed.
        await connection.execute("select pg_terminate_backend(pid) from pg_locks where not granted")
    await connection.close()
    async with asyncio.timeout(30):
        while b"parley_claims 0.0" not in (await pair.b.call("GET", "/metrics")).raw:
            await asyncio.sleep(0.2)
    shown = (await pair.b.call("GET", f"/v1/boards/{board}/events?limit=500")).raw
    for number in range(40):
        assert (f"claimed{number} ".encode() in shown) == (number >= 10), number
    # It comes back, and both have one picture.
    await asyncio.to_thread(pair.a.start)
    assert (await pair.a.call("GET", f"/v1/boards/{board}/events?limit=500")).raw == shown
