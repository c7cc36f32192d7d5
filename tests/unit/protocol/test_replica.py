"""The reader's replica: what each event does to the picture, and what a resume may skip."""

import dataclasses
import itertools

import pytest

from parley_protocol.frames import (
    Author,
    Deleted,
    Edited,
    Event,
    Gap,
    Gone,
    Posted,
    Reacted,
    Restored,
    Retracted,
    Suppress,
    Unsuppress,
)
from parley_protocol.ids import AccountId, BoardId, PostId, TakedownId
from parley_protocol.limits import REPLICA_RANGES_MAX, REPLICA_REACTIONS_MAX
from parley_protocol.replica import Changed, Hidden, Replica, Shown

BOARD = BoardId("lobby")
ANN = Author(AccountId("ann"), "Ann")
P = PostId("p")
Q = PostId("q")


def posted(seq: int, post: PostId = P, body: str = "hello", rev: int = 1) -> Posted:
    return Posted(BOARD, seq, post, ANN, body, 100, rev)


def edited(seq: int, body: str = "hello again", rev: int = 2) -> Edited:
    return Edited(BOARD, seq, P, ANN, body, 200, rev)


def retracted(seq: int, post: PostId = P) -> Retracted:
    return Retracted(BOARD, seq, post, "spam", "an advertisement", TakedownId("t"), 300)


def restored(seq: int, body: str = "hello", rev: int = 1) -> Restored:
    return Restored(BOARD, seq, P, ANN, body, 400, 100, rev)


def reacted(seq: int, account: str, on: bool = True, emoji: str = "👍") -> Reacted:
    return Reacted(BOARD, seq, P, AccountId(account), emoji, on, 150)


def reader(*events: Event | Suppress | Unsuppress) -> Replica:
    replica = Replica(BOARD, "e1")
    for event in events:
        replica.apply(event)
    return replica


def assert_shows(replica: Replica, *bodies: str) -> None:
    assert tuple(post.body for post in replica.posts()) == bodies


def test_a_post_its_edit_and_its_retraction_show_change_and_hide() -> None:
    replica = reader()
    assert isinstance(replica.apply(posted(1)), Shown)
    change = replica.apply(edited(2))
    assert isinstance(change, Changed)
    assert (change.post.body, change.post.rev, change.post.at, change.post.place) == ("hello again", 2, 100, 1)
    assert replica.apply(edited(2)) is None
    assert replica.apply(retracted(3)) == Hidden(P)
    assert replica.apply(retracted(3)) is None


def test_posts_stand_in_the_order_of_their_first_seq_however_they_came() -> None:
    assert_shows(reader(posted(2, Q, "second"), posted(1, P, "first")), "first", "second")


def test_a_tombstone_that_comes_first_hides_the_post_that_comes_later() -> None:
    assert_shows(reader(retracted(2), posted(1)))
    assert_shows(reader(Deleted(BOARD, 2, P, 300), posted(1)))
    assert_shows(reader(Gone(BOARD, 1, P), posted(1)))


def test_an_edit_of_a_stopped_post_does_not_show_it() -> None:
    assert_shows(reader(Gone(BOARD, 1, P), edited(2)))


def test_an_edit_of_a_post_that_is_not_held_shows_nothing_until_the_post_comes() -> None:
    replica = reader(edited(5))
    assert_shows(replica)
    replica.apply(posted(1))
    assert_shows(replica, "hello again")


def test_only_a_later_restored_shows_a_retracted_post_and_at_its_old_place() -> None:
    replica = reader(posted(1), posted(2, Q, "other"), retracted(3), restored(4))
    assert_shows(replica, "hello", "other")
    replica.apply(retracted(5))
    assert_shows(replica, "other")
    assert_shows(reader(retracted(5), restored(4), posted(1)))


def test_a_log_replayed_after_a_restore_ends_visible() -> None:
    assert_shows(reader(posted(1), retracted(2), restored(3)), "hello")
    assert_shows(reader(Gone(BOARD, 1, P), retracted(2), restored(3)), "hello")


def test_a_restored_post_that_was_stopped_again_stays_hidden() -> None:
    assert_shows(reader(posted(1), retracted(2), restored(3), Gone(BOARD, 3, P)))


@pytest.mark.parametrize("stopped_again", [False, True])
def test_every_order_of_a_post_that_was_stopped_twice_ends_the_same(stopped_again: bool) -> None:
    log: list[Event] = [posted(1), Gone(BOARD, 1, P), retracted(2), restored(3), retracted(4), edited(6, "edited", 2)]
    log.append(Gone(BOARD, 5, P) if stopped_again else restored(5))
    for order in itertools.permutations(log):
        assert_shows(reader(*order), *(() if stopped_again else ("edited",)))


def test_deletion_is_final() -> None:
    assert_shows(reader(Deleted(BOARD, 2, P, 300), posted(1), restored(9)))


def test_a_deleted_post_leaves_no_text_behind() -> None:
    replica = reader(posted(1, body="the secret"), reacted(2, "bob"), Deleted(BOARD, 3, P, 300), posted(1, body="the secret"))
    assert "the secret" not in repr(vars(replica))


def test_the_body_with_the_highest_rev_stands() -> None:
    assert_shows(reader(edited(2, "second", 2), posted(1, body="third", rev=3)), "third")


def test_suppress_hides_at_once_and_only_a_new_restored_shows_again() -> None:
    replica = reader(posted(1), retracted(2), restored(3))
    assert replica.apply(Suppress(BOARD, P)) == Hidden(P)
    for old in (posted(1), restored(3), edited(4)):
        assert replica.apply(old) is None
    replica.apply(retracted(5))
    assert isinstance(replica.apply(restored(6)), Shown)


def test_suppress_ahead_of_a_post_that_is_still_to_come_hides_it() -> None:
    assert_shows(reader(posted(1, Q, "other"), Suppress(BOARD, P), posted(2)), "other")
    assert_shows(reader(Suppress(BOARD, P), posted(1)))


def test_suppress_leaves_no_trace_once_its_event_is_known() -> None:
    log = (posted(1), retracted(2), restored(3))
    for place in range(2):
        events: list[Event | Suppress | Unsuppress] = list(log)
        events.insert(place, Suppress(BOARD, P))
        assert reader(*events).posts() == reader(*log).posts()


def test_an_unsuppress_shows_what_only_a_suppress_hid() -> None:
    replica = reader(posted(1), Suppress(BOARD, P))
    assert isinstance(replica.apply(Unsuppress(BOARD, P)), Shown)
    assert replica.read_again() is None
    assert replica.apply(Unsuppress(BOARD, P)) is None


def test_an_unsuppress_takes_back_no_retraction_and_no_gone_from_before() -> None:
    assert_shows(reader(posted(1), Suppress(BOARD, P), retracted(2), Unsuppress(BOARD, P)))
    assert_shows(reader(posted(1), Gone(BOARD, 2, P), Suppress(BOARD, P), Unsuppress(BOARD, P)))
    assert_shows(reader(posted(1), Suppress(BOARD, P), Deleted(BOARD, 2, P, 300), Unsuppress(BOARD, P)))


def test_what_came_as_gone_under_a_suppress_that_came_to_nothing_is_named_once_to_be_read_again() -> None:
    replica = reader(posted(1), Suppress(BOARD, P), Gone(BOARD, 3, P), Gone(BOARD, 2, P))
    assert replica.read_again() is None
    replica.apply(Unsuppress(BOARD, P))
    assert_shows(replica, "hello")
    assert (replica.read_again(), replica.read_again()) == (2, None)
    replica.apply(edited(2, "new", 2))
    assert_shows(replica, "new")


def test_an_unsuppress_of_a_post_that_is_not_held_makes_none() -> None:
    replica = reader(Unsuppress(BOARD, P))
    assert P not in repr(vars(replica))


def test_a_gone_without_a_post_fills_its_seq_and_nothing_else() -> None:
    replica = reader(posted(1), Gone(BOARD, 2))
    assert replica.seq == 2
    assert_shows(replica, "hello")


def test_reactions_count_accounts_and_the_latest_word_of_each_stands() -> None:
    replica = reader(posted(1), reacted(4, "bob", on=False), reacted(2, "bob"), reacted(3, "cid"), reacted(5, "bob", emoji="🎉"))
    assert replica.posts()[0].reactions == (("🎉", 1), ("👍", 1))


def test_reactions_of_one_post_are_bounded_and_the_latest_stay() -> None:
    replica = reader(posted(1), *(reacted(2 + n, f"a{n}") for n in range(REPLICA_REACTIONS_MAX + 3)))
    assert replica.posts()[0].reactions == (("👍", REPLICA_REACTIONS_MAX),)


def test_the_cursor_stays_before_what_did_not_come() -> None:
    replica = reader(posted(1), edited(3))
    assert replica.seq == 1
    replica.apply(retracted(2))
    assert replica.seq == 3


def test_the_cursor_passes_a_declared_gap_and_what_was_received_beyond_it() -> None:
    replica = reader(posted(1), edited(8), Gone(BOARD, 12))
    replica.gap(2, 7)
    assert replica.seq == 8
    replica.gap(5, 3)
    assert replica.seq == 8
    replica.gap(4, 11)
    assert replica.seq == 12


def test_ranges_beyond_a_hole_are_bounded_and_the_cursor_never_skips() -> None:
    replica = reader(*(Gone(BOARD, seq) for seq in range(3, 3 + 2 * (REPLICA_RANGES_MAX + 5), 2)))
    for seq in (1, *range(2, 2 + 2 * (REPLICA_RANGES_MAX + 5), 2)):
        replica.apply(Gone(BOARD, seq))
    assert replica.seq == 2 * REPLICA_RANGES_MAX + 2


def test_an_answer_of_the_same_epoch_keeps_the_picture_and_one_of_another_drops_it() -> None:
    replica = reader(posted(1), posted(2, Q))
    replica.begin("e1", 9, Gap(3, 5, "window"))
    assert (replica.seq, len(replica.posts())) == (5, 2)
    replica.begin("e2", 9, Gap(1, 4, "epoch"))
    assert (replica.epoch, replica.seq, replica.posts()) == ("e2", 4, ())
    replica.begin("e3", 7)
    assert replica.seq == 7


def test_the_newest_posts_are_held_and_a_forgotten_one_does_not_come_back() -> None:
    replica = Replica(BOARD, "e1", keep=2)
    for seq in (3, 1, 4, 2):
        replica.apply(posted(seq, PostId(str(seq)), str(seq)))
    assert_shows(replica, "3", "4")
    assert replica.apply(posted(1, PostId("1"), "1")) is None
    assert_shows(replica, "3", "4")


def test_a_forgotten_tombstone_keeps_its_post_hidden() -> None:
    replica = Replica(BOARD, "e1", keep=1)
    for event in (posted(1), retracted(2), posted(3, Q, "other"), posted(1)):
        replica.apply(event)
    assert_shows(replica, "other")
    replica = Replica(BOARD, "e1", keep=1)
    for event in (retracted(2), retracted(4, Q), posted(1)):
        replica.apply(event)
    assert_shows(replica)


def test_tombstones_of_posts_that_are_not_held_push_no_post_out() -> None:
    replica = Replica(BOARD, "e1", seq=10, keep=2)
    replica.apply(posted(11, body="still here"))
    for seq in range(12, 40):
        replica.apply(retracted(seq, PostId(f"old{seq}")))
    assert_shows(replica, "still here")


def test_an_event_of_another_board_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(AssertionError):
        reader(dataclasses.replace(posted(1), board=BoardId("other")))
