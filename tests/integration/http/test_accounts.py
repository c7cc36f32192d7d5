from parley_protocol import codes
from parley_server.domain.people import AccountState, BoardRole, SiteRole
from parley_server.pipeline.accounts import SESSION_S
from tests.integration.http.desk import PASSWORD, Desk, assert_refused

ADA = {"handle": "ada", "display_name": "Ada", "password": PASSWORD}


async def test_an_account_is_made_and_signs_in(desk: Desk) -> None:
    made = await desk.call("POST", "/v1/accounts", ADA)
    assert made.status == 201
    assert made.json == {"id": made.json["id"], "handle": "ada", "display_name": "Ada", "level": "unverified"}
    session = await desk.call("POST", "/v1/sessions", {"handle": "ada", "password": PASSWORD})
    assert session.status == 201
    assert session.json["account"] == made.json | {"role": "member"}
    assert session.json["expires_at"] == desk.now_us + SESSION_S * 1_000_000
    me = await desk.call("GET", "/v1/me", token=session.json["token"])
    assert (me.json["id"], me.json["state"], me.json["boards"]) == (made.json["id"], "active", {})


async def test_a_taken_handle_is_refused(desk: Desk) -> None:
    await desk.account("ada")
    assert_refused(await desk.call("POST", "/v1/accounts", ADA), codes.TAKEN)


async def test_what_is_wrong_with_an_account_is_named(desk: Desk) -> None:
    for name, value in (("handle", "a b"), ("handle", 3), ("display_name", "a\nb"), ("display_name", ""), ("password", "short")):
        assert_refused(await desk.call("POST", "/v1/accounts", ADA | {name: value}), codes.BAD_FIELD, name)


async def test_a_missing_field_is_named(desk: Desk) -> None:
    assert_refused(await desk.call("POST", "/v1/accounts", {"handle": "ada"}), codes.BAD_FIELD, "display_name")


async def test_a_wrong_password_and_an_unknown_handle_are_answered_alike(desk: Desk) -> None:
    await desk.account("ada")
    for handle in ("ada", "bob"):
        answer = await desk.call("POST", "/v1/sessions", {"handle": handle, "password": "not it at all"})
        assert_refused(answer, codes.BAD_CREDENTIALS)
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_no_answer_carries_a_password_or_a_hash(desk: Desk) -> None:
    admin = await desk.account("root", SiteRole.ADMINISTRATOR)
    made = await desk.call("POST", "/v1/accounts", ADA)
    ada = await desk.call("POST", "/v1/sessions", {"handle": "ada", "password": PASSWORD})
    answers = [
        made,
        ada,
        await desk.call("GET", "/v1/me", token=ada.json["token"]),
        await desk.call("GET", "/v1/accounts", token=admin.token),
        await desk.call("GET", "/v1/accounts/ada", token=admin.token),
        await desk.call("PUT", "/v1/accounts/ada", {"level": "verified"}, token=admin.token),
        await desk.call("POST", "/v1/bots", {"handle": "echo", "display_name": "Echo"}, token=admin.token),
    ]
    secrets = [PASSWORD, *(hashed for hashed in desk.stored.passwords.values() if hashed)]
    secrets += [form for stored in desk.stored.sessions for form in (stored.hex(), str(stored))]
    assert len(secrets) > 3
    assert all(answer.status < 300 for answer in answers)
    assert not [secret for answer in answers for secret in secrets if secret in answer.raw.decode()]
    assert b"argon2" not in b"".join(answer.raw for answer in answers)


async def test_a_token_that_is_wrong_is_refused_also_where_guests_may_ask(desk: Desk) -> None:
    for token in ("nobody's", "a" * 300, "a b"):
        assert_refused(await desk.call("GET", "/v1/boards", token=token), codes.BAD_TOKEN)
    assert_refused(await desk.call("GET", "/v1/me", headers={"Authorization": "Basic YTpi"}), codes.BAD_TOKEN)


async def test_an_expired_token_is_refused(desk: Desk) -> None:
    ada = await desk.account("ada")
    desk.now_us += SESSION_S * 1_000_000
    assert_refused(await desk.call("GET", "/v1/me", token=ada.token), codes.TOKEN_EXPIRED)


async def test_without_a_token_one_is_asked_to_sign_in(desk: Desk) -> None:
    assert_refused(await desk.call("GET", "/v1/me"), codes.UNAUTHENTICATED)


async def test_a_session_that_was_ended_is_no_longer_one(desk: Desk) -> None:
    ada = await desk.account("ada")
    ended = await desk.call("DELETE", "/v1/sessions/current", token=ada.token)
    assert (ended.status, ended.raw) == (204, b"")
    assert_refused(await desk.call("GET", "/v1/me", token=ada.token), codes.BAD_TOKEN)


async def test_a_closed_account_is_refused_at_once(desk: Desk) -> None:
    ada = await desk.account("ada")
    await desk.people.set_account(ada.id, state=AccountState.CLOSED)
    assert_refused(await desk.call("GET", "/v1/me", token=ada.token), codes.REVOKED)


async def test_an_account_is_found_by_id_and_by_handle_with_its_public_face_alone(desk: Desk) -> None:
    ada = await desk.account("ada")
    await desk.board(ada)
    by_id = await desk.call("GET", f"/v1/accounts/{ada.id}")
    by_handle = await desk.call("GET", "/v1/accounts/ADA")
    assert by_id.json == by_handle.json
    assert by_id.json == {"id": ada.id, "handle": "ada", "display_name": "Ada", "level": "unverified", "role": "member"}
    assert_refused(await desk.call("GET", "/v1/accounts/nobody"), codes.NO_ACCOUNT)


async def test_accounts_are_listed_page_by_page_to_administrators_alone(desk: Desk) -> None:
    admin = await desk.account("root", SiteRole.ADMINISTRATOR)
    ada = await desk.account("ada")
    await desk.account("bob")
    assert_refused(await desk.call("GET", "/v1/accounts"), codes.UNAUTHENTICATED)
    assert_refused(await desk.call("GET", "/v1/accounts", token=ada.token), codes.FORBIDDEN)
    handles: list[str] = []
    path = "/v1/accounts?limit=2"
    while path:
        page = (await desk.call("GET", path, token=admin.token)).json
        handles += [item["handle"] for item in page["items"]]
        path = f"/v1/accounts?limit=2&after={page['next']}" if "next" in page else ""
    assert handles == ["ada", "bob", "root"]


async def test_administrators_alone_change_accounts_and_never_their_own_role(desk: Desk) -> None:
    admin = await desk.account("root", SiteRole.ADMINISTRATOR)
    ada = await desk.account("ada")
    changed = await desk.call("PUT", "/v1/accounts/ada", {"level": "verified", "state": "suspended"}, token=admin.token)
    assert (changed.status, changed.json["level"], changed.json["state"]) == (200, "verified", "suspended")
    assert_refused(await desk.call("PUT", "/v1/accounts/root", {"level": "verified"}, token=ada.token), codes.FORBIDDEN)
    assert_refused(await desk.call("PUT", "/v1/accounts/root", {"role": "member"}, token=admin.token), codes.FORBIDDEN)
    assert_refused(await desk.call("PUT", "/v1/accounts/none", {"role": "member"}, token=admin.token), codes.NO_ACCOUNT)
    assert_refused(await desk.call("PUT", "/v1/accounts/ada", {"role": "guest"}, token=admin.token), codes.BAD_FIELD, "role")


async def test_a_bot_signs_its_calls_with_the_token_it_was_made_with(desk: Desk) -> None:
    admin = await desk.account("root", SiteRole.ADMINISTRATOR)
    made = await desk.call("POST", "/v1/bots", {"handle": "echo", "display_name": "Echo"}, token=admin.token)
    assert (made.status, sorted(made.json)) == (201, ["handle", "id", "token"])
    me = await desk.call("GET", "/v1/me", token=made.json["token"])
    assert (me.json["id"], me.json["role"]) == (made.json["id"], "bot")


async def test_a_key_that_is_repeated_does_nothing_twice(desk: Desk) -> None:
    admin = await desk.account("root", SiteRole.ADMINISTRATOR)
    bot = {"handle": "echo", "display_name": "Echo"}
    key = {"Idempotency-Key": "k1"}
    first = await desk.call("POST", "/v1/bots", bot, token=admin.token, headers=key)
    again = await desk.call("POST", "/v1/bots", bot, token=admin.token, headers=key)
    assert (again.status, again.raw) == (201, first.raw)
    other = await desk.call("POST", "/v1/bots", bot | {"handle": "other"}, token=admin.token, headers=key)
    assert_refused(other, codes.NONCE_REUSED, "Idempotency-Key")
    long = await desk.call("POST", "/v1/bots", bot, token=admin.token, headers={"Idempotency-Key": "k" * 65})
    assert_refused(long, codes.BAD_FIELD, "Idempotency-Key")


async def test_a_key_is_its_account_s_own(desk: Desk) -> None:
    admin = await desk.account("root", SiteRole.ADMINISTRATOR)
    ada = await desk.account("ada")
    key = {"Idempotency-Key": "k1"}
    bot = {"handle": "echo", "display_name": "Echo"}
    await desk.call("POST", "/v1/bots", bot, token=admin.token, headers=key)
    assert_refused(await desk.call("POST", "/v1/bots", bot, token=ada.token, headers=key), codes.FORBIDDEN)


async def test_a_key_whose_request_found_the_store_down_tries_again(desk: Desk) -> None:
    admin = await desk.account("root", SiteRole.ADMINISTRATOR)
    key = {"Idempotency-Key": "k1"}
    bot = {"handle": "echo", "display_name": "Echo"}
    desk.down = {"open session"}
    assert_refused(await desk.call("POST", "/v1/bots", bot, token=admin.token, headers=key), codes.UNAVAILABLE)
    desk.down = set()
    again = await desk.call("POST", "/v1/bots", bot | {"handle": "other"}, token=admin.token, headers=key)
    assert again.status == 201


async def test_an_answer_that_cannot_be_kept_goes_out_all_the_same(desk: Desk) -> None:
    admin = await desk.account("root", SiteRole.ADMINISTRATOR)
    key, bot = {"Idempotency-Key": "k1"}, {"handle": "echo", "display_name": "Echo"}
    desk.down = {"end request"}
    assert (await desk.call("POST", "/v1/bots", bot, token=admin.token, headers=key)).status == 201
    desk.down = set()
    assert_refused(await desk.call("POST", "/v1/bots", bot, token=admin.token, headers=key), codes.LIMITED, "Idempotency-Key")


async def test_roles_of_an_account_are_told_to_itself(desk: Desk) -> None:
    ada = await desk.account("ada")
    board = await desk.board(ada)
    me = await desk.call("GET", "/v1/me", token=ada.token)
    assert me.json["boards"] == {board: BoardRole.FOUNDER}


async def test_a_name_that_a_rule_stops_is_not_taken_and_another_is(desk: Desk) -> None:
    admin = await desk.account("root", SiteRole.ADMINISTRATOR)
    rule = {
        "id": "names",
        "policy": "spam",
        "severity": "low",
        "effect": "withhold",
        "fail": "hold",
        "fields": ["name"],
        "boards": ["*"],
        "match": {"terms": ["free casino"]},
        "examples": {"must": ["Free Casino"], "must_not": ["casino"]},
    }
    assert (await desk.call("POST", "/v1/rules", rule, token=admin.token)).status == 201
    assert (await desk.call("POST", "/v1/rules/names/activate", {}, token=admin.token)).status == 200

    asked = {"handle": "ann", "display_name": "FREE  Casino", "password": PASSWORD}
    assert_refused(await desk.call("POST", "/v1/accounts", asked), codes.REFUSED, "display_name")
    assert (await desk.call("POST", "/v1/accounts", {**asked, "display_name": "Ann"})).status == 201
    board = {"slug": "games", "name": "Games", "summary": "A free casino for all"}
    assert_refused(await desk.call("POST", "/v1/boards", board, token=admin.token), codes.REFUSED, "summary")
    assert (await desk.call("POST", "/v1/boards", {**board, "summary": "Chess"}, token=admin.token)).status == 201
