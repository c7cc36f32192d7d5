"""Takedowns on PostgreSQL: each method is one transaction, and what it changes, records, seals and raises commits with it (P6).

Every method first locks the board's head row (through ``writes.lock_post``), then the case, then the head of the alerts. All that can
refuse is asked before the first row is written, so a refusal leaves nothing behind.
"""

from collections.abc import Sequence
from typing import Final

from parley_protocol import codes
from parley_protocol.frames import Action, Alert, Outcome, Posted, Restored, Retracted, VerdictNotice
from parley_protocol.ids import AccountId, BoardId, PostId, TakedownId
from parley_server.domain.answers import Refused
from parley_server.domain.posts import Draft, EditDraft, PostState, Repeat
from parley_server.domain.takedowns import AlertDraft, Case, CaseAt, Evidence, Filed, Kind, Published, Restriction, Reversal
from parley_server.store import bounds, cases, objections, records, writes
from parley_server.store.pool import Connection, Database
from parley_server.store.seal import Sealer
from parley_server.store.writes import Stored

APPEAL_PATH: Final = "/v1/takedowns/{takedown}/appeals"

_OUTCOMES: Final[dict[Kind, Outcome]] = {
    Kind.WITHHOLD: "held",
    Kind.REFUSE: "refused",
    Kind.RETRACT: "retracted",
    Kind.RELEASE: "released",
    Kind.RESTORE: "restored",
}


class PgTakedowns:
    """``ports.Takedowns`` on PostgreSQL."""

    def __init__(self, database: Database, sealer: Sealer, appeal_path: str = APPEAL_PATH) -> None:
        """``appeal_path``: where an author objects; ``{takedown}`` in it is the record's id."""
        self._database = database
        self._sealer = sealer
        self._appeal_path = appeal_path

    async def stop(self, draft: Draft | EditDraft, restriction: Restriction) -> Filed | Repeat | Refused:
        """Store a withheld or refused text, sealed; see the port. Also ``no_board``, ``no_policy``, ``reason_required``."""
        assert restriction.kind in (Kind.WITHHOLD, Kind.REFUSE)

        async def work(connection: Connection) -> Filed | Repeat | Refused:
            version = await self._grounded(connection, restriction)
            if isinstance(version, Refused):
                return version
            case: Case | None
            if isinstance(draft, EditDraft):
                found = await writes.lock_post(connection, draft.post)
                if (refused := writes.editable(found, draft)) is not None:
                    return refused
                assert found is not None
                stored, rev = found, found.rev + 1
                open_case = await cases.lock_case_of(connection, stored.post, restriction.case)
                if isinstance(open_case, Refused):
                    return open_case
                case = open_case
            else:
                if not await writes.lock_board(connection, draft.board):
                    return Refused(codes.NO_BOARD)
                digest = self._sealer.digest(draft.author.id, draft.nonce, draft.body)
                if (seen := await writes.take_nonce(connection, draft, digest)) is not None:
                    return seen
                state = PostState.HELD if restriction.kind is Kind.WITHHOLD else PostState.REFUSED
                await writes.add_post(connection, draft, state, None, restriction.takedown)
                stored, rev, case = _unpublished(draft, state), 1, None
            was_open = case is not None
            case, alert = await cases.raise_alert(connection, stored, case, _alert(restriction))
            await self._record(connection, stored, restriction, version, case, [(rev, draft.body)], rev)
            if restriction.kind is Kind.WITHHOLD:
                await connection.execute(
                    "insert into held (post, rev, takedown, ruleset, uninspected, at_us) values ($1, $2, $3, $4, $5, $6)",
                    stored.post,
                    rev,
                    restriction.takedown,
                    draft.ruleset,
                    draft.uninspected,
                    draft.at_us,
                )
            elif not was_open:
                # Refused for good by the rule: nothing is left to decide, the alert says that it happened.
                case = await _decided(connection, case, "refuse", restriction)
            return self._filed(stored, case, restriction, alert)

        return await self._database.run(work)

    async def flag(self, draft: Draft | EditDraft, alert: AlertDraft) -> Filed | Repeat | Refused:
        """Publish and raise an alert; see the port. Also ``no_board``."""

        async def work(connection: Connection) -> Filed | Repeat | Refused:
            event: Published
            case: Case | None
            if isinstance(draft, EditDraft):
                found = await writes.lock_post(connection, draft.post)
                if (refused := writes.editable(found, draft)) is not None:
                    return refused
                assert found is not None
                stored = found
                open_case = await cases.lock_case_of(connection, stored.post, None)
                assert not isinstance(open_case, Refused)  # Only a case that is named can be refused.
                case = open_case
                event = await writes.publish_edit(
                    connection, stored, stored.rev + 1, draft.body, draft.at_us, draft.ruleset, uninspected=draft.uninspected
                )
            else:
                if not await writes.lock_board(connection, draft.board):
                    return Refused(codes.NO_BOARD)
                digest = self._sealer.digest(draft.author.id, draft.nonce, draft.body)
                if (seen := await writes.take_nonce(connection, draft, digest)) is not None:
                    return seen
                stored, case = _unpublished(draft, PostState.PUBLISHED), None
                event = await writes.publish_post(connection, draft)
            case, raised = await cases.raise_alert(connection, stored, case, alert)
            return Filed(stored.author.id, stored.board, stored.post, case, event=event, alert=raised)

        return await self._database.run(work)

    async def retract(self, post: PostId, restriction: Restriction) -> Filed | Refused:
        """Stop a published post; see the port. A person's decision also closes its case. Also ``no_policy``, ``reason_required``."""
        assert restriction.kind is Kind.RETRACT

        async def work(connection: Connection) -> Filed | Refused:
            version = await self._grounded(connection, restriction)
            if isinstance(version, Refused):
                return version
            locked = await _lock(connection, post, restriction.case)
            if isinstance(locked, Refused):
                return locked
            stored, case = locked
            if stored.state is not PostState.PUBLISHED:
                return Refused(codes.POST_STOPPED)
            rows = await connection.fetch("delete from bodies where post = $1 returning rev, body", post)
            texts = sorted((row["rev"], row["body"]) for row in rows)
            await connection.execute(
                "update posts set state = 'retracted', takedown = $2 where id = $1", post, restriction.takedown
            )
            alert = None
            if case is None or records.by_machine(restriction.actor):
                case, alert = await cases.raise_alert(connection, stored, case, _alert(restriction))
            if not records.by_machine(restriction.actor):
                case = await _decided(connection, case, "retract", restriction)
            await self._record(connection, stored, restriction, version, case, texts, stored.rev)
            at_us = restriction.stopped_at_us
            seq = await writes.add_event(
                connection, stored.board, "retracted", post, stored.rev, at_us, takedown=restriction.takedown
            )
            event = Retracted(stored.board, seq, post, restriction.policy, restriction.reason, restriction.takedown, at_us)
            return self._filed(stored, case, restriction, alert, event)

        return await self._database.run(work)

    async def release(self, post: PostId, reversal: Reversal) -> Filed | Refused:
        """Publish what was held; see the port. An edit of a post that was retracted since is ``not_held``. Also ``reason_required``."""
        assert reversal.kind is Kind.RELEASE

        async def work(connection: Connection) -> Filed | Refused:
            if not reversal.reason.strip():
                return Refused(codes.REASON_REQUIRED)
            locked = await _lock(connection, post, reversal.case)
            if isinstance(locked, Refused):
                return locked
            stored, case = locked
            if stored.held is None or stored.state not in (PostState.HELD, PostState.PUBLISHED):
                return Refused(codes.NOT_HELD)
            rev, takedown = stored.held
            [(_, body)] = await records.unseal_texts(connection, self._sealer, takedown)
            held = await connection.fetchrow("delete from held where post = $1 returning *", post)
            assert held is not None  # ``stored.held`` was read under the board's lock.
            event: Published
            if stored.state is PostState.HELD:
                seq = await writes.add_event(connection, stored.board, "posted", post, rev, reversal.at_us)
                await connection.execute(
                    "update posts set state = 'published', seq = $2, takedown = null where id = $1", post, seq
                )
                await writes.put_body(connection, post, rev, body)
                event = Posted(stored.board, seq, post, stored.author, body, stored.at_us, rev, stored.reply_to)
            else:
                event = await writes.publish_edit(
                    connection, stored, rev, body, reversal.at_us, held["ruleset"], uninspected=held["uninspected"]
                )
            return await self._reversed(connection, stored, case, reversal, takedown, event)

        return await self._database.run(work)

    async def refuse(self, post: PostId, restriction: Restriction) -> Filed | Refused:
        """End what was held; see the port. The record refers to the text as it was sealed when it was withheld."""
        assert restriction.kind is Kind.REFUSE

        async def work(connection: Connection) -> Filed | Refused:
            version = await self._grounded(connection, restriction)
            if isinstance(version, Refused):
                return version
            locked = await _lock(connection, post, restriction.case)
            if isinstance(locked, Refused):
                return locked
            stored, case = locked
            if stored.held is None:
                return Refused(codes.NOT_HELD)
            rev, withheld = stored.held
            await connection.execute("delete from held where post = $1", post)
            if stored.state is PostState.HELD:
                await connection.execute(
                    "update posts set state = 'refused', takedown = $2 where id = $1", post, restriction.takedown
                )
            first = await connection.fetchrow("select case_id, evidence_hash from takedowns where id = $1", withheld)
            assert first is not None  # A foreign key of ``held``.
            case = case or await cases.lock_any_case(connection, first["case_id"])
            case = await _decided(connection, case, "refuse", restriction)
            await records.add_takedown(
                connection,
                stored,
                restriction,
                version,
                case,
                rev=rev,
                evidence=(withheld, rev),
                evidence_hash=first["evidence_hash"],
            )
            return self._filed(stored, case, restriction, None)

        return await self._database.run(work)

    async def restore(self, post: PostId, reversal: Reversal) -> Filed | Refused:
        """Publish a retracted post again, every revision of it; see the port. Also ``reason_required``."""
        assert reversal.kind is Kind.RESTORE

        async def work(connection: Connection) -> Filed | Refused:
            if not reversal.reason.strip():
                return Refused(codes.REASON_REQUIRED)
            locked = await _lock(connection, post, reversal.case)
            if isinstance(locked, Refused):
                return locked
            stored, case = locked
            if stored.state is not PostState.RETRACTED or stored.takedown is None:
                return Refused(codes.NOT_RETRACTED)
            texts = await records.unseal_texts(connection, self._sealer, stored.takedown)
            for rev, body in texts:
                await writes.put_body(connection, post, rev, body, latest=rev == stored.rev)
            await connection.execute("update posts set state = 'published', takedown = null where id = $1", post)
            seq = await writes.add_event(connection, stored.board, "restored", post, stored.rev, reversal.at_us)
            event = Restored(
                stored.board,
                seq,
                post,
                stored.author,
                dict(texts)[stored.rev],
                reversal.at_us,
                stored.at_us,
                stored.rev,
                stored.reply_to,
            )
            return await self._reversed(connection, stored, case, reversal, stored.takedown, event)

        return await self._database.run(work)

    async def dismiss(self, at: CaseAt, by: AccountId, reason: str, at_us: int) -> Filed | Refused:
        """Close a case and leave its post as it is; see the port."""

        async def work(connection: Connection) -> Filed | Refused:
            case = await cases.lock_case(connection, at)
            if isinstance(case, Refused):
                return case
            case = await cases.decide(connection, case, "dismiss", by, None, reason, at_us)
            author = await connection.fetchval("select author from posts where id = $1", case.post)
            return Filed(AccountId(author), case.board, case.post, case)

        return await self._database.run(work)

    async def report(self, post: PostId, by: AccountId | None, text: str, alert: AlertDraft) -> Filed | Refused:
        """Store somebody's report of a post; see the port."""
        return await self._database.run(lambda connection: objections.report(connection, post, by, text, alert))

    async def appeal(self, takedown: TakedownId, by: AccountId, text: str, alert: AlertDraft) -> Filed | Refused:
        """Store the author's objection to a takedown; see the port."""
        return await self._database.run(lambda connection: objections.appeal(connection, takedown, by, text, alert))

    async def records(
        self, *, post: PostId | None = None, author: AccountId | None = None, after: str | None = None, limit: int = 100
    ) -> list[dict[str, object]]:
        """Return at most ``PAGE_MAX`` records in the order of their commit; see ``records.public``."""
        rows = await self._database.read(records.RECORDS, post, author, after, min(limit, bounds.PAGE_MAX))
        return [records.public(row) for row in rows]

    async def record(self, takedown: TakedownId) -> dict[str, object] | None:
        """Return one record."""
        row = await self._database.row(records.RECORD, takedown)
        return None if row is None else records.public(row)

    async def open_evidence(self, post: PostId, by: AccountId, purpose: str, at_us: int) -> list[Evidence]:
        """Unseal the stopped texts of a post; see the port.

        Raises:
            BrokenSeal: wrong key, or the evidence was changed; nothing was read, so no reading is recorded.
        """

        async def work(connection: Connection) -> list[Evidence]:
            rows = await connection.fetch("select * from evidence where post = $1 order by rev desc, sealed_at_us desc", post)
            opened = [
                Evidence(TakedownId(row["takedown"]), post, row["rev"], records.open_row(self._sealer, row), row["sealed_at_us"])
                for row in rows
            ]
            await connection.execute(
                "insert into evidence_reads (post, by, purpose, texts, at_us) values ($1, $2, $3, $4, $5)",
                post,
                by,
                purpose,
                len(opened),
                at_us,
            )
            return opened

        return await self._database.run(work)

    async def _grounded(self, connection: Connection, restriction: Restriction) -> int | Refused:
        """Return the version of the policy that a restriction rests on. The same conditions are constraints of the table (P7)."""
        if not (restriction.reason.strip() and restriction.facts.strip()):
            return Refused(codes.REASON_REQUIRED)
        version = await records.policy_version(connection, restriction.policy)
        return Refused(codes.NO_POLICY) if version is None else version

    async def _record(
        self,
        connection: Connection,
        stored: Stored,
        restriction: Restriction,
        version: int,
        case: Case,
        texts: Sequence[tuple[int, str]],
        rev: int,
    ) -> None:
        """Seal the texts (revision, body; oldest first) that a restriction of ``rev`` stops, and write its record."""
        takedown = restriction.takedown
        sealed = await records.seal_texts(connection, self._sealer, takedown, stored.post, texts, restriction.stopped_at_us)
        await records.add_takedown(
            connection, stored, restriction, version, case, rev=rev, evidence=(takedown, rev), evidence_hash=sealed
        )

    async def _reversed(
        self, connection: Connection, stored: Stored, case: Case | None, reversal: Reversal, takedown: str, event: Published
    ) -> Filed:
        """Record a reversal, close its case and tell of it."""
        row = await connection.fetchrow("select case_id, policy from takedowns where id = $1", takedown)
        assert row is not None  # A foreign key of ``posts`` and ``held``.
        case = case or await cases.lock_any_case(connection, row["case_id"])
        action: Action = "release" if reversal.kind is Kind.RELEASE else "restore"
        case = await cases.decide(
            connection, case, action, reversal.actor.account, row["policy"], reversal.reason, reversal.at_us
        )
        await records.add_reversal(connection, reversal, takedown, case)
        verdict = VerdictNotice(stored.post, _OUTCOMES[reversal.kind], row["policy"], reversal.reason, reversal.takedown)
        return Filed(stored.author.id, stored.board, stored.post, case, reversal.takedown, event, verdict)

    def _filed(
        self, stored: Stored, case: Case, restriction: Restriction, alert: Alert | None, event: Retracted | None = None
    ) -> Filed:
        """Tell of a restriction; the verdict is the statement of reasons that its author is owed."""
        verdict = VerdictNotice(
            stored.post,
            _OUTCOMES[restriction.kind],
            restriction.policy,
            restriction.reason,
            restriction.takedown,
            self._appeal_path.replace("{takedown}", restriction.takedown),
            restriction.detection.automated,
        )
        return Filed(stored.author.id, stored.board, stored.post, case, restriction.takedown, event, verdict, alert)


async def _lock(connection: Connection, post: PostId, at: CaseAt | None) -> tuple[Stored, Case | None] | Refused:
    """Lock a post and the case that a decision on it is about; ``conflict`` comes before what the post's state would say."""
    stored = await writes.lock_post(connection, post)
    if stored is None:
        return Refused(codes.NO_POST)
    case = await cases.lock_case_of(connection, post, at)
    return case if isinstance(case, Refused) else (stored, case)


async def _decided(connection: Connection, case: Case, action: Action, restriction: Restriction) -> Case:
    """Close a case with a restriction."""
    return await cases.decide(
        connection, case, action, restriction.actor.account, restriction.policy, restriction.reason, restriction.stopped_at_us
    )


def _unpublished(draft: Draft, state: PostState) -> Stored:
    """Give the row that ``add_post`` writes for a new post."""
    return Stored(draft.post, BoardId(draft.board), draft.author, state, 1, None, draft.at_us, draft.reply_to, None, None)


def _alert(restriction: Restriction) -> AlertDraft:
    """Give the alert that a restriction raises; its rule is the one that leads."""
    return AlertDraft(
        restriction.new_case,
        restriction.severity,
        restriction.policy,
        restriction.stage,
        restriction.excerpt,
        restriction.stopped_at_us,
        restriction.detection.rules[0][0] if restriction.detection.rules else None,
    )
