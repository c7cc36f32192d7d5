"""Answers to requests: joined within a turn of the loop, and never overtaken."""

import asyncio

import pytest

from parley_protocol.frames import Ok, Pong
from parley_server.gateway.wire import message
from tests.unit.server.gateway.room import MSGPACK, Desk, posted


@pytest.fixture
def desk() -> Desk:
    return Desk()


def ok(re: int) -> bytes:
    return message(Ok(re), MSGPACK)


async def test_answers_of_one_turn_are_one_write_and_wait_no_longer(desk: Desk) -> None:
    author, other = await desk.line(), await desk.line()
    desk.hub.reply(author.reader, ok(1))
    desk.hub.reply(other.reader, ok(2))
    desk.hub.reply(author.reader, ok(3))
    assert not author.writes
    await asyncio.sleep(0)
    assert (author.frames(), author.writes) == ([Ok(1), Ok(3)], 1)
    assert (other.frames(), other.writes) == ([Ok(2)], 1)
    desk.hub.reply(author.reader, ok(4))
    await asyncio.sleep(0)
    assert (author.frames(), author.writes) == ([Ok(4)], 2)


async def test_an_author_is_answered_before_anybody_reads_the_post(desk: Desk) -> None:
    author = await desk.line()
    for number in (1, 2):
        desk.publish(posted(number))
        desk.hub.reply(author.reader, ok(number))
    await asyncio.sleep(0)
    assert author.said() == ["ok", "ok", "posted 1", "posted 2"]


async def test_a_control_frame_does_not_overtake_an_answer(desk: Desk) -> None:
    author = await desk.line()
    desk.hub.reply(author.reader, ok(1))
    desk.hub.control(author.reader, message(Pong(2, 0), MSGPACK))
    assert (author.frames(), author.writes) == ([Ok(1), Pong(2, 0)], 1)
    await asyncio.sleep(0)
    assert author.writes == 1


async def test_answers_to_a_full_connection_wait_on_its_control_lane(desk: Desk) -> None:
    author = await desk.line(full=True)
    desk.publish(posted(1))
    await asyncio.sleep(0)
    author.frames()
    desk.hub.reply(author.reader, ok(1))
    await asyncio.sleep(0)
    assert author.frames() == []
    author.drain()
    assert author.frames() == [Ok(1)]
