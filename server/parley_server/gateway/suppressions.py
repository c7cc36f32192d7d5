"""Which posts are hidden on this node, by whose act, and since which event (P2).

A post is hidden before its retraction is committed, and stays so until no query that was begun before can still carry the body. Two
acts may hide it at once, and a restoration may be read before the retraction that it follows is known.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from parley_protocol.frames import Deleted, Edited, Event, Gone, Posted, Restored, Retracted
from parley_protocol.ids import BoardId, PostId
from parley_server.limits import SUPPRESSED_LINGER_S, SUPPRESSED_MAX

TOLD_S: Final = 1.0
"""A while after its commit by which an event is with the live readers: many times ``COALESCE_S_MAX``."""


class Claim(Enum):
    """What came of asking that a post be hidden."""

    FIRST = auto()
    """It was visible until now; its readers must be told."""
    FURTHER = auto()
    """Another act hides it already."""
    FULL = auto()
    """``SUPPRESSED_MAX`` posts are hidden; nothing was changed."""


@dataclass(slots=True)
class Hidden:
    """Why a post is hidden.

    Attributes:
        board: where it stands.
        claims: retractions and deletions whose outcome is not known; while there is one, nothing of the post leaves.
        seq: the greatest committed event that stopped it; only what comes after it may leave.
        until: from when on it may be forgotten; ``None`` while nothing is committed.
    """

    board: BoardId
    claims: int = 1
    seq: float = float("inf")
    until: float | None = None

    def covers(self, event: Event) -> bool:
        """Say whether ``event`` may not show its body."""
        return self.claims > 0 or event.seq < self.seq

    def stopped_at(self, seq: int) -> None:
        """Note where the post was stopped; of several places the last one counts."""
        self.seq = seq if self.seq == float("inf") else max(self.seq, seq)


class Suppressions:
    """The hidden posts of one node, at most ``SUPPRESSED_MAX``."""

    def __init__(self) -> None:
        self._hidden: dict[PostId, Hidden] = {}
        # Those that may be hidden by more than the readers' events tell; what is surely told leaves at a sweep.
        self._ahead: dict[BoardId, dict[PostId, None]] = {}

    def __len__(self) -> int:
        return len(self._hidden)

    def __contains__(self, post: PostId) -> bool:
        return post in self._hidden

    def claim(self, board: BoardId, post: PostId) -> Claim:
        """Hide a post for one act, which ``settle`` or ``lift`` ends."""
        hidden = self._hidden.get(post)
        if hidden is not None:
            hidden.claims += 1
            return Claim.FURTHER
        if len(self._hidden) >= SUPPRESSED_MAX:
            return Claim.FULL
        self._hidden[post] = Hidden(board)
        self._ahead.setdefault(board, {})[post] = None
        return Claim.FIRST

    def settle(self, post: PostId, now: float, seq: int | None) -> BoardId | None:
        """End a claim whose act is committed, at ``seq`` if that is known; the post stays hidden for ``SUPPRESSED_LINGER_S``.

        Returns:
            The post's board, if the post was hidden.
        """
        hidden = self._hidden.get(post)
        if hidden is None:
            return None
        hidden.claims = max(0, hidden.claims - 1)
        hidden.until = now + SUPPRESSED_LINGER_S
        if seq is not None:
            hidden.stopped_at(seq)
        return hidden.board

    def lift(self, post: PostId) -> BoardId | None:
        """End a claim that led to nothing.

        Returns:
            The post's board, if the post is visible again: no other act hides it, and none that did is committed.
        """
        hidden = self._hidden.get(post)
        if hidden is None:
            return None
        hidden.claims = max(0, hidden.claims - 1)
        if hidden.claims or hidden.until is not None or hidden.seq != float("inf"):
            return None
        self._forget(post)
        return hidden.board

    def undecided(self, post: PostId) -> bool:
        """Say whether a post is hidden by acts alone of which none is committed, as far as is known here."""
        hidden = self._hidden.get(post)
        return hidden is not None and hidden.until is None and hidden.seq == float("inf")

    def ahead_of(self, board: BoardId, seq: int) -> list[PostId]:
        """Return the posts of a board that are hidden by more than the events up to ``seq`` tell."""
        ahead = self._ahead.get(board, ())
        return [post for post in ahead if (hidden := self._hidden[post]).claims or hidden.seq > seq]

    def covers(self, event: Event) -> bool:
        """Say whether the body of an event's post may not leave."""
        hidden = self._hidden.get(event.post) if event.post is not None else None
        return hidden is not None and hidden.covers(event)

    def rendered(self, event: Event) -> Event:
        """Return an event as it may leave now: ``gone`` where its body may not."""
        if isinstance(event, Posted | Edited | Restored) and self.covers(event):
            return Gone(event.board, event.seq, event.post)
        return event

    def too_early(self, event: Event) -> bool:
        """Say whether a restoration must wait: an act that hides its post is under way, before or after it, which is not known."""
        hidden = self._hidden.get(event.post) if isinstance(event, Restored) else None
        return hidden is not None and hidden.claims > 0

    def committed(self, event: Event) -> None:
        """Note a committed event: one that stops its post says where, one that restores it makes it public again."""
        hidden = self._hidden.get(event.post) if event.post is not None else None
        if hidden is None or event.post is None:
            return
        if isinstance(event, Retracted | Deleted):
            hidden.stopped_at(event.seq)
        elif isinstance(event, Restored) and not hidden.covers(event):
            # What was read before it and is still on its way may show the post as well.
            self._forget(event.post)

    def sweep(self, now: float) -> None:
        """Once a second: forget the posts whose time is up."""
        for post, hidden in list(self._hidden.items()):
            if hidden.claims:
                continue
            if hidden.until is None:
                # Every claim came to nothing, and an event that stopped it is known all the same.
                hidden.until = now + SUPPRESSED_LINGER_S
            elif hidden.until < now:
                self._forget(post)
            elif hidden.seq != float("inf") and hidden.until < now + SUPPRESSED_LINGER_S - TOLD_S:
                self._told(hidden.board, post)

    def _forget(self, post: PostId) -> None:
        self._told(self._hidden.pop(post).board, post)

    def _told(self, board: BoardId, post: PostId) -> None:
        ahead = self._ahead.get(board)
        if ahead is not None:
            ahead.pop(post, None)
            if not ahead:
                del self._ahead[board]
