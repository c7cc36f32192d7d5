"""Steps that the log and the takedowns share. Each runs inside a transaction that locked the head row of the post's board first.

Locks are always taken in this order, so that no two transactions wait for each other: boards in the order of their ids, nonces, a
case, the head of the alerts, the head of the changes.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from parley_protocol import codes
from parley_protocol.frames import Author, Edited, Posted
from parley_protocol.ids import AccountId, BoardId, PostId
from parley_server.domain.answers import Refused
from parley_server.domain.posts import Draft, EditDraft, PostState, Repeat
from parley_server.domain.search import tokens
from parley_server.store import changes
from parley_server.store.pool import Connection

EventKind: TypeAlias = Literal["posted", "edited", "deleted", "reacted", "unreacted", "retracted", "restored"]


@dataclass(frozen=True, slots=True)
class Stored:
    """A post's row. ``held``: revision and takedown of what waits for a decision, the post itself or an edit."""

    post: PostId
    board: BoardId
    author: Author
    state: PostState
    rev: int
    seq: int | None
    at_us: int
    reply_to: PostId | None
    takedown: str | None
    held: tuple[int, str] | None

    @property
    def unseen(self) -> bool:
        """Whether no reader ever saw it."""
        return self.state in (PostState.HELD, PostState.REFUSED)


async def lock_board(connection: Connection, board: str) -> bool:
    """Lock a board's head row, which orders all writes to its log; false if there is no such board."""
    # ``no key``: rows that refer to the board may be written meanwhile.
    return await connection.fetchval("select head from boards where id = $1 for no key update", board) is not None


async def lock_post(connection: Connection, post: str) -> Stored | None:
    """Lock the board of a post and return the post as it stands under that lock."""
    board = await connection.fetchval("select board from posts where id = $1", post)
    if board is None or not await lock_board(connection, board):
        return None
    row = await connection.fetchrow(
        "select p.*, h.rev as held_rev, h.takedown as held_takedown from posts p left join held h on h.post = p.id where p.id = $1",
        post,
    )
    assert row is not None  # Posts are never deleted.
    return Stored(
        PostId(row["id"]),
        BoardId(row["board"]),
        Author(AccountId(row["author"]), row["author_name"]),
        PostState(row["state"]),
        row["rev"],
        row["seq"],
        row["at_us"],
        None if row["reply_to"] is None else PostId(row["reply_to"]),
        row["takedown"],
        None if row["held_rev"] is None else (row["held_rev"], row["held_takedown"]),
    )


def editable(stored: Stored | None, draft: EditDraft) -> Refused | None:
    """Decide whether a post as it stands can take this edit. To others than its author, a text that nobody saw does not exist."""
    if stored is None or stored.board != draft.board:
        return Refused(codes.NO_POST)
    if stored.author.id != draft.author.id:
        return Refused(codes.NO_POST if stored.unseen else codes.NOT_YOURS)
    if stored.state is not PostState.PUBLISHED:
        return Refused(codes.POST_STOPPED)
    if stored.held is not None:
        return Refused(codes.EDIT_PENDING)
    return None if stored.rev == draft.base_rev else Refused(codes.CONFLICT)


async def take_nonce(connection: Connection, draft: Draft, digest: bytes) -> Repeat | Refused | None:
    """Use a draft's nonce; if it was used before, say what was answered then."""
    taken = await connection.fetchval(
        "insert into nonces (author, nonce, post, digest) values ($1, $2, $3, $4) on conflict do nothing returning post",
        draft.author.id,
        draft.nonce,
        draft.post,
        digest,
    )
    return None if taken is not None else await seen_before(connection, draft, digest)


async def seen_before(connection: Connection, draft: Draft, digest: bytes) -> Repeat | Refused:
    """Answer a nonce that was used before."""
    row = await connection.fetchrow(
        "select n.digest, p.id, p.state, p.seq, p.at_us from nonces n join posts p on p.id = n.post where n.author = $1 and n.nonce = $2",
        draft.author.id,
        draft.nonce,
    )
    assert row is not None  # The conflict that led here is with a committed row, and nonces stay.
    if row["digest"] != digest:
        return Refused(codes.NONCE_REUSED)
    return Repeat(PostId(row["id"]), PostState(row["state"]), row["seq"], row["at_us"])


async def add_post(connection: Connection, draft: Draft, state: PostState, seq: int | None, takedown: str | None) -> None:
    """Insert a post's row, without its text."""
    await connection.execute(
        "insert into posts (id, board, author, author_name, state, rev, seq, at_us, reply_to, ruleset, uninspected, takedown)"
        " values ($1, $2, $3, $4, $5, 1, $6, $7, $8, $9, $10, $11)",
        draft.post,
        draft.board,
        draft.author.id,
        draft.author.name,
        state.value,
        seq,
        draft.at_us,
        draft.reply_to,
        draft.ruleset,
        draft.uninspected,
        takedown,
    )


async def add_event(
    connection: Connection,
    board: str,
    kind: EventKind,
    post: str,
    rev: int,
    at_us: int,
    *,
    actor: str | None = None,
    emoji: str | None = None,
    takedown: str | None = None,
) -> int:
    """Append an event to a board's log and return its seq. One that stops a post is a change that every node must hear of."""
    seq = await connection.fetchval(
        "with h as (update boards set head = head + 1 where id = $1 returning head)"
        " insert into events (board, seq, kind, post, rev, at_us, actor, emoji, takedown)"
        " select $1, head, $2, $3, $4, $5, $6, $7, $8 from h returning seq",
        board,
        kind,
        post,
        rev,
        at_us,
        actor,
        emoji,
        takedown,
    )
    assert isinstance(seq, int)
    if kind in ("retracted", "deleted"):
        await changes.note(connection, kind, post, board=board, seq=seq)
    return seq


async def put_body(connection: Connection, post: str, rev: int, body: str, *, latest: bool = True) -> None:
    """Store a revision's text; only the latest is found by search."""
    await connection.execute(
        "insert into bodies (post, rev, body, words) values ($1, $2, $3, array_to_tsvector($4::text[]))",
        post,
        rev,
        body,
        tokens(body) if latest else None,
    )


async def publish_post(connection: Connection, draft: Draft) -> Posted:
    """Insert a new post with its event and text."""
    seq = await add_event(connection, draft.board, "posted", draft.post, 1, draft.at_us)
    await add_post(connection, draft, PostState.PUBLISHED, seq, None)
    await put_body(connection, draft.post, 1, draft.body)
    return Posted(draft.board, seq, draft.post, draft.author, draft.body, draft.at_us, 1, draft.reply_to)


async def publish_edit(
    connection: Connection, stored: Stored, rev: int, body: str, at_us: int, ruleset: int, *, uninspected: bool
) -> Edited:
    """Make ``body`` the latest revision ``rev`` of a published post."""
    await connection.execute("update bodies set words = null where post = $1 and words is not null", stored.post)
    await put_body(connection, stored.post, rev, body)
    await connection.execute(
        "update posts set rev = $2, ruleset = $3, uninspected = $4 where id = $1", stored.post, rev, ruleset, uninspected
    )
    seq = await add_event(connection, stored.board, "edited", stored.post, rev, at_us)
    return Edited(stored.board, seq, stored.post, stored.author, body, at_us, rev)
