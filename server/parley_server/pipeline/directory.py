"""Boards and present people as of now: the one snapshot that every access decision is made from.

All boards are here; of the people, those with an open connection. A change is committed, then taken in here, and then every open
connection that it concerns is bound to it before the change is acknowledged (P14).
"""

from collections import Counter
from collections.abc import Callable

from parley_protocol.ids import AccountId, BoardId
from parley_server.domain.people import GUEST, Board, Person
from parley_server.pipeline.gathering import Gathering
from parley_server.ports import People


class Directory:
    """Who and what there is. Only its owner changes it; readers take a value and let it go."""

    def __init__(self, store: People) -> None:
        self._store = store
        # Hellos that come together, and all whom one change concerns, cost one query.
        self._persons = Gathering(store.persons, paced=False)
        self._boards: dict[BoardId, Board] = {}
        self._people: dict[AccountId, Person] = {}
        self._present: Counter[AccountId] = Counter()
        # How often a present account changed: an answer of the store that was on its way meanwhile is not taken.
        self._changes: Counter[AccountId] = Counter()
        self._board_changes: Counter[BoardId] = Counter()
        self.on_person: list[Callable[[AccountId], None]] = []
        """Called when a present account changed."""
        self.on_board: list[Callable[[BoardId], None]] = []
        """Called when a board changed."""

    async def load(self) -> None:
        """Read every board, and everybody who is present."""
        self._boards = {board.id: board for board in await self._store.boards()}
        for account in list(self._present):
            await self.person_changed(account)

    def board(self, board: BoardId) -> Board | None:
        """Return a board."""
        return self._boards.get(board)

    def boards(self) -> list[Board]:
        """Return all boards by id."""
        return sorted(self._boards.values(), key=lambda board: board.id)

    async def person(self, account: AccountId | None) -> Person | None:
        """Return an account as of now: from here if present, else from the store; a guest for ``None``."""
        if account is None:
            return GUEST
        return self._people.get(account) or await self._store.person(account)

    def present(self, account: AccountId | None) -> Person:
        """Return a present account, or a guest for ``None``."""
        return GUEST if account is None else self._people[account]

    def known(self, person: Person) -> Person:
        """Return what is known now of somebody who may have changed since."""
        return person if person.account is None else self._people.get(person.account, person)

    async def enter(self, account: AccountId) -> Person | None:
        """Note that an account has one more connection; ``None`` if there is no such account.

        Reads the store even if the account is here: what was committed before the call is seen.
        """
        self._present[account] += 1
        try:
            person = await self._latest(account)
        except BaseException:
            self.leave(account)
            raise
        if person is None:
            self.leave(account)
            return None
        self._people[account] = person
        return person

    def leave(self, account: AccountId) -> None:
        """Note that a connection of an account ended."""
        self._present[account] -= 1
        if self._present[account] <= 0:
            del self._present[account]
            self._changes.pop(account, None)
            self._people.pop(account, None)

    async def person_changed(self, account: AccountId) -> None:
        """Take in a committed change of an account, and bind its open connections."""
        if account not in self._present:
            return
        self._changes[account] += 1
        person = await self._latest(account)
        if person is not None and account in self._present:
            self._people[account] = person
            for bind in self.on_person:
                bind(account)

    async def _latest(self, account: AccountId) -> Person | None:
        """Read an account, again if it changed while the answer was on its way: an older value must not replace a newer one."""
        while True:
            changes = self._changes[account]
            person = await self._persons.get(account)
            if self._changes[account] == changes:
                return person

    async def board_changed(self, board_id: BoardId) -> None:
        """Take in a committed new or changed board, and bind the open connections."""
        self._board_changes[board_id] += 1
        while True:
            changes = self._board_changes[board_id]
            board = await self._store.board(board_id)
            if self._board_changes[board_id] == changes:
                break  # Else it changed again, perhaps on another node, while the answer was on its way.
        if board is not None:
            self._boards[board_id] = board
            for bind in self.on_board:
                bind(board_id)
