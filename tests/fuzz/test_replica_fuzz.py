"""The replica against a board that posts, edits, stops and restores at random.

Method: a model keeps the true state of a board and its log. Every event is rendered as a server would render it at one or more
later moments (its text may have been edited or stopped since), the renderings are shuffled and repeated, ``suppress`` is put
wherever a server may send it, and the replica must end in the model's picture.
"""

from dataclasses import dataclass, field
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from parley_protocol.frames import Author, Deleted, Edited, Event, Gone, Posted, Reacted, Restored, Retracted, Suppress
from parley_protocol.ids import AccountId, BoardId, PostId, TakedownId
from parley_protocol.replica import Replica

BOARD = BoardId("lobby")
ANN = Author(AccountId("ann"), "Ann")


@dataclass
class Held:
    """A post as the server holds it."""

    place: int
    body: str
    rev: int = 1
    state: str = "live"
    reactions: dict[tuple[str, str], bool] = field(default_factory=dict[tuple[str, str], bool])


@dataclass
class Model:
    """A board: what is true now, its log, and every rendering that a reader may have received."""

    posts: dict[PostId, Held] = field(default_factory=dict[PostId, Held])
    log: list[tuple[str, PostId, tuple[str, str, bool]]] = field(default_factory=list[tuple[str, PostId, tuple[str, str, bool]]])
    sent: list[Event] = field(default_factory=list[Event])

    def add(self, kind: str, post: PostId, reaction: tuple[str, str, bool] = ("", "", False)) -> None:
        self.log.append((kind, post, reaction))
        self.sent.append(self.render(len(self.log)))

    def render(self, seq: int) -> Event:
        """Write the event at ``seq`` as a server does now."""
        kind, post, (account, emoji, on) = self.log[seq - 1]
        held = self.posts[post]
        if kind in ("posted", "edited", "restored") and held.state != "live":
            return Gone(BOARD, seq, post)
        match kind:
            case "posted":
                return Posted(BOARD, seq, post, ANN, held.body, held.place, held.rev)
            case "edited":
                return Edited(BOARD, seq, post, ANN, held.body, seq, held.rev)
            case "restored":
                return Restored(BOARD, seq, post, ANN, held.body, seq, held.place, held.rev)
            case "deleted":
                return Deleted(BOARD, seq, post, seq)
            case "retracted":
                return Retracted(BOARD, seq, post, "spam", "an advertisement", TakedownId("t"), seq)
            case _:
                return Reacted(BOARD, seq, post, AccountId(account), emoji, on, seq)

    def picture(self) -> list[tuple[int, str, int, dict[str, int]]]:
        shown: list[tuple[int, str, int, dict[str, int]]] = []
        for held in self.posts.values():
            if held.state == "live":
                counts: dict[str, int] = {}
                for (_, emoji), on in held.reactions.items():
                    counts[emoji] = counts.get(emoji, 0) + on
                shown.append((held.place, held.body, held.rev, {emoji: count for emoji, count in counts.items() if count}))
        return shown


def picture(replica: Replica) -> list[tuple[int, str, int, dict[str, int]]]:
    return [(view.place, view.body, view.rev, dict(view.reactions)) for view in replica.posts()]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["post", "edit", "react", "react", "retract", "retract", "restore", "restore", "read", "delete"]),
        st.integers(0, 2),
        st.tuples(st.sampled_from("xy"), st.sampled_from("🎉👍"), st.booleans()),
    ),
    min_size=4,
    max_size=40,
)


def board(steps: list[tuple[str, int, tuple[str, str, bool]]]) -> Model:
    """Run ``steps`` on an empty board; a step that makes no sense is left out, and ``read`` renders the whole log again."""
    model = Model()
    steps = [("post", 0, ("", "", False)), *steps]
    for step, which, reaction in steps:
        if step == "read":
            model.sent += [model.render(seq) for seq in range(1, len(model.log) + 1)]
            continue
        seq = len(model.log) + 1
        if step == "post":
            post = PostId(f"p{seq}")
            model.posts[post] = Held(seq, f"{post} first")
            model.add("posted", post)
            continue
        if which >= len(model.posts):
            continue
        post = list(model.posts)[-1 - which]
        held = model.posts[post]
        match step, held.state:
            case "edit", "live":
                held.rev += 1
                held.body = f"{post} rev {held.rev}"
                model.add("edited", post)
            case "delete", "live":
                held.state = "deleted"
                model.add("deleted", post)
            case "react", "live":
                account, emoji, on = reaction
                held.reactions[account, emoji] = on
                model.add("reacted", post, reaction)
            case "retract", "live":
                held.state = "stopped"
                model.add("retracted", post)
            case "restore", "stopped":
                held.state = "live"
                model.add("restored", post)
            case _:
                pass
    return model


@settings(max_examples=300, deadline=None)
@given(STEPS, st.randoms(use_true_random=False), st.data())
def test_every_order_with_repeats_and_suppress_ends_in_the_true_picture(
    steps: list[tuple[str, int, tuple[str, str, bool]]], order: Random, data: st.DataObject
) -> None:
    model = board(steps)
    arrivals: list[Event | Suppress] = list(model.sent)
    order.shuffle(arrivals)
    for event in model.sent:
        # A server sends suppress only before anything that stands at or after the event that it announces.
        if isinstance(event, Retracted | Deleted):
            latest = next(n for n, other in enumerate(arrivals) if not isinstance(other, Suppress) and other.seq >= event.seq)
            arrivals.insert(data.draw(st.integers(0, latest)), Suppress(BOARD, event.post))
    replica = Replica(BOARD, "e1")
    for arrival in arrivals:
        replica.apply(arrival)
    assert picture(replica) == model.picture()
    assert replica.seq == len(model.log)


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_the_changes_that_apply_returns_add_up_to_the_picture(steps: list[tuple[str, int, tuple[str, str, bool]]]) -> None:
    replica = Replica(BOARD, "e1")
    screen: dict[PostId, object] = {}
    for event in board(steps).sent:
        change = replica.apply(event)
        match change:
            case None:
                pass
            case _ if isinstance(change.post, str):
                del screen[change.post]
            case _:
                assert (change.post.post in screen) == (type(change).__name__ == "Changed")
                screen[change.post.post] = change.post
    assert screen == {view.post: view for view in replica.posts()}


@settings(max_examples=100, deadline=None)
@given(STEPS, st.integers(1, 5))
def test_a_small_replica_shows_nothing_that_a_whole_one_hides(
    steps: list[tuple[str, int, tuple[str, str, bool]]], keep: int
) -> None:
    model = board(steps)
    small, whole = Replica(BOARD, "e1", keep=keep), Replica(BOARD, "e1")
    for event in model.sent:
        small.apply(event)
        whole.apply(event)
        assert len(small.posts()) <= keep
        held = {view.post: view.body for view in whole.posts()}
        assert all(held.get(view.post) == view.body for view in small.posts())


@settings(max_examples=100, deadline=None)
@given(STEPS, st.randoms(use_true_random=False), st.integers(0, 40))
def test_a_resume_from_the_cursor_misses_nothing(
    steps: list[tuple[str, int, tuple[str, str, bool]]], order: Random, lost: int
) -> None:
    model = board(steps)
    arrivals = list(model.sent)
    order.shuffle(arrivals)
    replica = Replica(BOARD, "e1")
    for event in arrivals[lost:]:
        replica.apply(event)
    for seq in range(replica.seq + 1, len(model.log) + 1):
        replica.apply(model.render(seq))
    assert picture(replica) == model.picture()
