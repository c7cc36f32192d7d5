"""The reader's replica: what one board looks like after the events that this reader has.

Events may come in any order and again and again; every order of the same events ends in the same picture, and a tombstone wins
over content whenever it comes. Why: all that is known of a post is a join of values that only grow. Its place is the least seq
seen of it, its text the one with the greatest (rev, seq), its stop the greatest seq at which it was known to be stopped, its
restoration the greatest seq of a ``restored``, each reaction the one with the greatest seq, and deletion never goes back.
Least, greatest and "ever" do not depend on order or repetition, and the picture is a function of them: a post shows when it
has a text, is not deleted, and was restored after its last stop, if it was ever stopped.

``suppress`` has no seq. It counts as a stop at the highest seq that this replica knows, so only a ``restored`` that is news to
it shows the post again. The server sends it before the event that it announces; that event has a higher seq, takes its place
as the stop, and so where exactly ``suppress`` arrived leaves no trace. From then on the post is *hushed*: an ``unsuppress`` takes
back the ``suppress`` and every ``gone`` since, but no ``retracted``. What came as ``gone`` has to be read again then.

Memory is bounded: past ``keep`` posts the one that stands first is forgotten with its tombstone, and the *floor* rises to its
place. An event at or below the floor makes no post, so an old ``posted`` cannot bring a forgotten post back; only a new
``restored`` can, and then it stands there. Up to ``keep`` posts the picture does not depend on order; past it, a post that
comes late may be left out, and none is shown that should be hidden.

Source: protocol/SPEC.md, "Replica".
"""

from dataclasses import dataclass, field
from typing import Final, TypeAlias, assert_never

from parley_protocol.frames import (
    Author,
    Deleted,
    Edited,
    Event,
    Gap,
    Gone,
    Posted,
    Reacted,
    Restored,
    Retracted,
    Suppress,
    Unsuppress,
    WithBody,
)
from parley_protocol.ids import AccountId, BoardId, PostId
from parley_protocol.limits import REPLICA_POSTS_MAX, REPLICA_RANGES_MAX, REPLICA_REACTIONS_MAX

NEVER_STOPPED: Final = -1
"""Below ``restored`` of a post that was never restored, so that one comparison says whether it shows."""


@dataclass(frozen=True, slots=True)
class PostView:
    """A post as a reader sees it.

    Attributes:
        place: the seq that orders it on the board; that of its ``posted``, where this reader has it.
        at: when it was published, microseconds; an edit does not move it.
        rev: 1 for the first text.
        reactions: emoji and how many accounts hold it, most first, then by emoji.
    """

    post: PostId
    place: int
    author: Author
    body: str
    at: int
    rev: int
    reply_to: PostId | None = None
    reactions: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """A post is in the picture that was not."""

    post: PostView


@dataclass(frozen=True, slots=True)
class Changed:
    """A post in the picture looks different: text, reactions or place."""

    post: PostView


@dataclass(frozen=True, slots=True)
class Hidden:
    """A post is out of the picture; nothing of it may be shown any more."""

    post: PostId


Change: TypeAlias = Shown | Changed | Hidden


@dataclass(frozen=True, slots=True, order=True)
class _Text:
    """A body. The order is the rule of which one stands; names come last and only make the order total."""

    rev: int
    seq: int
    body: str
    author_id: AccountId
    author_name: str


@dataclass(slots=True)
class _Known:
    """All that the replica knows of one post; every field but those of a ``suppress`` only grows (``place`` only falls)."""

    post: PostId
    place: int | None = None
    text: _Text | None = None
    origin: tuple[int, str] | None = None
    """Time of publication and the post that it answers, or ``""``."""
    stopped: int = NEVER_STOPPED
    hushed: int = NEVER_STOPPED
    """A stop that an ``unsuppress`` takes back."""
    unread: int | None = None
    """The least seq that came as ``gone`` while it was hushed."""
    restored: int = 0
    deleted: bool = False
    reactions: dict[tuple[AccountId, str], tuple[int, bool]] = field(
        default_factory=dict[tuple[AccountId, str], tuple[int, bool]]
    )
    standing: bool = False
    """Whether an event came that gives it a place on the board (posted, gone, restored)."""
    view: PostView | None = None

    def seen_at(self, seq: int) -> None:
        self.place = seq if self.place is None else min(self.place, seq)

    def says(self, event: WithBody) -> None:
        text = _Text(event.rev, event.seq, event.body, event.author.id, event.author.name)
        self.text = text if self.text is None else max(self.text, text)

    def published(self, at: int, reply_to: PostId | None) -> None:
        origin = (at, reply_to or "")
        self.origin = origin if self.origin is None else min(self.origin, origin)
        self.standing = True

    @property
    def hidden_at(self) -> int:
        return max(self.stopped, self.hushed)

    def hush(self, seq: int) -> None:
        self.hushed = max(self.hushed, seq)

    def gone(self, seq: int) -> None:
        if self.hushed == NEVER_STOPPED:
            self.stop(seq)
        else:
            self.hush(seq)
            self.unread = seq if self.unread is None else min(self.unread, seq)
        self.standing = True

    def stop(self, seq: int) -> None:
        self.stopped = max(self.stopped, seq)

    def restore(self, seq: int) -> None:
        self.restored = max(self.restored, seq)
        self.unread = None

    def unhush(self) -> int | None:
        """Take back what hushed the post; return from where on it has to be read again."""
        unread, self.unread, self.hushed = self.unread, None, NEVER_STOPPED
        return unread

    def react(self, event: Reacted) -> None:
        key = (event.account, event.emoji)
        self.reactions[key] = max(self.reactions.get(key, (-1, False)), (event.seq, event.on))
        if len(self.reactions) > REPLICA_REACTIONS_MAX:
            del self.reactions[min(self.reactions, key=lambda key: (self.reactions[key], key))]

    def forget_content(self) -> None:
        """Drop what a deleted post leaves behind; nothing can show it again."""
        self.text = None
        self.origin = None
        self.reactions.clear()

    def look(self) -> PostView | None:
        """Return the post as it shows, or nothing where it is hidden or its text is not known."""
        if self.deleted or self.hidden_at >= self.restored:
            return None
        if self.place is None or self.text is None or self.origin is None:
            return None
        at, reply_to = self.origin
        text = self.text
        return PostView(
            self.post,
            self.place,
            Author(text.author_id, text.author_name),
            text.body,
            at,
            text.rev,
            PostId(reply_to) if reply_to else None,
            self._counts() if self.reactions else (),
        )

    def _counts(self) -> tuple[tuple[str, int], ...]:
        counts: dict[str, int] = {}
        for (_, emoji), (_, on) in self.reactions.items():
            if on:
                counts[emoji] = counts.get(emoji, 0) + 1
        return tuple(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))


class Replica:
    """One board as one reader knows it.

    ``seq`` is the cursor: every event up to it was applied or declared missing, so a resume from it skips nothing.
    """

    def __init__(self, board: BoardId, epoch: str, seq: int = 0, *, keep: int = REPLICA_POSTS_MAX) -> None:
        """Start an empty picture after ``seq`` of the log ``epoch``.

        Args:
            board: the board; events of another one may not be applied.
            epoch: the identity of its log.
            seq: the head where the subscription starts, or 0 to take the log from its beginning.
            keep: posts that are held, at least 1.
        """
        assert keep >= 1
        self.board = board
        self.keep = keep
        self.reset(epoch, seq)

    def reset(self, epoch: str, seq: int = 0) -> None:
        """Forget everything: the log is another one."""
        self.epoch = epoch
        self.seq = seq
        self.floor = 0
        self._top = seq
        self._unread: int | None = None
        self._ahead: list[tuple[int, int]] = []
        self._standing: dict[PostId, _Known] = {}
        self._early: dict[PostId, _Known] = {}

    def begin(self, epoch: str, head: int, gap: Gap | None = None) -> None:
        """Take the server's answer to a subscription or a resume: ``welcome.boards`` or ``ok``.

        Of the same epoch: what is in ``gap`` will not come, the rest does. Of another one: the picture starts again after
        ``gap``, or at ``head`` where there is none.
        """
        if epoch != self.epoch:
            self.reset(epoch, gap.last if gap is not None else head)
        elif gap is not None:
            self.gap(gap.first, gap.last)

    def gap(self, first: int, last: int) -> None:
        """Let the cursor pass ``first`` … ``last``: the server said that they do not come, or ``kinds`` left them out."""
        if first <= last:
            self._settle(first, last)

    def apply(self, event: Event | Suppress | Unsuppress) -> Change | None:
        """Take one event, in any order and any number of times. After an ``Unsuppress``, see ``read_again``.

        Returns:
            What a reader sees differently, or ``None``. Posts that are forgotten for want of room just leave ``posts``.
        """
        assert event.board == self.board, "an event of another board"
        if not isinstance(event, Suppress | Unsuppress):
            self._settle(event.seq, event.seq)
        if event.post is None:
            # Which post it was is not known; the event that stopped it has a seq of its own.
            return None
        if isinstance(event, Unsuppress):
            known = self._standing.get(event.post) or self._early.get(event.post)
        else:
            known = self._find(event.post, None if isinstance(event, Suppress) else event.seq)
        if known is None:
            return None
        before = known.view
        self._join(known, event)
        known.view = known.look()
        self._place(known)
        return _change(known.post, before, self.post(known.post))

    def read_again(self) -> int | None:
        """Return, once, from which seq on history has to be read: events came as ``gone`` for a stop that was taken back."""
        unread, self._unread = self._unread, None
        return unread

    def post(self, post: PostId) -> PostView | None:
        """Return a post as it shows, or ``None`` where it is hidden or not held."""
        known = self._standing.get(post)
        return known.view if known is not None else None

    def posts(self) -> tuple[PostView, ...]:
        """Return the picture: every post that shows, in the order of the board."""
        views = [known.view for known in self._standing.values() if known.view is not None]
        return tuple(sorted(views, key=lambda view: (view.place, view.post)))

    def _find(self, post: PostId, seq: int | None) -> _Known | None:
        """Return what is known of ``post``; of a post that is not held, nothing at or below the floor is taken up."""
        known = self._standing.get(post) or self._early.get(post)
        if known is None and (seq is None or seq > self.floor):
            known = self._early[post] = _Known(post)
        return known

    def _join(self, known: _Known, event: Event | Suppress | Unsuppress) -> None:
        """Let what is known of a post grow by ``event``."""
        if isinstance(event, Suppress):
            known.hush(self._top)
            return
        if isinstance(event, Unsuppress):
            unread = known.unhush()
            if unread is not None:
                self._unread = unread if self._unread is None else min(self._unread, unread)
            return
        known.seen_at(event.seq)
        match event:
            case Posted():
                known.says(event)
                known.published(event.at, event.reply_to)
            case Edited():
                known.says(event)
            case Restored():
                known.says(event)
                known.published(event.posted_at, event.reply_to)
                known.restore(event.seq)
            case Retracted():
                known.stop(event.seq)
            case Gone():
                known.gone(event.seq)
            case Deleted():
                known.deleted = True
            case Reacted():
                known.react(event)
            case _:
                assert_never(event)
        if known.deleted:
            known.forget_content()

    def _place(self, known: _Known) -> None:
        """Put a post among those that stand on the board or those known too early, and keep both within ``keep``."""
        if known.standing and self._early.pop(known.post, None) is not None:
            self._standing[known.post] = known
        for held in (self._standing, self._early):
            if len(held) > self.keep:
                first = min(held.values(), key=_order)
                del held[first.post]
                self.floor = max(self.floor, _order(first)[0])

    def _settle(self, first: int, last: int) -> None:
        """Note that ``first`` … ``last`` need not come again, and move the cursor over what is whole."""
        self._top = max(self._top, last)
        if first <= self.seq + 1 and not self._ahead:
            self.seq = max(self.seq, last)
            return
        ranges, self._ahead = sorted([*self._ahead, (first, last)]), []
        for low, high in ranges:
            if low <= self.seq + 1:
                self.seq = max(self.seq, high)
            elif self._ahead and low <= self._ahead[-1][1] + 1:
                self._ahead[-1] = (self._ahead[-1][0], max(self._ahead[-1][1], high))
            else:
                self._ahead.append((low, high))
        del self._ahead[REPLICA_RANGES_MAX:]


def _order(known: _Known) -> tuple[int, PostId]:
    """Return what orders posts: the place, or for one that only a ``suppress`` named, where that stopped it."""
    return (known.hidden_at if known.place is None else known.place, known.post)


def _change(post: PostId, before: PostView | None, after: PostView | None) -> Change | None:
    """Say what a reader sees differently."""
    if before == after:
        return None
    if after is None:
        return Hidden(post)
    return Shown(after) if before is None else Changed(after)
