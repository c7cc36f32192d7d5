"""Accounts, sessions, boards and roles on PostgreSQL."""

import unicodedata
from collections.abc import Sequence

from parley_protocol import codes
from parley_protocol.ids import AccountId, BoardId, SessionId
from parley_server.domain.answers import Refused
from parley_server.domain.bounds import POSTS_COUNTED_MAX
from parley_server.domain.people import AccountState, Board, BoardRole, BoardState, Level, Person, SiteRole, Visibility
from parley_server.ports import History, Session
from parley_server.store import bounds, changes
from parley_server.store.pool import Connection, Database, Row

_PERSON = """
select a.id, a.handle, a.name, a.role, a.state, a.level,
       array(select r.board from board_roles r where r.account = a.id order by r.board) as boards,
       array(select r.role from board_roles r where r.account = a.id order by r.board) as roles
from accounts a
"""


def handle_key(handle: str) -> str:
    """Return the form in which handles are compared: two that read the same in any case are one."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", handle).casefold())


class PgPeople:
    """``ports.People`` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_account(
        self, account: AccountId, handle: str, name: str, password_hash: str | None, role: SiteRole, level: Level, at_us: int
    ) -> Refused | None:
        """Add an account; ``taken``."""
        row = await self._database.row(
            "insert into accounts (id, handle, handle_key, name, password_hash, role, state, level, created_at_us)"
            " values ($1, $2, $3, $4, $5, $6, 'active', $7, $8) on conflict (handle_key) do nothing returning id",
            account,
            handle,
            handle_key(handle),
            name,
            password_hash,
            role.value,
            level.value,
            at_us,
        )
        return Refused(codes.TAKEN) if row is None else None

    async def password(self, handle: str) -> tuple[AccountId, str | None] | None:
        """Return account and password hash for a handle."""
        row = await self._database.row("select id, password_hash from accounts where handle_key = $1", handle_key(handle))
        return None if row is None else (AccountId(row["id"]), row["password_hash"])

    async def set_password(self, account: AccountId, password_hash: str) -> None:
        """Replace a password hash."""
        await self._database.row("update accounts set password_hash = $2 where id = $1", account, password_hash)

    async def person(self, account: AccountId) -> Person | None:
        """Return an account with its roles, of one moment."""
        row = await self._database.row(_PERSON + "where a.id = $1", account)
        return None if row is None else _person(row)

    async def history(self, account: AccountId) -> History | None:
        """Return an account's past; the posts through the index of their nonces."""
        row = await self._database.row(
            "select a.created_at_us,"
            " (select count(*) from (select from nonces n join posts p on p.id = n.post"
            "   where n.author = a.id and p.state = 'published' limit $2) counted) as posts,"
            " (select t.stopped_at_us from takedowns t where t.author = a.id"
            "   and not exists (select from reversals r where r.reverses = t.id) order by t.n desc limit 1) as restricted_at_us from accounts a where a.id = $1",
            account,
            POSTS_COUNTED_MAX,
        )
        return None if row is None else History(row["created_at_us"], row["posts"], row["restricted_at_us"])

    async def persons(self, accounts: Sequence[AccountId]) -> dict[AccountId, Person]:
        """Return those that there are, of one moment, in one statement however many are asked for."""
        rows = await self._database.read(_PERSON + "where a.id = any($1::text[])", accounts)
        return {AccountId(row["id"]): _person(row) for row in rows}

    async def people(self, *, after: str | None, limit: int) -> list[Person]:
        """Return at most ``PAGE_MAX`` accounts by handle."""
        rows = await self._database.read(
            _PERSON + "where a.handle_key > $1 order by a.handle_key limit $2",
            "" if after is None else handle_key(after),
            min(limit, bounds.PAGE_MAX),
        )
        return [_person(row) for row in rows]

    async def find(self, handle: str) -> Person | None:
        """Return an account by handle."""
        row = await self._database.row(_PERSON + "where a.handle_key = $1", handle_key(handle))
        return None if row is None else _person(row)

    async def set_account(
        self, account: AccountId, *, role: SiteRole | None = None, state: AccountState | None = None, level: Level | None = None
    ) -> Refused | None:
        """Change what is given; ``no_account``."""

        async def work(connection: Connection) -> Refused | None:
            found = await connection.fetchval(
                "update accounts set role = coalesce($2, role), state = coalesce($3, state), level = coalesce($4, level)"
                " where id = $1 returning id",
                account,
                role and role.value,
                state and state.value,
                level and level.value,
            )
            if found is None:
                return Refused(codes.NO_ACCOUNT)
            await changes.note(connection, "person", account)
            return None

        return await self._database.run(work)

    async def open_session(self, session: Session, token_hash: bytes, label: str, at_us: int) -> None:
        """Store a session under the hash of its token."""
        await self._database.row(
            "insert into sessions (id, token_hash, account, label, created_at_us, expires_at_us) values ($1, $2, $3, $4, $5, $6)",
            session.session,
            token_hash,
            session.account,
            label,
            at_us,
            session.expires_at_us,
        )

    async def session(self, token_hash: bytes) -> Session | None:
        """Return an unrevoked session."""
        row = await self._database.row(
            "select id, account, expires_at_us from sessions where token_hash = $1 and not revoked", token_hash
        )
        return None if row is None else Session(SessionId(row["id"]), AccountId(row["account"]), row["expires_at_us"])

    async def sessions(self, token_hashes: Sequence[bytes]) -> dict[bytes, Session]:
        """Return the unrevoked ones, in one statement however many are asked for."""
        rows = await self._database.read(
            "select token_hash, id, account, expires_at_us from sessions where token_hash = any($1::bytea[]) and not revoked",
            token_hashes,
        )
        return {row["token_hash"]: Session(SessionId(row["id"]), AccountId(row["account"]), row["expires_at_us"]) for row in rows}

    async def close_session(self, session: SessionId) -> None:
        """Revoke a session."""

        async def work(connection: Connection) -> None:
            await connection.execute("update sessions set revoked = true where id = $1", session)
            await changes.note(connection, "session", session)

        await self._database.run(work)

    async def create_board(self, board: Board, founder: AccountId) -> Refused | None:
        """Add a board with its founder's role; ``taken``, ``no_account``."""

        async def work(connection: Connection) -> Refused | None:
            if await connection.fetchval("select id from accounts where id = $1", founder) is None:
                return Refused(codes.NO_ACCOUNT)
            made = await connection.fetchval(
                "insert into boards (id, name, summary, epoch, state, visibility, created_at_us) values ($1, $2, $3, $4, $5, $6, $7)"
                " on conflict do nothing returning id",
                board.id,
                board.name,
                board.summary,
                board.epoch,
                board.state.value,
                board.visibility.value,
                board.created_at_us,
            )
            if made is None:
                return Refused(codes.TAKEN)
            await _set_role(connection, board.id, founder, BoardRole.FOUNDER, founder, board.created_at_us)
            await changes.note(connection, "board", board.id)
            return None

        return await self._database.run(work)

    async def boards(self) -> list[Board]:
        """Return every board, by id."""
        return [_board(row) for row in await self._database.read("select * from boards order by id")]

    async def board(self, board: BoardId) -> Board | None:
        """Return one board."""
        row = await self._database.row("select * from boards where id = $1", board)
        return None if row is None else _board(row)

    async def set_board(self, board: Board) -> Refused | None:
        """Change name, summary, state or visibility; ``no_board``."""

        async def work(connection: Connection) -> Refused | None:
            found = await connection.fetchval(
                "update boards set name = $2, summary = $3, state = $4, visibility = $5 where id = $1 returning id",
                board.id,
                board.name,
                board.summary,
                board.state.value,
                board.visibility.value,
            )
            if found is None:
                return Refused(codes.NO_BOARD)
            await changes.note(connection, "board", board.id)
            return None

        return await self._database.run(work)

    async def set_role(self, board: BoardId, account: AccountId, role: BoardRole, by: AccountId, at_us: int) -> Refused | None:
        """Give a role on a board and log who gave it; ``no_board``, ``no_account``."""

        async def work(connection: Connection) -> Refused | None:
            if await connection.fetchval("select id from boards where id = $1", board) is None:
                return Refused(codes.NO_BOARD)
            if await connection.fetchval("select id from accounts where id = $1", account) is None:
                return Refused(codes.NO_ACCOUNT)
            await _set_role(connection, board, account, role, by, at_us)
            return None

        return await self._database.run(work)


async def _set_role(connection: Connection, board: str, account: str, role: BoardRole, by: str, at_us: int) -> None:
    """Put a role in place of any other; a plain member has no row."""
    if role is BoardRole.MEMBER:
        await connection.execute("delete from board_roles where board = $1 and account = $2", board, account)
    else:
        await connection.execute(
            "insert into board_roles (board, account, role) values ($1, $2, $3)"
            " on conflict (account, board) do update set role = excluded.role",
            board,
            account,
            role.value,
        )
    await connection.execute(
        "insert into role_changes (board, account, role, by, at_us) values ($1, $2, $3, $4, $5)",
        board,
        account,
        role.value,
        by,
        at_us,
    )
    await changes.note(connection, "person", account)


def _person(row: Row) -> Person:
    return Person(
        AccountId(row["id"]),
        row["handle"],
        row["name"],
        SiteRole(row["role"]),
        AccountState(row["state"]),
        Level(row["level"]),
        {BoardId(board): BoardRole(role) for board, role in zip(row["boards"], row["roles"], strict=True)},
    )


def _board(row: Row) -> Board:
    return Board(
        BoardId(row["id"]),
        row["name"],
        row["summary"],
        row["epoch"],
        BoardState(row["state"]),
        Visibility(row["visibility"]),
        row["created_at_us"],
    )
