"""Frames that may be lost: how many are here, and who writes.

They have no seq, are never stored, and go to the live readers alone. Other nodes are told, and tell, a second later at most.
"""

from parley_protocol.frames import Presence, Typing
from parley_protocol.ids import AccountId
from parley_server import limits
from parley_server.gateway.counts import Counts
from parley_server.gateway.hotlog import Kinds
from parley_server.gateway.rooms import Reader, Room
from parley_server.gateway.wire import message


def typing(room: Room, reader: Reader | None, account: AccountId, now: float, counts: Counts) -> bool:
    """Tell a board's live readers that an account writes, all but ``reader``; too often is dropped, and answered with false."""
    if now - room.typing.get(account, float("-inf")) < limits.TYPING_S:
        return False
    if len(room.typing) > limits.PENDING_EVENTS_MAX:
        room.typing.clear()
    room.typing[account] = now
    _drop_in(room, Kinds.TYPING, Typing(room.board, account), counts, but=reader)
    return True


def presence(room: Room, count: int, now: float, counts: Counts) -> None:
    """Tell a board's live readers how many follow it on all nodes, if that changed; ``count``: on this one."""
    for node, (online, until) in list(room.elsewhere.items()):
        if until < now:
            del room.elsewhere[node]
        else:
            count += online
    if count != room.counted:
        room.counted = count
        _drop_in(room, Kinds.PRESENCE, Presence(room.board, count), counts)


def counted(room: Room, node: str, online: int, now: float) -> None:
    """Take in how many follow a board on another node."""
    if online == 0:
        room.elsewhere.pop(node, None)
        return
    if node not in room.elsewhere:
        # It has only begun to count here, so it may not know of ours.
        room.tell_at = 0.0
    room.elsewhere[node] = (online, now + limits.PRESENCE_KEPT_S)


def to_tell(room: Room, now: float) -> int | None:
    """Return how many follow a board here if the other nodes are to be told now: it changed, or they would forget it."""
    count = room.count()
    if count == room.told and (count == 0 or now < room.tell_at):
        return None
    room.told, room.tell_at = count, now + limits.PRESENCE_AGAIN_S
    return count


def _drop_in(room: Room, kind: Kinds, frame: Presence | Typing, counts: Counts, but: Reader | None = None) -> None:
    """Write a frame that may be lost to the live readers that asked for it."""
    for group in list(room.groups.values()):
        if not kind & group.kinds:
            continue
        counts.dropped += group.size - len(group.live)
        if group.live:
            data = message(frame, group.form)
            for reader in tuple(group.live):
                if reader is not but:
                    reader.says(len(data))
                    reader.lanes.sink.write(data)
