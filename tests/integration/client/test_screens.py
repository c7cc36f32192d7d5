"""The screens, driven as a person would, against a server that plays a script."""

import asyncio
from collections.abc import Callable

import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable, Input, Static

from parley_client import Client, EventsPage, ParleyError
from parley_client.commands.room import Room
from parley_client.commands.room_screen import RoomScreen
from parley_client.commands.watch_screen import WatchScreen
from parley_protocol import frames
from parley_protocol.frames import (
    Alert,
    BoardState,
    CaseChanged,
    Edited,
    Error,
    Event,
    Ok,
    Presence,
    Retracted,
    Standing,
    Suppress,
    VerdictNotice,
)
from parley_protocol.ids import AccountId, CaseId, PostId, TakedownId
from tests.integration.client.scripted_server import ANN, LOBBY, Peer, posted, scripted_server

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(30)]


class Past:
    """Older events, as a page of history gives them."""

    def __init__(self, *events: Event) -> None:
        self.held = events

    async def events(self, board: str, after: int = 0, limit: int = 100) -> EventsPage:
        page = tuple(event for event in self.held if after < event.seq <= after + limit)
        return EventsPage(board, "e1", len(self.held), page)

    async def report(self, post: str, text: str) -> dict[str, object]:
        return {"post": post, "text": text}


async def eventually(pilot: Pilot[str | None], holds: Callable[[], bool]) -> None:
    """Wait until the screen is as it should be."""
    async with asyncio.timeout(5):
        while not holds():
            await pilot.pause(0.01)


def notices(screen: RoomScreen) -> str:
    return "\n".join(str(held.render()) for held in screen.query(".notice").results(Static))


async def test_a_retraction_takes_the_text_off_the_screen() -> None:
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed(head=1)
        await peer.send(posted(2, "a secret"), Presence(LOBBY, 5))
        await go.wait()
        await peer.send(Suppress(LOBBY, PostId("p2")))
        await peer.send(Retracted(LOBBY, 3, PostId("p2"), "spam", "advert", TakedownId("t"), 9))
        await peer.gone()

    async with scripted_server(script) as url, Client(url) as client:
        screen = RoomScreen(Room("lobby", client, Past(posted(1, "from before"))))
        async with screen.run_test(size=(100, 30)) as pilot:
            await eventually(pilot, lambda: screen.texts == ["from before", "a secret"])
            assert "5 online" in str(screen.query_one("#state", Static).render())
            go.set()
            await eventually(pilot, lambda: screen.texts == ["from before"])
            assert "secret" not in "".join(str(held.render()) for held in screen.query(Static))


async def test_an_edit_changes_the_line_in_its_place() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        await peer.send(posted(1, "frist"), posted(2, "second"))
        await peer.send(Edited(LOBBY, 3, PostId("p1"), ANN, "first", 9, 2))
        await peer.gone()

    async with scripted_server(script) as url, Client(url) as client:
        screen = RoomScreen(Room("lobby", client, Past()))
        async with screen.run_test() as pilot:
            await eventually(pilot, lambda: screen.texts == ["first", "second"])


async def test_what_is_typed_is_posted_and_its_fate_is_told_to_its_author() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        await peer.expect(frames.Typing)
        post = await peer.expect(frames.Post)
        assert post.body == "hi"
        await peer.send(frames.Held(post.id, PostId("p9")))
        await peer.send(VerdictNotice(PostId("p9"), "refused", "spam", "an advert", TakedownId("t9")))
        await peer.gone()

    async with scripted_server(script) as url, Client(url) as client:
        screen = RoomScreen(Room("lobby", client, Past()))
        async with screen.run_test(size=(120, 30)) as pilot:
            await pilot.press("h", "i", "enter")
            await eventually(pilot, lambda: "refused: spam — an advert" in notices(screen))
            assert "held for a moderator" in notices(screen)
            assert screen.query_one(Input).value == ""


async def test_older_posts_come_above_and_the_pages_tombstones_win() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed(head=150)
        await peer.gone()

    past = Past(
        *(frames.Gone(LOBBY, seq, PostId(f"p{seq}")) if seq == 20 else posted(seq, f"text {seq}") for seq in range(1, 151))
    )
    async with scripted_server(script) as url, Client(url) as client:
        screen = RoomScreen(Room("lobby", client, past))
        async with screen.run_test() as pilot:
            await eventually(pilot, lambda: len(screen.texts) == 100)
            screen.load_older()
            await eventually(pilot, lambda: screen.texts == [f"text {seq}" for seq in range(1, 151) if seq != 20])


async def test_a_history_that_does_not_come_leaves_the_room_alive() -> None:
    class NoPast(Past):
        async def events(self, board: str, after: int = 0, limit: int = 100) -> EventsPage:
            raise ParleyError("unavailable", "not now")

    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed(head=5)
        await peer.send(posted(6, "live"))
        await peer.gone()

    async with scripted_server(script) as url, Client(url) as client:
        screen = RoomScreen(Room("lobby", client, NoPast()))
        async with screen.run_test() as pilot:
            await eventually(pilot, lambda: screen.texts == ["live"])
            await eventually(pilot, lambda: "history did not come" in notices(screen))


async def test_a_broken_connection_is_shown_and_the_room_goes_on() -> None:
    shown: list[str] = []

    async def first(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        await peer.send(posted(1, "before"))
        await peer.expect(frames.Typing)
        await peer.cut()

    async def second(peer: Peer) -> None:
        await peer.greet(BoardState(LOBBY, "e1", 2, True))
        await peer.send(posted(2, "after"))
        await peer.gone()

    async with scripted_server(first, second) as url, Client(url, random=lambda: 0.5) as client:
        screen = RoomScreen(Room("lobby", client, Past()))
        async with screen.run_test() as pilot:
            await eventually(pilot, lambda: screen.texts == ["before"])
            await pilot.press("x")
            await eventually(pilot, lambda: screen.state.startswith("reconnecting"))
            await eventually(pilot, lambda: screen.texts == ["before", "after"])
            shown.append(screen.state)
    assert shown == ["connected"]


async def test_another_epoch_empties_the_screen() -> None:
    async def first(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        await peer.send(posted(1, "old log"))
        await peer.expect(frames.Typing)
        await peer.cut()

    async def second(peer: Peer) -> None:
        await peer.greet(BoardState(LOBBY, "e2", 0, False))
        await peer.send(posted(1, "new log"))
        await peer.gone()

    async with scripted_server(first, second) as url, Client(url, random=lambda: 0.0) as client:
        screen = RoomScreen(Room("lobby", client, Past()))
        async with screen.run_test() as pilot:
            await eventually(pilot, lambda: screen.texts == ["old log"])
            await pilot.press("x")
            await eventually(pilot, lambda: screen.texts == ["new log"])


def alert(n: int, case: str, rev: int = 1) -> Alert:
    return Alert(n, CaseId(case), "high", "spam", "inline", f"f*** {n}", 1, 1, LOBBY, "casino", PostId(f"p{n}"), rev)


def cell(screen: WatchScreen, case: str, column: str) -> str:
    table = screen.query_one(DataTable)
    return str(table.get_cell(case, column)) if case in table.rows else ""


async def test_alerts_are_claimed_decided_and_seen_by_key() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        watch = await peer.expect(frames.Watch)
        assert watch.scope == "site"
        await peer.send(Ok(watch.id, head=2), alert(1, "c1"), alert(2, "c2"))
        claim = await peer.expect(frames.Claim)
        await peer.send(Ok(claim.id, case=claim.case, rev=2), CaseChanged(claim.case, 2, "claimed", AccountId("me")))
        decide = await peer.expect(frames.Decide)
        assert (decide.case, decide.rev, decide.action, decide.policy, decide.reason) == ("c1", 2, "retract", "spam", "ad")
        await peer.send(Ok(decide.id, case=decide.case, rev=3), CaseChanged(decide.case, 3, "decided", AccountId("me")))
        ack = await peer.expect(frames.Ack)
        assert ack.alert == 1
        await peer.send(Ok(ack.id))
        await peer.gone()

    async with scripted_server(script) as url, Client(url) as client:
        screen = WatchScreen(client, "site", None)
        async with screen.run_test(size=(140, 30)) as pilot:
            await eventually(pilot, lambda: cell(screen, "c2", "n") == "2")
            await pilot.press("c")
            await eventually(pilot, lambda: cell(screen, "c1", "state") == "claimed by me")
            await pilot.press("r")
            await pilot.pause()
            await pilot.press("a", "d", "enter")
            await eventually(pilot, lambda: cell(screen, "c1", "state") == "decided by me")
            await pilot.press("a")
            await eventually(pilot, lambda: cell(screen, "c1", "seen") == "✓")


async def test_a_second_moderator_sees_the_decision_that_stands() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        watch = await peer.expect(frames.Watch)
        await peer.send(Ok(watch.id, head=1), alert(1, "c1"))
        decide = await peer.expect(frames.Decide)
        standing = Standing(CaseId("c1"), 5, "decided", AccountId("ann"), "refuse", "fraud", "a known trick")
        await peer.send(Error("conflict", "Someone else changed it first.", re=decide.id, standing=standing))
        await peer.gone()

    async with scripted_server(script) as url, Client(url) as client:
        screen = WatchScreen(client, "site", None)
        async with screen.run_test(size=(140, 30)) as pilot:
            await eventually(pilot, lambda: cell(screen, "c1", "n") == "1")
            await pilot.press("l")
            await pilot.pause()
            await pilot.press("o", "k", "enter")
            await eventually(pilot, lambda: cell(screen, "c1", "state") == "decided by ann")
            assert "refuse by ann under fraud — a known trick" in str(screen.query_one("#state", Static).render())
