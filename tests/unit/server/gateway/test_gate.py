"""The gate: how many handshakes come in, and when the others come back."""

from collections import Counter

from parley_server.gateway.gate import Gate, spread_ms
from parley_server.limits import ACCEPTS_BURST, ACCEPTS_PER_S, CONNECTIONS_MAX, RETRY_AFTER_S_MAX, SHUTDOWN_SPREAD_MS

NOW = 1_000.0


def test_a_burst_comes_in_and_then_as_many_a_second_as_the_rate_says() -> None:
    gate = Gate()
    let_in = [gate.knock(NOW, 0) for _ in range(ACCEPTS_BURST + 10)]
    assert let_in[:ACCEPTS_BURST] == [None] * ACCEPTS_BURST and None not in let_in[ACCEPTS_BURST:]
    later = [gate.knock(NOW + 0.5, 0) for _ in range(ACCEPTS_PER_S)]
    assert later.count(None) == ACCEPTS_PER_S // 2
    assert gate.refused == 10 + ACCEPTS_PER_S // 2


def test_the_turned_away_are_given_turns_of_which_no_second_has_more_than_the_rate() -> None:
    gate = Gate()
    for _ in range(ACCEPTS_BURST):
        gate.knock(NOW, 0)
    turns = Counter(gate.knock(NOW, 0) for _ in range(4_000))
    assert None not in turns and set(turns) == set(range(1, 4_000 // ACCEPTS_PER_S + 1))
    assert max(turns.values()) <= ACCEPTS_PER_S


def test_five_thousand_at_once_are_all_in_after_two_tries_if_they_come_when_they_are_told() -> None:
    gate = Gate()
    again = sorted(wait for _ in range(5_000) if (wait := gate.knock(NOW, 0)) is not None)
    assert len(again) == 5_000 - ACCEPTS_BURST
    assert [wait for wait in again if gate.knock(NOW + wait, 0) is not None] == []


def test_no_turn_is_further_away_than_the_longest_wait() -> None:
    gate = Gate()
    turns = [gate.knock(NOW, 0) for _ in range(ACCEPTS_BURST + 3 * RETRY_AFTER_S_MAX * ACCEPTS_PER_S)]
    told = Counter(turn for turn in turns if turn is not None)
    assert max(told) == RETRY_AFTER_S_MAX
    assert max(told.values()) - min(told.values()) <= 3


def test_a_full_house_turns_away_whatever_the_rate() -> None:
    for gate in (Gate(), Gate(limited=False)):
        assert gate.knock(NOW, CONNECTIONS_MAX) == 1
        assert gate.knock(NOW, CONNECTIONS_MAX - 1) is None


def test_lifted_limits_let_everybody_in_at_any_rate() -> None:
    gate = Gate(limited=False)
    assert {gate.knock(NOW, 0) for _ in range(10 * ACCEPTS_BURST)} == {None}


def test_clients_of_a_server_that_ends_come_back_below_the_rate() -> None:
    assert spread_ms(10) == SHUTDOWN_SPREAD_MS
    for clients in (5_000, 20_000):
        gate, spread_s = Gate(), spread_ms(clients) / 1_000
        assert clients / spread_s < ACCEPTS_PER_S
        assert {gate.knock(NOW + spread_s * place / clients, 0) for place in range(clients)} == {None}
