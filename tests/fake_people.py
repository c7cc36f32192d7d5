"""Fakes of people and rules; see tests/fakes.py."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from parley_protocol import codes
from parley_protocol.ids import AccountId, BoardId, SessionId
from parley_server.domain.answers import Refused
from parley_server.domain.bounds import POSTS_COUNTED_MAX, SHADOW_SAMPLES
from parley_server.domain.people import AccountState, Board, BoardRole, Level, Person, SiteRole
from parley_server.domain.posts import PostState
from parley_server.domain.rules import Mode, Policy, ShadowCount, StoredRule, TermList
from parley_server.ports import History, Session
from parley_server.store.people import handle_key
from tests.fake_world import FakeWorld, Step, no_step


class FakePeople:
    """``ports.People`` in memory."""

    def __init__(self, world: FakeWorld, step: Step = no_step) -> None:
        self._world = world
        self._step = step

    def _named(self, handle: str) -> Person | None:
        key = handle_key(handle)
        return next((person for person in self._world.people.values() if handle_key(person.handle) == key), None)

    async def create_account(
        self, account: AccountId, handle: str, name: str, password_hash: str | None, role: SiteRole, level: Level, at_us: int
    ) -> Refused | None:
        await self._step("create account")
        if self._named(handle) is not None:
            return Refused(codes.TAKEN)
        self._world.people[account] = Person(account, handle, name, role, AccountState.ACTIVE, level)
        self._world.created[account] = at_us
        self._world.passwords[account] = password_hash
        await self._step("create account committed")
        return None

    async def password(self, handle: str) -> tuple[AccountId, str | None] | None:
        await self._step("password")
        person = self._named(handle)
        return None if person is None or person.account is None else (person.account, self._world.passwords[person.account])

    async def set_password(self, account: AccountId, password_hash: str) -> None:
        await self._step("set password")
        self._world.passwords[account] = password_hash

    async def person(self, account: AccountId) -> Person | None:
        await self._step("person")
        return self._world.people.get(account)

    async def history(self, account: AccountId) -> History | None:
        await self._step("history")
        if account not in self._world.people:
            return None
        own = [post for post in self._world.posts.values() if post.draft.author.id == account]
        overturned = {record["reverses"] for record in self._world.records}
        stopped = [
            int(str(record["stopped_at_us"]))
            for record in self._world.records
            if record["author"] == account and record["reverses"] is None and record["id"] not in overturned
        ]
        published = sum(post.state is PostState.PUBLISHED for post in own)
        return History(self._world.created.get(account, 0), min(published, POSTS_COUNTED_MAX), stopped[-1] if stopped else None)

    async def persons(self, accounts: Sequence[AccountId]) -> dict[AccountId, Person]:
        await self._step("persons")
        return {account: self._world.people[account] for account in accounts if account in self._world.people}

    async def people(self, *, after: str | None, limit: int) -> list[Person]:
        await self._step("people")
        ordered = sorted(self._world.people.values(), key=lambda person: handle_key(person.handle))
        return [person for person in ordered if after is None or handle_key(person.handle) > handle_key(after)][:limit]

    async def find(self, handle: str) -> Person | None:
        await self._step("find")
        return self._named(handle)

    async def set_account(
        self, account: AccountId, *, role: SiteRole | None = None, state: AccountState | None = None, level: Level | None = None
    ) -> Refused | None:
        await self._step("set account")
        if (person := self._world.people.get(account)) is None:
            return Refused(codes.NO_ACCOUNT)
        self._world.people[account] = replace(
            person, role=role or person.role, state=state or person.state, level=level or person.level
        )
        self._world.note("person", account)
        return None

    async def open_session(self, session: Session, token_hash: bytes, label: str, at_us: int) -> None:
        await self._step("open session")
        self._world.sessions[token_hash] = session

    async def session(self, token_hash: bytes) -> Session | None:
        await self._step("session")
        return self._world.sessions.get(token_hash)

    async def sessions(self, token_hashes: Sequence[bytes]) -> dict[bytes, Session]:
        await self._step("sessions")
        return {held: self._world.sessions[held] for held in token_hashes if held in self._world.sessions}

    async def close_session(self, session: SessionId) -> None:
        await self._step("close session")
        sessions = self._world.sessions
        self._world.sessions = {key: kept for key, kept in sessions.items() if kept.session != session}
        self._world.note("session", session)

    async def create_board(self, board: Board, founder: AccountId) -> Refused | None:
        await self._step("create board")
        if founder not in self._world.people:
            return Refused(codes.NO_ACCOUNT)
        if board.id in self._world.boards:
            return Refused(codes.TAKEN)
        self._world.boards[board.id] = board
        self._world.logs[board.id] = []
        self._give(board.id, founder, BoardRole.FOUNDER)
        self._world.note("board", board.id)
        await self._step("create board committed")
        return None

    async def boards(self) -> list[Board]:
        await self._step("boards")
        return [board for _, board in sorted(self._world.boards.items())]

    async def board(self, board: BoardId) -> Board | None:
        await self._step("board")
        return self._world.boards.get(board)

    async def set_board(self, board: Board) -> Refused | None:
        await self._step("set board")
        old = self._world.boards.get(board.id)
        if old is None:
            return Refused(codes.NO_BOARD)
        self._world.boards[board.id] = replace(board, epoch=old.epoch, created_at_us=old.created_at_us)
        self._world.note("board", board.id)
        return None

    async def set_role(self, board: BoardId, account: AccountId, role: BoardRole, by: AccountId, at_us: int) -> Refused | None:
        await self._step("set role")
        if board not in self._world.boards:
            return Refused(codes.NO_BOARD)
        if account not in self._world.people:
            return Refused(codes.NO_ACCOUNT)
        self._give(board, account, role)
        await self._step("set role committed")
        return None

    def _give(self, board: BoardId, account: AccountId, role: BoardRole) -> None:
        person = self._world.people[account]
        others = {other: held for other, held in person.boards.items() if other != board}
        boards = others if role is BoardRole.MEMBER else {**others, board: role}
        self._world.people[account] = replace(person, boards=boards)
        self._world.note("person", account)


class FakeRules:
    """``ports.Rules`` in memory."""

    def __init__(self, world: FakeWorld, step: Step = no_step) -> None:
        self._world = world
        self._step = step

    async def policies(self) -> list[Policy]:
        await self._step("policies")
        return [policy for _, policy in sorted(self._world.policies.items())]

    async def put_policy(self, policy: Policy, by: AccountId | None, at_us: int) -> Policy:
        await self._step("put policy")
        old = self._world.policies.get(policy.id)
        policy = replace(policy, version=1 if old is None else old.version + 1)
        self._world.policies[policy.id] = policy
        self._world.note("policies", policy.id)
        return policy

    async def add(self, document: Mapping[str, object], rule_id: str, by: AccountId | None, at_us: int) -> int:
        await self._step("add rule")
        versions = self._world.rules.setdefault(rule_id, [])
        versions.append(StoredRule(rule_id, len(versions) + 1, Mode.DRAFT, dict(document), by))
        return len(versions)

    async def get(self, rule_id: str) -> StoredRule | None:
        await self._step("get rule")
        versions = self._world.rules.get(rule_id)
        return None if versions is None else versions[-1]

    async def all(self) -> list[StoredRule]:
        await self._step("all rules")
        return [versions[-1] for _, versions in sorted(self._world.rules.items())]

    async def in_force(self) -> tuple[int, list[StoredRule]]:
        await self._step("rules in force")
        found = [rule for versions in self._world.rules.values() for rule in versions if rule.mode in (Mode.LIVE, Mode.SHADOW)]
        return self._world.ruleset, sorted(found, key=lambda rule: (rule.rule, rule.mode))

    async def activate(self, rule_id: str, version: int, by: AccountId | None, at_us: int, *, shadow: bool = False) -> int:
        await self._step("activate")
        versions = self._world.rules.get(rule_id, [])
        if not 1 <= version <= len(versions):
            raise LookupError(f"rule {rule_id} has no version {version}")
        mode = Mode.SHADOW if shadow else Mode.LIVE
        self._retire(rule_id, {mode})
        versions[version - 1] = replace(versions[version - 1], mode=mode)
        self._world.ruleset += 1
        self._world.note("rules", rule_id)
        await self._step("activate committed")
        return self._world.ruleset

    async def retire(self, rule_id: str, by: AccountId | None, at_us: int) -> int | None:
        await self._step("retire")
        if not self._retire(rule_id, {Mode.LIVE, Mode.SHADOW}):
            return None
        self._world.ruleset += 1
        self._world.note("rules", rule_id)
        return self._world.ruleset

    async def approve(self, rule_id: str, version: int, by: AccountId, at_us: int) -> Refused | None:
        await self._step("approve")
        versions = self._world.rules.get(rule_id, [])
        if not 1 <= version <= len(versions):
            return Refused(codes.NO_RULE)
        rule = versions[version - 1]
        if rule.by == by:
            return Refused(codes.FORBIDDEN)
        versions[version - 1] = replace(rule, approved_by=rule.approved_by | {by})
        return None

    async def put_list(self, name: str, terms: Sequence[str], by: AccountId | None, at_us: int) -> int:
        await self._step("put list")
        versions = self._world.lists.setdefault(name, [])
        versions.append(TermList(name, len(versions) + 1, tuple(terms)))
        return len(versions)

    async def term_list(self, name: str, version: int | None = None) -> TermList | None:
        await self._step("list")
        versions = self._world.lists.get(name, [])
        found = [held for held in versions if version in (None, held.version)]
        return found[-1] if found else None

    async def term_lists(self) -> list[tuple[str, int, int]]:
        await self._step("lists")
        return [(name, len(versions), len(versions[-1].terms)) for name, versions in sorted(self._world.lists.items())]

    async def count_shadow(self, counts: Sequence[ShadowCount]) -> None:
        await self._step("count shadow")
        for count in counts:
            key = (count.rule, count.version, count.board)
            old = self._world.shadow.get(key)
            if old is not None:
                count = ShadowCount(  # noqa: PLW2901  # The sum takes the place of the part.
                    *key,
                    old.inspected + count.inspected,
                    old.would + count.would,
                    old.also + count.also,
                    (*old.samples, *count.samples),
                )
            self._world.shadow[key] = replace(count, samples=count.samples[-SHADOW_SAMPLES:])

    async def shadow(self, rule_id: str, version: int) -> list[ShadowCount]:
        await self._step("shadow")
        return [count for key, count in sorted(self._world.shadow.items()) if key[:2] == (rule_id, version)]

    def _retire(self, rule_id: str, modes: set[Mode]) -> bool:
        versions = self._world.rules.get(rule_id, [])
        places = [place for place, rule in enumerate(versions) if rule.mode in modes]
        for place in places:
            versions[place] = replace(versions[place], mode=Mode.RETIRED)
        return bool(places)
