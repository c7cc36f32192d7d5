"""Calls about boards: their face, roles on them, their log, and search."""

from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from parley_protocol import codes
from parley_protocol.ids import BoardId
from parley_protocol.limits import HISTORY_EVENTS_MAX, SEQ_MAX
from parley_server.domain.access import Act, may
from parley_server.domain.answers import Refused
from parley_server.domain.people import Board, BoardRole, BoardState, Person, Visibility
from parley_server.domain.search import query as words_of
from parley_server.gateway.http.accounts import found
from parley_server.gateway.http.bounds import SEARCH_MAX
from parley_server.gateway.http.calls import Asked, Call, Calls, Id, Micros, Nothing, Seq, Streamed, Who
from parley_server.gateway.http.services import Services
from parley_server.pipeline.accounts import NAME_CHARS, SUMMARY_CHARS_MAX

BoardName: TypeAlias = Annotated[str, Meta(min_length=NAME_CHARS[0], max_length=NAME_CHARS[1])]
Summary: TypeAlias = Annotated[str, Meta(max_length=SUMMARY_CHARS_MAX)]
GivenRole: TypeAlias = Literal["manager", "moderator", "member", "muted", "banned"]
EventMap: TypeAlias = Annotated[dict[str, Any], Meta(description="An event as on the wire, with its `type`.")]
SEARCH_CHARS_MAX: Final = 256
"""Characters of a search."""


class NewBoard(Struct, frozen=True):
    """A new board. ``slug`` becomes its id."""

    slug: Annotated[str, Meta(max_length=64, description="1 to 64 of a-z, 0-9 and inner hyphens.")]
    name: BoardName
    summary: Summary = ""
    visibility: Visibility = Visibility.PUBLIC


class BoardView(Struct, frozen=True, kw_only=True):
    """A board. ``role``: what the asking account is on it, where that is more or less than a member."""

    id: str
    name: str
    summary: str
    state: BoardState
    visibility: Visibility
    epoch: str
    created_at: Micros
    role: str | UnsetType = UNSET
    head: Seq | UnsetType = UNSET


class BoardList(Struct, frozen=True):
    """The boards that one may read."""

    items: list[BoardView]


class BoardChange(Struct, frozen=True):
    """What is to change; what is not given stays."""

    name: BoardName | None = None
    summary: Summary | None = None
    state: BoardState | None = None


class RoleChange(Struct, frozen=True):
    """A role on a board; ``member`` takes any other away."""

    role: GivenRole


class RoleView(Struct, frozen=True):
    """The role that an account has now."""

    board: str
    account: str
    role: str


class EventsQuery(Struct, frozen=True):
    """A page of a board's log: from ``after`` on, or the last ones below ``before``."""

    after: Seq | None = None
    before: Annotated[int, Meta(ge=1, le=SEQ_MAX)] | None = None
    limit: Annotated[int, Meta(ge=1, le=HISTORY_EVENTS_MAX)] = 100


class EventsView(Struct, frozen=True):
    """Events in order, as of now. Stopped ones read as ``gone``."""

    board: str
    epoch: str
    head: Seq
    events: list[EventMap]


class SearchQuery(Struct, frozen=True):
    """Posts that hold every word of ``q``."""

    q: Annotated[str, Meta(min_length=1, max_length=SEARCH_CHARS_MAX)]
    board: Id | None = None
    limit: Annotated[int, Meta(ge=1, le=SEARCH_MAX)] = 20


class SearchView(Struct, frozen=True):
    """Published posts, newest first."""

    posts: list[EventMap]


async def boards(services: Services, asked: Asked[Nothing, Nothing]) -> BoardList:
    """Return the boards that the person may read."""
    return BoardList([_view(asked.person, board) for board in readable(services, asked.person)])


async def board(services: Services, asked: Asked[Nothing, Nothing]) -> BoardView | Refused:
    """Return a board with its head."""
    held = readable_board(services, asked.person, asked.path["board"])
    if isinstance(held, Refused):
        return held
    place = await services.log.head(held.id)
    return Refused(codes.NO_BOARD) if place is None else _view(asked.person, held, place)


async def found_board(services: Services, asked: Asked[NewBoard, Nothing]) -> BoardView | Refused:
    """Create a board."""
    body = asked.body
    made = await services.accounts.found_board(asked.person, body.slug, body.name, body.summary, body.visibility)
    return made if isinstance(made, Refused) else _view(asked.person, made)


async def change_board(services: Services, asked: Asked[BoardChange, Nothing]) -> BoardView | Refused:
    """Change a board's face or state."""
    body = asked.body
    done = await services.accounts.change_board(
        asked.person, BoardId(asked.path["board"]), name=body.name, summary=body.summary, state=body.state
    )
    return done if isinstance(done, Refused) else _view(asked.person, done)


async def give_role(services: Services, asked: Asked[RoleChange, Nothing]) -> RoleView | Refused:
    """Give an account, by id or handle, a role on a board."""
    held = services.directory.board(BoardId(asked.path["board"]))
    no = may(asked.person, Act.MANAGE, held)
    if no is not None or held is None:
        return no or Refused(codes.NO_BOARD)
    person = await found(services, asked.path["account"])
    if isinstance(person, Refused) or person.account is None:
        return person if isinstance(person, Refused) else Refused(codes.NO_ACCOUNT)
    role = BoardRole(asked.body.role)
    no = await services.accounts.give_role(asked.person, held.id, person.account, role)
    return no or RoleView(held.id, person.account, role)


async def events(services: Services, asked: Asked[Nothing, EventsQuery]) -> Streamed | Refused:
    """Return a page of a board's log, forwards or backwards."""
    held = readable_board(services, asked.person, asked.path["board"])
    if isinstance(held, Refused):
        return held
    query = asked.query
    if query.after is not None and query.before is not None:
        return Refused(codes.BAD_FIELD, "Ask for `after` or `before`, not both.", scope="before")
    place = await services.log.head(held.id)
    if place is None:
        return Refused(codes.NO_BOARD)
    epoch, head = place
    if query.before is None:
        after, limit = query.after or 0, query.limit
        if after > head:
            return Refused(codes.BAD_CURSOR, f"The head is {head}.", scope="after")
    else:
        # Seqs have no gaps, so the page below one is known by its numbers.
        end = min(query.before - 1, head)
        after = max(0, end - query.limit)
        limit = end - after
    page = await services.log.read(held.id, after, limit) if limit else []
    # Reading took time: the role that allowed it may be gone, and the log may have grown.
    no = may(services.directory.known(asked.person), Act.READ, services.directory.board(held.id))
    if no is not None:
        return no
    head = max(head, page[-1].seq if page else 0)
    return Streamed({"board": held.id, "epoch": epoch, "head": head}, "events", page, gone=True)


async def search(services: Services, asked: Asked[Nothing, SearchQuery]) -> Streamed | Refused:
    """Return published posts that hold all words, of the boards that the person may read."""
    query = asked.query
    words = words_of(query.q)
    if not words:
        return Refused(codes.BAD_FIELD, "There is no word in what is looked for.", scope="q")
    if query.board is None:
        among = [held.id for held in readable(services, asked.person)]
    else:
        held = readable_board(services, asked.person, query.board)
        if isinstance(held, Refused):
            return held
        among = [held.id]
    posts = await services.log.search(words, among, query.limit) if among else []
    # As above: what may be read is asked again, now that it was found.
    person = services.directory.known(asked.person)
    still = [post for post in posts if may(person, Act.READ, services.directory.board(post.board)) is None]
    return Streamed({}, "posts", still, gone=False)


def readable(services: Services, person: Person) -> list[Board]:
    """Return the boards that a person may read."""
    return [held for held in services.directory.boards() if may(person, Act.READ, held) is None]


def readable_board(services: Services, person: Person, named: str) -> Board | Refused:
    """Return a board that a person may read."""
    held = services.directory.board(BoardId(named))
    no = may(person, Act.READ, held)
    return held if no is None and held is not None else no or Refused(codes.NO_BOARD)


def _view(person: Person, held: Board, place: tuple[str, int] | None = None) -> BoardView:
    role = person.boards.get(held.id)
    return BoardView(
        id=held.id,
        name=held.name,
        summary=held.summary,
        state=held.state,
        visibility=held.visibility,
        epoch=held.epoch if place is None else place[0],
        created_at=held.created_at_us,
        role=UNSET if role is None else role.value,
        head=UNSET if place is None else place[1],
    )


CALLS: Final[Calls] = (
    Call("GET", "/v1/boards", "The boards that one may read.", boards, Nothing, Nothing, BoardList),
    Call(
        "POST", "/v1/boards", "Create a board; administrators.", found_board, NewBoard, Nothing, BoardView, 201, Who.ACCOUNT,
        (codes.FORBIDDEN, codes.TAKEN, codes.REFUSED),
    ),
    Call(
        "GET", "/v1/boards/{board}", "A board with its log's epoch and head.", board, Nothing, Nothing, BoardView,
        codes=(codes.NO_BOARD, codes.FORBIDDEN),
    ),
    Call(
        "PUT", "/v1/boards/{board}", "Change a board; its managers.", change_board, BoardChange, Nothing, BoardView,
        who=Who.ACCOUNT, codes=(codes.NO_BOARD, codes.FORBIDDEN, codes.REFUSED),
    ),
    Call(
        "PUT", "/v1/boards/{board}/roles/{account}", "Give an account, by id or handle, a role on a board; its managers.",
        give_role, RoleChange, Nothing, RoleView, who=Who.ACCOUNT,
        codes=(codes.NO_BOARD, codes.NO_ACCOUNT, codes.FORBIDDEN),
    ),
    Call(
        "GET", "/v1/boards/{board}/events", "A page of a board's log.", events, Nothing, EventsQuery, EventsView,
        codes=(codes.NO_BOARD, codes.FORBIDDEN, codes.BAD_CURSOR),
    ),
    Call(
        "GET", "/v1/search", "Published posts that hold all words.", search, Nothing, SearchQuery, SearchView,
        codes=(codes.NO_BOARD, codes.FORBIDDEN),
    ),
)  # fmt: skip
