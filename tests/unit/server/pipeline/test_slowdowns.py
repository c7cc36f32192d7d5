"""pipeline/slowdowns.py: how long an author waits, and until when."""

from parley_protocol.ids import AccountId, BoardId
from parley_server.limits import SLOW_FOR_S, SLOWED_MAX
from parley_server.pipeline.slowdowns import SlowDowns

ANN, LOBBY = AccountId("ann"), BoardId("lobby")
S = 1_000_000


def test_a_slow_author_posts_once_in_each_wait_and_only_on_that_board_is_it_slow() -> None:
    slow = SlowDowns()
    slow.impose(ANN, LOBBY, 30, 0)
    assert slow.wait_ms(ANN, LOBBY, 10 * S) == 20_001
    assert slow.wait_ms(ANN, BoardId("annex"), 10 * S) is None
    assert slow.wait_ms(AccountId("bob"), LOBBY, 10 * S) is None
    assert slow.wait_ms(ANN, LOBBY, 30 * S) is None
    assert slow.wait_ms(ANN, LOBBY, 31 * S) == 29_001


def test_it_ends_by_itself() -> None:
    slow = SlowDowns()
    slow.impose(ANN, LOBBY, 30, 0)
    assert slow.wait_ms(ANN, LOBBY, 1) is not None
    assert slow.wait_ms(ANN, LOBBY, SLOW_FOR_S * S) is None
    assert slow.wait_ms(ANN, LOBBY, SLOW_FOR_S * S + 1) is None


def test_the_oldest_is_forgotten_when_it_is_full() -> None:
    slow = SlowDowns()
    for n in range(SLOWED_MAX + 1):
        slow.impose(AccountId(f"a{n}"), LOBBY, 30, 0)
    assert slow.wait_ms(AccountId("a0"), LOBBY, 1) is None
    assert slow.wait_ms(AccountId("a1"), LOBBY, 1) is not None
