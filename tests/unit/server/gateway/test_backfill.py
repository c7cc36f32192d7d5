"""Readers behind a ring: one read for all of them, and what becomes of those whom no ring reaches."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from parley_protocol.frames import BoardState, Gap, GapNotice, Gone, Posted, Suppress
from parley_protocol.ids import BoardId, PostId
from parley_server import limits
from parley_server.gateway.hotlog import Depth, Kinds
from tests.samples import a_board
from tests.simulation.loop import run
from tests.unit.server.gateway.room import GENERAL, Desk, Line, deleted, edited, posted, retracted

SHALLOW = Depth(events=10, long_events=20, long_rings=1, page=5, alone=1, resume=30)
"""Ten events in a usual ring, twenty in a long one."""


async def settle() -> None:
    """Let everything that is ready run."""
    for _ in range(200):
        await asyncio.sleep(0)


async def a_desk(events: int, depth: Depth = SHALLOW, filler: str = "") -> Desk:
    """A board with so many posts, on a node that has just started."""
    desk = Desk(depth)
    for number in range(1, events + 1):
        await desk.post(f"text {number}{filler}")
    return desk


def seqs(line: Line) -> list[int]:
    return [int(said.split()[1]) for said in line.said()]


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = await a_desk(8)
    yield desk
    await desk.hub.close()


# One read for all.


async def test_however_many_come_back_to_an_empty_ring_the_store_is_read_once_for_each_page(desk: Desk) -> None:
    lines = [await desk.line(cursor) for cursor in (0, 2, 7, 5, 0, 3) * 20]
    await settle()
    assert desk.log.reads == [(3, 5), (0, 3)]
    assert desk.hub.counts.store_reads == 3  # the head, and two pages
    for line, cursor in zip(lines, (0, 2, 7, 5, 0, 3) * 20, strict=True):
        assert seqs(line) == list(range(cursor + 1, 9))
        assert line.reader.lanes.lag is None
    # They are live: what comes next reaches all, and nothing was read again.
    desk.publish(await desk.post())
    await settle()
    assert {tuple(seqs(line)) for line in lines} == {(9,)} and len(desk.log.reads) == 2


async def test_who_comes_while_a_page_is_read_waits_for_it(desk: Desk) -> None:
    desk.log.open.clear()
    first = await desk.line(5)
    await settle()
    second = await desk.line(4)
    await settle()
    assert (first.data, second.data) == (b"", b"")
    desk.log.open.set()
    await settle()
    assert (seqs(first), seqs(second)) == ([6, 7, 8], [5, 6, 7, 8])
    assert desk.log.reads == [(3, 5)]


async def test_events_that_are_published_while_a_page_is_read_follow_it_once(desk: Desk) -> None:
    desk.log.open.clear()
    line = await desk.line(4)
    await settle()
    desk.publish(await desk.post(), await desk.post())
    await settle()
    desk.log.open.set()
    await settle()
    assert seqs(line) == [5, 6, 7, 8, 9, 10]


async def test_a_board_whose_ring_is_extended_keeps_no_other_board_waiting(desk: Desk) -> None:
    quiet = BoardId("quiet")
    desk.stored.boards[quiet], desk.stored.logs[quiet] = a_board(quiet), []
    line = await desk.line(8)
    state = await desk.hub.join(quiet)
    assert isinstance(state, BoardState)
    desk.hub.follow(line.reader, state, Kinds.ALL, None)
    desk.log.open.clear()
    desk.hub.leave(line.reader, GENERAL)
    back = await desk.hub.join(GENERAL, None, 2)
    assert isinstance(back, BoardState)
    desk.hub.follow(line.reader, back, Kinds.ALL, 2)
    await settle()
    desk.hub.pause(line.reader, 0.0)
    desk.publish(Posted(quiet, 1, PostId("q1"), posted(1).author, "hello", 1, 1))
    await settle()
    line.drain()
    await settle()
    assert [(frame.board, frame.seq) for frame in line.frames() if isinstance(frame, Posted)] == [(quiet, 1)]
    desk.log.open.set()
    await settle()
    assert seqs(line) == [3, 4, 5, 6, 7, 8]


async def test_one_who_leaves_while_it_waits_is_given_nothing_and_takes_nothing_from_the_others(desk: Desk) -> None:
    desk.log.open.clear()
    lines = [await desk.line(4) for _ in range(2)]
    await settle()
    desk.hub.leave(lines[0].reader, GENERAL)
    desk.log.open.set()
    await settle()
    assert lines[0].data == b"" and seqs(lines[1]) == [5, 6, 7, 8]


def test_readers_wait_for_a_store_that_is_down_and_keep_their_connections() -> None:
    async def main(_: object) -> None:
        desk = await a_desk(8)
        desk.log.down = True
        line = await desk.line(4)
        await asyncio.sleep(5 * limits.HEAL_AGAIN_S)
        assert line.data == b"" and not line.cuts
        desk.log.down = False
        await asyncio.sleep(limits.HEAL_AGAIN_S)
        assert seqs(line) == [5, 6, 7, 8]

    run(main)


# What was read and has changed since (P2).


@pytest.mark.parametrize("how", ["suppressed", "retracted", "deleted"])
async def test_p2_a_text_that_is_stopped_while_its_page_is_on_its_way_lands_as_gone(desk: Desk, how: str) -> None:
    post = PostId(desk.stored.logs[GENERAL][5].post)
    desk.log.open.clear()
    line = await desk.line(4)
    await settle()
    match how:
        case "suppressed":
            desk.hub.suppress(GENERAL, post)
        case "retracted":
            # The store told of it: nobody suppressed it here.
            desk.publish(retracted(9, post))
        case _:
            desk.publish(deleted(9, post))
    await settle()
    desk.log.open.set()
    await settle()
    assert b"text 6" not in line.data and b"text 7" in line.data
    frames = line.frames()
    assert frames[0] == Suppress(GENERAL, post) and Gone(GENERAL, 6, post) in frames
    room = desk.hub._rooms[GENERAL]
    assert room.hot is not None and post not in room.hot.slots
    # Whoever comes later gets none of it either.
    late = await desk.line(4)
    await settle()
    assert b"text 6" not in late.data


async def test_a_text_that_is_edited_while_its_page_is_on_its_way_lands_as_it_is_now(desk: Desk) -> None:
    post = desk.stored.logs[GENERAL][5].post
    desk.log.open.clear()
    line = await desk.line(4)
    await settle()
    desk.publish(edited(9, post, "new text"))
    await settle()
    desk.log.open.set()
    await settle()
    assert b"text 6" not in line.data
    assert [(frame.body, frame.rev) for frame in line.frames() if isinstance(frame, Posted) and frame.seq == 6] == [
        ("new text", 2)
    ]


async def test_p2_a_text_of_a_page_can_be_suppressed_after_it_landed(desk: Desk) -> None:
    line = await desk.line(4, full=True)
    await settle()
    desk.hub.suppress(GENERAL, PostId(desk.stored.logs[GENERAL][5].post))
    assert line.cuts == ["stale"]
    late = await desk.line(4)
    await settle()
    assert b"text 6" not in late.data and b"text 5" in late.data


# Long rings.


async def test_a_ring_is_longer_than_usual_only_while_a_reader_needs_it() -> None:
    desk = await a_desk(18, filler="x" * 5_000)
    line = await desk.line(0, full=True)
    await settle()
    hot = desk.hub._rooms[GENERAL].hot
    assert hot is not None and hot.long and (hot.first, len(hot.ring)) == (1, 18)
    desk.hub.sweep(0.0)
    # One segment was written, up to event 3: nobody needs that any more.
    assert hot.long and hot.first == 4
    line.drain()
    await settle()
    assert seqs(line) == list(range(1, 19)) and line.reader.lanes.lag is None
    assert len(desk.log.reads) == 4
    desk.hub.sweep(0.0)
    assert (hot.long, hot.first, len(hot.ring), hot.trimmed) == (False, 9, 10, True)


async def test_a_long_ring_stays_within_its_bounds_as_the_board_goes_on() -> None:
    desk = await a_desk(18, filler="x" * 5_000)
    line = await desk.line(0, full=True)
    await settle()
    for _ in range(10):
        desk.publish(await desk.post())
        await settle()
    hot = desk.hub._rooms[GENERAL].hot
    assert hot is not None and len(hot.ring) == SHALLOW.long_events
    line.drain()
    await settle()
    said = seqs(line)
    assert said == sorted(set(said)) and said[-1] == 28


async def test_there_are_only_so_many_long_rings_and_a_board_that_is_forgotten_gives_its_place_back() -> None:
    depth = Depth(events=3, long_events=20, long_rings=1, page=5, alone=5, resume=30)
    desk = await a_desk(8, depth)
    other = BoardId("other")
    desk.stored.boards[other], desk.stored.logs[other] = a_board(other), []
    line = await desk.line(0, full=True)
    await settle()
    backfill = desk.hub._lagging._backfill
    assert [room.board for room in backfill._long] == [GENERAL]
    desk.hub.drop(line.reader)
    desk.hub.sweep(1.0)
    desk.hub.sweep(2.0 + limits.RING_LINGER_S)
    assert not backfill._long and GENERAL not in desk.hub._rooms


# Gaps.


async def test_a_reader_further_behind_than_a_resume_may_be_is_told_what_to_fetch_and_goes_on() -> None:
    desk = await a_desk(0)
    slow, quick = await desk.line(full=True), await desk.line()
    for _ in range(40):
        desk.publish(await desk.post())
        await settle()
    assert len(quick.frames()) == 40
    assert slow.said() == ["posted 1"]  # taken by the kernel before it was full
    slow.drain()
    await settle()
    gap, *rest = slow.frames()
    assert gap == GapNotice(GENERAL, "epoch-general", 2, 30, "slow")
    assert [frame.seq for frame in rest if isinstance(frame, Posted)] == list(range(31, 41))
    assert desk.hub.counts.gaps == 1 and not desk.log.reads
    desk.publish(await desk.post())
    await settle()
    assert slow.said() == ["posted 41"]


async def test_where_no_ring_can_be_extended_a_few_are_served_one_by_one_and_the_others_told_what_to_fetch() -> None:
    depth = Depth(events=10, long_rings=0, page=5, alone=2, resume=30)
    desk = await a_desk(0, depth)
    await desk.line()
    for _ in range(25):
        desk.publish(await desk.post())
        await settle()
    lines = [await desk.line(2) for _ in range(5)]
    await settle()
    said = [line.said() for line in lines]
    served = [f"posted {seq}" for seq in range(3, 26)]
    assert said[:2] == [served, served]
    assert said[2:] == [["gap", *(f"posted {seq}" for seq in range(16, 26))]] * 3
    assert desk.hub._lagging._alone == 0
    assert (await desk.line(2)).cuts == []


async def test_what_is_stopped_in_a_gap_was_said_before_it() -> None:
    desk = await a_desk(0)
    slow = await desk.line(full=True)
    desk.publish(posted(1, "secret"))
    await settle()
    slow.waiting = 0  # the reader has it
    desk.publish(retracted(2, "p1"), *(posted(seq) for seq in range(3, 40)))
    await settle()
    slow.frames()
    slow.drain()
    await settle()
    frames = slow.frames()
    assert frames[0] == Suppress(GENERAL, PostId("p1"))
    assert isinstance(frames[1], GapNotice) and (frames[1].first, frames[1].last) == (2, 29)


async def test_p3_bytes_from_before_a_gap_are_not_counted_as_if_the_gap_had_been_written() -> None:
    """Another reader has the ring extended over the gap; the unsent bytes of the first may hold what came before it all the same."""
    depth = Depth(events=10, long_events=100, long_rings=1, page=50, alone=0, resume=20)
    desk = await a_desk(0, depth)
    log = desk.log
    slow = await desk.line(full=True)
    secret = await desk.post("secret " + "x" * 400)
    desk.publish(secret)
    await settle()
    for _ in range(40):
        desk.publish(await desk.post("y" * 100))
        await settle()
    # The transport took it all, but the peer has nothing of it.
    desk.hub.resume(slow.reader)
    await settle()
    assert "gap" in slow.said()
    other = await desk.line(22)
    await settle()
    hot = desk.hub._rooms[GENERAL].hot
    assert seqs(other)[0] == 23 and log.reads and hot is not None and hot.first == 1
    desk.hub.suppress(GENERAL, secret.post)
    assert slow.cuts == ["stale"]


async def test_a_resume_beyond_its_bound_says_so_at_once() -> None:
    desk = await a_desk(40)
    state = await desk.hub.join(GENERAL, None, 3)
    assert state == BoardState(GENERAL, "epoch-general", 40, False, Gap(4, 10, "window"))
