"""May this person do this here? One table, read the same way on every path."""

from enum import Enum, auto

from parley_protocol import codes
from parley_server.domain.answers import Refused
from parley_server.domain.people import AccountState, Board, BoardRole, BoardState, Level, Person, SiteRole, Visibility


class Act(Enum):
    """What a person can ask for on a board."""

    READ = auto()
    PUBLISH = auto()
    """Post, edit, react, show that one is typing."""
    DELETE = auto()
    """Remove one's own post: also where one may no longer publish."""
    MODERATE = auto()
    """See alerts and held posts, release, refuse, retract, restore."""
    MANAGE = auto()
    """Give and take roles."""


_MODERATORS = frozenset({BoardRole.FOUNDER, BoardRole.MANAGER, BoardRole.MODERATOR})
_MANAGERS = frozenset({BoardRole.FOUNDER, BoardRole.MANAGER})


def may(person: Person, act: Act, board: Board | None, *, verified_only: bool = True) -> Refused | None:
    """Decide whether ``person`` may ``act`` on ``board``.

    Args:
        person: as of now.
        board: ``None`` if there is no such board.
        verified_only: whether publishing needs a verified identity (setting ``PARLEY_IDENTITY``).

    Returns:
        ``None`` if they may, else why not. A board that they may not see answers as one that does not exist.
    """
    role = None if board is None else person.boards.get(board.id)
    administrator = person.role is SiteRole.ADMINISTRATOR
    hidden = board is None or (board.visibility is Visibility.PRIVATE and role is None and not administrator)
    if board is None or hidden or role is BoardRole.BANNED:
        return Refused(codes.NO_BOARD if hidden else codes.FORBIDDEN)
    if act is Act.READ:
        return None if person.state is not AccountState.CLOSED else Refused(codes.REVOKED)
    if person.account is None:
        return Refused(codes.UNAUTHENTICATED)
    if person.state is not AccountState.ACTIVE:
        return Refused(codes.REVOKED)
    if act is Act.DELETE:
        return None
    if act is Act.MODERATE:
        return None if administrator or role in _MODERATORS else Refused(codes.FORBIDDEN)
    if act is Act.MANAGE:
        return None if administrator or role in _MANAGERS else Refused(codes.FORBIDDEN)
    if role is BoardRole.MUTED:
        return Refused(codes.MUTED)
    if board.state is not BoardState.OPEN:
        return Refused(codes.BOARD_CLOSED)
    if verified_only and person.level is not Level.VERIFIED and not administrator:
        return Refused(codes.UNVERIFIED)
    return None


def may_appoint(person: Person, board: Board | None, now: BoardRole, then: BoardRole) -> Refused | None:
    """Decide whether ``person`` may turn somebody's role on ``board`` from ``now`` into ``then``.

    A manager's word ends below managers: only the founder makes and unmakes those, and only an administrator a founder.
    """
    no = may(person, Act.MANAGE, board)
    if no is not None or board is None or person.role is SiteRole.ADMINISTRATOR:
        return no
    touched = {now, then}
    if BoardRole.FOUNDER in touched:
        return Refused(codes.FORBIDDEN, "Only an administrator makes or unmakes a founder.")
    if BoardRole.MANAGER in touched and person.boards.get(board.id) is not BoardRole.FOUNDER:
        return Refused(codes.FORBIDDEN, "Only the founder makes or unmakes a manager.")
    return None


def administers(person: Person) -> Refused | None:
    """Decide whether ``person`` may change the site itself: accounts, policies, rules, boards."""
    if person.account is None:
        return Refused(codes.UNAUTHENTICATED)
    if person.role is not SiteRole.ADMINISTRATOR or person.state is not AccountState.ACTIVE:
        return Refused(codes.FORBIDDEN)
    return None


def moderates(person: Person) -> frozenset[str] | None:
    """Return the boards whose alerts ``person`` may see; ``None`` means all of them."""
    if person.role is SiteRole.ADMINISTRATOR and person.state is AccountState.ACTIVE:
        return None
    if person.state is not AccountState.ACTIVE:
        return frozenset()
    return frozenset(board for board, role in person.boards.items() if role in _MODERATORS)
