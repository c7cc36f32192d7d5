"""One board as its visitor knows it: the picture, and what can be done in it. What it looks like is the screens'."""

from collections.abc import Callable
from typing import Final, Protocol

from parley_client.client import Client
from parley_client.commands.lines import Act, Say
from parley_client.errors import ParleyError
from parley_client.http import EventsPage, Map
from parley_client.values import EditedAnswer, GapEvent, HeldAnswer, Incoming, PostedAnswer, StoppedAnswer, SubscriptionStarted
from parley_protocol.frames import Deleted, Edited, Gone, Posted, Reacted, Restored, Retracted, Suppress, Typing, Unsuppress
from parley_protocol.ids import BoardId, PostId
from parley_protocol.replica import Change, Replica

PAGE_EVENTS: Final = 100
"""Events in one page of scrollback."""

AGAIN_PAGES_MAX: Final = 10
"""Pages that are read again for one suppression that was taken back. Full: what lies beyond stays as it is."""

NAMES_MAX: Final = 4_096
"""Names of accounts that a room remembers, to say who is typing. Full: the oldest is forgotten."""

NUMBERS_MAX: Final = 4_096
"""Posts that can be named by their number, stopped ones too. Full: the oldest is forgotten."""


class History(Protocol):
    """The part of ``Http`` that a room needs."""

    async def events(self, board: str, after: int = 0, limit: int = PAGE_EVENTS) -> EventsPage:
        """Return one page of a board's log."""
        ...

    async def report(self, post: str, text: str) -> Map:
        """Report a post to the moderators."""
        ...


class Room:
    """A board that is followed."""

    def __init__(self, board: str, client: Client, history: History) -> None:
        self.board = BoardId(board)
        self.client = client
        self.history = history
        self.replica = Replica(self.board, "")
        self.oldest = 1
        """The seq of the oldest event that was asked for."""
        self.answered = 0
        """The greatest seq that an answer named; its event is on the way, where it has not come."""
        self._names: dict[str, str] = {}
        self._numbers: dict[str, int] = {}
        self._posts: dict[int, PostId] = {}

    async def enter(self) -> None:
        """Follow the board from now on; raises as ``Client.subscribe``."""
        state = await self.client.subscribe(self.board)
        self.replica.begin(state.epoch, state.head, state.gap)
        self.oldest = state.head + 1

    async def older(self, shown: Callable[[Change], None]) -> bool:
        """Load the page before the oldest event; ``shown`` gets what appears. Say whether there was one."""
        if self.oldest <= 1 or len(self.replica.posts()) >= self.replica.keep:
            return False
        after = max(0, self.oldest - 1 - PAGE_EVENTS)
        page = await self.history.events(self.board, after, self.oldest - 1 - after)
        self.oldest = after + 1
        if page.epoch != self.replica.epoch:
            return False
        for event in page.events:
            change = self.replica.apply(event)
            self._learn(event)
            if change is not None:
                shown(change)
        return True

    async def read_again(self, shown: Callable[[Change], None]) -> None:
        """Read what came as ``gone`` for a suppression that was taken back; ``shown`` gets what appears.

        Raises:
            ParleyError: the history cannot be read now; the posts stay as they are.
        """
        first = self.replica.read_again()
        if first is None:
            return
        for after in range(first - 1, self.replica.seq, PAGE_EVENTS)[:AGAIN_PAGES_MAX]:
            page = await self.history.events(self.board, after, PAGE_EVENTS)
            if page.epoch != self.replica.epoch:
                return
            for event in page.events:
                change = self.replica.apply(event)
                self._learn(event)
                if change is not None:
                    shown(change)

    def take(self, event: Incoming) -> Change | None:
        """Let the picture follow an event. After an ``Unsuppress``, ``read_again``."""
        match event:
            case Posted() | Edited() | Deleted() | Reacted() | Retracted() | Restored() | Gone() | Suppress() | Unsuppress():
                self._learn(event)
                return self.replica.apply(event) if event.board == self.board else None
            case SubscriptionStarted(state=state) if state.board == self.board:
                if state.epoch != self.replica.epoch:
                    self.oldest = (state.gap.last if state.gap is not None else state.head) + 1
                self.replica.begin(state.epoch, state.head, state.gap)
            case GapEvent() if event.board == self.board:
                self.replica.gap(event.first, event.last)
            case _:
                pass
        return None

    def place(self, post: str) -> int | None:
        """Return the number by which a visitor names a post."""
        return self._numbers.get(post)

    def typing_name(self, typing: Typing) -> str:
        """Return who is typing."""
        return self._names.get(typing.account or "", "someone")

    async def do(self, intention: Say | Act) -> str | None:
        """Do what was typed.

        Returns:
            A notice for the visitor, or ``None`` where the event says it all.

        Raises:
            ParleyError: the server says no, or no such post is in the picture (``no_post``).
            TimeoutError: no answer came.
        """
        if isinstance(intention, Say):
            reply = self._numbered(intention.reply_to) if intention.reply_to is not None else None
            return self._outcome(await self.client.post(self.board, intention.text, reply_to=reply))
        post = self._numbered(intention.seq) if intention.seq is not None else self._own_latest()
        words = intention.words
        match intention.name:
            case "edit":
                view = self.replica.post(post)
                return self._outcome(await self.client.edit(post, view.rev if view is not None else 1, words))
            case "delete":
                self._expect(await self.client.delete(post))
            case "react":
                self._expect(await self.client.react(post, words))
            case "report":
                await self.history.report(post, words)
                return "reported to the moderators"
            case "retract":
                policy, _, reason = words.partition(" ")
                return self._stopped("retracted", await self.client.retract(post, policy, reason))
            case "restore":
                return self._stopped("restored", await self.client.restore(post, words))
            case _:
                raise AssertionError(intention.name)
        return None

    def _outcome(self, answer: PostedAnswer | EditedAnswer | HeldAnswer) -> str | None:
        """Tell an author whose text waits; the event tells the others."""
        if isinstance(answer, HeldAnswer):
            return f"your post {answer.post} is held for a moderator; only you and moderators know of it"
        self._expect(answer.seq)
        return None

    def _stopped(self, done: str, answer: StoppedAnswer) -> str:
        """Tell a moderator where the record is."""
        self._expect(answer.seq)
        return f"{done}, takedown {answer.takedown or '-'}"

    def _expect(self, seq: int | None) -> None:
        """Note that the event ``seq`` exists and will come."""
        self.answered = max(self.answered, seq or 0)

    def _numbered(self, seq: int) -> PostId:
        """Find a post by its number; stopped posts too, since a moderator restores them by it."""
        if (post := self._posts.get(seq)) is not None:
            return post
        raise ParleyError("no_post", f"There is no post {seq} in this room's picture.")

    def _own_latest(self) -> PostId:
        me = self.client.account
        for view in reversed(self.replica.posts()):
            if me is not None and view.author.id == me.id:
                return view.post
        raise ParleyError("no_post", "You have no post here yet.")

    def _learn(self, event: Incoming) -> None:
        """Remember who has which name, and which post stands at which number."""
        if isinstance(event, Posted | Edited | Restored):
            self._names[event.author.id] = event.author.name
            if len(self._names) > NAMES_MAX:
                del self._names[next(iter(self._names))]
        if isinstance(event, Posted | Restored | Gone) and event.post is not None and event.post not in self._numbers:
            self._numbers[event.post] = event.seq
            self._posts[event.seq] = event.post
            if len(self._numbers) > NUMBERS_MAX:
                first = next(iter(self._numbers))
                del self._posts[self._numbers.pop(first)]
