"""The path of a post: may they, is it text, what does inspection say, commit, then let readers see it.

Posts and edits take the same steps. Nothing is handed to the hub but what the store returned, so no reader gets a frame before the
verdict (P1) or before the commit (P4).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import assert_never

from parley_protocol import codes, frames
from parley_protocol.frames import Author, Held, Ok, Posted
from parley_protocol.ids import AccountId, BoardId, CaseId, PostId, TakedownId
from parley_server.clock import World
from parley_server.domain.access import Act, may
from parley_server.domain.answers import Refused
from parley_server.domain.conditions import AuthorFacts
from parley_server.domain.people import Person
from parley_server.domain.posts import Draft, EditDraft, PostInfo, PostState, Reaction, Repeat
from parley_server.domain.rules import Effect
from parley_server.domain.takedowns import APPEAL_WITHIN_US, Actor, AlertDraft, Filed, Kind, Restriction
from parley_server.domain.text import check_body
from parley_server.domain.verdict import Allow, Flag, Refuse, Stage, Unjudged, Withhold
from parley_server.gateway.hub import Hub
from parley_server.inspection.stage import Stage as Inspection
from parley_server.moderation import statement
from parley_server.pipeline.announce import Announcer
from parley_server.pipeline.directory import Directory
from parley_server.pipeline.rates import Rates
from parley_server.pipeline.rulebook import Rulebook
from parley_server.pipeline.slowdowns import SlowDowns
from parley_server.ports import BoardLog, Item, People, Takedowns, Unavailable


@dataclass(frozen=True, slots=True)
class Publisher:
    """Takes what members write.

    Attributes:
        rates: ``None`` where limits are lifted.
        verified_only: setting ``PARLEY_IDENTITY``.
        observe: told the seconds of each append.
    """

    log: BoardLog
    takedowns: Takedowns
    inspection: Inspection
    rulebook: Rulebook
    directory: Directory
    hub: Hub
    announcer: Announcer
    world: World
    rates: Rates | None
    verified_only: bool
    people: People
    slowdowns: SlowDowns = field(default_factory=SlowDowns)
    observe: Callable[[float], None] = lambda _: None

    async def post(self, person: Person, frame: frames.Post) -> Ok | Held | Refused:
        """Publish a post.

        Returns:
            ``Ok`` with post, seq and time once it is committed and handed to the readers; ``Held`` if it waits for a moderator; else why
            not. The same author and nonce again give the first answer again.

        Raises:
            Unavailable: the store did not answer; the same nonce again finds out whether it was stored.
        """
        board = self.directory.board(frame.board)
        no = may(person, Act.PUBLISH, board, verified_only=self.verified_only) or check_body(frame.body)
        no = no or self._too_fast(person) or self._slowed(person, frame.board)
        if no is not None:
            return no
        if frame.attachments:
            return Refused(codes.BAD_FIELD, "Attachments are not taken yet.", scope="attachments")
        if frame.reply_to is not None and not await self._can_answer(frame.reply_to, frame.board):
            return Refused(codes.NO_POST, scope="reply_to")
        assert person.account is not None
        at_us = self.world.now_us()
        facts = await self._facts(person, frame.board)
        verdict = await self.inspection.inspect(Item("body", frame.body, frame.board, person.account, at_us, facts=facts))
        draft = Draft(
            post=PostId(self.world.new_id()),
            board=frame.board,
            author=Author(person.account, person.name),
            nonce=frame.nonce,
            body=frame.body,
            at_us=at_us,
            ruleset=verdict.ruleset,
            reply_to=frame.reply_to,
            uninspected=isinstance(verdict, Allow | Flag) and bool(verdict.uninspected),
        )
        # Access is asked again: inspection took time, and a revocation meanwhile binds.
        no = self._still(person, frame.board)
        if no is not None:
            return no
        done: Posted | Repeat | Filed | Refused
        match verdict:
            case Allow():
                done = await self._append(draft)
            case Flag():
                with self.hub.unsure(draft.board):
                    done = await self.takedowns.flag(draft, self._flagged(verdict, frame.body, at_us))
                self._slow(verdict, person.account, frame.board, at_us)
            case Withhold() | Refuse():
                done = await self.takedowns.stop(draft, self._stopped(verdict, frame.body, at_us))
            case Unjudged():
                return Refused(codes.INSPECTION_UNAVAILABLE, retry_after_ms=1_000)
            case _:
                assert_never(verdict)
        return self._answered(frame.id, draft.post, done)

    async def edit(self, person: Person, frame: frames.Edit) -> Ok | Held | Refused:
        """Replace the body of one's own post; same path, same answers, with the new revision."""
        info = await self.log.info(frame.post)
        no = self._own(person, info) or check_body(frame.body) or self._too_fast(person)
        if no is not None or info is None or person.account is None:
            return no or Refused(codes.NO_POST)
        at_us = self.world.now_us()
        facts = await self._facts(person, info.board)
        item = Item("body", frame.body, info.board, person.account, at_us, edit=True, facts=facts)
        verdict = await self.inspection.inspect(item)
        draft = EditDraft(
            post=frame.post,
            board=info.board,
            author=Author(person.account, person.name),
            base_rev=frame.rev,
            body=frame.body,
            at_us=at_us,
            ruleset=verdict.ruleset,
            uninspected=isinstance(verdict, Allow | Flag) and bool(verdict.uninspected),
        )
        no = self._still(person, info.board)
        if no is not None:
            return no
        done: frames.Edited | Repeat | Filed | Refused
        match verdict:
            case Allow():
                with self.hub.unsure(draft.board):
                    done = await self.log.edit(draft)
            case Flag():
                with self.hub.unsure(draft.board):
                    done = await self.takedowns.flag(draft, self._flagged(verdict, frame.body, at_us))
            case Withhold() | Refuse():
                done = await self.takedowns.stop(draft, self._stopped(verdict, frame.body, at_us))
            case Unjudged():
                return Refused(codes.INSPECTION_UNAVAILABLE, retry_after_ms=1_000)
            case _:
                assert_never(verdict)
        return self._answered(frame.id, frame.post, done)

    async def delete(self, person: Person, frame: frames.Delete) -> Ok | Refused:
        """Remove one's own post: committed, then out of everything that leaves any node, as a retraction is."""
        info = await self.log.info(frame.post)
        no = self._own(person, info, Act.DELETE)
        if no is not None or info is None or person.account is None:
            return no or Refused(codes.NO_POST)
        with self.hub.unsure(info.board):
            done = await self.log.delete(frame.post, person.account, self.world.now_us())
        if isinstance(done, Refused):
            return done
        await self.announcer.hidden(self.announcer.deleted(done))
        return Ok(frame.id, post=frame.post, seq=done.seq)

    async def react(self, person: Person, frame: frames.React) -> Ok | Refused:
        """Add or take back a reaction."""
        info = await self.log.info(frame.post)
        no = self._visible(person, info) or self._too_fast(person)
        if no is not None or info is None or person.account is None:
            return no or Refused(codes.NO_POST)
        reaction = Reaction(frame.post, info.board, person.account, frame.emoji, frame.on, self.world.now_us())
        with self.hub.unsure(info.board):
            done = await self.log.react(reaction)
        if isinstance(done, Refused):
            return done
        if done is None:
            return Ok(frame.id, post=frame.post)
        self.announcer.committed(done)
        return Ok(frame.id, post=frame.post, seq=done.seq)

    # Inside.

    async def _append(self, draft: Draft) -> Posted | Repeat | Refused:
        """Commit a post, and measure how long it took."""
        began = self.world.now_us()
        try:
            with self.hub.unsure(draft.board):
                return await self.log.append(draft)
        finally:
            self.observe((self.world.now_us() - began) / 1_000_000)

    def _answered(
        self, re: frames.RequestRef, post: PostId, done: frames.Posted | frames.Edited | Repeat | Filed | Refused
    ) -> Ok | Held | Refused:
        """Let the readers see what was committed, and make the author's answer of it."""
        match done:
            case Posted():
                self.announcer.committed(done)
                return Ok(re, post=done.post, seq=done.seq, at=done.at)
            case frames.Edited():
                self.announcer.committed(done)
                return Ok(re, post=done.post, seq=done.seq, rev=done.rev)
            case Repeat(state=PostState.HELD):
                return Held(re, done.post)
            case Repeat(state=PostState.REFUSED):
                return Refused(codes.REFUSED)
            case Repeat():
                return Ok(re, post=done.post, seq=done.seq, at=done.at_us)
            case Filed(event=None):
                self.announcer.filed(done)
                held = done.verdict is not None and done.verdict.outcome == "held"
                return Held(re, post) if held else Refused(codes.REFUSED)
            case Filed():
                self.announcer.filed(done)
                assert not isinstance(done.event, frames.Retracted) and done.event is not None
                edited = isinstance(done.event, frames.Edited)
                return Ok(re, post=post, seq=done.event.seq, at=done.event.at, rev=done.event.rev if edited else None)
            case Refused():
                return done
            case _:
                assert_never(done)

    def _stopped(self, verdict: Withhold | Refuse, text: str, at_us: int) -> Restriction:
        """Word the restriction that a verdict asks for."""
        kind = Kind.WITHHOLD if isinstance(verdict, Withhold) else Kind.REFUSE
        cause = statement.leading(verdict)
        detection = statement.detection_of(verdict)
        return Restriction(
            takedown=TakedownId(self.world.new_id()),
            kind=kind,
            actor=Actor("rule"),
            policy=cause.rule.policy,
            reason=statement.reason_of(kind, cause, self.rulebook.policy(cause.rule.policy)),
            facts=statement.facts_of(kind, cause),
            severity=statement.severity_of(cause),
            stage=Stage.INLINE,
            detection=detection,
            detected_at_us=at_us,
            stopped_at_us=at_us,
            appeal_until_us=at_us + APPEAL_WITHIN_US,
            excerpt=statement.masked(text, detection.spans),
            new_case=CaseId(self.world.new_id()),
        )

    def _flagged(self, verdict: Flag, text: str, at_us: int) -> AlertDraft:
        """Word the alert of a flag."""
        head = verdict.findings[0].rule
        spans = tuple(finding.span for finding in verdict.findings if finding.span is not None)
        excerpt = statement.masked(text, spans)
        return AlertDraft(CaseId(self.world.new_id()), head.severity, head.policy, Stage.INLINE, excerpt, at_us, head.id)

    def _too_fast(self, person: Person) -> Refused | None:
        wait = self.rates.take(person.account, self.world.now_us()) if self.rates is not None else None
        return None if wait is None else Refused(codes.LIMITED, scope="posts", retry_after_ms=wait)

    def _slowed(self, person: Person, board: BoardId) -> Refused | None:
        """Ask whether a rule makes the author wait."""
        wait = self.slowdowns.wait_ms(person.account, board, self.world.now_us()) if person.account is not None else None
        return None if wait is None else Refused(codes.LIMITED, scope="slow", retry_after_ms=wait)

    def _slow(self, verdict: Flag, account: AccountId, board: BoardId, at_us: int) -> None:
        """Make the author wait from now on, if a rule says so; of several, the longest."""
        waits = [finding.rule.slow_s for finding in verdict.findings if finding.rule.effect is Effect.SLOW]
        if waits:
            self.slowdowns.impose(account, board, max(waits), at_us)

    async def _facts(self, person: Person, board: BoardId) -> AuthorFacts | None:
        """Return what is known of the author, if a rule in force asks; nothing is awaited between this and the inspection."""
        if not self.inspection.ruleset.asks_author or person.account is None:
            return None
        history = await self.people.history(person.account)
        if history is None:
            return None
        role = person.boards.get(board)
        roles = frozenset({str(person.role)} if role is None else {str(person.role), str(role)})
        return AuthorFacts(history.created_at_us, str(person.level), roles, history.posts, history.restricted_at_us)

    def _still(self, person: Person, board: BoardId) -> Refused | None:
        """Ask for access with what is known now of the person and the board.

        Raises:
            Unavailable: this node fell silent meanwhile, and knows nothing.
        """
        if not self.hub.fence.holds():
            raise Unavailable("this node fell silent")
        now = self.directory.known(person)
        return may(now, Act.PUBLISH, self.directory.board(board), verified_only=self.verified_only)

    def _visible(self, person: Person, info: PostInfo | None, act: Act = Act.PUBLISH) -> Refused | None:
        """A post that is not published, or on a board that they may not see, does not exist for them."""
        if info is None or info.state is not PostState.PUBLISHED:
            return Refused(codes.POST_STOPPED if info is not None and info.author.id == person.account else codes.NO_POST)
        no = may(person, act, self.directory.board(info.board), verified_only=self.verified_only)
        # The board is not theirs to see: then neither is whether the post exists.
        return Refused(codes.NO_POST) if no is not None and no.code is codes.NO_BOARD else no

    def _own(self, person: Person, info: PostInfo | None, act: Act = Act.PUBLISH) -> Refused | None:
        no = self._visible(person, info, act)
        if no is None and info is not None and info.author.id != person.account:
            return Refused(codes.NOT_YOURS)
        return no

    async def _can_answer(self, post: PostId, board: BoardId) -> bool:
        info = await self.log.info(post)
        return info is not None and info.board == board and info.state is PostState.PUBLISHED
