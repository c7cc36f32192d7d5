"""How a place in the log reads now: an event refers to its post, and what the post is today decides what anyone is given (P2)."""

from parley_protocol.frames import Author, Deleted, Edited, Event, Gone, Posted, Reacted, Restored, Retracted
from parley_protocol.ids import AccountId, BoardId, PostId, TakedownId
from parley_server.store.pool import Row

# One statement, so one snapshot: state, revision and body of a post are of the same moment.
EVENTS_AFTER = """
select e.board, e.seq, e.kind, e.post, e.actor, e.emoji, e.at_us, e.takedown, p.author, p.author_name, p.rev, p.at_us as posted_at_us,
       p.reply_to, b.body, t.policy, t.reason
from events e
join posts p on p.id = e.post
left join bodies b on e.kind in ('posted', 'edited', 'restored') and p.state = 'published' and b.post = p.id and b.rev = p.rev
left join takedowns t on t.id = e.takedown
where e.board = $1 and e.seq > $2
order by e.seq
limit $3
"""

# Newest first. Only the latest revision of a text has words, and only published posts have texts.
POSTS_WITH_WORDS = """
select p.board, p.seq, p.id as post, p.author, p.author_name, p.rev, p.at_us as posted_at_us, p.reply_to, b.body
from bodies b
join posts p on p.id = b.post and p.rev = b.rev and p.state = 'published'
where b.words @@ $1::text::tsquery and p.board = any($2::text[])
order by p.at_us desc, p.id desc
limit $3
"""


def event(row: Row) -> Event:
    """Render a row of ``EVENTS_AFTER``. A post that has no body to show leaves ``Gone`` at the seq of each event that carried one."""
    board, seq, post = BoardId(row["board"]), row["seq"], PostId(row["post"])
    match row["kind"]:
        case "deleted":
            return Deleted(board, seq, post, row["at_us"])
        case "reacted" | "unreacted" as kind:
            return Reacted(board, seq, post, AccountId(row["actor"]), row["emoji"], kind == "reacted", row["at_us"])
        case "retracted":
            return Retracted(board, seq, post, row["policy"], row["reason"], TakedownId(row["takedown"]), row["at_us"])
        case _ if row["body"] is None:
            return Gone(board, seq, post)
        case "posted":
            return posted(row)
        case "edited":
            return Edited(board, seq, post, _author(row), row["body"], row["at_us"], row["rev"])
        case "restored":
            return Restored(
                board, seq, post, _author(row), row["body"], row["at_us"], row["posted_at_us"], row["rev"], _reply_to(row)
            )
        case kind:
            raise AssertionError(f"an event of kind {kind}")


def posted(row: Row) -> Posted:
    """Render a row of either statement as the post that it is about."""
    return Posted(
        BoardId(row["board"]),
        row["seq"],
        PostId(row["post"]),
        _author(row),
        row["body"],
        row["posted_at_us"],
        row["rev"],
        _reply_to(row),
    )


def _author(row: Row) -> Author:
    return Author(AccountId(row["author"]), row["author_name"])


def _reply_to(row: Row) -> PostId | None:
    return None if row["reply_to"] is None else PostId(row["reply_to"])
