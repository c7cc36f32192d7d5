"""Fakes of the store's ports. They pass the same contract suites as the real ones (tests/contract)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from parley_protocol import codes
from parley_protocol.frames import Alert, Deleted, Edited, Event, Gone, Posted, Reacted, Restored, Retracted
from parley_protocol.ids import AccountId, BoardId, CaseId, PostId
from parley_server.domain.answers import Refused
from parley_server.domain.posts import Draft, EditDraft, PostInfo, PostState, Reaction, Repeat
from parley_server.domain.search import tokens
from parley_server.domain.takedowns import Case, CaseAt, KeptDraft
from tests.fake_nodes import FakeKeptAnswers, FakeNodes
from tests.fake_people import FakePeople, FakeRules
from tests.fake_takedowns import FakeRecordLog, FakeTakedowns
from tests.fake_world import FakeEvent, FakePost, FakeWorld, Step, no_step, posted, publish, publish_edit, seen_before, standing

__all__ = [
    "FakeAlerts",
    "FakeBoardLog",
    "FakeKeptAnswers",
    "FakeNodes",
    "FakePeople",
    "FakeRecordLog",
    "FakeRules",
    "FakeTakedowns",
    "FakeWorld",
    "Step",
    "no_step",
]


class FakeBoardLog:
    """``ports.BoardLog`` in memory."""

    def __init__(self, world: FakeWorld, step: Step = no_step) -> None:
        self._world = world
        self._step = step

    async def append(self, draft: Draft) -> Posted | Repeat | Refused:
        await self._step("append")
        answer = self._append(draft)
        await self._step("append committed")
        return answer

    def _append(self, draft: Draft) -> Posted | Repeat | Refused:
        world = self._world
        if draft.board not in world.boards:
            return Refused(codes.NO_BOARD)
        if (seen := seen_before(world, draft)) is not None:
            return seen
        return publish(world, draft)

    async def edit(self, draft: EditDraft) -> Edited | Refused:
        await self._step("edit")
        answer = self._world.editable(draft) or publish_edit(self._world, draft)
        await self._step("edit committed")
        return answer

    async def delete(self, post: PostId, author: AccountId, at_us: int) -> Deleted | Refused:
        await self._step("delete")
        answer = self._delete(post, author, at_us)
        await self._step("delete committed")
        return answer

    def _delete(self, post: PostId, author: AccountId, at_us: int) -> Deleted | Refused:
        found = self._world.posts.get(post)
        if found is None or (found.unseen and found.draft.author.id != author):
            return Refused(codes.NO_POST)
        if found.draft.author.id != author:
            return Refused(codes.NOT_YOURS)
        if found.state is not PostState.PUBLISHED:
            return Refused(codes.POST_STOPPED)
        found.state = PostState.DELETED
        found.bodies.clear()
        found.held = None
        board = found.draft.board
        return Deleted(board, self._world.append(board, "deleted", post, at_us), post, at_us)

    async def react(self, reaction: Reaction) -> Reacted | Refused | None:
        await self._step("react")
        answer = self._react(reaction)
        await self._step("react committed")
        return answer

    def _react(self, reaction: Reaction) -> Reacted | Refused | None:
        found = self._world.posts.get(reaction.post)
        if found is None or found.draft.board != reaction.board or found.unseen:
            return Refused(codes.NO_POST)
        if found.state is not PostState.PUBLISHED:
            return Refused(codes.POST_STOPPED)
        key = (reaction.account, reaction.emoji)
        if (key in found.reactions) == reaction.on:
            return None
        found.reactions ^= {key}
        event = FakeEvent(0, "reacted", reaction.post, reaction.at_us, reaction.account, reaction.emoji, reaction.on)
        seq = self._world.append_event(reaction.board, event)
        return Reacted(reaction.board, seq, reaction.post, reaction.account, reaction.emoji, reaction.on, reaction.at_us)

    async def head(self, board: BoardId) -> tuple[str, int] | None:
        await self._step("head")
        found = self._world.boards.get(board)
        return None if found is None else (found.epoch, len(self._world.logs[board]))

    async def heads(self, boards: Sequence[BoardId]) -> dict[BoardId, int]:
        await self._step("heads")
        return {board: len(self._world.logs[board]) for board in boards if board in self._world.logs}

    async def read(self, board: BoardId, after: int, limit: int) -> list[Event]:
        await self._step("read")
        events = self._world.logs.get(board, [])[after : after + limit]
        return [render(board, event, self._world.posts[event.post]) for event in events]

    async def info(self, post: PostId) -> PostInfo | None:
        await self._step("info")
        found = self._world.posts.get(post)
        if found is None:
            return None
        draft, waits = found.draft, found.held is not None and found.state is not PostState.HELD
        return PostInfo(post, draft.board, draft.author, found.state, found.rev, found.seq, draft.at_us, draft.reply_to, waits)

    async def search(self, words: Sequence[str], boards: Sequence[BoardId], limit: int) -> list[Posted]:
        await self._step("search")
        if not words:
            return []
        found = [
            posted(post)
            for post in self._world.posts.values()
            if post.state is PostState.PUBLISHED and post.draft.board in boards and {*words} <= {*tokens(post.bodies[post.rev])}
        ]
        return sorted(found, key=lambda event: (event.at, event.post), reverse=True)[:limit]


def render(board: BoardId, event: FakeEvent, post: FakePost) -> Event:
    """Render an event as of now."""
    seq, draft, body = event.seq, post.draft, post.bodies.get(post.rev)
    match event.kind:
        case "deleted":
            return Deleted(board, seq, draft.post, event.at_us)
        case "reacted":
            assert event.actor is not None
            return Reacted(board, seq, draft.post, event.actor, event.emoji, event.on, event.at_us)
        case "retracted":
            assert event.restriction is not None
            why = event.restriction
            return Retracted(board, seq, draft.post, why.policy, why.reason, why.takedown, event.at_us)
        case _ if body is None:
            return Gone(board, seq, draft.post)
        case "posted":
            return replace(posted(post), seq=seq)
        case "edited":
            return Edited(board, seq, draft.post, draft.author, body, event.at_us, post.rev)
        case _:
            return Restored(board, seq, draft.post, draft.author, body, event.at_us, draft.at_us, post.rev, draft.reply_to)


class FakeAlerts:
    """``ports.Alerts`` in memory."""

    def __init__(self, world: FakeWorld, step: Step = no_step) -> None:
        self._world = world
        self._step = step

    async def head(self) -> int:
        await self._step("alert head")
        return len(self._world.alerts)

    def _seen(self, boards: frozenset[str] | None) -> Iterator[Alert]:
        for alert in self._world.alerts:
            if boards is None or alert.board in boards:
                yield replace(alert, rev=self._world.cases[alert.case].rev)

    async def after(self, n: int, boards: frozenset[str] | None, limit: int) -> list[Alert]:
        await self._step("alerts after")
        return [alert for alert in self._seen(boards) if alert.n > n][:limit]

    async def unacknowledged(self, boards: frozenset[str] | None, limit: int) -> list[Alert]:
        await self._step("alerts unacknowledged")
        return [alert for alert in self._seen(boards) if alert.n not in self._world.acknowledged][:limit]

    async def acknowledge(self, n: int, by: AccountId, at_us: int, boards: frozenset[str] | None) -> Refused | None:
        await self._step("acknowledge")
        answer = None
        if any(alert.n == n for alert in self._seen(boards)):
            self._world.acknowledged.setdefault(n, by)
        else:
            answer = Refused(codes.NO_ALERT)
        await self._step("acknowledge committed")
        return answer

    async def case(self, case: CaseId) -> Case | None:
        await self._step("case")
        return self._world.cases.get(case)

    async def cases(self, *, state: str | None, boards: frozenset[str] | None, after: str | None, limit: int) -> list[Case]:
        await self._step("cases")
        found = (
            case
            for _, case in sorted(self._world.cases.items())
            if (state is None or case.state == state) and (boards is None or case.board in boards) and case.case > (after or "")
        )
        return list(found)[:limit]

    async def claim(self, at: CaseAt, by: AccountId, at_us: int) -> Case | Refused:
        await self._step("claim")
        case = self._world.case_at(at)
        if isinstance(case, Case):
            if case.state == "decided":
                return Refused(codes.CONFLICT, standing=standing(case))
            case = replace(case, rev=case.rev + 1, state="claimed", claimed_by=by)
            self._world.cases[case.case] = case
        await self._step("claim committed")
        return case

    async def keep(self, draft: KeptDraft) -> None:
        await self._step("keep")
        if draft.case in self._world.cases:
            self._world.kept.append(draft)
        await self._step("keep committed")

    async def kept(self, case: CaseId) -> list[KeptDraft]:
        await self._step("kept")
        return [draft for draft in self._world.kept if draft.case == case]
