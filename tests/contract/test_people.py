"""``ports.People``: what holds on the fake and on PostgreSQL."""

from dataclasses import replace

from parley_protocol import codes
from parley_protocol.frames import Posted
from parley_protocol.ids import AccountId, BoardId, SessionId
from parley_server.domain.answers import Refused
from parley_server.domain.people import AccountState, BoardRole, BoardState, Level, Person, SiteRole, Visibility
from parley_server.domain.takedowns import Filed, Kind
from parley_server.ports import Session
from tests.samples import AUTHOR, GENERAL, MODERATOR, OTHER, QUIET, a_board, a_draft, a_restriction, a_reversal
from tests.stores import Store

ZOE = AccountId("acc-zoe")


async def add_zoe(store: Store, handle: str = "Zoë") -> Refused | None:
    return await store.people.create_account(ZOE, handle, "Zoë Z.", "hash", SiteRole.BOT, Level.UNVERIFIED, 5)


async def test_an_account_is_found_by_its_handle_in_any_case(store: Store) -> None:
    assert await add_zoe(store) is None
    person = Person(ZOE, "Zoë", "Zoë Z.", SiteRole.BOT, AccountState.ACTIVE, Level.UNVERIFIED)
    assert await store.people.person(ZOE) == person
    assert await store.people.find("ZOË") == person
    assert await store.people.find("zoe\u0308") == person
    assert await store.people.find("nobody") is None
    assert await store.people.person(AccountId("none")) is None


async def test_a_handle_that_reads_the_same_is_taken(store: Store) -> None:
    assert await add_zoe(store) is None
    taken = await store.people.create_account(AccountId("a2"), "ZOE\u0308", "Z", None, SiteRole.MEMBER, Level.VERIFIED, 6)
    assert taken == Refused(codes.TAKEN)


async def test_a_password_hash_is_given_back_and_replaced(store: Store) -> None:
    await add_zoe(store)
    assert await store.people.password("zoë") == (ZOE, "hash")
    await store.people.set_password(ZOE, "other")
    assert await store.people.password("zoë") == (ZOE, "other")
    assert await store.people.password("author") == (AUTHOR.id, None)
    assert await store.people.password("nobody") is None


async def test_accounts_come_by_handle_in_pages(store: Store) -> None:
    everybody = await store.people.people(after=None, limit=10)
    assert [person.handle for person in everybody] == ["author", "moderator", "other"]
    assert await store.people.people(after="Author", limit=1) == everybody[1:2]


async def test_an_account_changes_in_what_is_given_alone(store: Store) -> None:
    await add_zoe(store)
    assert await store.people.set_account(ZOE, state=AccountState.SUSPENDED) is None
    assert await store.people.set_account(ZOE, level=Level.VERIFIED) is None
    person = await store.people.person(ZOE)
    assert person is not None
    assert (person.role, person.state, person.level) == (SiteRole.BOT, AccountState.SUSPENDED, Level.VERIFIED)
    assert await store.people.set_account(AccountId("none"), role=SiteRole.MEMBER) == Refused(codes.NO_ACCOUNT)


async def test_a_session_is_known_by_the_hash_of_its_token_until_it_is_revoked(store: Store) -> None:
    timed, lasting = (Session(SessionId(name), AUTHOR.id, expires) for name, expires in (("s1", 9), ("s2", None)))
    await store.people.open_session(timed, b"one", "web", 5)
    await store.people.open_session(lasting, b"two", "bot", 5)
    assert await store.people.session(b"one") == timed
    await store.people.close_session(timed.session)
    assert await store.people.session(b"one") is None
    assert await store.people.session(b"two") == lasting
    assert await store.people.session(b"three") is None


async def test_many_are_found_at_once_as_each_alone(store: Store) -> None:
    await add_zoe(store)
    await store.people.set_role(GENERAL, ZOE, BoardRole.MUTED, MODERATOR, 5)
    for name in ("one", "two", "three"):
        await store.people.open_session(Session(SessionId(f"s-{name}"), ZOE, 9), name.encode(), "web", 5)
    await store.people.close_session(SessionId("s-two"))
    hashes = [b"one", b"two", b"three", b"four", b"one"]
    sessions = await store.people.sessions(hashes)
    assert sessions == {key: held for key in hashes if (held := await store.people.session(key)) is not None}
    assert {*sessions} == {b"one", b"three"}
    accounts = [ZOE, AUTHOR.id, AccountId("none"), ZOE]
    persons = await store.people.persons(accounts)
    assert persons == {account: one for account in accounts if (one := await store.people.person(account)) is not None}
    assert {*persons} == {ZOE, AUTHOR.id} and persons[ZOE].boards == {GENERAL: BoardRole.MUTED}
    assert await store.people.sessions([]) == {} and await store.people.persons([]) == {}


async def test_a_board_has_its_founder_and_its_name_once(store: Store) -> None:
    board = replace(a_board("new"), visibility=Visibility.PRIVATE)
    assert await store.people.create_board(board, AUTHOR.id) is None
    assert await store.people.create_board(board, MODERATOR) == Refused(codes.TAKEN)
    assert await store.people.create_board(a_board("newer"), AccountId("none")) == Refused(codes.NO_ACCOUNT)
    assert await store.people.boards() == [a_board(GENERAL), board, a_board(QUIET)]
    person = await store.people.person(AUTHOR.id)
    assert person is not None
    assert person.boards == {"new": BoardRole.FOUNDER}


async def test_a_board_changes_but_for_its_log(store: Store) -> None:
    changed = replace(a_board(GENERAL), name="Plaza", summary="New.", state=BoardState.READ_ONLY, visibility=Visibility.PRIVATE)
    assert await store.people.set_board(replace(changed, epoch="another", created_at_us=9)) is None
    assert (await store.people.boards())[0] == changed
    assert await store.people.set_board(a_board("none")) == Refused(codes.NO_BOARD)


async def test_a_role_replaces_another_and_a_member_has_none(store: Store) -> None:
    async def roles() -> dict[BoardId, BoardRole]:
        person = await store.people.person(AUTHOR.id)
        assert person is not None
        return dict(person.boards)

    give = store.people.set_role
    assert await give(GENERAL, AUTHOR.id, BoardRole.MODERATOR, MODERATOR, 5) is None
    assert await give(QUIET, AUTHOR.id, BoardRole.BANNED, MODERATOR, 5) is None
    assert await give(GENERAL, AUTHOR.id, BoardRole.MUTED, MODERATOR, 6) is None
    assert await roles() == {GENERAL: BoardRole.MUTED, QUIET: BoardRole.BANNED}
    assert await give(GENERAL, AUTHOR.id, BoardRole.MEMBER, MODERATOR, 7) is None
    assert await roles() == {QUIET: BoardRole.BANNED}
    assert await give(BoardId("none"), AUTHOR.id, BoardRole.MUTED, MODERATOR, 8) == Refused(codes.NO_BOARD)
    assert await give(GENERAL, AccountId("none"), BoardRole.MUTED, MODERATOR, 8) == Refused(codes.NO_ACCOUNT)


async def test_the_history_counts_what_was_published_and_when_it_was_restricted_last(store: Store) -> None:
    assert await store.people.history(AccountId("nobody")) is None
    before = await store.people.history(AUTHOR.id)
    assert before is not None
    assert (before.posts, before.restricted_at_us) == (0, None)
    first, second = a_draft("one"), a_draft("two")
    for draft in (first, second, a_draft("theirs", author=OTHER)):
        assert isinstance(await store.log.append(draft), Posted)
    restriction = a_restriction(Kind.RETRACT)
    assert isinstance(await store.takedowns.retract(second.post, restriction), Filed)
    after = await store.people.history(AUTHOR.id)
    assert after is not None
    assert (after.created_at_us, after.posts, after.restricted_at_us) == (before.created_at_us, 1, restriction.stopped_at_us)
    assert isinstance(await store.takedowns.restore(second.post, a_reversal(Kind.RESTORE)), Filed)
    restored = await store.people.history(AUTHOR.id)
    assert restored is not None
    assert (restored.posts, restored.restricted_at_us) == (2, None)
