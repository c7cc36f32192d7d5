"""A reader that takes less than its board brings, on real sockets and a real PostgreSQL: what it gets, and what it is told to fetch."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from parley_client import Client, Connected, Disconnected, GapEvent, Http, SubscriptionStarted
from parley_client.inbox import Inbox
from parley_protocol.frames import Deleted, Edited, Event, Gone, Posted, Reacted, Restored, Retracted, Suppress
from parley_protocol.ids import BoardId
from parley_protocol.replica import Replica
from parley_server import config
from parley_server.app import Running, serve
from parley_server.config import Settings
from parley_server.gateway.hotlog import Depth
from tests.integration.server_process import ADMIN_PASSWORD
from tests.postgres import PostgresForTests

SHALLOW = Depth(events=20, long_events=40, page=10, alone=1, resume=60)
EVENTS = 400
"""Far more, and far larger together, than what the kernels of both ends and the memory of this server hold."""


@pytest.fixture
async def running(postgres: PostgresForTests, tmp_path: Path) -> AsyncIterator[Running]:
    """A server in this process that remembers little."""
    url = postgres.create()
    environment = {
        "PARLEY_DATABASE_URL": url,
        "PARLEY_PORT": "0",
        "PARLEY_DATA_DIR": str(tmp_path),
        "PARLEY_ADMIN_PASSWORD": ADMIN_PASSWORD,
        "PARLEY_IDENTITY": "unverified",
        "PARLEY_LIMITS": "off",
    }
    settings = config.load(environment, None)
    assert isinstance(settings, Settings)
    async with serve(settings, depth=SHALLOW) as server:
        yield server
    postgres.drop(url)


@pytest.mark.parametrize("form", ["msgpack", "json"])
async def test_p5_a_slow_reader_is_told_which_events_to_fetch_and_ends_with_the_whole_picture(
    running: Running, form: str
) -> None:
    base = f"http://{running.host}:{running.port}"
    http = Http(base)
    token = await http.sign_in("admin", ADMIN_PASSWORD)
    await http.create_board("lobby", "Lobby")
    replica, gaps, seqs = Replica(BoardId("lobby"), ""), list[GapEvent](), list[int]()
    reader = Client(base, token, format="json" if form == "json" else "msgpack", inbox=Inbox(events_max=4, overflow_max=4))
    async with Client(base, token) as writer, reader:
        await reader.subscribe("lobby")
        first = await writer.post("lobby", "to be deleted")
        posts = [await writer.post("lobby", f"{number} " + "x" * 6_000) for number in range(EVENTS)]
        # A retraction would reset this reader, whose unsent bytes may hold the post; its author's own act resets nobody.
        await writer.delete(first.post)
        await writer.edit(posts[3].post, 1, "edited")
        last = await writer.post("lobby", "the last one")
        # Nobody read so far but the kernel; from here on the reader takes everything.
        async for event in reader:
            match event:
                case SubscriptionStarted(state=state):
                    replica.begin(state.epoch, state.head, state.gap)
                case GapEvent():
                    assert event.first == replica.seq + 1 and event.reason == "slow"
                    gaps.append(event)
                    replica.gap(event.first, event.last)
                case Posted() | Edited() | Deleted() | Reacted() | Retracted() | Restored() | Gone() | Suppress():
                    if not isinstance(event, Suppress):
                        assert event.seq == replica.seq + 1
                        seqs.append(event.seq)
                    replica.apply(event)
                    if isinstance(event, Posted) and event.post == getattr(last, "post", None):
                        break
                case Connected(resumed=True) | Disconnected():
                    raise AssertionError(f"the connection was not to be lost: {event}")
                case _:
                    pass
    assert gaps and len(seqs) + sum(gap.last - gap.first + 1 for gap in gaps) == EVENTS + 4
    # What was stopped meanwhile was said, wherever its event lies.
    assert replica.post(first.post) is None
    for gap in gaps:
        async for missed in http.missed(gap):
            replica.apply(missed)
    whole = Replica(BoardId("lobby"), replica.epoch)
    stored: list[Event] = [event async for event in http.export("lobby")]
    for event in stored:
        whole.apply(event)
    assert {*replica.posts()} == {*whole.posts()} and replica.seq == whole.seq == EVENTS + 4
