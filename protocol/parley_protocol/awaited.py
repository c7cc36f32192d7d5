"""Suppressions of one board whose event has not come, and which of them a resume ends.

A server that stops in the middle of a retraction takes the knowledge of its ``suppress`` with it: no ``unsuppress`` will come. But a
subscription begins by saying again what is suppressed beyond its head. So once a reader has every event up to that head, what was
suppressed before and neither stopped by an event nor suppressed again is not stopped at all.

Source: protocol/SPEC.md, "Replica".
"""

from typing import Final

from parley_protocol.ids import PostId

AWAITED_MAX: Final = 10_000
"""Posts that are awaited. Full: the oldest is forgotten, and stays hidden."""


class Awaited:
    """The posts of one board that are suppressed, each with whether that was said before the subscription that is in force."""

    __slots__ = ("_head", "_posts")

    def __init__(self) -> None:
        self._posts: dict[PostId, bool] = {}
        self._head: int | None = None

    def __len__(self) -> int:
        return len(self._posts)

    def suppressed(self, post: PostId) -> None:
        """A ``suppress`` came."""
        self._posts.pop(post, None)
        self._posts[post] = False
        if len(self._posts) > AWAITED_MAX:
            del self._posts[next(iter(self._posts))]

    def ended(self, post: PostId) -> None:
        """Its ``retracted``, ``deleted`` or ``restored`` came, or an ``unsuppress``."""
        self._posts.pop(post, None)

    def begin(self, head: int, *, whole: bool) -> None:
        """A subscription begins anew. ``whole``: every event up to ``head`` follows; else what stopped a post may be among the missing."""
        self._posts = dict.fromkeys(self._posts, True) if whole else {}
        self._head = head

    def reached(self, seq: int) -> tuple[PostId, ...]:
        """Take the cursor; return the posts that show again, each once."""
        if self._head is None or seq < self._head:
            return ()
        self._head = None
        over = tuple(post for post, before in self._posts.items() if before)
        for post in over:
            del self._posts[post]
        return over
