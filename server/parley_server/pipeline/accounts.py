"""Who people are: accounts, passwords, sessions, bots, boards and roles. A change binds open connections before it is answered."""

import asyncio
import hashlib
import secrets
import unicodedata
from dataclasses import dataclass, field, replace
from typing import Final, assert_never

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from parley_protocol import codes
from parley_protocol.ids import AccountId, BoardId, SessionId, is_slug
from parley_server import limits
from parley_server.clock import World
from parley_server.domain.access import Act, administers, may, may_appoint
from parley_server.domain.answers import Refused
from parley_server.domain.hints import BoardChanged, PersonChanged, SessionClosed
from parley_server.domain.people import AccountState, Board, BoardRole, BoardState, Level, Person, SiteRole, Visibility
from parley_server.domain.verdict import Allow, Flag, Refuse, Unjudged, Withhold
from parley_server.gateway.registry import Registry
from parley_server.inspection.stage import Stage
from parley_server.pipeline.directory import Directory
from parley_server.pipeline.gathering import Gathering
from parley_server.pipeline.others import Others
from parley_server.ports import Item, People, Session

NO_BOARD: Final = BoardId("")
"""Board of a name that belongs to the whole site: rules for all boards look at it."""

SESSION_S: Final = 30 * 86_400
"""How long a signed-in session lasts."""

PASSWORD_CHARS: Final = (8, 256)
"""Fewest and most code points of a password."""

NAME_CHARS: Final = (1, 48)
"""Fewest and most code points of a display name or a board's name."""

EVERY_BOARD: Final = "site"
"""What a watch of all boards is called, so no board can be."""

SUMMARY_CHARS_MAX: Final = 500
"""Most code points of a board's summary."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session. ``token`` is shown once and stored only as a hash."""

    token: str
    person: Person
    expires_at_us: int | None


@dataclass(slots=True)
class Accounts:
    """People and boards, as requests ask for them."""

    store: People
    directory: Directory
    registry: Registry
    others: Others
    world: World
    hasher: PasswordHasher = field(default_factory=PasswordHasher)
    inspection: Stage = field(default_factory=Stage)
    _turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(limits.HASHES_MAX))
    _greeted: Gathering[bytes, Session] = field(init=False)

    def __post_init__(self) -> None:
        self._greeted = Gathering(self.store.sessions, paced=True)

    async def sign_up(self, handle: str, name: str, password: str, role: SiteRole = SiteRole.MEMBER) -> Person | Refused:
        """Create an account. ``bad_field`` names what is wrong; ``taken``."""
        no = _bad_handle(handle) or _bad_name(name, "display_name")
        if no is None and not PASSWORD_CHARS[0] <= len(password) <= PASSWORD_CHARS[1]:
            no = Refused(
                codes.BAD_FIELD, f"A password has {PASSWORD_CHARS[0]} to {PASSWORD_CHARS[1]} characters.", scope="password"
            )
        if no is not None:
            return no
        no = await self._inspected(handle, "handle") or await self._inspected(name, "display_name")
        if no is not None:
            return no
        hashed = await self._hash(password)
        if isinstance(hashed, Refused):
            return hashed
        return await self._create(handle, name, hashed, role)

    async def add_bot(self, owner: Person, handle: str, name: str) -> SignedIn | Refused:
        """Create a bot account with a token that does not expire; its owner answers for it."""
        no = administers(owner) or _bad_handle(handle) or _bad_name(name, "display_name")
        no = no or await self._inspected(handle, "handle") or await self._inspected(name, "display_name")
        if no is not None:
            return no
        made = await self._create(handle, name, None, SiteRole.BOT)
        return made if isinstance(made, Refused) else await self._open(made, None, f"bot of {owner.handle}")

    async def sign_in(self, handle: str, password: str) -> SignedIn | Refused:
        """Check a password and open a session. A wrong handle takes as long as a wrong password."""
        found = await self.store.password(handle)
        stored = found[1] if found is not None else None
        right = await self._verify(stored or _NOBODY, password)
        if isinstance(right, Refused):
            return right
        if found is None or stored is None or not right:
            return Refused(codes.BAD_CREDENTIALS)
        person = await self.store.person(found[0])
        if person is None or person.state is AccountState.CLOSED:
            return Refused(codes.BAD_CREDENTIALS)
        if self.hasher.check_needs_rehash(stored):
            renewed = await self._hash(password)
            if isinstance(renewed, str):
                await self.store.set_password(found[0], renewed)
        return await self._open(person, self.world.now_us() + SESSION_S * 1_000_000, "password")

    async def identify(self, token: str) -> Session | Refused:
        """Return the session of a token; ``bad_token``, ``token_expired``."""
        return self._valid(await self.store.session(token_hash(token)))

    async def greet(self, token: str) -> Session | Refused:
        """Return the session of a token that comes with a hello, as ``identify`` does; many hellos at once cost one query."""
        return self._valid(await self._greeted.get(token_hash(token)))

    async def sign_out(self, session: Session) -> None:
        """Revoke a session and close its connections, on every node before this returns."""
        await self.store.close_session(session.session)
        self.registry.close_session(session.account, session.session)
        await self.others.everywhere(SessionClosed(session.account, session.session))

    async def change(
        self, by: Person, account: AccountId, *, role: SiteRole | None, state: AccountState | None, level: Level | None
    ) -> Person | Refused:
        """Change an account; only administrators. Open connections are bound, on every node, before this returns."""
        no = administers(by)
        if no is None and by.account == account and (role or state):
            no = Refused(codes.FORBIDDEN, "Nobody changes their own role or state.")
        no = no or await self.store.set_account(account, role=role, state=state, level=level)
        if no is not None:
            return no
        await self._person_changed(account)
        return await self.store.person(account) or Refused(codes.NO_ACCOUNT)

    async def found_board(self, by: Person, slug: str, name: str, summary: str, visibility: Visibility) -> Board | Refused:
        """Create a board; only administrators, until boards can be applied for."""
        no = administers(by) or _bad_name(name, "name")
        if no is None and (not is_slug(slug) or slug == EVERY_BOARD):
            no = Refused(
                codes.BAD_FIELD, f"A slug has 1 to 64 of a-z, 0-9 and inner hyphens, and is not {EVERY_BOARD}.", scope="slug"
            )
        no = no or await self._face(by, BoardId(slug), name, summary)
        if no is not None or by.account is None:
            return no or Refused(codes.UNAUTHENTICATED)
        board = Board(BoardId(slug), name, summary, self.world.new_id(), visibility=visibility, created_at_us=self.world.now_us())
        no = await self.store.create_board(board, by.account)
        if no is not None:
            return no
        await self._board_changed(board.id)
        await self._person_changed(by.account)
        return board

    async def change_board(
        self, by: Person, board_id: BoardId, *, name: str | None, summary: str | None, state: BoardState | None
    ) -> Board | Refused:
        """Change a board's face or state; its managers. Open connections are bound, on every node, before this returns."""
        board = self.directory.board(board_id)
        no = may(by, Act.MANAGE, board) or (_bad_name(name, "name") if name is not None else None)
        no = no or await self._face(by, board_id, name, summary)
        if no is not None or board is None:
            return no or Refused(codes.NO_BOARD)
        changed = replace(
            board,
            name=name if name is not None else board.name,
            summary=summary if summary is not None else board.summary,
            state=state if state is not None else board.state,
        )
        no = await self.store.set_board(changed)
        if no is not None:
            return no
        await self._board_changed(board_id)
        return changed

    async def give_role(self, by: Person, board: BoardId, account: AccountId, role: BoardRole) -> Refused | None:
        """Give a role on a board; its managers. Open connections of the account are bound, on every node, before this returns."""
        whose = await self.store.person(account)
        now = BoardRole.MEMBER if whose is None else whose.boards.get(board, BoardRole.MEMBER)
        no = may_appoint(by, self.directory.board(board), now, role)
        if no is None and by.account == account:
            no = Refused(codes.FORBIDDEN, "Nobody changes their own role.")
        if no is not None or by.account is None:
            return no or Refused(codes.UNAUTHENTICATED)
        no = await self.store.set_role(board, account, role, by.account, self.world.now_us())
        if no is None:
            await self._person_changed(account)
        return no

    # Inside.

    async def _person_changed(self, account: AccountId) -> None:
        """Bind the open connections of an account to its committed change, here first (P14)."""
        await self.directory.person_changed(account)
        await self.others.everywhere(PersonChanged(account))

    async def _board_changed(self, board: BoardId) -> None:
        """Bind every open connection to a board's committed change, here first (P14)."""
        await self.directory.board_changed(board)
        await self.others.everywhere(BoardChanged(board))

    def _valid(self, session: Session | None) -> Session | Refused:
        """Say what a session is worth now."""
        if session is None:
            return Refused(codes.BAD_TOKEN)
        if session.expires_at_us is not None and session.expires_at_us <= self.world.now_us():
            return Refused(codes.TOKEN_EXPIRED)
        return session

    async def _inspected(self, text: str, scope: str, board: BoardId = NO_BOARD, by: AccountId | None = None) -> Refused | None:
        """Ask the rules for names. What they stop is not taken; nothing of it is stored, so nothing is recorded: another may be tried.

        Args:
            by: whose act it is; ``None`` for somebody who has no account yet, and whom no rate can count.
        """
        author = by or AccountId(self.world.new_id())
        verdict = await self.inspection.inspect(Item("name", text, board, author, self.world.now_us()))
        match verdict:
            case Allow() | Flag():
                return None
            case Withhold(findings=()) | Unjudged():
                return Refused(codes.INSPECTION_UNAVAILABLE, scope=scope, retry_after_ms=1_000)
            case Withhold() | Refuse():
                return Refused(codes.REFUSED, f"This name falls under the policy {verdict.findings[0].rule.policy}.", scope=scope)
            case _:
                assert_never(verdict)

    async def _face(self, by: Person, board: BoardId, name: str | None, summary: str | None) -> Refused | None:
        """Judge what a board shows of itself, as far as it is given."""
        if summary is not None and len(summary) > SUMMARY_CHARS_MAX:
            return Refused(codes.BAD_FIELD, f"A summary has at most {SUMMARY_CHARS_MAX} characters.", scope="summary")
        for text, scope in ((name, "name"), (summary, "summary")):
            no = await self._inspected(text, scope, board, by.account) if text else None
            if no is not None:
                return no
        return None

    async def _create(self, handle: str, name: str, hashed: str | None, role: SiteRole) -> Person | Refused:
        account = AccountId(self.world.new_id())
        no = await self.store.create_account(account, handle, name, hashed, role, Level.UNVERIFIED, self.world.now_us())
        return no or Person(account, handle, name, role)

    async def _open(self, person: Person, expires_at_us: int | None, label: str) -> SignedIn:
        assert person.account is not None
        token = secrets.token_urlsafe(32)
        session = Session(SessionId(self.world.new_id()), person.account, expires_at_us)
        await self.store.open_session(session, token_hash(token), label, self.world.now_us())
        return SignedIn(token, person, expires_at_us)

    async def _hash(self, password: str) -> str | Refused:
        try:
            async with asyncio.timeout(limits.PASSWORD_WAIT_S), self._turn:
                return await asyncio.to_thread(self.hasher.hash, password)
        except TimeoutError:
            return Refused(codes.LIMITED, scope="passwords", retry_after_ms=1_000)

    async def _verify(self, hashed: str, password: str) -> bool | Refused:
        def right() -> bool:
            try:
                return self.hasher.verify(hashed, password)
            except (VerificationError, InvalidHashError):
                return False

        try:
            async with asyncio.timeout(limits.PASSWORD_WAIT_S), self._turn:
                return await asyncio.to_thread(right)
        except TimeoutError:
            return Refused(codes.LIMITED, scope="passwords", retry_after_ms=1_000)


def token_hash(token: str) -> bytes:
    """Return what is stored of a token: it is random, so a plain hash cannot be reversed."""
    return hashlib.sha256(token.encode()).digest()


_NOBODY: Final = PasswordHasher().hash("nobody has this password")
"""What the password of an unknown handle is compared with, so that it takes as long."""


def _bad_handle(handle: str) -> Refused | None:
    plain = handle.replace("_", "a").replace("-", "a")
    if 2 <= len(handle) <= 32 and handle.isascii() and plain.isalnum() and handle[0].isalnum():
        return None
    return Refused(codes.BAD_FIELD, "A handle has 2 to 32 of A-Z, a-z, 0-9, hyphen and underscore.", scope="handle")


def _bad_name(name: str, scope: str) -> Refused | None:
    low, high = NAME_CHARS
    printable = all(letter.isprintable() and unicodedata.category(letter) != "Cf" for letter in name)
    if low <= len(name.strip()) and len(name) <= high and printable:
        return None
    return Refused(codes.BAD_FIELD, f"A name has {low} to {high} printable characters.", scope=scope)
