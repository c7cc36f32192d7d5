"""The hub: who gets what, in which order, and what a suppression does to whom."""

import asyncio

import pytest

from parley_protocol.frames import BoardState, Gap, Gone, Posted, Presence, Suppress
from parley_protocol.ids import AccountId, BoardId, PostId
from parley_protocol.limits import RESUME_EVENTS_MAX
from parley_server import limits
from parley_server.domain.answers import Refused
from parley_server.gateway.hotlog import Kinds
from tests.simulation.loop import run
from tests.unit.server.gateway.room import GENERAL, JSON, Desk, Line, deleted, edited, posted, reacted, restored, retracted

P1 = PostId("p1")


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def settle() -> None:
    """Let everything that is ready run."""
    for _ in range(20):
        await asyncio.sleep(0)


# Live readers.


async def test_events_that_come_at_once_are_one_write_in_the_order_of_their_seqs(desk: Desk) -> None:
    line = await desk.line()
    desk.publish(posted(3), posted(1), posted(2), posted(1))
    await settle()
    assert line.said() == ["posted 1", "posted 2", "posted 3"]
    assert desk.hub.counts.writes == 1


async def test_readers_of_both_formats_get_the_same_events(desk: Desk) -> None:
    lines = [await desk.line(), await desk.line(form=JSON)]
    desk.publish(posted(1), edited(2, "p1", "new"))
    await settle()
    first, second = (line.frames() for line in lines)
    assert first == second and len(first) == 2


async def test_a_filter_leaves_out_what_was_not_asked_for_but_never_a_stop(desk: Desk) -> None:
    line = await desk.line(kinds=Kinds.ALWAYS | Kinds.REACTED)
    desk.publish(posted(1), reacted(2, "p1"), retracted(3, "p1"))
    await settle()
    assert line.said() == ["gone 1", "reacted 2", "retracted 3"]
    desk.publish(posted(4), reacted(5, "p4"), restored(6, "p1"))
    await settle()
    assert line.said() == ["reacted 5", "restored 6"]


async def test_a_reader_that_pauses_in_the_middle_of_a_flush_gets_the_rest_once_when_it_drains(desk: Desk) -> None:
    slow, quick = await desk.line(full=True), await desk.line()
    desk.publish(*(posted(seq, "x" * 6_000) for seq in range(1, 8)))
    await settle()
    assert len(quick.frames()) == 7
    got = slow.said()
    assert 0 < len(got) < 7 and slow.reader in desk.hub.paused
    slow.drain()
    await settle()
    assert got + slow.said() == [f"posted {seq}" for seq in range(1, 8)]
    assert slow.reader.lanes.lag is None and not desk.hub.paused
    desk.publish(posted(8))
    await settle()
    assert slow.said() == ["posted 8"]


async def test_a_slow_reader_gets_the_text_as_it_is_when_it_drains(desk: Desk) -> None:
    slow = await desk.line(full=True)
    desk.publish(posted(1))
    await settle()
    slow.frames()
    desk.publish(posted(2, "old"), posted(3, "secret"))
    await settle()
    desk.publish(edited(4, "p2", "new"), retracted(5, "p3"))
    await settle()
    slow.drain()
    await settle()
    assert b"secret" not in slow.data and b"old" not in slow.data
    assert slow.said() == ["posted 2", "gone 3", "edited 4", "retracted 5"]


# Where a subscription starts.


async def test_a_resume_is_served_out_of_the_ring(desk: Desk) -> None:
    await desk.line()
    desk.publish(posted(1), posted(2), posted(3))
    await settle()
    reads = desk.hub.counts.store_reads
    line = await desk.line(1)
    await settle()
    assert line.said() == ["posted 2", "posted 3"] and desk.hub.counts.store_reads == reads


async def test_a_resume_from_before_the_ring_is_read_from_the_store_and_goes_on_live(desk: Desk) -> None:
    for _ in range(3):
        await desk.post()
    line = await desk.line(1)
    await settle()
    assert line.said() == ["posted 2", "posted 3"]
    desk.publish(await desk.post())
    await settle()
    assert line.said() == ["posted 4"]


async def test_what_the_store_has_beyond_the_live_readers_reaches_a_reader_that_catches_up_once(desk: Desk) -> None:
    await desk.post()
    line = await desk.line(0, full=False)
    late = await desk.post()
    await settle()
    desk.publish(late)
    await settle()
    assert line.said() == ["posted 1", "posted 2"]


async def test_what_is_suppressed_leaves_the_store_as_gone(desk: Desk) -> None:
    first = await desk.post("secret")
    desk.hub.suppress(GENERAL, first.post)
    line = await desk.line(0)
    await settle()
    assert line.frames() == [Suppress(GENERAL, first.post), Gone(GENERAL, 1, first.post)]


async def test_a_cursor_of_another_epoch_starts_at_the_head_and_says_what_will_not_come(desk: Desk) -> None:
    await desk.post()
    assert await desk.hub.join(GENERAL, "another", 7) == BoardState(GENERAL, "epoch-general", 1, False, Gap(1, 1, "epoch"))


async def test_a_cursor_beyond_the_head_is_refused(desk: Desk) -> None:
    await desk.post()
    refused = await desk.hub.join(GENERAL, "epoch-general", 2)
    assert isinstance(refused, Refused) and refused.code.name == "bad_cursor"


async def test_a_cursor_too_far_back_gets_the_latest_and_says_which_are_missing(desk: Desk) -> None:
    first = await desk.post()
    log = desk.stored.logs[GENERAL]
    log += [log[0]] * RESUME_EVENTS_MAX
    state = await desk.hub.join(GENERAL, None, 0)
    assert first.seq == 1 and isinstance(state, BoardState)
    assert (state.recovered, state.gap) == (False, Gap(1, 1, "window"))


async def test_a_reader_that_leaves_and_follows_again_has_no_state_left(desk: Desk) -> None:
    line = await desk.line(full=True)
    desk.publish(posted(1))
    await settle()
    desk.hub.leave(line.reader, GENERAL)
    assert line.reader.lanes.lag is not None and not line.reader.lanes.lag.cursors
    desk.hub.gone(line.reader)
    room = desk.hub._rooms[GENERAL]
    assert not room.groups and not room.stalled and not desk.hub.paused and not desk.hub._hiding.parting


# Holes.


def test_a_hole_is_filled_from_the_store_after_a_short_wait() -> None:
    async def work(_: object) -> None:
        desk = Desk()
        line = await desk.line()
        await desk.post()
        desk.publish(await desk.post())
        await asyncio.sleep(limits.HOLE_WAIT_S / 2)
        assert line.said() == []
        await asyncio.sleep(limits.HOLE_WAIT_S)
        assert line.said() == ["posted 1", "posted 2"] and desk.hub.counts.healed == 2
        assert not desk.hub._rooms[GENERAL].pending and not desk.hub._rooms[GENERAL].healing

    run(work)


def test_a_write_whose_answer_was_lost_is_found_in_the_store() -> None:
    async def work(_: object) -> None:
        desk = Desk()
        line = await desk.line()
        await desk.post()
        desk.hub.refresh(GENERAL)
        await asyncio.sleep(limits.HOLE_WAIT_S * 2)
        assert line.said() == ["posted 1"]

    run(work)


# Suppression.


async def test_the_notice_of_a_suppression_goes_ahead_of_content_that_waits(desk: Desk) -> None:
    slow = await desk.line(full=True)
    desk.publish(posted(1))
    await settle()
    slow.frames()
    desk.publish(posted(2, "secret"), posted(3))
    await settle()
    desk.hub.suppress(GENERAL, PostId("p2"))
    assert not slow.cuts
    slow.drain()
    await settle()
    assert b"secret" not in slow.data
    assert slow.said() == ["suppress", "gone 2", "posted 3"]


async def test_exactly_the_connections_whose_unsent_bytes_may_hold_the_text_are_reset(desk: Desk) -> None:
    quick, holds, passed, other = [await desk.line() for _ in range(4)]
    desk.publish(posted(1, "secret"), posted(2, "x" * 300))
    await settle()
    size = len(desk.hub._rooms[GENERAL].hot.ring[1].encoded(0))  # type: ignore[union-attr]  # it has a ring: it was just written
    # All that is unsent lies behind the text; or reaches back to its last byte.
    passed.waiting, holds.waiting = size, size + 1
    filtered = await desk.line(kinds=Kinds.ALWAYS)
    filtered.waiting = 0
    desk.hub.suppress(GENERAL, P1)
    assert [bool(line.cuts) for line in (quick, holds, passed, other, filtered)] == [False, True, False, False, False]
    assert holds.cuts == ["stale"]
    assert all(line.frames()[-1] == Suppress(GENERAL, P1) for line in (quick, passed, other))


async def test_an_edit_does_not_make_what_followed_the_text_look_longer_than_it_was(desk: Desk) -> None:
    line = await desk.line(full=True)
    desk.publish(posted(1, "secret"), posted(2, "short"))
    await settle()
    assert line.waiting < 300
    desk.publish(edited(3, "p2", "x" * 5_000))
    await settle()
    desk.hub.suppress(GENERAL, P1)
    assert line.cuts == ["stale"]


async def test_a_text_given_while_catching_up_is_looked_for_too(desk: Desk) -> None:
    post = await desk.post("secret")
    line = await desk.line(0, full=True)
    await settle()
    assert b"secret" in line.data
    desk.hub.suppress(GENERAL, post.post)
    assert line.cuts == ["stale"]


async def test_a_reader_that_took_nothing_while_the_text_left_the_ring_is_reset(desk: Desk) -> None:
    line = await desk.line(full=True)
    desk.publish(posted(1, "secret"))
    await settle()
    desk.publish(*(reacted(seq, "p1") for seq in range(2, 3 + limits.RING_EVENTS_MAX)))
    await settle()
    desk.hub.suppress(GENERAL, P1)
    assert line.cuts == ["stale"]


async def test_a_reader_that_left_the_board_with_the_text_unsent_is_reset(desk: Desk) -> None:
    holds, empty = await desk.line(full=True), await desk.line()
    desk.publish(posted(1, "secret"))
    await settle()
    for line in (holds, empty):
        desk.hub.leave(line.reader, GENERAL)
    desk.hub.suppress(GENERAL, P1)
    assert (holds.cuts, empty.cuts) == (["stale"], [])


async def test_a_retraction_that_the_store_tells_of_first_resets_as_well(desk: Desk) -> None:
    line = await desk.line(full=True)
    desk.publish(posted(1, "secret"), retracted(2, "p1"))
    desk.publish(posted(3, "secret too"))
    await settle()
    desk.publish(retracted(4, "p3"))
    assert line.cuts == ["stale"]


async def test_an_authors_own_deletion_resets_nobody(desk: Desk) -> None:
    line = await desk.line(full=True)
    desk.publish(posted(1, "secret"))
    await settle()
    desk.publish(deleted(2, "p1"))
    assert line.cuts == []


async def test_a_post_stays_hidden_while_any_act_hides_it(desk: Desk) -> None:
    hub = desk.hub
    hub.suppress(GENERAL, P1), hub.suppress(GENERAL, P1)
    hub.lift(P1)
    assert hub.rendered(posted(1)) == Gone(GENERAL, 1, P1)
    hub.settle(P1, 0.0, 2)
    hub.lift(P1)
    assert hub.hides(P1)
    hub.sweep(limits.SUPPRESSED_LINGER_S + 1)
    assert not hub.hides(P1)


async def test_a_suppression_that_led_to_nothing_is_lifted(desk: Desk) -> None:
    desk.hub.suppress(GENERAL, P1)
    desk.hub.lift(P1)
    assert desk.hub.rendered(posted(1)) == posted(1)


async def test_a_restoration_after_the_stop_shows_the_post_again(desk: Desk) -> None:
    line = await desk.line()
    desk.publish(posted(1))
    desk.hub.suppress(GENERAL, P1)
    desk.hub.settle(P1, 0.0, 2)
    desk.publish(retracted(2, "p1"), restored(3, "p1"))
    await settle()
    assert line.said()[-2:] == ["retracted 2", "restored 3"]
    assert not desk.hub.hides(P1)


async def test_a_restoration_before_the_stop_stays_hidden(desk: Desk) -> None:
    line = await desk.line()
    desk.publish(posted(1), retracted(2, "p1"))
    desk.hub.suppress(GENERAL, P1)
    desk.publish(restored(3, "p1"))
    await settle()
    assert "restored 3" not in line.said()
    desk.hub.settle(P1, 0.0, 4)
    desk.publish(retracted(4, "p1"), restored(3, "p1"))
    await settle()
    assert line.said() == ["gone 3", "retracted 4"]


async def test_too_many_suppressions_refuse_the_next_one_and_hide_nothing(desk: Desk) -> None:
    hub = desk.hub
    for number in range(limits.SUPPRESSED_MAX):
        hub.suppress(BoardId("elsewhere"), PostId(str(number)))
    refused = hub.suppress(GENERAL, P1)
    assert isinstance(refused, Refused) and refused.code.name == "limited" and not hub.hides(P1)
    assert hub.suppress(BoardId("elsewhere"), PostId("7")) is None


# Control lane, droppable frames, sweep.


async def test_a_control_lane_that_is_full_ends_the_connection(desk: Desk) -> None:
    line = await desk.line(full=True)
    desk.publish(posted(1))
    await settle()
    for _ in range(64):
        desk.hub.control(line.reader, b"x" * 1_024)
    assert not line.cuts
    desk.hub.control(line.reader, b"x")
    assert line.cuts == ["slow"]


async def test_typing_reaches_the_others_and_is_dropped_when_it_is_too_often(desk: Desk) -> None:
    writer, reader = await desk.line(), await desk.line()
    for now in (0.0, limits.TYPING_S - 0.1, limits.TYPING_S):
        desk.hub.typing(writer.reader, GENERAL, AccountId("acc-anna"), now)
    assert (writer.said(), reader.said()) == ([], ["typing", "typing"])


async def test_presence_is_told_once_for_each_change_that_a_sweep_sees(desk: Desk) -> None:
    first, second = await desk.line(), await desk.line(kinds=Kinds.ALWAYS)
    desk.hub.sweep(1.0)
    desk.hub.sweep(2.0)
    desk.hub.drop(second.reader)
    desk.hub.sweep(3.0)
    assert first.frames() == [Presence(GENERAL, 2), Presence(GENERAL, 1)] and second.frames() == []


async def test_a_sweep_cuts_who_takes_nothing_and_forgets_a_room_without_readers(desk: Desk) -> None:
    line = await desk.line(full=True)
    desk.publish(posted(1))
    await settle()
    desk.hub.sweep(limits.STALL_S_MAX)
    assert not line.cuts
    desk.hub.sweep(limits.STALL_S_MAX + 0.1)
    assert line.cuts == ["slow"]
    desk.hub.gone(line.reader)
    desk.hub.sweep(100.0)
    desk.hub.sweep(100.0 + limits.RING_LINGER_S)
    assert GENERAL in desk.hub._rooms
    desk.hub.sweep(100.1 + limits.RING_LINGER_S)
    assert not desk.hub._rooms and not desk.hub._hiding.parting and not desk.hub.paused


def test_heads_are_what_the_live_readers_were_given() -> None:
    async def work(_: object) -> None:
        desk = Desk()
        line = await desk.line()
        desk.publish(posted(1))
        assert desk.hub.heads(line.reader) == {GENERAL: 0}
        await settle()
        assert desk.hub.heads(line.reader) == {GENERAL: 1}
        assert isinstance(line.frames()[0], Posted)

    run(work)


def test_a_line_that_is_cut_stays_cut() -> None:
    async def work(_: object) -> None:
        desk = Desk()
        line: Line = await desk.line(full=True)
        desk.publish(posted(1, "secret"))
        await settle()
        desk.hub.suppress(GENERAL, P1)
        line.frames()
        desk.publish(retracted(2, "p1"), posted(3))
        await settle()
        assert line.said() == []

    run(work)
