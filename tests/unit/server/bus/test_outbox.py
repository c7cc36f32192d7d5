"""What waits for the way to the others: its order, its bounds, and what is done when they are reached."""

import pytest

from parley_protocol.ids import AccountId, BoardId
from parley_server import limits
from parley_server.bus.codec import Lane, decode, encode_hint
from parley_server.bus.counts import Counts
from parley_server.bus.outbox import OrdinaryBox, UrgentBox
from parley_server.domain.hints import Hint, NodeId, PersonChanged, Typed

NODE, OTHER = NodeId("a"), NodeId("b")


def typed(number: int, filler: int = 0) -> Typed:
    return Typed(BoardId("x" * filler), AccountId(str(number)))


def changed(number: int) -> PersonChanged:
    return PersonChanged(AccountId(str(number)))


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
def ordinary(counts: Counts) -> OrdinaryBox:
    return OrdinaryBox(NODE, counts)


@pytest.fixture
def urgent(counts: Counts) -> UrgentBox:
    return UrgentBox(NODE, counts)


def all_of(box: OrdinaryBox, now: float = 0.0) -> list[Hint]:
    hints: list[Hint] = []
    while (data := box.take(now)) is not None:
        hints += decode(data).hints
        box.sent()
    return hints


# Ordinary.


def test_ordinary_hints_leave_joined_and_in_order(ordinary: OrdinaryBox, counts: Counts) -> None:
    for number in range(3):
        ordinary.add(encode_hint(typed(number)), 0.0)
    data = ordinary.take(0.0)
    assert data is not None and ordinary.filled.is_set()
    message = decode(data)
    assert (message.node, message.lane, message.number, message.ask) == (NODE, Lane.ORDINARY, 1, 0)
    assert message.hints == (typed(0), typed(1), typed(2))
    ordinary.sent()
    assert (counts.ordinary_sent, counts.messages) == (3, 1) and not ordinary.filled.is_set() and ordinary.take(0.0) is None


def test_a_message_holds_so_many_hints_and_so_many_bytes(ordinary: OrdinaryBox) -> None:
    for number in range(limits.BUS_BATCH_HINTS + 1):
        ordinary.add(encode_hint(typed(number)), 0.0)
    first = ordinary.take(0.0)
    assert first is not None and len(decode(first).hints) == limits.BUS_BATCH_HINTS
    ordinary.sent()
    assert all_of(ordinary) == [typed(limits.BUS_BATCH_HINTS)]
    for number in range(4):
        ordinary.add(encode_hint(typed(number, limits.BUS_BATCH_BYTES // 3)), 0.0)
    second = ordinary.take(0.0)
    assert second is not None and len(decode(second).hints) == 2
    ordinary.sent()
    huge = typed(0, 2 * limits.BUS_BATCH_BYTES)
    ordinary.add(encode_hint(huge), 0.0)
    assert all_of(ordinary)[-1] == huge


def test_what_redis_did_not_take_is_sent_again_as_it_was(ordinary: OrdinaryBox) -> None:
    ordinary.add(encode_hint(typed(1)), 0.0)
    first = ordinary.take(0.0)
    ordinary.add(encode_hint(typed(2)), 0.0)
    assert ordinary.take(1.0) == first
    ordinary.sent()
    second = ordinary.take(1.0)
    assert second is not None and decode(second).hints == (typed(2),) and decode(second).number == 2


def test_an_ordinary_hint_that_waited_too_long_is_not_sent(ordinary: OrdinaryBox, counts: Counts) -> None:
    ordinary.add(encode_hint(typed(1)), 0.0)
    assert ordinary.take(0.0) is not None
    ordinary.add(encode_hint(typed(2)), 1.0)
    ordinary.add(encode_hint(typed(3)), 2.0)
    late = 1.5 + limits.ORDINARY_WAIT_S
    assert all_of(ordinary, late) == [typed(3)] and counts.ordinary_dropped == 2
    ordinary.add(encode_hint(typed(4)), late)
    assert all_of(ordinary, 2 * late) == [] and not ordinary.filled.is_set() and counts.ordinary_dropped == 3


def test_what_waits_too_long_is_not_kept_either(ordinary: OrdinaryBox) -> None:
    ordinary.add(encode_hint(typed(1)), 0.0)
    ordinary.add(encode_hint(typed(2)), 0.1 + limits.ORDINARY_WAIT_S)
    assert len(ordinary) == 1


def test_full_of_hints_the_oldest_make_room(ordinary: OrdinaryBox, counts: Counts) -> None:
    for number in range(limits.ORDINARY_HINTS_MAX + 2):
        ordinary.add(encode_hint(typed(number)), 0.0)
    assert len(ordinary) == limits.ORDINARY_HINTS_MAX and counts.ordinary_dropped == 2
    assert all_of(ordinary)[0] == typed(2)


def test_full_of_bytes_the_oldest_make_room(ordinary: OrdinaryBox, counts: Counts) -> None:
    for number in range(5):
        ordinary.add(encode_hint(typed(number, limits.ORDINARY_BYTES_MAX // 4)), 0.0)
    assert counts.ordinary_dropped == 2 and all_of(ordinary) == [typed(n, limits.ORDINARY_BYTES_MAX // 4) for n in (2, 3, 4)]


def test_an_ordinary_hint_is_never_older_than_it_may_be() -> None:
    # Its wait here; Redis' answer to who publishes; and what may lie before who receives.
    assert limits.ORDINARY_WAIT_S + limits.BUS_ANSWER_S + limits.BUS_PING_S + limits.BUS_ANSWER_S < limits.HINT_AGE_S_MAX
    assert 2 * limits.HINT_AGE_S_MAX < limits.SUPPRESSED_LINGER_S


# Urgent.


def test_the_same_urgent_hint_waits_once(urgent: UrgentBox) -> None:
    for number in (1, 2, 1):
        urgent.add(encode_hint(changed(number)))
    assert [decode(data).hints for data in urgent.take()] == [(changed(1), changed(2))]
    # What may have left already is said again.
    urgent.add(encode_hint(changed(1)))
    urgent.sent()
    assert [decode(data).hints for data in urgent.take()] == [(changed(1),)]


def test_a_hint_that_asks_has_a_message_of_its_own_in_its_place(urgent: UrgentBox, counts: Counts) -> None:
    urgent.add(encode_hint(changed(1)))
    urgent.add(encode_hint(changed(2)), 7)
    urgent.add(encode_hint(changed(3)))
    found = [decode(data) for data in urgent.take()]
    assert [(message.number, message.ask, message.hints) for message in found] == [
        (1, 0, (changed(1),)),
        (2, 7, (changed(2),)),
        (3, 0, (changed(3),)),
    ]
    urgent.sent()
    assert counts.urgent_sent == counts.messages == 3 and not urgent.filled.is_set()


def test_urgent_messages_that_redis_did_not_take_are_sent_again_as_they_were(urgent: UrgentBox) -> None:
    urgent.add(encode_hint(changed(1)))
    first = urgent.take()
    urgent.add(encode_hint(changed(2)))
    assert urgent.take() == first
    urgent.sent()
    assert [decode(data).hints for data in urgent.take()] == [(changed(2),)]


def test_who_asks_no_more_still_says_it(urgent: UrgentBox) -> None:
    hint = encode_hint(changed(1))
    for ask in (1, 2, 3):
        urgent.add(hint, ask)
    for ask in (1, 2, 3):
        urgent.asks_no_more(hint, ask)
    assert len(urgent) == 1
    assert [(decode(data).ask, decode(data).hints) for data in urgent.take()] == [(0, (changed(1),))]
    urgent.sent()
    urgent.asks_no_more(hint, 3)
    assert len(urgent) == 0 and not urgent.filled.is_set()


def test_one_batch_of_urgent_hints_is_bounded(urgent: UrgentBox) -> None:
    for number in range(limits.BUS_BATCH_HINTS + 1):
        urgent.add(encode_hint(changed(number)))
    assert sum(len(decode(data).hints) for data in urgent.take()) == limits.BUS_BATCH_HINTS
    urgent.sent()
    assert urgent.filled.is_set()
    assert [decode(data).hints for data in urgent.take()] == [(changed(limits.BUS_BATCH_HINTS),)]


def test_full_of_urgent_hints_the_oldest_makes_room(urgent: UrgentBox, counts: Counts) -> None:
    for number in range(limits.URGENT_HINTS_MAX + 1):
        urgent.add(encode_hint(changed(number)))
    assert counts.urgent_dropped == 1 and len(urgent) == limits.URGENT_HINTS_MAX
    assert decode(urgent.take()[0]).hints[0] == changed(1)


def test_answers_leave_once_and_only_the_latest_of_too_many(urgent: UrgentBox) -> None:
    for ask in range(limits.ANSWERS_MAX + 1):
        urgent.answer(OTHER, ask)
    assert urgent.filled.is_set()
    found = [(node, decode(data)) for node, data in urgent.answers()]
    assert len(found) == limits.ANSWERS_MAX and not urgent.answers()
    node, last = found[-1]
    assert (node, last.node, last.lane, last.ask) == (OTHER, NODE, Lane.ANSWER, limits.ANSWERS_MAX)
