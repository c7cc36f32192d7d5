"""The board log on PostgreSQL.

``append`` goes through the group commit. Everything else that writes takes a transaction of its own which locks the head row of the
board first; so all writes to one board happen one after the other, on whichever node, and seqs follow the order of commit.
"""

from collections.abc import Sequence

from parley_protocol import codes
from parley_protocol.frames import Author, Deleted, Edited, Event, Posted, Reacted
from parley_protocol.ids import AccountId, BoardId, PostId
from parley_server.domain.answers import Refused
from parley_server.domain.posts import Draft, EditDraft, PostInfo, PostState, Reaction, Repeat
from parley_server.store import bounds, rendering, writes
from parley_server.store.group_commit import GroupCommit
from parley_server.store.pool import Connection, Database
from parley_server.store.seal import Sealer


class PgBoardLog:
    """``ports.BoardLog`` on PostgreSQL. ``run`` must be running for ``append`` to answer."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._group = GroupCommit(database, sealer)

    async def run(self) -> None:
        """Commit what ``append`` queues, until cancelled. Start it once, in the task group that owns the process."""
        await self._group.run()

    async def append(self, draft: Draft) -> Posted | Repeat | Refused:
        """Publish a post; see the port. ``no_board`` if there is no such board."""
        return await self._group.append(draft)

    async def edit(self, draft: EditDraft) -> Edited | Refused:
        """Publish a new revision; see the port."""

        async def work(connection: Connection) -> Edited | Refused:
            stored = await writes.lock_post(connection, draft.post)
            if (refused := writes.editable(stored, draft)) is not None:
                return refused
            assert stored is not None
            return await writes.publish_edit(
                connection, stored, stored.rev + 1, draft.body, draft.at_us, draft.ruleset, uninspected=draft.uninspected
            )

        return await self._database.run(work)

    async def delete(self, post: PostId, author: AccountId, at_us: int) -> Deleted | Refused:
        """Remove a post, its text and an edit that waited; see the port."""

        async def work(connection: Connection) -> Deleted | Refused:
            stored = await writes.lock_post(connection, post)
            if stored is None or (stored.unseen and stored.author.id != author):
                return Refused(codes.NO_POST)
            if stored.author.id != author:
                return Refused(codes.NOT_YOURS)
            if stored.state is not PostState.PUBLISHED:
                return Refused(codes.POST_STOPPED)
            await connection.execute("delete from bodies where post = $1", post)
            await connection.execute("delete from held where post = $1", post)
            await connection.execute("delete from reactions where post = $1", post)
            await connection.execute("update posts set state = 'deleted' where id = $1", post)
            seq = await writes.add_event(connection, stored.board, "deleted", post, stored.rev, at_us)
            return Deleted(stored.board, seq, post, at_us)

        return await self._database.run(work)

    async def react(self, reaction: Reaction) -> Reacted | Refused | None:
        """Add or take back a reaction; ``no_post`` (also on another board), ``post_stopped``."""

        async def work(connection: Connection) -> Reacted | Refused | None:
            stored = await writes.lock_post(connection, reaction.post)
            if stored is None or stored.board != reaction.board or stored.unseen:
                return Refused(codes.NO_POST)
            if stored.state is not PostState.PUBLISHED:
                return Refused(codes.POST_STOPPED)
            if not await _set_reaction(connection, reaction):
                return None
            kind: writes.EventKind = "reacted" if reaction.on else "unreacted"
            seq = await writes.add_event(
                connection,
                stored.board,
                kind,
                stored.post,
                stored.rev,
                reaction.at_us,
                actor=reaction.account,
                emoji=reaction.emoji,
            )
            return Reacted(stored.board, seq, stored.post, reaction.account, reaction.emoji, reaction.on, reaction.at_us)

        return await self._database.run(work)

    async def head(self, board: BoardId) -> tuple[str, int] | None:
        """Return epoch and greatest seq."""
        row = await self._database.row("select epoch, head from boards where id = $1", board)
        return None if row is None else (row["epoch"], row["head"])

    async def heads(self, boards: Sequence[BoardId]) -> dict[BoardId, int]:
        """Return the greatest seq of each board."""
        if not boards:
            return {}
        rows = await self._database.read("select id, head from boards where id = any($1)", list(boards))
        return {BoardId(row["id"]): row["head"] for row in rows}

    async def read(self, board: BoardId, after: int, limit: int) -> list[Event]:
        """Return at most ``READ_EVENTS_MAX`` events, rendered as of now; see the port."""
        rows = await self._database.read(rendering.EVENTS_AFTER, board, after, min(limit, bounds.READ_EVENTS_MAX))
        return [rendering.event(row) for row in rows]

    async def info(self, post: PostId) -> PostInfo | None:
        """Return what is known of a post."""
        row = await self._database.row(
            "select p.*, h.post is not null as waits from posts p left join held h on h.post = p.id where p.id = $1", post
        )
        if row is None:
            return None
        state = PostState(row["state"])
        return PostInfo(
            post,
            BoardId(row["board"]),
            Author(AccountId(row["author"]), row["author_name"]),
            state,
            row["rev"],
            row["seq"],
            row["at_us"],
            None if row["reply_to"] is None else PostId(row["reply_to"]),
            row["waits"] and state is not PostState.HELD,
        )

    async def search(self, words: Sequence[str], boards: Sequence[BoardId], limit: int) -> list[Posted]:
        """Return at most ``PAGE_MAX`` published posts that hold every word, newest first; none for no words."""
        if not words:
            return []
        rows = await self._database.read(rendering.POSTS_WITH_WORDS, _all_of(words), list(boards), min(limit, bounds.PAGE_MAX))
        return [rendering.posted(row) for row in rows]


async def _set_reaction(connection: Connection, reaction: Reaction) -> bool:
    """Store a reaction or its absence; false if it was so already."""
    if reaction.on:
        done = await connection.execute(
            "insert into reactions (post, account, emoji, at_us) values ($1, $2, $3, $4) on conflict do nothing",
            reaction.post,
            reaction.account,
            reaction.emoji,
            reaction.at_us,
        )
    else:
        done = await connection.execute(
            "delete from reactions where post = $1 and account = $2 and emoji = $3",
            reaction.post,
            reaction.account,
            reaction.emoji,
        )
    # PostgreSQL's command tag ends with the number of rows.
    return not done.endswith(" 0")


def _all_of(words: Sequence[str]) -> str:
    """Write a query for texts that hold every word; quoted, so that no word is read as an operator."""
    quoted = (word.replace("\\", "\\\\").replace("'", "''") for word in words if word)
    return " & ".join(f"'{word}'" for word in quoted)
