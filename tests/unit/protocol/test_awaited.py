"""Suppressions whose event has not come, over several subscriptions."""

from parley_protocol.awaited import AWAITED_MAX, Awaited
from parley_protocol.ids import PostId

P, Q = PostId("p"), PostId("q")


def waiting(*posts: PostId) -> Awaited:
    awaited = Awaited()
    for post in posts:
        awaited.suppressed(post)
    return awaited


def test_only_what_was_suppressed_before_the_subscription_shows_again_and_only_at_its_head() -> None:
    awaited = waiting(P)
    awaited.begin(5, whole=True)
    awaited.suppressed(Q)
    assert (awaited.reached(4), awaited.reached(5), awaited.reached(6), len(awaited)) == ((), (P,), (), 1)


def test_what_was_said_again_or_explained_stays_as_it_is() -> None:
    awaited = waiting(P, Q)
    awaited.begin(5, whole=True)
    awaited.suppressed(P)
    awaited.ended(Q)
    assert awaited.reached(9) == ()


def test_a_subscription_with_a_gap_ends_no_suppression_nor_does_a_later_one() -> None:
    awaited = waiting(P)
    awaited.begin(5, whole=False)
    assert awaited.reached(5) == ()
    awaited.begin(6, whole=True)
    assert awaited.reached(6) == ()


def test_without_a_new_subscription_nothing_shows_again() -> None:
    assert waiting(P).reached(100) == ()


def test_it_remembers_so_many_posts_and_forgets_the_oldest() -> None:
    awaited = waiting(*(PostId(str(number)) for number in range(AWAITED_MAX + 1)))
    awaited.begin(0, whole=True)
    shown = awaited.reached(0)
    assert len(shown) == AWAITED_MAX and PostId("0") not in shown
