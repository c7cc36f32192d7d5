"""What people say about a post or a takedown, as steps inside a transaction: reports and appeals. Each reaches a moderator as an alert."""

from parley_protocol import codes
from parley_protocol.ids import AccountId, PostId, TakedownId
from parley_server.domain.answers import Refused
from parley_server.domain.takedowns import AlertDraft, Filed
from parley_server.store import cases, writes
from parley_server.store.pool import Connection


async def report(connection: Connection, post: PostId, by: AccountId | None, text: str, draft: AlertDraft) -> Filed | Refused:
    """Store a report. A post that no reader ever saw is ``no_post``: a report must not find out that it exists."""
    stored = await writes.lock_post(connection, post)
    if stored is None or stored.unseen:
        return Refused(codes.NO_POST)
    found = await cases.lock_case_of(connection, post, None)
    assert not isinstance(found, Refused)  # Only a case that is named can be refused.
    case, alert = await cases.raise_alert(connection, stored, found, draft)
    await connection.execute(
        "insert into reports (post, by, body, alert, at_us) values ($1, $2, $3, $4, $5)", post, by, text, alert.n, draft.at_us
    )
    return Filed(stored.author.id, stored.board, post, case, alert=alert)


async def appeal(connection: Connection, takedown: TakedownId, by: AccountId, text: str, draft: AlertDraft) -> Filed | Refused:
    """Store the one appeal against a takedown and put its case before a person again."""
    record = await connection.fetchrow("select post, author, case_id from takedowns where id = $1", takedown)
    if record is None:
        return Refused(codes.NO_TAKEDOWN)
    if record["author"] != by:
        return Refused(codes.NOT_YOURS)
    stored = await writes.lock_post(connection, record["post"])
    assert stored is not None  # A record's post is a foreign key.
    if await connection.fetchval("select takedown from appeals where takedown = $1", takedown) is not None:
        return Refused(codes.AGAIN)
    case = await cases.lock_case_of(connection, stored.post, None)
    assert not isinstance(case, Refused)  # As above.
    if case is None:
        # A post has one open case at most; where there is none, the case of the takedown is decided and opens again.
        case = await cases.reopen(connection, await cases.lock_any_case(connection, record["case_id"]))
    case, alert = await cases.raise_alert(connection, stored, case, draft)
    await connection.execute(
        "insert into appeals (takedown, by, body, alert, at_us) values ($1, $2, $3, $4, $5)",
        takedown,
        by,
        text,
        alert.n,
        draft.at_us,
    )
    return Filed(stored.author.id, stored.board, stored.post, case, takedown, alert=alert)
