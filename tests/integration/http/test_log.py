from parley_protocol import codes
from parley_server.domain.record_leaf import leaf_of
from tests.integration.http.desk import Desk, assert_refused

PATH = "/v1/log/checkpoint"


async def test_anybody_reads_the_checkpoint(desk: Desk) -> None:
    author = await desk.account("ada")
    await desk.board(author)
    before = await desk.call("GET", PATH)
    await desk.hold(author, "maybe")
    after = await desk.call("GET", PATH)
    assert (before.status, before.json["size"], after.json["size"]) == (200, 0, 1)
    assert sorted(after.json) == ["at", "checkpoint", "key", "origin", "root", "size"]
    assert after.json["checkpoint"].startswith(f"Parley/records\n1\n{after.json['root']}\n\n— Parley/records ")
    assert after.json["at"] == desk.now_us
    assert b"maybe" not in after.raw


async def test_author_and_moderator_compute_the_same_leaf_and_only_one_is_told_whose_hand_it_was(desk: Desk) -> None:
    moderator, author = await desk.account("mo"), await desk.account("ada")
    await desk.board(moderator)
    post = (await desk.post(author, "buy this")).post
    grounds = {"policy": "spam", "reason": "It advertises."}
    done = await desk.call("POST", f"/v1/posts/{post}/retract", grounds, token=moderator.token)
    path = f"/v1/takedowns/{done.json['takedown']}"
    theirs, own = [(await desk.call("GET", path, token=token)).json for token in (moderator.token, author.token)]
    assert desk.stored.leaves == [leaf_of(theirs)] == [leaf_of(own)]
    assert theirs["actor"]["account"] == moderator.id
    assert (own["actor"]["account"], own["actor"]["salt"]) == (None, None)
    assert moderator.id not in str(own)


async def test_a_store_that_does_not_answer_gives_no_checkpoint(desk: Desk) -> None:
    desk.down = {"log leaves"}
    assert_refused(await desk.call("GET", PATH), codes.UNAVAILABLE)
