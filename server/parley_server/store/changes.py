"""The numbers of changes that nodes keep in memory: one row, locked last, until the transaction ends."""

from typing import Literal, TypeAlias

from parley_server.store.pool import Connection

ChangeKind: TypeAlias = Literal["person", "session", "board", "rules", "policies", "retracted", "deleted"]

_NOTE = (
    "with head as (update change_head set n = n + 1 returning n)"
    " insert into changes (n, kind, subject, board, seq) select n, $1, $2, $3, $4 from head"
)


async def note(
    connection: Connection, kind: ChangeKind, subject: str, *, board: str | None = None, seq: int | None = None
) -> None:
    """Number a change, inside the transaction that makes it and after every other lock of it."""
    await connection.execute(_NOTE, kind, subject, board, seq)
