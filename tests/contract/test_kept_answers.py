"""``ports.KeptAnswers``: what holds on the fake and on PostgreSQL."""

import asyncio

from parley_protocol import codes
from parley_server.domain.answers import Refused
from parley_server.ports import Reply
from parley_server.store.bounds import KEPT_ANSWERS_S, UNDER_WAY_S
from parley_server.store.pool import Database
from tests.stores import Store

REPLY = Reply(201, b"{}", "application/json")
S = 1_000_000


async def test_the_same_request_again_gives_the_same_reply(store: Store) -> None:
    kept = store.kept_answers
    assert await kept.begin("ada", "k", b"1", 0) is None
    await kept.end("ada", "k", REPLY)
    assert await kept.begin("ada", "k", b"1", 1) == REPLY
    assert await kept.begin("ada", "k", b"1", 2) == REPLY


async def test_an_empty_reply_is_kept_like_any_other(store: Store) -> None:
    kept = store.kept_answers
    await kept.begin("ada", "k", b"1", 0)
    await kept.end("ada", "k", Reply(204, b"", "application/json"))
    assert await kept.begin("ada", "k", b"1", 1) == Reply(204, b"", "application/json")


async def test_a_key_of_another_request_is_refused(store: Store) -> None:
    kept = store.kept_answers
    await kept.begin("ada", "k", b"1", 0)
    await kept.end("ada", "k", REPLY)
    no = await kept.begin("ada", "k", b"2", 1)
    assert isinstance(no, Refused)
    assert no.code is codes.NONCE_REUSED


async def test_of_the_same_request_at_once_only_one_begins(store: Store) -> None:
    answers = await asyncio.gather(*(store.kept_answers.begin("ada", "k", b"1", 0) for _ in range(5)))
    assert answers.count(None) == 1
    assert all(answer.code is codes.LIMITED for answer in answers if isinstance(answer, Refused))


async def test_keys_belong_to_whoever_asks(store: Store) -> None:
    kept = store.kept_answers
    await kept.begin("ada", "k", b"1", 0)
    assert await kept.begin("bob", "k", b"2", 0) is None
    assert await kept.begin("ada", "j", b"2", 0) is None


async def test_a_forgotten_request_begins_anew(store: Store) -> None:
    kept = store.kept_answers
    await kept.begin("ada", "k", b"1", 0)
    await kept.end("ada", "k", None)
    assert await kept.begin("ada", "k", b"2", 1) is None
    await kept.end("bob", "k", REPLY)
    assert await kept.begin("bob", "k", b"1", 1) is None


async def test_an_answer_is_forgotten_in_time(store: Store) -> None:
    kept = store.kept_answers
    await kept.begin("ada", "k", b"1", 0)
    await kept.end("ada", "k", REPLY)
    assert await kept.begin("ada", "k", b"1", KEPT_ANSWERS_S * S - 1) == REPLY
    assert await kept.begin("ada", "k", b"2", KEPT_ANSWERS_S * S) is None
    no = await kept.begin("ada", "k", b"2", KEPT_ANSWERS_S * S)
    assert isinstance(no, Refused), "what was kept of the old request is gone"


async def test_a_request_whose_node_died_begins_anew_after_a_while(store: Store) -> None:
    kept = store.kept_answers
    await kept.begin("ada", "k", b"1", 0)
    no = await kept.begin("ada", "k", b"1", UNDER_WAY_S * S - 1)
    assert isinstance(no, Refused)
    assert no.code is codes.LIMITED
    assert await kept.begin("ada", "k", b"1", UNDER_WAY_S * S) is None


async def test_an_answer_and_its_request_lie_in_the_database_under_seal(pg: Store, database: Database) -> None:
    await pg.kept_answers.begin("ada", "k", b"plain digest", 0)
    await pg.kept_answers.end("ada", "k", Reply(201, b"a token", "application/json"))
    [row] = await database.read("select data, digest from kept_answers")
    assert b"a token" not in row["data"] and row["digest"] != b"plain digest"
    assert await pg.kept_answers.begin("ada", "k", b"plain digest", 1) == Reply(201, b"a token", "application/json")
