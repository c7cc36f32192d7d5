import pytest

from parley_protocol import codes
from parley_protocol.limits import REASON_BYTES_MAX
from tests.integration.http.desk import Desk, Someone, assert_refused

GROUNDS = {"policy": "spam", "reason": "It advertises."}


async def room(desk: Desk) -> tuple[Someone, Someone, Someone]:
    """Make a board with a moderator, an author and somebody else."""
    moderator, author, other = [await desk.account(handle) for handle in ("mo", "ada", "bob")]
    await desk.board(moderator)
    return moderator, author, other


async def test_a_post_is_retracted_and_restored(desk: Desk) -> None:
    moderator, author, _ = await room(desk)
    post = (await desk.post(author, "buy this")).post
    done = await desk.call("POST", f"/v1/posts/{post}/retract", GROUNDS, token=moderator.token)
    assert done.status == 200
    assert (done.json["post"], done.json["seq"], done.json["state"]) == (post, 2, "decided")
    log = await desk.call("GET", "/v1/boards/general/events")
    assert [event["type"] for event in log.json["events"]] == ["gone", "retracted"]
    assert b"buy this" not in log.raw
    assert log.json["events"][1]["takedown"] == done.json["takedown"]
    again = await desk.call("POST", f"/v1/posts/{post}/retract", GROUNDS, token=moderator.token)
    assert_refused(again, codes.POST_STOPPED)
    back = await desk.call("POST", f"/v1/posts/{post}/restore", {"reason": "It was fine."}, token=moderator.token)
    assert (back.status, back.json["seq"]) == (200, 3)
    assert b"buy this" in (await desk.call("GET", "/v1/boards/general/events")).raw
    assert_refused(
        await desk.call("POST", f"/v1/posts/{post}/restore", {"reason": "x"}, token=moderator.token), codes.NOT_RETRACTED
    )


async def test_a_withheld_post_is_released_or_refused_once(desk: Desk) -> None:
    moderator, author, _ = await room(desk)
    held, other = (await desk.hold(author, "maybe")).post, (await desk.hold(author, "no")).post
    assert b"maybe" not in (await desk.call("GET", "/v1/boards/general/events", token=author.token)).raw
    released = await desk.call("POST", f"/v1/posts/{held}/release", token=moderator.token)
    assert (released.status, released.json["seq"]) == (200, 1)
    assert b"maybe" in (await desk.call("GET", "/v1/boards/general/events")).raw
    assert_refused(await desk.call("POST", f"/v1/posts/{held}/release", {}, token=moderator.token), codes.NOT_HELD)
    refused = await desk.call("POST", f"/v1/posts/{other}/refuse", GROUNDS, token=moderator.token)
    assert (refused.status, "seq" in refused.json) == (200, False)
    assert_refused(await desk.call("POST", f"/v1/posts/{other}/refuse", GROUNDS, token=moderator.token), codes.NOT_HELD)


@pytest.mark.parametrize("act", ["retract", "restore", "release", "refuse"])
async def test_only_moderators_act_on_a_post(desk: Desk, act: str) -> None:
    moderator, author, other = await room(desk)
    post = (await desk.post(author, "x")).post
    assert_refused(await desk.call("POST", f"/v1/posts/{post}/{act}", GROUNDS), codes.UNAUTHENTICATED)
    assert_refused(await desk.call("POST", f"/v1/posts/{post}/{act}", GROUNDS, token=other.token), codes.FORBIDDEN)
    assert_refused(await desk.call("POST", f"/v1/posts/none/{act}", GROUNDS, token=moderator.token), codes.NO_POST)


async def test_no_restriction_goes_without_a_policy_and_a_reason(desk: Desk) -> None:
    moderator, author, _ = await room(desk)
    path = f"/v1/posts/{(await desk.post(author, 'x')).post}/retract"
    for body in ({}, {"policy": "spam"}, {"reason": "x"}, {"policy": "spam", "reason": " "}):
        assert_refused(await desk.call("POST", path, body, token=moderator.token), codes.REASON_REQUIRED)
    unknown = await desk.call("POST", path, GROUNDS | {"policy": "fashion"}, token=moderator.token)
    assert_refused(unknown, codes.NO_POLICY)
    long = await desk.call("POST", path, GROUNDS | {"reason": "é" * (REASON_BYTES_MAX - 1)}, token=moderator.token)
    assert_refused(long, codes.BAD_FIELD, "reason")


async def test_a_retraction_whose_record_cannot_be_written_is_in_force_and_said_to_be_unrecorded(desk: Desk) -> None:
    moderator, author, _ = await room(desk)
    post = (await desk.post(author, "stopped words")).post
    desk.down = {"retract"}
    answer = await desk.call("POST", f"/v1/posts/{post}/retract", GROUNDS, token=moderator.token)
    assert_refused(answer, codes.UNAVAILABLE)
    assert "hidden" in answer.json["detail"]
    assert b"stopped" not in (await desk.call("GET", "/v1/boards/general/events")).raw
    assert post in desk.moderation.unrecorded


async def test_records_are_shown_to_the_author_and_the_moderators_alone(desk: Desk) -> None:
    moderator, author, other = await room(desk)
    filed = await desk.hold(author, "maybe")
    path = f"/v1/takedowns?post={filed.post}"
    for someone in (moderator, author):
        records = (await desk.call("GET", path, token=someone.token)).json["takedowns"]
        assert [record["id"] for record in records] == [filed.takedown]
        assert (await desk.call("GET", f"/v1/takedowns/{filed.takedown}", token=someone.token)).json == records[0]
    assert_refused(await desk.call("GET", path), codes.UNAUTHENTICATED)
    assert_refused(await desk.call("GET", path, token=other.token), codes.NO_POST)
    assert_refused(await desk.call("GET", f"/v1/takedowns/{filed.takedown}", token=other.token), codes.NO_TAKEDOWN)
    assert_refused(await desk.call("GET", "/v1/takedowns/none", token=moderator.token), codes.NO_TAKEDOWN)
    assert_refused(await desk.call("GET", "/v1/takedowns?post=none", token=moderator.token), codes.NO_POST)
    assert_refused(await desk.call("GET", "/v1/takedowns", token=moderator.token), codes.BAD_FIELD, "post")


async def test_one_s_own_records_come_page_by_page(desk: Desk) -> None:
    moderator, author, _ = await room(desk)
    filed = [(await desk.hold(author, f"maybe {number}")).takedown for number in range(3)]
    first = (await desk.call("GET", "/v1/me/takedowns?limit=2", token=author.token)).json
    rest = (await desk.call("GET", f"/v1/me/takedowns?limit=2&after={first['next']}", token=author.token)).json
    assert [record["id"] for record in first["items"] + rest["items"]] == filed
    assert "next" not in rest
    assert (await desk.call("GET", "/v1/me/takedowns", token=moderator.token)).json == {"items": []}


async def test_an_author_appeals_once(desk: Desk) -> None:
    _, author, other = await room(desk)
    filed = await desk.hold(author, "maybe")
    path = f"/v1/takedowns/{filed.takedown}/appeals"
    assert_refused(await desk.call("POST", path, {"text": "No!"}, token=other.token), codes.NOT_YOURS)
    assert_refused(await desk.call("POST", path, {"text": " "}, token=author.token), codes.REASON_REQUIRED)
    done = await desk.call("POST", path, {"text": "It is a quote."}, token=author.token)
    assert (done.status, done.json) == (201, {"case": filed.case.case})
    assert_refused(await desk.call("POST", path, {"text": "Again."}, token=author.token), codes.AGAIN)
    assert_refused(await desk.call("POST", "/v1/takedowns/no/appeals", {"text": "x"}, token=author.token), codes.NO_TAKEDOWN)


async def test_guests_report_what_they_may_read(desk: Desk) -> None:
    _, author, _ = await room(desk)
    post = (await desk.post(author, "x")).post
    done = await desk.call("POST", f"/v1/posts/{post}/reports", {"text": "Look at this."})
    assert (done.status, list(done.json)) == (201, ["case"])
    assert desk.stored.reports == [(post, None, "Look at this.")]
    assert_refused(await desk.call("POST", "/v1/posts/none/reports", {"text": "x"}), codes.NO_POST)
    assert_refused(await desk.call("POST", f"/v1/posts/{post}/reports", {"text": ""}), codes.BAD_FIELD, "text")


async def test_evidence_is_opened_to_moderators_and_each_reading_is_recorded(desk: Desk) -> None:
    moderator, author, other = await room(desk)
    filed = await desk.hold(author, "maybe")
    path = f"/v1/posts/{filed.post}/evidence"
    opened = await desk.call("GET", f"{path}?purpose=review", token=moderator.token)
    assert [text["body"] for text in opened.json["items"]] == ["maybe"]
    assert desk.stored.evidence_reads == [(filed.post, moderator.id, "review", desk.now_us)]
    for token in (author.token, other.token):
        assert_refused(await desk.call("GET", f"{path}?purpose=x", token=token), codes.NO_POST)
    assert_refused(await desk.call("GET", path, token=moderator.token), codes.BAD_FIELD, "purpose")
    assert len(desk.stored.evidence_reads) == 1
