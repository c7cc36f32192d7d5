"""Frames that may be lost: how many are here, and who writes.

They have no seq, are never stored, and go to the live readers alone.
"""

from parley_protocol.frames import Presence, Typing
from parley_protocol.ids import AccountId
from parley_server import limits
from parley_server.gateway.hotlog import Kinds
from parley_server.gateway.rooms import Reader, Room
from parley_server.gateway.wire import message


def typing(room: Room, reader: Reader, account: AccountId, now: float) -> None:
    """Tell a board's live readers that the account of ``reader`` writes; too often is dropped."""
    if now - room.typing.get(account, float("-inf")) < limits.TYPING_S:
        return
    if len(room.typing) > limits.PENDING_EVENTS_MAX:
        room.typing.clear()
    room.typing[account] = now
    _drop_in(room, Kinds.TYPING, Typing(room.board, account), but=reader)


def presence(room: Room, count: int) -> None:
    """Tell a board's live readers how many follow it, if that changed."""
    if count != room.counted:
        room.counted = count
        _drop_in(room, Kinds.PRESENCE, Presence(room.board, count))


def _drop_in(room: Room, kind: Kinds, frame: Presence | Typing, but: Reader | None = None) -> None:
    """Write a frame that may be lost to the live readers that asked for it."""
    for group in list(room.groups.values()):
        if kind & group.kinds and group.live:
            data = message(frame, group.form)
            for reader in tuple(group.live):
                if reader is not but:
                    reader.says(len(data))
                    reader.lanes.sink.write(data)
