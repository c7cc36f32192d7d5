from parley_protocol import codes
from parley_server.domain.people import SiteRole
from tests.integration.http.desk import Desk, assert_refused

RULE = {
    "id": "casino-spam",
    "policy": "spam",
    "severity": "medium",
    "effect": "withhold",
    "fail": "hold",
    "fields": ["body"],
    "boards": ["*"],
    "match": {"terms": ["free casino"]},
    "examples": {"must": ["FREE  CASINO here"], "must_not": ["the casino scene in that film"]},
}


async def test_a_rule_is_drafted_activated_and_retired(desk: Desk) -> None:
    admin = await desk.account("root", SiteRole.ADMINISTRATOR)
    drafted = await desk.call("POST", "/v1/rules", RULE, token=admin.token)
    assert (drafted.status, drafted.json) == (201, {"id": "casino-spam", "version": 1, "mode": "draft"})
    held = await desk.call("GET", "/v1/rules/casino-spam", token=admin.token)
    assert (held.json["mode"], held.json["document"]) == ("draft", RULE)
    live = await desk.call("POST", "/v1/rules/casino-spam/activate", token=admin.token)
    assert live.status == 200
    assert live.json == {
        "id": "casino-spam",
        "version": 1,
        "mode": "live",
        "ruleset": 1,
        "nodes": [{"node": "node-1", "at": desk.now_us}],
    }
    assert [item["mode"] for item in (await desk.call("GET", "/v1/rules", token=admin.token)).json["items"]] == ["live"]
    retired = await desk.call("POST", "/v1/rules/casino-spam/retire", token=admin.token)
    assert retired.json == {"id": "casino-spam", "mode": "retired", "ruleset": 2}


async def test_rules_are_the_administrators(desk: Desk) -> None:
    ada = await desk.account("ada")
    for method, path in (
        ("GET", "/v1/rules"),
        ("POST", "/v1/rules"),
        ("GET", "/v1/rules/x"),
        ("POST", "/v1/rules/x/activate"),
        ("POST", "/v1/rules/x/retire"),
    ):
        assert_refused(await desk.call(method, path, {} if method == "POST" else None), codes.UNAUTHENTICATED)
        assert_refused(await desk.call(method, path, {} if method == "POST" else None, token=ada.token), codes.FORBIDDEN)


async def test_a_document_that_is_no_rule_is_refused_with_the_place(desk: Desk) -> None:
    admin = await desk.account("root", SiteRole.ADMINISTRATOR)
    for change, where in (
        ({"effect": "explode"}, "effect"),
        ({"match": {}}, "match"),
        ({"examples": {"must": ["nothing of the kind"], "must_not": []}}, "examples"),
    ):
        answer = await desk.call("POST", "/v1/rules", RULE | change, token=admin.token)
        assert_refused(answer, codes.BAD_RULE)
        assert answer.json["where"].startswith(where)


async def test_a_document_that_is_no_map_is_refused(desk: Desk) -> None:
    admin = await desk.account("root", SiteRole.ADMINISTRATOR)
    assert_refused(await desk.call("POST", "/v1/rules", [1], token=admin.token), codes.BAD_FIELD)
    nul = await desk.call("POST", "/v1/rules", RULE | {"match": {"terms": ["a\0b"]}}, token=admin.token)
    assert_refused(nul, codes.NOT_TEXT, "match.terms")


async def test_a_rule_needs_a_policy_of_the_catalogue(desk: Desk) -> None:
    admin = await desk.account("root", SiteRole.ADMINISTRATOR)
    assert_refused(
        await desk.call("POST", "/v1/rules", RULE | {"policy": "fashion"}, token=admin.token), codes.NO_POLICY, "policy"
    )


async def test_a_rule_that_is_not_there_cannot_be_read_activated_or_retired(desk: Desk) -> None:
    admin = await desk.account("root", SiteRole.ADMINISTRATOR)
    assert_refused(await desk.call("GET", "/v1/rules/none", token=admin.token), codes.NO_RULE)
    assert_refused(await desk.call("POST", "/v1/rules/none/activate", token=admin.token), codes.NO_RULE)
    assert_refused(await desk.call("POST", "/v1/rules/none/retire", token=admin.token), codes.NO_RULE)


async def test_the_catalogue_is_public(desk: Desk) -> None:
    items = (await desk.call("GET", "/v1/policies")).json["items"]
    assert "spam" in [item["id"] for item in items]
    assert sorted(items[0]) == ["explanation", "ground", "id", "reference", "title", "version"]


POLICY = {"title": "Gambling", "ground": "law", "reference": "Gambling Act, s. 33", "explanation": "Offers of games for money."}


async def test_the_catalogue_is_the_operators_to_extend_and_to_amend(desk: Desk) -> None:
    admin = await desk.account("root", SiteRole.ADMINISTRATOR)
    added = await desk.call("PUT", "/v1/policies/gambling", POLICY, token=admin.token)
    assert (added.status, added.json) == (200, {"id": "gambling", "version": 1, **POLICY})
    changed = await desk.call("PUT", "/v1/policies/gambling", POLICY | {"ground": "terms"}, token=admin.token)
    assert changed.json == {"id": "gambling", "version": 2, **POLICY, "ground": "terms"}
    assert changed.json in (await desk.call("GET", "/v1/policies")).json["items"]
    assert (await desk.call("POST", "/v1/rules", RULE | {"policy": "gambling"}, token=admin.token)).status == 201


async def test_a_policy_says_what_it_rests_on(desk: Desk) -> None:
    admin = await desk.account("root", SiteRole.ADMINISTRATOR)
    for field, value in (
        ("title", " "), ("title", "x" * 201), ("ground", "taste"), ("reference", ""), ("explanation", "\n"),
        ("explanation", "\u00e9" * 2_049),
    ):  # fmt: skip
        answer = await desk.call("PUT", "/v1/policies/gambling", POLICY | {field: value}, token=admin.token)
        assert_refused(answer, codes.BAD_FIELD, field)
    assert_refused(await desk.call("PUT", "/v1/policies/gambling", {}, token=admin.token), codes.BAD_FIELD, "title")
    assert_refused(await desk.call("PUT", "/v1/policies/Gambling_1", POLICY, token=admin.token), codes.BAD_FIELD, "policy")
    assert "gambling" not in str((await desk.call("GET", "/v1/policies")).json).casefold()


async def test_the_catalogue_is_changed_by_administrators_alone(desk: Desk) -> None:
    ada = await desk.account("ada")
    assert_refused(await desk.call("PUT", "/v1/policies/spam", POLICY), codes.UNAUTHENTICATED)
    assert_refused(await desk.call("PUT", "/v1/policies/spam", POLICY, token=ada.token), codes.FORBIDDEN)
