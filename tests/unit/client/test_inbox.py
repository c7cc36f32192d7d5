"""Events that wait for the caller: a retraction overtakes, and the bound holds."""

import asyncio

import pytest

from parley_client.errors import ConnectionEnded
from parley_client.inbox import Inbox
from parley_protocol.frames import Author, Deleted, Edited, Gone, Posted, Retracted, Suppress, Unsuppress
from parley_protocol.ids import AccountId, BoardId, PostId, TakedownId

pytestmark = pytest.mark.asyncio

B, ANN = BoardId("lobby"), Author(AccountId("a"), "ann")
ENDED = ConnectionEnded("revoked", "Access was withdrawn.")


def posted(seq: int) -> Posted:
    return Posted(B, seq, PostId(f"p{seq}"), ANN, f"text {seq}", 1, 1)


async def drained(inbox: Inbox) -> list[object]:
    """Take all that waits, in order."""
    return [await inbox.get() for _ in range(len(inbox))]


async def test_a_suppress_goes_before_all_that_waits_and_blanks_its_post() -> None:
    inbox = Inbox()
    for event in (posted(1), posted(2), Edited(B, 3, PostId("p2"), ANN, "text 2b", 1, 2), Suppress(B, PostId("p2"))):
        await inbox.put(event)
    p2 = PostId("p2")
    assert await drained(inbox) == [Suppress(B, p2), posted(1), Gone(B, 2, p2), Gone(B, 3, p2)]


async def test_a_suppress_that_is_taken_back_while_its_post_waits_leaves_the_text() -> None:
    inbox = Inbox()
    p2 = PostId("p2")
    for event in (posted(1), posted(2), Suppress(B, p2), Unsuppress(B, p2)):
        await inbox.put(event)
    assert await drained(inbox) == [Suppress(B, p2), posted(1), posted(2), Unsuppress(B, p2)]


async def test_a_suppress_takes_away_the_unsuppress_that_waits_before_it() -> None:
    inbox = Inbox()
    p2 = PostId("p2")
    for event in (posted(2), Suppress(B, p2), Unsuppress(B, p2), Unsuppress(B, PostId("p9")), Suppress(B, p2)):
        await inbox.put(event)
    assert await drained(inbox) == [Suppress(B, p2), Suppress(B, p2), Gone(B, 2, p2), Unsuppress(B, PostId("p9"))]


async def test_a_retraction_after_a_suppress_keeps_the_text_from_coming_back() -> None:
    inbox = Inbox()
    p2 = PostId("p2")
    stop = Retracted(B, 3, p2, "spam", "advert", TakedownId("t"), 1)
    for event in (posted(2), Suppress(B, p2), stop, Unsuppress(B, p2)):
        await inbox.put(event)
    assert await drained(inbox) == [Suppress(B, p2), Gone(B, 2, p2), stop, Unsuppress(B, p2)]


@pytest.mark.parametrize(
    "stop", [Retracted(B, 3, PostId("p2"), "spam", "advert", TakedownId("t"), 1), Deleted(B, 3, PostId("p2"), 1)]
)
async def test_the_body_of_a_post_that_is_stopped_while_it_waits_is_not_handed_out(stop: Retracted | Deleted) -> None:
    inbox = Inbox()
    for event in (posted(1), posted(2), stop):
        await inbox.put(event)
    assert await drained(inbox) == [posted(1), Gone(B, 2, PostId("p2")), stop]


async def test_a_full_inbox_takes_no_more_until_there_is_room() -> None:
    inbox = Inbox(events_max=2, overflow_max=3)
    await inbox.put(posted(1))
    await inbox.put(posted(2))
    waiting = asyncio.create_task(inbox.put(posted(3)))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert await inbox.get() == posted(1)
    await waiting
    assert len(inbox) == 2


async def test_a_request_in_flight_lets_it_grow_and_no_further_than_its_second_bound() -> None:
    inbox = Inbox(events_max=1, overflow_max=2)
    await inbox.put(posted(1))
    waiting = [asyncio.create_task(inbox.put(posted(seq))) for seq in (2, 3)]
    await asyncio.sleep(0)
    assert len(inbox) == 1
    inbox.be_patient(patient=True)
    await waiting[0]
    assert len(inbox) == 2
    waiting[1].cancel()
    await asyncio.gather(waiting[1], return_exceptions=True)
    assert len(inbox) == 2


async def test_a_closed_inbox_gives_what_it_holds_first() -> None:
    inbox = Inbox()
    await inbox.put(posted(1))
    inbox.close(ENDED)
    assert await inbox.get() == posted(1)
    with pytest.raises(ConnectionEnded):
        await inbox.get()
