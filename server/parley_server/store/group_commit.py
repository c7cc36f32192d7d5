"""Group commit: drafts that arrive while a commit is under way form the next one, of several boards in one statement.

One statement does it all, at READ COMMITTED. It relies on three things: the head rows are locked in the order of their ids, so that
nodes wait for each other in one order; a locked row is read as it was committed last, not as it was when the statement began; and
``on conflict do nothing`` also sees rows that were committed since. So only what is really new gets a seq, and no seq is lost.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

from parley_protocol import codes
from parley_protocol.frames import Posted
from parley_server.domain.answers import Refused
from parley_server.domain.posts import Draft, Repeat
from parley_server.domain.search import tokens
from parley_server.ports import Unavailable
from parley_server.store import bounds
from parley_server.store.pool import AGAIN, Connection, Database, Row, reaching
from parley_server.store.seal import Sealer
from parley_server.store.writes import seen_before

Answer = Posted | Repeat | Refused

APPEND: Final = """
with drafts as (
    select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::text[], $8::bigint[], $9::text[],
                         $10::integer[], $11::boolean[], $12::text[])
        with ordinality as d (post, board, author, name, nonce, digest, body, at_us, reply_to, ruleset, uninspected, words, place)
), heads as (
    select id, head from boards where id = any($13::text[]) order by id for no key update
), fresh as (
    insert into nonces (author, nonce, post, digest)
    select d.author, d.nonce, d.post, d.digest from drafts d join heads h on h.id = d.board order by d.place
    on conflict do nothing
    returning post
), numbered as (
    select d.*, h.head + row_number() over (partition by d.board order by d.place) as seq
    from drafts d join fresh f on f.post = d.post join heads h on h.id = d.board
), new_posts as (
    insert into posts (id, board, author, author_name, state, rev, seq, at_us, reply_to, ruleset, uninspected)
    select post, board, author, name, 'published', 1, seq, at_us, reply_to, ruleset, uninspected from numbered
), new_events as (
    insert into events (board, seq, at_us, kind, rev, post) select board, seq, at_us, 'posted', 1, post from numbered
), new_bodies as (
    insert into bodies (post, rev, body, words)
    select post, 1, body, array_to_tsvector(string_to_array(words, ' ')) from numbered
), moved as (
    update boards b set head = n.head from (select board, max(seq) as head from numbered group by board) n
    where b.id = n.board and b.id = any($13::text[])
)
select h.id as board, n.post, n.seq from heads h left join numbered n on n.board = h.id
"""


@dataclass(slots=True)
class _Waiting:
    """A draft and whoever waits for its answer, ``until`` when in the loop's seconds."""

    draft: Draft
    digest: bytes
    words: str
    until: float
    answer: "asyncio.Future[Answer]" = field(repr=False)


class GroupCommit:
    """The queue of accepted drafts and the one connection that commits them. ``run`` does the work; nothing is committed without it."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer
        self._queue: deque[_Waiting] = deque()
        self._filled = asyncio.Event()
        # What is being committed. It and the queue hold drafts in the order in which their time runs out: one timer serves them all.
        self._batch: Sequence[_Waiting] = ()
        self._timer: asyncio.TimerHandle | None = None

    async def append(self, draft: Draft) -> Answer:
        """Queue a draft and wait for its commit.

        A caller that is cancelled leaves its draft: it may be committed, and the same nonce gives ``Repeat``.

        Raises:
            Unavailable: the queue is full (nothing stored), or the commit failed or took longer than ``APPEND_S``.
        """
        if len(self._queue) >= bounds.WAITING_DRAFTS_MAX:
            raise Unavailable(f"{bounds.WAITING_DRAFTS_MAX} posts wait for their commit")
        # Here, not in the writer: the words of the next batch are found while PostgreSQL works on this one.
        digest = self._sealer.digest(draft.author.id, draft.nonce, draft.body)
        words = " ".join(tokens(draft.body))
        loop = asyncio.get_running_loop()
        waiting = _Waiting(draft, digest, words, loop.time() + bounds.APPEND_S, loop.create_future())
        self._queue.append(waiting)
        self._filled.set()
        if self._timer is None:
            self._timer = loop.call_at(waiting.until, self._expire)
        return await waiting.answer

    async def run(self) -> None:
        """Commit batches until cancelled; reconnects by itself. Those who still wait then get ``Unavailable``."""
        try:
            while True:
                await self._filled.wait()
                try:
                    connection = await self._database.connect()
                except Unavailable as error:
                    # Nobody is there. The drafts are told at once, else they would wait for a server that may take long to come.
                    self._fail(error)
                    await asyncio.sleep(bounds.REOPEN_S)
                    continue
                await self._serve(connection)
        finally:
            self._fail(Unavailable("the board log closes"))
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    async def _serve(self, connection: Connection) -> None:
        """Commit batch after batch over one connection, until that is of no more use."""
        usable = True
        try:
            async with reaching():
                # One plan for every batch: planning this statement costs more than a batch of one.
                await connection.execute("set plan_cache_mode = force_generic_plan")
                append = await connection.prepare(APPEND)
            while usable:
                await self._filled.wait()
                if connection.is_closed():
                    break  # Cut off while nothing was to do; the drafts wait for the next connection.
                batch = self._batch = [self._queue.popleft() for _ in range(min(len(self._queue), bounds.BATCH_DRAFTS_MAX))]
                if not self._queue:
                    self._filled.clear()
                usable = await self._answer(connection, append, batch)
                self._batch = ()
        except Unavailable:
            await asyncio.sleep(bounds.REOPEN_S)  # It broke before there was a batch; the drafts stay in the queue.
        finally:
            # At once and without a word to the server: on the way out it may be a server that no longer answers.
            connection.terminate()

    async def _answer(self, connection: Connection, append: "PreparedStatement[Row]", batch: Sequence[_Waiting]) -> bool:
        """Commit one batch and answer its drafts; a failure is theirs alone. False if the connection is of no more use."""
        try:
            async with reaching():
                try:
                    answers = await _commit(connection, append, batch)
                except AGAIN:
                    await asyncio.sleep(bounds.AGAIN_S)
                    answers = await _commit(connection, append, batch)
        except Unavailable as error:
            for waiting in batch:
                _tell(waiting, error)
            # A statement that ran into its time limit leaves the connection as it was; a server that fell silent does not.
            return not (connection.is_closed() or isinstance(error.__cause__, TimeoutError))
        except (asyncpg.PostgresError, ValueError) as error:
            # One of them cannot be stored, a text that is no text, say. Alone, only that one fails.
            if len(batch) == 1:
                _tell(batch[0], error)
                return True
            return all([await self._answer(connection, append, [waiting]) for waiting in batch])
        except BaseException:
            for waiting in batch:
                _tell(waiting, Unavailable("the commit was cut off"))
            raise
        for waiting, answer in zip(batch, answers, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(answer)
        return True

    def _expire(self) -> None:
        """Tell those whose time is up; their drafts may be committed nevertheless."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._timer = None
        for waiting in chain(self._batch, self._queue):
            if waiting.until > now:
                self._timer = loop.call_at(waiting.until, self._expire)
                return
            _tell(waiting, Unavailable("the commit took too long"))

    def _fail(self, error: Unavailable) -> None:
        while self._queue:
            _tell(self._queue.popleft(), error)
        self._filled.clear()


def _tell(waiting: _Waiting, error: Exception) -> None:
    """Fail a draft, unless its author left."""
    if not waiting.answer.done():
        waiting.answer.set_exception(error)


async def _commit(connection: Connection, append: "PreparedStatement[Row]", batch: Sequence[_Waiting]) -> list[Answer]:
    """Store a batch in one statement, then ask after those that were not new."""
    drafts = [waiting.draft for waiting in batch]
    rows = await append.fetch(
        [draft.post for draft in drafts],
        [draft.board for draft in drafts],
        [draft.author.id for draft in drafts],
        [draft.author.name for draft in drafts],
        [draft.nonce for draft in drafts],
        [waiting.digest for waiting in batch],
        [draft.body for draft in drafts],
        [draft.at_us for draft in drafts],
        [draft.reply_to for draft in drafts],
        [draft.ruleset for draft in drafts],
        [draft.uninspected for draft in drafts],
        [waiting.words for waiting in batch],
        list({draft.board for draft in drafts}),
    )
    boards = {row["board"] for row in rows}
    seqs: dict[str, int] = {row["post"]: row["seq"] for row in rows if row["post"] is not None}
    answers: list[Answer] = []
    for waiting in batch:
        draft = waiting.draft
        if (seq := seqs.pop(draft.post, None)) is not None:
            answers.append(Posted(draft.board, seq, draft.post, draft.author, draft.body, draft.at_us, 1, draft.reply_to))
        elif draft.board not in boards:
            answers.append(Refused(codes.NO_BOARD))
        else:
            answers.append(await seen_before(connection, draft, waiting.digest))
    return answers
