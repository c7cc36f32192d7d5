"""The ring: slots, bounds, and what is read out of it as of now."""

from parley_protocol import codec as pure
from parley_protocol.frames import Edited, Event, Gone, Posted
from parley_protocol.ids import PostId
from parley_server.gateway.hotlog import Entry, HotLog, Kinds, kinds_of
from parley_server.limits import RING_BYTES_MAX, RING_EVENTS_MAX
from tests.simulation.network import messages
from tests.unit.server.gateway.room import GENERAL, JSON, MSGPACK, deleted, edited, posted, reacted, restored, retracted


def ring(*events: Event, head: int = 0) -> HotLog:
    hot = HotLog(GENERAL, "e", head)
    for event in events:
        hot.append(event)
    return hot


def read(entry: Entry, form: int = MSGPACK) -> object:
    (payload,) = messages(entry.encoded(form))
    return pure.decode_server(pure.JSON if form == JSON else pure.MSGPACK, payload)


def test_an_edit_renews_what_older_events_of_the_post_show() -> None:
    hot = ring(posted(1, "old"))
    assert read(hot.ring[0]) == posted(1, "old")
    hot.append(edited(2, "p1", "new"))
    first, second = (read(entry) for entry in hot.after(0))
    assert isinstance(first, Posted) and (first.body, first.rev, first.seq) == ("new", 2, 1)
    assert isinstance(second, Edited) and (second.body, second.rev) == ("new", 2)


def test_an_older_revision_that_comes_late_does_not_replace_a_newer_text() -> None:
    hot = ring(posted(1, "1"), edited(2, "p1", "3", rev=3), edited(3, "p1", "2", rev=2))
    assert [getattr(entry.now(), "body", None) for entry in hot.after(0)] == ["3", "3", "3"]


def test_a_blanked_post_reads_as_gone_at_the_same_seqs_in_both_formats_and_no_byte_is_left() -> None:
    hot = ring(posted(1, "secret"), posted(2, "other"), edited(3, "p1", "secret too"))
    for entry in hot.ring:
        entry.encoded(MSGPACK), entry.encoded(JSON)
    assert [entry.event.seq for entry in hot.blank(PostId("p1"))] == [1, 3]
    for form in (MSGPACK, JSON):
        assert [read(entry, form) for entry in hot.after(0)] == [
            Gone(GENERAL, 1, PostId("p1")),
            posted(2, "other"),
            Gone(GENERAL, 3, PostId("p1")),
        ]
        assert not any(b"secret" in entry.encoded(form) for entry in hot.ring)


def test_a_retraction_and_a_deletion_blank_by_themselves() -> None:
    for stop in (retracted(2, "p1"), deleted(2, "p1")):
        hot = ring(posted(1, "secret"), stop)
        assert read(hot.ring[0]) == Gone(GENERAL, 1, PostId("p1")) and read(hot.ring[1]) == stop


def test_a_restoration_shows_the_text_again_from_its_own_seq_on() -> None:
    hot = ring(posted(1), retracted(2, "p1"), restored(3, "p1"))
    assert [type(entry.now()).__name__ for entry in hot.ring] == ["Gone", "Retracted", "Restored"]


def test_an_event_of_a_post_that_is_being_stopped_never_holds_its_text() -> None:
    hot = HotLog(GENERAL, "e", 0)
    entry = hot.append(posted(1, "secret"), stopped=True)
    assert read(entry) == Gone(GENERAL, 1, PostId("p1")) and not hot.slots


def test_the_ring_keeps_so_many_events_and_forgets_the_slots_of_those_that_leave() -> None:
    hot = ring(*(posted(seq) for seq in range(11, 11 + RING_EVENTS_MAX)), head=10)
    assert (hot.first, hot.trimmed) == (11, False)
    hot.append(posted(hot.head + 1))
    assert (hot.first, hot.trimmed, len(hot.ring), len(hot.slots)) == (12, True, RING_EVENTS_MAX, RING_EVENTS_MAX)
    assert PostId("p11") not in hot.slots


def test_the_ring_keeps_so_many_bytes_but_always_the_newest_event() -> None:
    hot = ring()
    for seq in range(1, 1_000):
        hot.append(posted(seq, "x" * 8_000))
        assert hot.bytes <= RING_BYTES_MAX and hot.bytes == sum(entry.weight for entry in hot.ring)
    assert hot.head == 999 and 100 < len(hot.ring) < 300


def test_after_gives_what_follows_wherever_the_cursor_stands() -> None:
    hot = ring(*(reacted(seq, "p") for seq in range(6, 26)), head=5)
    for cursor in range(5, 26):
        assert [entry.event.seq for entry in hot.after(cursor)] == list(range(cursor + 1, 26))


def test_back_from_walks_to_the_ring_s_beginning() -> None:
    hot = ring(*(reacted(seq, "p") for seq in range(6, 10)), head=5)
    assert [entry.event.seq for entry in hot.back_from(8)] == [8, 7, 6]
    assert list(hot.back_from(5)) == [] and list(hot.back_from(2)) == []


def test_the_least_size_of_an_entry_is_that_of_its_shortest_message() -> None:
    hot = ring(posted(1, "short"))
    size = len(hot.ring[0].encoded(MSGPACK))
    hot.append(edited(2, "p1", "x" * 500))
    assert len(hot.ring[0].encoded(MSGPACK)) > size == hot.ring[0].least[MSGPACK]


def test_a_filter_of_kinds_always_lets_stops_through() -> None:
    kinds = kinds_of(("posted", "typing"))
    assert kinds is not None and Kinds.ALWAYS in kinds and Kinds.EDITED not in kinds
    assert kinds_of(()) == Kinds.ALL
    assert kinds_of(("always",)) is None and kinds_of(("all",)) is None and kinds_of(("nothing",)) is None
