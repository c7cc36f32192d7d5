"""Fakes of the takedowns and of the log of their records; see tests/fakes.py."""

import hashlib
from collections.abc import Sequence

from parley_protocol import codes
from parley_protocol.frames import Action, Alert, Edited, Outcome, Posted, Restored, Retracted, VerdictNotice
from parley_protocol.ids import AccountId, PostId, TakedownId
from parley_server.domain.answers import Refused
from parley_server.domain.posts import Draft, EditDraft, PostState, Repeat
from parley_server.domain.record_leaf import leaf_of
from parley_server.domain.takedowns import AlertDraft, Case, CaseAt, Evidence, Filed, Kind, Restriction, Reversal
from parley_server.store import records
from tests.fake_world import FakeEvent, FakePost, FakeWorld, Step, no_step, posted, publish, publish_edit, seen_before

OUTCOMES: dict[Kind, Outcome] = {
    Kind.WITHHOLD: "held",
    Kind.REFUSE: "refused",
    Kind.RETRACT: "retracted",
    Kind.RELEASE: "released",
    Kind.RESTORE: "restored",
}


class FakeTakedowns:
    """``ports.Takedowns`` in memory. Its evidence is not sealed; ``FakeWorld.evidence`` stands for the vault."""

    def __init__(self, world: FakeWorld, step: Step = no_step) -> None:
        self._world = world
        self._step = step

    async def stop(self, draft: Draft | EditDraft, restriction: Restriction) -> Filed | Repeat | Refused:
        await self._step("stop")
        answer = self._stop(draft, restriction)
        await self._step("stop committed")
        return answer

    def _stop(self, draft: Draft | EditDraft, restriction: Restriction) -> Filed | Repeat | Refused:
        world = self._world
        if (refused := self._ungrounded(restriction)) is not None:
            return refused
        withheld = restriction.kind is Kind.WITHHOLD
        case: Case | None = None
        if isinstance(draft, EditDraft):
            if (refused := world.editable(draft)) is not None:
                return refused
            open_case = world.case_of(draft.post, restriction.case)
            if isinstance(open_case, Refused):
                return open_case
            case = open_case
            post = world.posts[draft.post]
            rev = post.rev + 1
        else:
            if draft.board not in world.boards:
                return Refused(codes.NO_BOARD)
            if (seen := seen_before(world, draft)) is not None:
                return seen
            post = FakePost(draft, PostState.HELD if withheld else PostState.REFUSED, takedown=restriction.takedown)
            world.posts[draft.post] = post
            world.nonces[draft.author.id, draft.nonce] = (draft.post, draft.body)
            rev = 1
        was_open = case is not None
        case, alert = world.raise_alert(post, case, _alert(restriction))
        self._record(post, restriction, case, rev, [(rev, draft.body)])
        if withheld:
            post.held = (rev, draft, restriction)
        elif not was_open:
            case = world.decide(case, "refuse", restriction.actor.account, restriction.policy, restriction.reason)
        return _filed(post, case, restriction, alert)

    async def flag(self, draft: Draft | EditDraft, alert: AlertDraft) -> Filed | Repeat | Refused:
        await self._step("flag")
        answer = self._flag(draft, alert)
        await self._step("flag committed")
        return answer

    def _flag(self, draft: Draft | EditDraft, alert: AlertDraft) -> Filed | Repeat | Refused:
        world = self._world
        event: Posted | Edited
        if isinstance(draft, EditDraft):
            if (refused := world.editable(draft)) is not None:
                return refused
            event = publish_edit(world, draft)
        else:
            if draft.board not in world.boards:
                return Refused(codes.NO_BOARD)
            if (seen := seen_before(world, draft)) is not None:
                return seen
            event = publish(world, draft)
        return self._alerted(world.posts[draft.post], alert, event)

    def _alerted(self, post: FakePost, draft: AlertDraft, event: Posted | Edited | None = None) -> Filed:
        case = self._world.case_of(post.draft.post, None)
        assert not isinstance(case, Refused)
        case, alert = self._world.raise_alert(post, case, draft)
        return Filed(post.draft.author.id, post.draft.board, post.draft.post, case, event=event, alert=alert)

    async def retract(self, post: PostId, restriction: Restriction) -> Filed | Refused:
        await self._step("retract")
        answer = self._retract(post, restriction)
        await self._step("retract committed")
        return answer

    def _retract(self, post_id: PostId, restriction: Restriction) -> Filed | Refused:
        world = self._world
        if (refused := self._ungrounded(restriction)) is not None:
            return refused
        found = self._find(post_id, restriction.case)
        if isinstance(found, Refused):
            return found
        post, case = found
        if post.state is not PostState.PUBLISHED:
            return Refused(codes.POST_STOPPED)
        alert = None
        machine = records.by_machine(restriction.actor)
        if case is None or machine:
            case, alert = world.raise_alert(post, case, _alert(restriction))
        if not machine:
            case = world.decide(case, "retract", restriction.actor.account, restriction.policy, restriction.reason)
        self._record(post, restriction, case, post.rev, sorted(post.bodies.items()))
        post.bodies.clear()
        post.state = PostState.RETRACTED
        post.takedown = restriction.takedown
        board, at_us = post.draft.board, restriction.stopped_at_us
        seq = world.append_event(board, FakeEvent(0, "retracted", post_id, at_us, restriction=restriction))
        event = Retracted(board, seq, post_id, restriction.policy, restriction.reason, restriction.takedown, at_us)
        return _filed(post, case, restriction, alert, event)

    async def release(self, post: PostId, reversal: Reversal) -> Filed | Refused:
        await self._step("release")
        answer = self._release(post, reversal)
        await self._step("release committed")
        return answer

    def _release(self, post_id: PostId, reversal: Reversal) -> Filed | Refused:
        world = self._world
        if not reversal.reason.strip():
            return Refused(codes.REASON_REQUIRED)
        found = self._find(post_id, reversal.case)
        if isinstance(found, Refused):
            return found
        post, case = found
        if post.held is None or post.state not in (PostState.HELD, PostState.PUBLISHED):
            return Refused(codes.NOT_HELD)
        rev, draft, restriction = post.held
        post.held = None
        board = post.draft.board
        event: Posted | Edited
        if post.state is PostState.HELD:
            post.seq = world.append(board, "posted", post_id, reversal.at_us)
            post.state, post.takedown, post.bodies = PostState.PUBLISHED, None, {rev: draft.body}
            event = posted(post)
        else:
            post.rev = rev
            post.bodies[rev] = draft.body
            seq = world.append(board, "edited", post_id, reversal.at_us)
            event = Edited(board, seq, post_id, post.draft.author, draft.body, reversal.at_us, rev)
        return self._reversed(post, case, reversal, restriction.takedown, event)

    async def refuse(self, post: PostId, restriction: Restriction) -> Filed | Refused:
        await self._step("refuse")
        answer = self._refuse(post, restriction)
        await self._step("refuse committed")
        return answer

    def _refuse(self, post_id: PostId, restriction: Restriction) -> Filed | Refused:
        if (refused := self._ungrounded(restriction)) is not None:
            return refused
        found = self._find(post_id, restriction.case)
        if isinstance(found, Refused):
            return found
        post, case = found
        if post.held is None:
            return Refused(codes.NOT_HELD)
        rev, _, withheld = post.held
        post.held = None
        if post.state is PostState.HELD:
            post.state, post.takedown = PostState.REFUSED, restriction.takedown
        case = case or self._world.cases[self._world.restrictions[withheld.takedown][3]]
        case = self._world.decide(case, "refuse", restriction.actor.account, restriction.policy, restriction.reason)
        self._record(post, restriction, case, rev, [])
        return _filed(post, case, restriction, None)

    async def restore(self, post: PostId, reversal: Reversal) -> Filed | Refused:
        await self._step("restore")
        answer = self._restore(post, reversal)
        await self._step("restore committed")
        return answer

    def _restore(self, post_id: PostId, reversal: Reversal) -> Filed | Refused:
        world = self._world
        if not reversal.reason.strip():
            return Refused(codes.REASON_REQUIRED)
        found = self._find(post_id, reversal.case)
        if isinstance(found, Refused):
            return found
        post, case = found
        if post.state is not PostState.RETRACTED or post.takedown is None:
            return Refused(codes.NOT_RETRACTED)
        takedown, draft = post.takedown, post.draft
        post.bodies = {kept.rev: kept.body for kept in world.evidence if kept.takedown == takedown}
        post.state, post.takedown = PostState.PUBLISHED, None
        seq = world.append(draft.board, "restored", post_id, reversal.at_us)
        event = Restored(
            draft.board,
            seq,
            post_id,
            draft.author,
            post.bodies[post.rev],
            reversal.at_us,
            draft.at_us,
            post.rev,
            draft.reply_to,
        )
        return self._reversed(post, case, reversal, takedown, event)

    async def dismiss(self, at: CaseAt, by: AccountId, reason: str, at_us: int) -> Filed | Refused:
        await self._step("dismiss")
        case = self._world.case_at(at)
        if isinstance(case, Refused):
            return case
        case = self._world.decide(case, "dismiss", by, None, reason)
        await self._step("dismiss committed")
        return Filed(self._world.posts[case.post].draft.author.id, case.board, case.post, case)

    async def report(self, post: PostId, by: AccountId | None, text: str, alert: AlertDraft) -> Filed | Refused:
        await self._step("report")
        found = self._world.posts.get(post)
        if found is None or found.unseen:
            return Refused(codes.NO_POST)
        self._world.reports.append((post, by, text))
        filed = self._alerted(found, alert)
        await self._step("report committed")
        return filed

    async def appeal(self, takedown: TakedownId, by: AccountId, text: str, alert: AlertDraft) -> Filed | Refused:
        await self._step("appeal")
        answer = self._appeal(takedown, by, alert)
        await self._step("appeal committed")
        return answer

    def _appeal(self, takedown: TakedownId, by: AccountId, draft: AlertDraft) -> Filed | Refused:
        world = self._world
        if takedown not in world.restrictions:
            return Refused(codes.NO_TAKEDOWN)
        _, post_id, _, case_id = world.restrictions[takedown]
        post = world.posts[post_id]
        if post.draft.author.id != by:
            return Refused(codes.NOT_YOURS)
        if takedown in world.appeals:
            return Refused(codes.AGAIN)
        world.appeals.add(takedown)
        case = world.case_of(post_id, None)
        assert not isinstance(case, Refused)
        case, alert = world.raise_alert(post, case or world.reopen(world.cases[case_id]), draft)
        return Filed(by, post.draft.board, post_id, case, takedown, alert=alert)

    async def records(
        self, *, post: PostId | None = None, author: AccountId | None = None, after: str | None = None, limit: int = 100
    ) -> list[dict[str, object]]:
        await self._step("records")
        rows = self._world.records
        first = next((place for place, row in enumerate(rows, 1) if row["id"] == after), 0)
        found = [row for row in rows[first:] if post in (None, row["post"]) and author in (None, row["author"])]
        takedowns = {row["reverses"]: row["id"] for row in rows if row["reverses"]}
        return [records.public({**row, "reversed_by": takedowns.get(row["id"])}) for row in found[:limit]]

    async def record(self, takedown: TakedownId) -> dict[str, object] | None:
        return next((row for row in await self.records() if row["id"] == takedown), None)

    async def open_evidence(self, post: PostId, by: AccountId, purpose: str, at_us: int) -> list[Evidence]:
        await self._step("open evidence")
        found = [kept for kept in self._world.evidence if kept.post == post]
        self._world.evidence_reads.append((post, by, purpose, at_us))
        await self._step("open evidence committed")
        return sorted(found, key=lambda kept: (kept.rev, kept.sealed_at_us), reverse=True)

    def _ungrounded(self, restriction: Restriction) -> Refused | None:
        """Refuse a restriction that its author could not be told of."""
        if not (restriction.reason.strip() and restriction.facts.strip()):
            return Refused(codes.REASON_REQUIRED)
        assert restriction.appeal_until_us > max(restriction.stopped_at_us, restriction.detected_at_us)
        return None if restriction.policy in self._world.policies else Refused(codes.NO_POLICY)

    def _find(self, post: PostId, at: CaseAt | None) -> tuple[FakePost, Case | None] | Refused:
        found = self._world.posts.get(post)
        if found is None:
            return Refused(codes.NO_POST)
        case = self._world.case_of(post, at)
        return case if isinstance(case, Refused) else (found, case)

    def _record(self, post: FakePost, restriction: Restriction, case: Case, rev: int, texts: Sequence[tuple[int, str]]) -> None:
        """Write the record; without texts it rests on the evidence of the record before."""
        world, draft, takedown = self._world, post.draft, restriction.takedown
        world.restrictions[takedown] = (restriction, draft.post, rev, case.case)
        at_us = restriction.stopped_at_us
        world.evidence += [Evidence(takedown, draft.post, kept, body, at_us) for kept, body in texts]
        sealed = takedown if texts else next(kept.takedown for kept in reversed(world.evidence) if kept.post == draft.post)
        self._add_record(
            post,
            {
                "id": takedown,
                "kind": restriction.kind.value,
                "subject": "edit" if rev > post.rev else "post",
                "rev": rev,
                "actor_type": restriction.actor.type,
                "actor_account": restriction.actor.account,
                "policy": restriction.policy,
                "policy_version": world.policies[restriction.policy].version,
                "reason": restriction.reason,
                "facts": restriction.facts,
                "severity": restriction.severity.value,
                "stage": restriction.stage.value,
                "detection": records.detection_text(restriction.detection),
                "detected_at_us": restriction.detected_at_us,
                "stopped_at_us": at_us,
                "recorded_at_us": at_us,
                "appeal_until_us": restriction.appeal_until_us,
                "evidence_takedown": sealed,
                "evidence_hash": b"\0" * 32,
                "case_id": case.case,
                "reverses": None,
            },
        )

    def _add_record(self, post: FakePost, row: dict[str, object]) -> None:
        policy = self._world.policies[str(row["policy"])]
        ground = {"ground": policy.ground.value, "reference": policy.reference, "explanation": policy.explanation}
        draft = post.draft
        salt = hashlib.sha256(str(row["id"]).encode()).digest()
        row = {**row, **ground, "post": draft.post, "board": draft.board, "author": draft.author.id, "salt": salt}
        self._world.records.append(row)
        self._world.leaves.append(leaf_of(records.public({**row, "reversed_by": None})))

    def _reversed(
        self, post: FakePost, case: Case | None, reversal: Reversal, takedown: str, event: Posted | Edited | Restored
    ) -> Filed:
        world, by = self._world, reversal.actor.account
        restriction, post_id, rev, case_id = world.restrictions[takedown]
        action: Action = "release" if reversal.kind is Kind.RELEASE else "restore"
        case = world.decide(case or world.cases[case_id], action, by, restriction.policy, reversal.reason)
        self._add_record(
            post,
            {
                "id": reversal.takedown,
                "kind": reversal.kind.value,
                "subject": "edit" if isinstance(event, Edited) else "post",
                "rev": rev,
                "actor_type": reversal.actor.type,
                "actor_account": by,
                "policy": restriction.policy,
                "policy_version": world.policies[restriction.policy].version,
                "reason": reversal.reason,
                "recorded_at_us": reversal.at_us,
                "case_id": case.case,
                "reverses": takedown,
            },
        )
        verdict = VerdictNotice(post_id, OUTCOMES[reversal.kind], restriction.policy, reversal.reason, reversal.takedown)
        return Filed(post.draft.author.id, post.draft.board, post_id, case, reversal.takedown, event, verdict)


class FakeRecordLog:
    """``ports.RecordLog`` in memory."""

    def __init__(self, world: FakeWorld, step: Step = no_step) -> None:
        self._world = world
        self._step = step

    async def size(self) -> int:
        await self._step("log size")
        return len(self._world.leaves)

    async def leaves(self, after: int, limit: int) -> list[bytes]:
        await self._step("log leaves")
        return self._world.leaves[after : after + limit]


def _filed(post: FakePost, case: Case, restriction: Restriction, alert: Alert | None, event: Retracted | None = None) -> Filed:
    draft, takedown = post.draft, restriction.takedown
    verdict = VerdictNotice(
        draft.post,
        OUTCOMES[restriction.kind],
        restriction.policy,
        restriction.reason,
        takedown,
        f"/v1/takedowns/{takedown}/appeals",
        restriction.detection.automated,
    )
    return Filed(draft.author.id, draft.board, draft.post, case, takedown, event, verdict, alert)


def _alert(restriction: Restriction) -> AlertDraft:
    return AlertDraft(
        restriction.new_case,
        restriction.severity,
        restriction.policy,
        restriction.stage,
        restriction.excerpt,
        restriction.stopped_at_us,
        restriction.detection.rules[0][0] if restriction.detection.rules else None,
    )
