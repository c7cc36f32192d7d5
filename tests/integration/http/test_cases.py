from parley_protocol import codes
from parley_server.domain.people import SiteRole
from tests.integration.http.desk import Desk, assert_refused


async def test_cases_are_listed_to_those_who_decide_them(desk: Desk) -> None:
    admin = await desk.account("root", SiteRole.ADMINISTRATOR)
    mo, ada, zoe = await desk.account("mo"), await desk.account("ada"), await desk.account("zoe")
    await desk.board(mo)
    await desk.board(zoe, "quiet")
    filed = [await desk.hold(ada, f"maybe {number}") for number in range(3)]
    await desk.hold(ada, "maybe", "quiet")
    first = (await desk.call("GET", "/v1/cases?limit=2", token=mo.token)).json
    rest = (await desk.call("GET", f"/v1/cases?limit=2&after={first['next']}", token=mo.token)).json
    assert [case["case"] for case in first["cases"] + rest["cases"]] == [held.case.case for held in filed]
    assert len((await desk.call("GET", "/v1/cases", token=admin.token)).json["cases"]) == 4
    assert (await desk.call("GET", "/v1/cases?state=decided", token=mo.token)).json == {"cases": []}
    assert_refused(await desk.call("GET", "/v1/cases?state=lost", token=mo.token), codes.BAD_FIELD, "state")
    assert_refused(await desk.call("GET", "/v1/cases", token=ada.token), codes.FORBIDDEN)
    assert_refused(await desk.call("GET", "/v1/cases"), codes.UNAUTHENTICATED)


async def test_a_case_comes_with_author_records_and_kept_texts(desk: Desk) -> None:
    mo, ada = await desk.account("mo"), await desk.account("ada")
    await desk.board(mo)
    filed = await desk.hold(ada, "maybe")
    held = await desk.call("GET", f"/v1/cases/{filed.case.case}", token=mo.token)
    assert (held.json["post"], held.json["post_state"]) == (filed.post, "held")
    assert held.json["author"] == {"id": ada.id, "name": "Ada"}
    assert [record["id"] for record in held.json["takedowns"]] == [filed.takedown]
    assert held.json["kept"] == []
    assert b"maybe" not in held.raw
    assert_refused(await desk.call("GET", f"/v1/cases/{filed.case.case}", token=ada.token), codes.NO_CASE)
    assert_refused(await desk.call("GET", "/v1/cases/none", token=mo.token), codes.NO_CASE)


async def test_a_second_decision_meets_the_one_that_stands_and_loses_no_text(desk: Desk) -> None:
    mo, zoe, ada = await desk.account("mo"), await desk.account("zoe", SiteRole.ADMINISTRATOR), await desk.account("ada")
    await desk.board(mo)
    case = (await desk.hold(ada, "maybe")).case
    path = f"/v1/cases/{case.case}/decisions"
    done = await desk.call("POST", path, {"rev": case.rev, "action": "release"}, token=mo.token)
    assert (done.status, done.json["state"]) == (200, "decided")
    late = {"rev": case.rev, "action": "refuse", "policy": "spam", "reason": "It advertises."}
    answer = await desk.call("POST", path, late, token=zoe.token)
    assert_refused(answer, codes.CONFLICT)
    assert answer.json["standing"]["action"] == "release"
    assert answer.json["standing"]["by"] == mo.id
    kept = (await desk.call("GET", f"/v1/cases/{case.case}", token=mo.token)).json["kept"]
    assert [(text["by"], text["action"], text["reason"]) for text in kept] == [(zoe.id, "refuse", "It advertises.")]


async def test_a_decision_out_of_range_is_refused(desk: Desk) -> None:
    mo, ada = await desk.account("mo"), await desk.account("ada")
    await desk.board(mo)
    case = (await desk.hold(ada, "maybe")).case
    path = f"/v1/cases/{case.case}/decisions"
    for body, scope in (
        ({"action": "release"}, "rev"),
        ({"rev": 0, "action": "release"}, "rev"),
        ({"rev": "1", "action": "release"}, "rev"),
        ({"rev": 1, "action": "explode"}, "action"),
        ({"rev": 1, "action": "refuse", "policy": 3}, "policy"),
    ):
        assert_refused(await desk.call("POST", path, body, token=mo.token), codes.BAD_FIELD, scope)
    assert_refused(await desk.call("POST", path, {"rev": 1, "action": "refuse"}, token=mo.token), codes.REASON_REQUIRED)
    assert_refused(await desk.call("POST", path, {"rev": 1, "action": "release"}, token=ada.token), codes.NO_CASE)


async def test_alerts_are_read_from_a_cursor_on(desk: Desk) -> None:
    mo, ada = await desk.account("mo"), await desk.account("ada")
    await desk.board(mo)
    for number in range(3):
        await desk.hold(ada, f"maybe {number}")
    page = (await desk.call("GET", "/v1/alerts?after=1&limit=1", token=mo.token)).json
    assert (page["head"], [alert["n"] for alert in page["alerts"]]) == (3, [2])
    assert page["alerts"][0]["type"] == "alert"
    assert_refused(await desk.call("GET", "/v1/alerts", token=ada.token), codes.FORBIDDEN)
