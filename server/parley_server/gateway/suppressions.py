"""Which posts are hidden on this node, by whose act, and since which event (P2).

A post is hidden before its retraction is committed, and stays so until no query that was begun before can still carry the body. Two
acts may hide it at once, and a restoration may be read before the retraction that it follows is known.
"""

from dataclasses import dataclass
from enum import Enum, auto

from parley_protocol.frames import Deleted, Edited, Event, Gone, Posted, Restored, Retracted
from parley_protocol.ids import PostId
from parley_server.limits import SUPPRESSED_LINGER_S, SUPPRESSED_MAX


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
        claims: retractions and deletions whose outcome is not known; while there is one, nothing of the post leaves.
        seq: the greatest committed event that stopped it; only what comes after it may leave.
        until: from when on it may be forgotten; ``None`` while nothing is committed.
    """

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

    def __len__(self) -> int:
        return len(self._hidden)

    def __contains__(self, post: PostId) -> bool:
        return post in self._hidden

    def claim(self, post: PostId) -> Claim:
        """Hide a post for one act, which ``settle`` or ``lift`` ends."""
        hidden = self._hidden.get(post)
        if hidden is not None:
            hidden.claims += 1
            return Claim.FURTHER
        if len(self._hidden) >= SUPPRESSED_MAX:
            return Claim.FULL
        self._hidden[post] = Hidden()
        return Claim.FIRST

    def settle(self, post: PostId, now: float, seq: int | None) -> None:
        """End a claim whose act is committed, at ``seq`` if that is known; the post stays hidden for ``SUPPRESSED_LINGER_S``."""
        hidden = self._hidden.get(post)
        if hidden is not None:
            hidden.claims = max(0, hidden.claims - 1)
            hidden.until = now + SUPPRESSED_LINGER_S
            if seq is not None:
                hidden.stopped_at(seq)

    def lift(self, post: PostId) -> None:
        """End a claim that led to nothing; the post is visible again unless another act hides it as well."""
        hidden = self._hidden.get(post)
        if hidden is not None:
            hidden.claims = max(0, hidden.claims - 1)
            if hidden.claims == 0 and hidden.until is None:
                del self._hidden[post]

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
            del self._hidden[event.post]

    def sweep(self, now: float) -> None:
        """Forget the posts whose time is up."""
        for post, hidden in list(self._hidden.items()):
            if hidden.claims == 0 and hidden.until is not None and hidden.until < now:
                del self._hidden[post]
