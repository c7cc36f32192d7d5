"""Kept answers on PostgreSQL, so that a request that is made again may land on any node, also after a restart.

Answers lie under seal, and digests of requests are keyed (``seal``): one may hold a token, the other a password.
"""

from parley_protocol import codes
from parley_server.domain.answers import Refused
from parley_server.ports import Reply
from parley_server.store import bounds
from parley_server.store.pool import Database
from parley_server.store.seal import Sealer

_BEGIN = """
insert into kept_answers (who, key, digest, at_us) values ($1, $2, $3, $4)
on conflict (who, key) do update
    set digest = excluded.digest, at_us = excluded.at_us, status = null, data = null, content_type = null
    where kept_answers.at_us <= $5 or (kept_answers.status is null and kept_answers.at_us <= $6)
returning key
"""


class PgKeptAnswers:
    """``ports.KeptAnswers`` on PostgreSQL."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def begin(self, who: str, key: str, digest: bytes, at_us: int) -> Reply | Refused | None:
        """Start a request; see the port."""
        digest = self._sealer.request_digest(digest)
        expired, abandoned = (at_us - s * 1_000_000 for s in (bounds.KEPT_ANSWERS_S, bounds.UNDER_WAY_S))
        while True:
            if await self._database.row(_BEGIN, who, key, digest, at_us, expired, abandoned) is not None:
                return None
            row = await self._database.row("select * from kept_answers where who = $1 and key = $2", who, key)
            if row is None:
                continue  # Forgotten between the two statements: then it is new.
            if row["digest"] != digest:
                return Refused(codes.NONCE_REUSED, "The Idempotency-Key belongs to another request.", scope="Idempotency-Key")
            if row["status"] is None:
                return Refused(codes.LIMITED, "The same request is under way.", scope="Idempotency-Key", retry_after_ms=1_000)
            return Reply(row["status"], self._sealer.unseal_answer(who, key, row["data"]), row["content_type"])

    async def end(self, who: str, key: str, reply: Reply | None) -> None:
        """Keep an answer; see the port."""
        if reply is None:
            await self._database.row("delete from kept_answers where who = $1 and key = $2", who, key)
        else:
            await self._database.row(
                "update kept_answers set status = $3, data = $4, content_type = $5 where who = $1 and key = $2",
                who,
                key,
                reply.status,
                self._sealer.seal_answer(who, key, reply.data),
                reply.content_type,
            )
