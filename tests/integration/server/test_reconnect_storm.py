"""Many who come back at once, on real sockets and a real PostgreSQL: what it costs, and who is asked to wait."""

import asyncio
import re
import time
from typing import Any, Final

import asyncpg
import pytest

from parley_client.connection import Broken, open_websocket
from parley_client.retry import ComeBack, what_next
from parley_server.clock import World
from parley_server.gateway.door import FrontDoor
from parley_server.gateway.fence import Fence
from parley_server.gateway.gate import Gate
from parley_server.gateway.hub import Hub
from parley_server.gateway.registry import Registry
from tests.fakes import FakeBoardLog, FakeWorld
from tests.integration.server_process import ServerProcess, StartServer
from tests.integration.wire_client import Map, Wire, Wires
from tests.postgres import PostgresForTests

BOARDS: Final = 3
EVENTS: Final = 600
"""Events of each board: more than one page of the store."""

PEOPLE: Final = 10
CONNECTIONS: Final = 60


def numbers(server: ServerProcess) -> dict[str, float]:
    """What the metrics say now."""
    page = server.request("GET", "/metrics").raw.decode()
    return {name: float(value) for name, value in re.findall(r"^(parley_\w+) (\S+)$", page, re.MULTILINE)}


async def fill(board: str, writer: Wire) -> None:
    """Give a board its events."""
    for _ in range(EVENTS // 100):
        await asyncio.gather(*(writer.post(board, f"{board} says {number}") for number in range(100)))


async def test_after_a_restart_many_come_back_for_a_few_queries_and_get_everything(
    postgres: PostgresForTests, own_server: StartServer, wires: Wires
) -> None:
    server = own_server({"PARLEY_DATABASE_URL": postgres.create()})
    boards = [server.board() for _ in range(BOARDS)]
    people = [server.newcomer() for _ in range(PEOPLE)]
    writer = await wires.joined(server.ws_url, "msgpack", server.admin.token)
    await asyncio.gather(*(fill(board, writer) for board in boards))
    epochs = {board: server.request("GET", f"/v1/boards/{board}").json["epoch"] for board in boards}
    server.kill()
    server.start()

    back = await asyncio.gather(*(wires(server.ws_url) for _ in range(CONNECTIONS)))

    async def come_back(number: int, wire: Wire) -> Map:
        # Guests too, each fourth one; everybody from another place of the log.
        token = people[number % PEOPLE].token if number % 4 else None
        return await wire.hello(token, resume=[{"board": board, "epoch": epochs[board], "seq": number % 200} for board in boards])

    before, began = numbers(server), time.monotonic()
    welcomes = await asyncio.gather(*(come_back(number, wire) for number, wire in enumerate(back)))
    greeted, took_s = numbers(server), time.monotonic() - began
    assert [state["recovered"] for welcome in welcomes for state in welcome["boards"]] == [True] * BOARDS * CONNECTIONS
    for number, wire in enumerate(back):
        for board in boards:
            await wire.reach(board, EVENTS)
            assert [event["seq"] for event in wire.events(board)] == list(range(number % 200 + 1, EVENTS + 1))
    after = numbers(server)
    # A head and two pages for each board, whoever reads it, and not one more.
    assert after["parley_hub_store_reads_total"] - before["parley_hub_store_reads_total"] == 3 * BOARDS
    # Looking up the tokens and people of 45 hellos, beside the server's own two or three queries a second.
    looked_up = greeted["parley_store_calls_total"] - before["parley_store_calls_total"] - 3 * BOARDS
    assert looked_up <= 20 + 4 * took_s, f"{looked_up} queries in {took_s:.1f} s"


async def test_a_session_that_was_ended_behind_the_servers_back_is_refused_among_many(
    postgres: PostgresForTests, own_server: StartServer, wires: Wires
) -> None:
    """Looking up many at once keeps nothing: what was committed before a hello is seen by it."""
    url = postgres.create()
    server = own_server({"PARLEY_DATABASE_URL": url})
    someone, other = server.newcomer(), server.newcomer()

    async def hello(token: str) -> dict[str, Any] | None:
        wire = await wires(server.ws_url)
        await wire.send({"type": "hello", "v": 1, "token": token})
        frame = await wire.wait(lambda frame: frame["type"] in ("welcome", "bye"))
        return frame if frame["type"] == "bye" else None

    assert await asyncio.gather(*(hello(who.token) for who in (someone, other) * 20)) == [None] * 40
    database = await asyncpg.connect(url)
    await database.execute("update sessions set revoked = true where account = $1", someone.id)
    await database.close()
    byes = await asyncio.gather(*(hello(who.token) for who in (someone, other) * 20))
    assert [bye and bye["code"] for bye in byes] == ["bad_token", None] * 20


@pytest.mark.parametrize("burst", [1, 3])
async def test_handshakes_beyond_the_rate_are_answered_503_and_the_client_waits_as_it_is_told(burst: int) -> None:
    registry = Registry(Hub(FakeBoardLog(FakeWorld())), World())
    gate = Gate(per_s=1, burst=burst)
    taken: list[asyncio.Protocol] = []

    def never() -> asyncio.Protocol:
        taken.append(asyncio.Protocol())
        return taken[-1]

    listener = await asyncio.get_running_loop().create_server(
        lambda: FrontDoor(registry, Fence(), gate, never, never), "127.0.0.1", 0
    )
    url = f"ws://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1/ws"
    let_in = [asyncio.ensure_future(open_websocket(url, "json")) for _ in range(burst)]
    while len(taken) < burst:
        await asyncio.sleep(0.01)
    waits = []
    for _ in range(3):
        with pytest.raises(Broken) as caught:
            await open_websocket(url, "json")
        closed = caught.value.closed
        assert closed.status == 503 and closed.after_ms is not None
        next_one = what_next(closed, None, 0, 0.5)
        assert isinstance(next_one, ComeBack) and next_one.after_s >= closed.after_ms / 1_000
        waits.append(closed.after_ms)
    # Each is given the next turn.
    assert waits == sorted(waits) and waits[0] >= 1_000 and waits[-1] >= 2_000
    assert len(taken) == burst and gate.refused == 3
    for opening in let_in:
        opening.cancel()
    await asyncio.gather(*let_in, return_exceptions=True)
    listener.close()
