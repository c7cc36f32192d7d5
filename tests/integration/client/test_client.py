"""The client over real sockets, against a server that plays a script."""

import asyncio
import struct

import pytest

from parley_client import (
    Client,
    Connected,
    ConnectionEnded,
    Disconnected,
    HeldAnswer,
    Interrupted,
    ParleyError,
    PostedAnswer,
)
from parley_client.inbox import Inbox
from parley_protocol import frames
from parley_protocol.codec import FormatName
from parley_protocol.frames import BoardState, Cursor, Error, Event, Gone, Held, Ok, Retracted, Suppress
from parley_protocol.ids import PostId, TakedownId
from tests.integration.client.scripted_server import LOBBY, Peer, posted, scripted_server

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(20)]


async def events(client: Client, count: int) -> list[Event]:
    """Take the next ``count`` events of boards."""
    taken: list[Event] = []
    async with asyncio.timeout(5):
        async for event in client:
            if isinstance(event, frames.Posted | Gone | Retracted):
                taken.append(event)
            if len(taken) == count:
                break
    return taken


@pytest.mark.parametrize("format", ["msgpack", "json"])
async def test_a_post_is_answered_and_comes_back_as_an_event(format: FormatName) -> None:
    async def script(peer: Peer) -> None:
        assert (await peer.greet()).token == "secret"
        await peer.subscribed()
        post = await peer.expect(frames.Post)
        await peer.send(Ok(post.id, post=PostId("p1"), seq=1, at=5), posted(1, post.body))
        await peer.gone()

    async with scripted_server(script) as url, Client(url, "secret", format=format) as client:
        assert client.account is not None
        await client.subscribe("lobby")
        assert await client.post("lobby", "héllo 赌场") == PostedAnswer(PostId("p1"), 1, 5)
        assert [event.body for event in await events(client, 1) if isinstance(event, frames.Posted)] == ["héllo 赌场"]
        assert client.cursor("lobby") == Cursor(LOBBY, "e1", 1)


async def test_a_held_post_and_a_refusal_are_told_apart() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.send(Held((await peer.expect(frames.Post)).id, PostId("p9")))
        await peer.send(Error("refused", "no", re=(await peer.expect(frames.Post)).id))
        await peer.gone()

    async with scripted_server(script) as url, Client(url) as client:
        assert await client.post("lobby", "a") == HeldAnswer(PostId("p9"))
        with pytest.raises(ParleyError) as raised:
            await client.post("lobby", "b")
        assert raised.value.code == "refused"


async def test_a_broken_connection_is_resumed_and_nothing_is_lost_or_doubled() -> None:
    async def first(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        await peer.send(posted(1, "a"), posted(2, "b"))
        await peer.expect(frames.Read)
        await peer.cut()

    async def second(peer: Peer) -> None:
        hello = await peer.greet(BoardState(LOBBY, "e1", 4, True))
        assert hello.resume == (Cursor(LOBBY, "e1", 2),)
        await peer.send(posted(2, "b"), posted(3, "c"), posted(4, "d"))
        await peer.gone()

    async with scripted_server(first, second) as url, Client(url, random=lambda: 0.0) as client:
        await client.subscribe("lobby")
        assert [event.seq for event in await events(client, 2)] == [1, 2]
        await client.read("lobby", 2)
        seen: list[object] = []
        async for event in client:
            seen.append(event)
            if isinstance(event, frames.Posted) and event.seq == 4:
                break
        assert [event.seq for event in seen if isinstance(event, frames.Posted)] == [3, 4]
        assert [type(event) for event in seen[:2]] == [Disconnected, Connected]


async def test_a_post_in_flight_when_the_connection_breaks_is_published_once() -> None:
    nonces: list[str] = []

    async def first(peer: Peer) -> None:
        await peer.greet()
        nonces.append((await peer.expect(frames.Post)).nonce)
        await peer.cut()

    async def second(peer: Peer) -> None:
        await peer.greet()
        post = await peer.expect(frames.Post)
        nonces.append(post.nonce)
        await peer.send(Ok(post.id, post=PostId("p1"), seq=1, at=5))
        await peer.gone()

    async with scripted_server(first, second) as url, Client(url, random=lambda: 0.0) as client:
        assert await client.post("lobby", "hello") == PostedAnswer(PostId("p1"), 1, 5)
    assert nonces[0] == nonces[1]


async def test_an_edit_whose_repeat_meets_a_conflict_is_left_to_the_caller() -> None:
    async def first(peer: Peer) -> None:
        await peer.greet()
        await peer.expect(frames.Edit)
        await peer.cut()

    async def second(peer: Peer) -> None:
        await peer.greet()
        await peer.send(Error("conflict", "Someone else changed it first.", re=(await peer.expect(frames.Edit)).id))
        await peer.gone()

    async with scripted_server(first, second) as url, Client(url, random=lambda: 0.0) as client:
        with pytest.raises(Interrupted) as raised:
            await client.edit("p1", 1, "new")
    assert raised.value.cause == "conflict"


async def test_a_limited_request_waits_as_long_as_it_is_told() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def script(peer: Peer) -> None:
        await peer.greet()
        first = await peer.expect(frames.Post)
        await peer.send(Error("limited", "slow down", re=first.id, scope="posts", retry_after_ms=1_500))
        again = await peer.expect(frames.Post)
        assert (again.nonce, again.body) == (first.nonce, first.body)
        await peer.send(Ok(again.id, post=PostId("p1"), seq=1, at=5))
        second = await peer.expect(frames.Post)
        await peer.send(Error("limited", "come back tomorrow", re=second.id, retry_after_ms=86_400_000))
        await peer.gone()

    async with scripted_server(script) as url, Client(url, sleep=sleep) as client:
        await client.post("lobby", "hello")
        assert waits == [1.5]
        with pytest.raises(ParleyError) as raised:
            await client.post("lobby", "too long a wait")
        assert raised.value.retry_after_ms == 86_400_000


async def test_a_silent_server_is_left_for_a_new_connection() -> None:
    async def silent(peer: Peer) -> None:
        await peer.greet(beat_ms=50)
        await peer.gone()

    async def second(peer: Peer) -> None:
        await peer.greet()
        await peer.gone()

    async with scripted_server(silent, second) as url, Client(url, random=lambda: 0.0) as client:
        seen = [type(await anext(client)) for _ in range(3)]
    assert seen == [Connected, Disconnected, Connected]


async def test_a_refused_token_raises_and_is_not_tried_again() -> None:
    async def script(peer: Peer) -> None:
        await peer.expect(frames.Hello)
        await peer.send(frames.Bye("bad_token", "The token is not valid."))
        await peer.close(4510)

    async with scripted_server(script) as url:
        with pytest.raises(ConnectionEnded) as raised:
            async with Client(url, "wrong"):
                pass
        assert raised.value.code == "bad_token"


async def test_a_server_that_cannot_be_reached_raises_in_time() -> None:
    with pytest.raises(ConnectionEnded) as raised:
        async with Client("ws://127.0.0.1:9", open_timeout_s=0.1, random=lambda: 0.01):
            pass
    assert raised.value.code == "unreachable"


async def test_a_revocation_ends_the_iteration_and_every_request() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.expect(frames.Post)
        await peer.send(frames.Bye("revoked", "Access was withdrawn."))
        await peer.close(4512)

    async with scripted_server(script) as url, Client(url) as client:
        with pytest.raises(ConnectionEnded):
            await client.post("lobby", "hello")
        with pytest.raises(ConnectionEnded):
            async for _ in client:
                pass


async def test_a_caller_who_is_behind_never_gets_the_body_of_a_retracted_post() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        await peer.send(posted(1, "fine"), posted(2, "stopped"), Suppress(LOBBY, PostId("p2")))
        await peer.send(Retracted(LOBBY, 3, PostId("p2"), "spam", "advert", TakedownId("t"), 9))
        await peer.send(frames.Pong((await peer.expect(frames.Ping)).id, 1))
        await peer.gone()

    async with scripted_server(script) as url, Client(url) as client:
        await client.subscribe("lobby")
        await client.ping()  # its answer comes behind the retraction, so all of it is in the inbox now
        taken = await events(client, 3)
        assert [type(event) for event in taken] == [frames.Posted, Gone, Retracted]
        assert "stopped" not in repr(taken)


async def test_a_full_inbox_stops_the_reading_and_loses_nothing() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        await peer.send(*(posted(seq, "x") for seq in range(1, 101)))
        await peer.gone()

    async with scripted_server(script) as url, Client(url, inbox=Inbox(events_max=4)) as client:
        await client.subscribe("lobby")
        assert [event.seq for event in await events(client, 100)] == list(range(1, 101))


async def test_a_caller_that_posts_inside_its_loop_gets_its_answer_from_behind_a_full_inbox() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        await peer.send(*(posted(seq, "x") for seq in range(1, 51)))
        post = await peer.expect(frames.Post)
        await peer.send(*(posted(seq, "x") for seq in range(51, 101)))
        await peer.send(Ok(post.id, post=PostId("p101"), seq=101, at=1))
        await peer.gone()

    async with scripted_server(script) as url, Client(url, inbox=Inbox(events_max=4), request_timeout_s=5) as client:
        await client.subscribe("lobby")
        await events(client, 1)
        assert isinstance(await client.post("lobby", "from inside"), PostedAnswer)
        assert [event.seq for event in await events(client, 99)] == list(range(2, 101))


async def test_frames_of_a_newer_server_are_passed_over_and_raw_bytes_can_be_kept() -> None:
    raw: list[bytes] = []
    unknown = b"\x81\xa4type\xa6future"

    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.send_raw(unknown)
        await peer.send(frames.Pong((await peer.expect(frames.Ping)).id, 77))
        await peer.gone()

    async with scripted_server(script) as url, Client(url, on_raw=raw.append) as client:
        assert await client.ping() == 77
    assert raw[1] == unknown


async def test_an_event_that_cannot_be_read_is_fetched_by_a_resume() -> None:
    async def first(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        await peer.send_raw(b"\x83\xa4type\xa6posted\xa5board\xa5lobby\xa3seq\x01")
        await peer.send(posted(2, "b"))
        await peer.gone()

    async def second(peer: Peer) -> None:
        assert (await peer.greet(BoardState(LOBBY, "e1", 2, True))).resume == (Cursor(LOBBY, "e1", 0),)
        await peer.send(posted(1, "a"), posted(2, "b"))
        await peer.gone()

    async with scripted_server(first, second) as url, Client(url, random=lambda: 0.0) as client:
        await client.subscribe("lobby")
        assert [event.seq for event in await events(client, 2)] == [1, 2]


async def test_bytes_that_are_no_frame_lead_to_a_new_connection() -> None:
    async def broken(peer: Peer) -> None:
        await peer.greet()
        await peer.send_raw(struct.pack("!I", 0xC1C1C1C1))
        await peer.gone()

    async def second(peer: Peer) -> None:
        await peer.greet()
        await peer.gone()

    async with scripted_server(broken, second) as url, Client(url, random=lambda: 0.0) as client:
        seen = [type(await anext(client)) for _ in range(3)]
    assert seen == [Connected, Disconnected, Connected]
