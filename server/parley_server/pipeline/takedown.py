"""What moderators do: retract, restore, release, refuse, decide; and what others ask of them: reports, appeals.

A retraction hides first, commits second, publishes third (decision 0003). A suppression whose transaction fails stays in force and is
tried again until it is committed or refused; the moderator who waits is told that it is not recorded yet.
"""

import asyncio
from dataclasses import dataclass, field
from typing import assert_never

import structlog

from parley_protocol import codes, frames
from parley_protocol.frames import Ok
from parley_protocol.ids import BoardId, CaseId, PostId, TakedownId
from parley_server import limits
from parley_server.clock import World
from parley_server.domain.access import Act, may
from parley_server.domain.answers import Refused
from parley_server.domain.people import Person, SiteRole
from parley_server.domain.posts import PostInfo, PostState
from parley_server.domain.rules import Severity
from parley_server.domain.takedowns import (
    APPEAL_WITHIN_US,
    Actor,
    AlertDraft,
    CaseAt,
    Detection,
    Evidence,
    Filed,
    KeptDraft,
    Kind,
    Restriction,
    Reversal,
)
from parley_server.domain.verdict import Stage
from parley_server.gateway.hub import Hub
from parley_server.pipeline.announce import Announcer
from parley_server.pipeline.directory import Directory
from parley_server.pipeline.rulebook import Rulebook
from parley_server.ports import Alerts, BoardLog, Takedowns, Unavailable

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Moderation:
    """Takes what moderators decide. ``unrecorded``: posts that are hidden while their transaction is tried again."""

    log: BoardLog
    takedowns: Takedowns
    alerts: Alerts
    rulebook: Rulebook
    directory: Directory
    hub: Hub
    announcer: Announcer
    world: World
    unrecorded: dict[PostId, asyncio.Task[None]] = field(default_factory=dict)

    async def retract(self, person: Person, post: PostId, policy: str, reason: str, at: CaseAt | None = None) -> Filed | Refused:
        """Stop a published post everywhere: hidden on return of the first step, recorded on return.

        Raises:
            Unavailable: it is hidden, and stays so; the record is being written and will follow.
        """
        info = await self._mine(person, post)
        if isinstance(info, Refused):
            return info
        no = self._grounds(policy, reason)
        if no is not None:
            return no
        if info.state is not PostState.PUBLISHED:
            return Refused(codes.POST_STOPPED)
        detected = self.world.now_us()
        no = self.hub.suppress(info.board, post)
        if no is not None:
            return no
        restriction = self._restriction(person, Kind.RETRACT, policy, reason, detected, at)
        try:
            return await self._file(post, restriction)
        except (Unavailable, asyncio.CancelledError):
            # Whether it was committed is not always known: find out by doing it again, out of reach of this request.
            self._retry(info.board, post, restriction)
            raise

    async def restore(self, person: Person, post: PostId, reason: str, at: CaseAt | None = None) -> Filed | Refused:
        """Undo a retraction: the same post, at a new seq."""
        info = await self._mine(person, post)
        if isinstance(info, Refused):
            return info
        if not reason.strip():
            return Refused(codes.REASON_REQUIRED)
        with self.hub.unsure(info.board):
            done = await self.takedowns.restore(post, self._reversal(person, Kind.RESTORE, reason, at))
        return self._announced(done)

    async def release(self, person: Person, post: PostId, reason: str | None, at: CaseAt | None = None) -> Filed | Refused:
        """Publish a withheld post or edit."""
        info = await self._mine(person, post)
        if isinstance(info, Refused):
            return info
        words = reason or "A moderator reviewed the text and found no breach."
        with self.hub.unsure(info.board):
            done = await self.takedowns.release(post, self._reversal(person, Kind.RELEASE, words, at))
        return self._announced(done)

    async def refuse(self, person: Person, post: PostId, policy: str, reason: str, at: CaseAt | None = None) -> Filed | Refused:
        """End a withheld post or edit unpublished."""
        info = await self._mine(person, post)
        if isinstance(info, Refused):
            return info
        no = self._grounds(policy, reason)
        if no is not None:
            return no
        restriction = self._restriction(person, Kind.REFUSE, policy, reason, self.world.now_us(), at)
        return self._announced(await self.takedowns.refuse(post, restriction))

    async def decide(self, person: Person, frame: frames.Decide) -> Filed | Refused:
        """Decide a case by compare-and-set; what a second moderator wrote is kept, and answered with what stands."""
        case = await self.alerts.case(frame.case)
        if case is None or may(person, Act.MODERATE, self.directory.board(case.board)) is not None or person.account is None:
            return Refused(codes.NO_CASE)
        at = CaseAt(frame.case, frame.rev)
        policy, reason = frame.policy or "", frame.reason or ""
        match frame.action:
            case "release":
                done = await self.release(person, case.post, frame.reason, at)
            case "refuse":
                done = await self.refuse(person, case.post, policy, reason, at)
            case "retract":
                # The case is taken before anything is hidden: a decision that lost leaves no trace on the post.
                taken = self._grounds(policy, reason) or await self.alerts.claim(at, person.account, self.world.now_us())
                if isinstance(taken, Refused):
                    done = taken
                else:
                    done = await self.retract(person, case.post, policy, reason, CaseAt(taken.case, taken.rev))
            case "restore":
                done = await self.restore(person, case.post, reason, at)
            case "dismiss":
                words = reason or "A moderator looked at it and left it as it is."
                done = self._announced(await self.takedowns.dismiss(at, person.account, words, self.world.now_us()))
            case _:
                assert_never(frame.action)
        if isinstance(done, Refused) and done.code is codes.CONFLICT:
            await self.alerts.keep(
                KeptDraft(frame.case, person.account, frame.action, frame.policy, frame.reason, self.world.now_us())
            )
        return done

    async def claim(self, person: Person, frame: frames.Claim) -> Ok | Refused:
        """Take a case by compare-and-set."""
        case = await self.alerts.case(frame.case)
        if case is None or may(person, Act.MODERATE, self.directory.board(case.board)) is not None or person.account is None:
            return Refused(codes.NO_CASE)
        done = await self.alerts.claim(CaseAt(frame.case, frame.rev), person.account, self.world.now_us())
        if isinstance(done, Refused):
            return done
        self.announcer.alerts.changed(done)
        return Ok(frame.id, case=done.case, rev=done.rev)

    async def report(self, person: Person, post: PostId, text: str) -> Filed | Refused:
        """Take somebody's report of a post; guests may report what they may read."""
        info = await self.log.info(post)
        if info is None or may(person, Act.READ, self.directory.board(info.board)) is not None:
            return Refused(codes.NO_POST)
        if info.state is not PostState.PUBLISHED:
            # What was stopped does not exist for those who report (P1).
            return Refused(codes.NO_POST)
        if not text.strip():
            return Refused(codes.REASON_REQUIRED)
        return self._announced(await self.takedowns.report(post, person.account, text, self._alert(Stage.REPORT, "report", "")))

    async def appeal(self, person: Person, takedown: TakedownId, text: str) -> Filed | Refused:
        """Take an author's objection to a takedown."""
        if person.account is None:
            return Refused(codes.UNAUTHENTICATED)
        if not text.strip():
            return Refused(codes.REASON_REQUIRED)
        return self._announced(
            await self.takedowns.appeal(takedown, person.account, text, self._alert(Stage.REPORT, "appeal", ""))
        )

    async def evidence(self, person: Person, post: PostId, purpose: str) -> list[Evidence] | Refused:
        """Open the sealed texts of a post to a moderator; the reading is recorded."""
        info = await self._mine(person, post)
        if isinstance(info, Refused) or person.account is None:
            return info if isinstance(info, Refused) else Refused(codes.UNAUTHENTICATED)
        if not purpose.strip():
            return Refused(codes.REASON_REQUIRED, scope="purpose")
        return await self.takedowns.open_evidence(post, person.account, purpose, self.world.now_us())

    async def close(self) -> None:
        """Stop trying; what is not recorded by now was never acknowledged."""
        tasks = list(self.unrecorded.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Inside.

    def _retry(self, board: BoardId, post: PostId, restriction: Restriction) -> None:
        """Write the record of a suppression that is in force, until it is committed or refused."""
        if post not in self.unrecorded:
            task = asyncio.get_running_loop().create_task(self._record(board, post, restriction))
            self.unrecorded[post] = task
            task.add_done_callback(lambda _: self.unrecorded.pop(post, None))
        else:
            # The one that is tried already keeps it hidden.
            self.hub.lift(post)

    async def _record(self, board: BoardId, post: PostId, restriction: Restriction) -> None:
        tries = 0
        while True:
            await asyncio.sleep(limits.RETRY_S[min(tries, len(limits.RETRY_S) - 1)])
            tries += 1
            try:
                filed = await self._file(post, restriction)
            except Unavailable as error:
                log.error("retraction_unrecorded", post=post, takedown=restriction.takedown, tries=tries, cause=str(error))
                continue
            if isinstance(filed, Refused):
                # An earlier try was committed without our knowing: its event is in the log.
                self.hub.refresh(board)
            return

    async def _file(self, post: PostId, restriction: Restriction) -> Filed | Refused:
        """Write the record of a suppression and end the suppression: announced, or taken back where it led to nothing.

        Raises:
            Unavailable: the post is as hidden as it was.
        """
        filed = await self.takedowns.retract(post, restriction)
        if isinstance(filed, Filed):
            # Before its event is published: that one may be followed at once by a restoration which waits for it.
            self.announcer.settled(post, filed.event.seq if filed.event is not None else None)
            self.announcer.filed(filed)
            return filed
        # A conflict may hide that the post was stopped by whoever was first: ask, before anybody is told to show it again.
        info = await self.log.info(post)
        if info is not None and info.state is PostState.PUBLISHED:
            self.hub.lift(post)
        else:
            self.announcer.settled(post)
        return filed

    def _announced(self, done: Filed | Refused) -> Filed | Refused:
        if isinstance(done, Filed):
            self.announcer.filed(done)
        return done

    async def _mine(self, person: Person, post: PostId) -> PostInfo | Refused:
        """Return the post if ``person`` moderates its board; for all others it does not exist."""
        info = await self.log.info(post)
        if info is None:
            return Refused(codes.NO_POST)
        board = self.directory.board(info.board)
        no = may(person, Act.MODERATE, board)
        if no is None:
            return info
        visible = info.state is PostState.PUBLISHED and may(person, Act.READ, board) is None
        return no if visible else Refused(codes.NO_POST)

    def _grounds(self, policy: str, reason: str) -> Refused | None:
        """Refuse a restriction without a policy of the catalogue and a reason (P7)."""
        if not policy or not reason.strip():
            return Refused(codes.REASON_REQUIRED)
        return None if self.rulebook.policy(policy) is not None else Refused(codes.NO_POLICY)

    def _restriction(
        self, person: Person, kind: Kind, policy: str, reason: str, detected_us: int, at: CaseAt | None
    ) -> Restriction:
        now = self.world.now_us()
        role = "administrator" if person.role is SiteRole.ADMINISTRATOR else "moderator"
        return Restriction(
            takedown=TakedownId(self.world.new_id()),
            kind=kind,
            actor=Actor(role, person.account),
            policy=policy,
            reason=reason,
            facts=f"Decided by a {role}.",
            severity=Severity.MEDIUM,
            stage=Stage.MODERATOR,
            detection=Detection(automated=False),
            detected_at_us=detected_us,
            stopped_at_us=now,
            appeal_until_us=now + APPEAL_WITHIN_US,
            excerpt="",
            new_case=CaseId(self.world.new_id()),
            case=at,
        )

    def _reversal(self, person: Person, kind: Kind, reason: str, at: CaseAt | None) -> Reversal:
        role = "administrator" if person.role is SiteRole.ADMINISTRATOR else "moderator"
        return Reversal(TakedownId(self.world.new_id()), kind, Actor(role, person.account), reason, self.world.now_us(), at)

    def _alert(self, stage: Stage, policy: str, excerpt: str) -> AlertDraft:
        return AlertDraft(CaseId(self.world.new_id()), Severity.MEDIUM, policy, stage, excerpt, self.world.now_us())
