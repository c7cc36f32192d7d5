from parley_protocol import codes
from parley_server.domain.answers import Refused
from parley_server.gateway.http.bounds import KEPT_ANSWERS_MAX, KEPT_ANSWERS_S
from parley_server.gateway.http.repeats import Repeats, Reply

REPLY = Reply(201, b"{}", "application/json")


def test_the_same_request_again_gives_the_same_reply() -> None:
    repeats = Repeats()
    assert repeats.begin("ada", "k", b"1", 0) is None
    repeats.end("ada", "k", REPLY)
    assert repeats.begin("ada", "k", b"1", 1) == REPLY


def test_a_key_of_another_request_is_refused() -> None:
    repeats = Repeats()
    repeats.begin("ada", "k", b"1", 0)
    repeats.end("ada", "k", REPLY)
    no = repeats.begin("ada", "k", b"2", 1)
    assert isinstance(no, Refused)
    assert no.code is codes.NONCE_REUSED


def test_a_request_that_is_under_way_is_not_begun_again() -> None:
    repeats = Repeats()
    repeats.begin("ada", "k", b"1", 0)
    no = repeats.begin("ada", "k", b"1", 1)
    assert isinstance(no, Refused)
    assert no.code is codes.LIMITED


def test_the_key_of_another_account_is_another_key() -> None:
    repeats = Repeats()
    repeats.begin("ada", "k", b"1", 0)
    assert repeats.begin("bob", "k", b"2", 0) is None


def test_a_request_that_was_forgotten_begins_anew() -> None:
    repeats = Repeats()
    repeats.begin("ada", "k", b"1", 0)
    repeats.end("ada", "k", None)
    assert repeats.begin("ada", "k", b"2", 1) is None


def test_a_reply_is_kept_for_its_time_and_no_longer() -> None:
    repeats = Repeats()
    repeats.begin("ada", "k", b"1", 0)
    repeats.end("ada", "k", REPLY)
    assert repeats.begin("ada", "k", b"1", KEPT_ANSWERS_S * 1_000_000) == REPLY
    assert repeats.begin("ada", "k", b"1", KEPT_ANSWERS_S * 1_000_000 + 1) is None


def test_when_full_the_oldest_is_forgotten() -> None:
    repeats = Repeats()
    for number in range(KEPT_ANSWERS_MAX + 1):
        repeats.begin("ada", str(number), b"1", 0)
        repeats.end("ada", str(number), REPLY)
    assert repeats.begin("ada", str(KEPT_ANSWERS_MAX), b"1", 0) == REPLY
    assert repeats.begin("ada", "0", b"1", 0) is None
