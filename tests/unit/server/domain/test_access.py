"""domain/access.py: the whole table, role by state by act by board, against the sentences it stands for."""

import itertools

import pytest

from parley_protocol import codes
from parley_protocol.codes import Code
from parley_protocol.ids import AccountId, BoardId
from parley_server.domain.access import Act, administers, may, moderates
from parley_server.domain.people import GUEST, AccountState, Board, BoardRole, BoardState, Level, Person, SiteRole, Visibility

BOARD = BoardId("b")
MODERATORS = {BoardRole.FOUNDER, BoardRole.MANAGER, BoardRole.MODERATOR}
ROLES: list[BoardRole | None] = [None, *BoardRole]


def person(
    site: SiteRole = SiteRole.MEMBER,
    role: BoardRole | None = None,
    state: AccountState = AccountState.ACTIVE,
    level: Level = Level.VERIFIED,
) -> Person:
    if site is SiteRole.GUEST:
        return GUEST
    return Person(AccountId("a"), "ann", "Ann", site, state, level, {} if role is None else {BOARD: role})


def board(state: BoardState = BoardState.OPEN, visibility: Visibility = Visibility.PUBLIC) -> Board:
    return Board(BOARD, "B", "", "e", state, visibility)


def answer(who: Person, act: Act, where: Board | None, *, verified_only: bool = True) -> Code | None:
    refused = may(who, act, where, verified_only=verified_only)
    return refused.code if refused else None


def test_the_whole_table() -> None:
    """Each sentence is checked over everything that it does not mention."""
    seen = 0
    for site, role, state, level, act, stands, visibility, verified_only in itertools.product(
        SiteRole, ROLES, AccountState, Level, Act, BoardState, Visibility, (False, True)
    ):
        who = person(site, role, state, level)
        held = who.boards.get(BOARD)
        code = answer(who, act, board(stands, visibility), verified_only=verified_only)
        case = (site, held, who.state, who.level, act, stands, visibility, verified_only)
        allowed = code is None
        admin = site is SiteRole.ADMINISTRATOR
        seen += 1

        if visibility is Visibility.PRIVATE and held is None and not admin:
            assert code is codes.NO_BOARD, case  # Who may not see a board cannot tell that it exists.
            continue
        assert code is not codes.NO_BOARD, case
        if held is BoardRole.BANNED:
            assert not allowed, case
            continue
        if who is GUEST:
            assert allowed == (act is Act.READ), case
            continue
        if who.state is AccountState.CLOSED:
            assert code is codes.REVOKED, case
            continue
        if act is Act.READ:
            assert allowed, case
            continue
        if who.state is AccountState.SUSPENDED:
            assert code is codes.REVOKED, case
            continue
        if act is Act.DELETE:
            assert allowed, case
        elif act is Act.MODERATE:
            assert allowed == (admin or held in MODERATORS), case
        elif act is Act.MANAGE:
            assert allowed == (admin or held in {BoardRole.FOUNDER, BoardRole.MANAGER}), case
        else:
            verified = level is Level.VERIFIED or admin or not verified_only
            assert allowed == (held is not BoardRole.MUTED and stands is BoardState.OPEN and verified), case
    assert seen == 4 * 7 * 3 * 2 * 5 * 3 * 2 * 2


@pytest.mark.parametrize(
    ("who", "act", "where", "code"),
    [
        (person(), Act.READ, None, codes.NO_BOARD),
        (person(SiteRole.ADMINISTRATOR), Act.MANAGE, None, codes.NO_BOARD),
        (GUEST, Act.PUBLISH, board(), codes.UNAUTHENTICATED),
        (person(role=BoardRole.BANNED), Act.READ, board(), codes.FORBIDDEN),
        (person(role=BoardRole.MUTED), Act.PUBLISH, board(), codes.MUTED),
        (person(), Act.PUBLISH, board(BoardState.READ_ONLY), codes.BOARD_CLOSED),
        (person(), Act.PUBLISH, board(BoardState.CLOSED), codes.BOARD_CLOSED),
        (person(level=Level.UNVERIFIED), Act.PUBLISH, board(), codes.UNVERIFIED),
        (person(), Act.MODERATE, board(), codes.FORBIDDEN),
        (person(role=BoardRole.MODERATOR), Act.MANAGE, board(), codes.FORBIDDEN),
        (person(state=AccountState.SUSPENDED), Act.DELETE, board(), codes.REVOKED),
        (person(role=BoardRole.MUTED), Act.DELETE, board(BoardState.CLOSED), None),
    ],
)
def test_a_refusal_says_why(who: Person, act: Act, where: Board | None, code: Code | None) -> None:
    assert answer(who, act, where) is code


def test_only_an_active_administrator_changes_the_site() -> None:
    for site, state in itertools.product(SiteRole, AccountState):
        refused = administers(person(site, state=state))
        if site is SiteRole.GUEST:
            assert refused is not None
            assert refused.code is codes.UNAUTHENTICATED
        else:
            assert (refused is None) == (site is SiteRole.ADMINISTRATOR and state is AccountState.ACTIVE)


def test_alerts_are_seen_where_one_moderates() -> None:
    assert moderates(GUEST) == frozenset()
    for site, role, state in itertools.product((SiteRole.MEMBER, SiteRole.BOT, SiteRole.ADMINISTRATOR), ROLES, AccountState):
        boards = moderates(person(site, role, state))
        if state is not AccountState.ACTIVE:
            assert boards == frozenset()
        elif site is SiteRole.ADMINISTRATOR:
            assert boards is None
        else:
            assert boards == ({BOARD} if role in MODERATORS else frozenset())
