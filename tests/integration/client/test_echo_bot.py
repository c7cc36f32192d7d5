"""The example that the README shows, run as it is."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from parley_protocol import frames
from parley_protocol.frames import Ok, Retracted
from parley_protocol.ids import PostId, TakedownId
from tests.integration.client.scripted_server import ANN, LOBBY, ME, Peer, posted, scripted_server

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(20)]

EXAMPLE = Path(__file__).parents[3] / "clients" / "examples" / "echo_bot.py"


async def test_the_echo_bot_answers_others_and_never_itself_and_comes_back() -> None:
    async def first(peer: Peer) -> None:
        assert (await peer.greet()).token == "bot-token"
        await peer.subscribed()
        await peer.send(posted(1, "mine", frames.Author(ME.id, "Me")), posted(2, "hello"))
        echo = await peer.expect(frames.Post)
        assert (echo.body, echo.reply_to) == ("ann said: hello", PostId("p2"))
        await peer.send(Ok(echo.id, post=PostId("p3"), seq=3, at=1), posted(3, echo.body, frames.Author(ME.id, "Me")))
        await peer.close(4000)

    async def second(peer: Peer) -> None:
        hello = await peer.greet(frames.BoardState(LOBBY, "e1", 5, True))
        assert [cursor.seq for cursor in hello.resume] == [3]
        await peer.send(Retracted(LOBBY, 4, PostId("p2"), "spam", "advert", TakedownId("t"), 9), posted(5, "again", ANN))
        echo = await peer.expect(frames.Post)
        assert echo.body == "ann said: again"
        await peer.send(frames.Bye("revoked", "Access was withdrawn."))
        await peer.close(4512)

    async with scripted_server(first, second) as url:
        bot = await asyncio.create_subprocess_exec(
            sys.executable,
            str(EXAMPLE),
            env={**os.environ, "PARLEY_URL": url, "PARLEY_TOKEN": "bot-token"},
            stderr=asyncio.subprocess.PIPE,
        )
        _, stderr = await bot.communicate()
    assert b"revoked: Access was withdrawn." in stderr
