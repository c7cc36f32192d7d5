"""The conversation, without a socket: what is asked, what is repeated, what is dropped."""

import pytest

from parley_client.errors import ConnectionEnded
from parley_client.retry import Closed, ComeBack
from parley_client.session import Session, Step, Unsure
from parley_client.values import Connected, Disconnected, GapEvent, SubscriptionEnded, SubscriptionStarted
from parley_protocol.frames import (
    Alert,
    Author,
    Beat,
    BoardState,
    Bye,
    Cursor,
    Edit,
    Error,
    Gap,
    Hello,
    Ok,
    Post,
    Posted,
    Retracted,
    Subscribe,
    Suppress,
    Unsubscribe,
    Unsuppress,
    Watch,
    Welcome,
)
from parley_protocol.ids import AccountId, BoardId, CaseId, PostId, SessionId, TakedownId

LOBBY = BoardId("lobby")
CUT = Closed("the connection broke")


def welcome(*boards: BoardState) -> Welcome:
    return Welcome(1, SessionId("s"), {}, 20_000, None, boards)


def posted(seq: int) -> Posted:
    return Posted(LOBBY, seq, PostId(f"p{seq}"), Author(AccountId("a"), "ann"), f"text {seq}", 1, 1)


def up(session: Session, *boards: BoardState, now_s: float = 0.0) -> Hello:
    """Connect, and be welcomed."""
    hello = session.opened()
    session.received(welcome(*boards), now_s)
    return hello


def following(head: int = 0, kinds: tuple[str, ...] = ()) -> Session:
    """Return a session that is up and follows the lobby from ``head`` on."""
    session = Session("token", "test")
    up(session)
    session.ask(Subscribe(session.next_id(), LOBBY, kinds=kinds))
    session.received(Ok(1, board=LOBBY, epoch="e1", head=head, recovered=False), 0.0)
    return session


def seqs(session: Session, *events: int) -> list[int]:
    """Which of these events reach the caller."""
    return [e.seq for seq in events for e in session.received(posted(seq), 0.0).deliver if isinstance(e, Posted)]


def test_a_request_before_welcome_waits_for_it() -> None:
    session = Session()
    request = Subscribe(session.next_id(), LOBBY)
    assert session.ask(request) == ()
    session.opened()
    assert session.received(welcome(), 0.0).send == (request,)


def test_an_answer_goes_to_its_request_and_to_no_other() -> None:
    session = following()
    session.ask(Post(7, LOBBY, "n7", "a"))
    session.ask(Post(8, LOBBY, "n8", "b"))
    answer = Ok(8, post=PostId("p"), seq=1, at=1)
    assert session.received(answer, 0.0).settled == ((8, answer),)


def test_hello_resumes_each_board_from_the_last_event_received() -> None:
    session = following(head=4)
    assert seqs(session, 5, 6) == [5, 6]
    session.closed(CUT, 1.0, 0.5)
    assert session.opened() == Hello(1, "test", "token", (Cursor(LOBBY, "e1", 6),))


def test_an_event_that_comes_again_is_delivered_once() -> None:
    session = following()
    assert seqs(session, 1, 2, 1, 2, 3) == [1, 2, 3]


def test_events_of_a_board_that_was_left_are_dropped() -> None:
    session = following()
    session.ask(Unsubscribe(session.next_id(), LOBBY))
    assert seqs(session, 1) == []


def test_a_hole_in_the_events_drops_the_connection_once_and_is_then_a_gap() -> None:
    session = following()
    seqs(session, 1)
    step = session.received(posted(4), 0.0)
    assert step.drop is not None
    assert step.deliver == ()
    session.closed(CUT, 1.0, 0.5)
    assert up(session, BoardState(LOBBY, "e1", 4, True)).resume == (Cursor(LOBBY, "e1", 1),)
    assert session.received(posted(4), 1.0).deliver == (GapEvent(LOBBY, 2, 3, "hole"), posted(4))


def test_a_resume_that_brings_the_lost_events_leaves_no_gap() -> None:
    session = following()
    assert session.received(posted(3), 0.0).drop is not None
    session.closed(CUT, 1.0, 0.5)
    up(session, BoardState(LOBBY, "e1", 3, True))
    assert seqs(session, 1, 2, 3) == [1, 2, 3]


def test_a_narrowed_subscription_has_holes_by_right() -> None:
    session = following(kinds=("posted",))
    assert seqs(session, 2, 9) == [2, 9]


def test_a_silent_narrowed_subscription_is_asked_for_again_and_then_takes_the_head() -> None:
    session = following(kinds=("posted",))
    beat = Beat(1, {LOBBY: 50})
    assert session.received(beat, 0.0).send == ()
    (asked,) = session.received(beat, 0.0).send
    assert asked == Subscribe(2, LOBBY, "e1", 0, ("posted",))
    session.received(Ok(2, board=LOBBY, epoch="e1", head=50, recovered=True), 0.0)
    assert [session.received(beat, 0.0) for _ in range(2)] == [Step(), Step()]
    assert session.cursor(LOBBY) == Cursor(LOBBY, "e1", 50)


def test_a_silent_narrowed_subscription_that_was_lost_brings_its_events_when_asked_again() -> None:
    session = following(kinds=("posted",))
    for _ in range(2):
        session.received(Beat(1, {LOBBY: 3}), 0.0)
    session.received(Ok(2, board=LOBBY, epoch="e1", head=3, recovered=True), 0.0)
    assert seqs(session, 2) == [2]
    assert session.cursor(LOBBY) == Cursor(LOBBY, "e1", 2)


def test_a_narrowed_subscription_is_asked_for_again_with_its_kinds() -> None:
    session = following(kinds=("posted",))
    seqs(session, 3)
    session.closed(CUT, 1.0, 0.5)
    assert session.opened().resume == ()
    assert session.received(welcome(), 1.0).send == (Subscribe(2, LOBBY, "e1", 3, ("posted",)),)


def test_a_gap_of_the_server_moves_the_cursor_past_it() -> None:
    session = following()
    session.closed(CUT, 1.0, 0.5)
    session.opened()
    state = BoardState(LOBBY, "e1", 90, False, Gap(1, 80, "window"))
    step = session.received(welcome(state), 1.0)
    assert step.deliver == (Connected(None, True), SubscriptionStarted(state, 80), GapEvent(LOBBY, 1, 80, "window"))
    assert seqs(session, 81) == [81]


def test_another_epoch_starts_the_board_again() -> None:
    session = following(head=40)
    session.closed(CUT, 1.0, 0.5)
    session.opened()
    step = session.received(welcome(BoardState(LOBBY, "e2", 3, False)), 1.0)
    assert GapEvent(LOBBY, 1, 3, "epoch") in step.deliver
    assert session.cursor(LOBBY) == Cursor(LOBBY, "e2", 3)
    assert seqs(session, 4) == [4]


def test_a_board_that_welcome_leaves_out_is_asked_for_and_its_refusal_told() -> None:
    session = following()
    session.closed(CUT, 1.0, 0.5)
    session.opened()
    (asked,) = session.received(welcome(), 1.0).send
    assert isinstance(asked, Subscribe)
    step = session.received(Error("forbidden", "no", re=asked.id), 1.0)
    assert step.deliver == (SubscriptionEnded(LOBBY, "forbidden", "no"),)
    assert session.cursor(LOBBY) is None


def test_two_beats_beyond_the_cursor_without_an_event_drop_the_connection() -> None:
    session = following()
    assert session.received(Beat(1, {LOBBY: 1}), 0.0).drop is None
    assert session.received(Beat(2, {LOBBY: 1}), 0.0).drop is not None


def test_an_event_between_two_beats_shows_that_the_subscription_lives() -> None:
    session = following()
    for seq in (1, 2, 3):
        assert session.received(Beat(1, {LOBBY: 9}), 0.0).drop is None
        assert seqs(session, seq) == [seq]


def test_a_post_in_flight_is_sent_again_with_its_nonce() -> None:
    session = following()
    post = Post(session.next_id(), LOBBY, "nonce", "hello")
    assert session.ask(post) == (post,)
    assert session.closed(CUT, 1.0, 0.5).settled == ()
    session.opened()
    assert session.received(welcome(BoardState(LOBBY, "e1", 0, True)), 1.0).send == (post,)


def repeated(edit: Edit, *, sent: bool) -> Session:
    """Return a session whose connection broke over an edit, and that has sent it on the next one."""
    session = Session()
    if sent:
        up(session)
    session.ask(edit)
    assert session.closed(CUT, 1.0, 0.5).settled == ()
    session.opened()
    assert session.received(welcome(), 1.0).send == (edit,)
    return session


CONFLICT = Error("conflict", "Someone else changed it first.", re=9)


def test_a_conflict_of_a_repeated_edit_leaves_open_whether_the_first_was_done() -> None:
    session = repeated(Edit(9, PostId("p"), 1, "new"), sent=True)
    assert session.received(CONFLICT, 1.0).settled == ((9, Unsure(CONFLICT)),)


def test_a_conflict_of_an_edit_that_was_never_sent_before_is_one() -> None:
    session = repeated(Edit(9, PostId("p"), 1, "new"), sent=False)
    assert session.received(CONFLICT, 1.0).settled == ((9, CONFLICT),)


def test_a_refusal_of_a_repeated_edit_is_one() -> None:
    session = repeated(Edit(9, PostId("p"), 1, "new"), sent=True)
    refused = Error("not_yours", "Only its author can do that.", re=9)
    assert session.received(refused, 1.0).settled == ((9, refused),)


def test_a_request_that_nobody_waits_for_is_not_sent_again() -> None:
    session = following()
    session.ask(Post(9, LOBBY, "n", "hello"))
    session.forget(9)
    session.closed(CUT, 1.0, 0.5)
    session.opened()
    assert session.received(welcome(BoardState(LOBBY, "e1", 0, True)), 1.0).send == ()


def alert(n: int, board: str = "lobby") -> Alert:
    return Alert(n, CaseId("c"), "high", "spam", "inline", "…", 1, 1, BoardId(board))


def test_watching_goes_on_after_the_last_alert_and_repeats_are_dropped() -> None:
    session = Session()
    up(session)
    session.ask(Watch(session.next_id(), "site"))
    session.received(Ok(1, head=0), 0.0)
    assert session.received(alert(5), 0.0).deliver == (alert(5),)
    session.closed(CUT, 1.0, 0.5)
    session.opened()
    assert session.received(welcome(), 1.0).send == (Watch(2, "site", 5),)
    session.received(Ok(2, head=6), 1.0)
    assert session.received(alert(5), 1.0).deliver == ()
    assert session.received(alert(6), 1.0).deliver == (alert(6),)


@pytest.mark.parametrize("failures", [0, 1, 3, 20])
def test_waits_are_spread_over_a_bound_that_doubles_up_to_half_a_minute(failures: int) -> None:
    session = Session()
    for _ in range(failures):
        session.closed(CUT, 0.0, 0.999)
    bound = min(30.0, 0.5 * 2**failures)
    following = session.closed(CUT, 0.0, 0.5).next
    assert following == ComeBack(bound / 2)


def test_a_connection_that_lasted_makes_the_next_wait_short_again() -> None:
    session = Session()
    for _ in range(6):
        session.closed(CUT, 0.0, 0.5)
    up(session, now_s=100.0)
    assert session.closed(CUT, 161.0, 0.5).next == ComeBack(0.25)


def test_a_connection_that_falls_at_once_does_not() -> None:
    session = Session()
    for _ in range(6):
        session.closed(CUT, 0.0, 0.5)
    up(session, now_s=100.0)
    assert session.closed(CUT, 159.0, 0.5).next == ComeBack(15.0)


def test_no_wait_is_shorter_than_a_tenth_of_a_second() -> None:
    assert Session().closed(CUT, 0.0, 0.0).next == ComeBack(0.1)


def test_the_wait_that_bye_asks_for_is_kept() -> None:
    session = following()
    session.received(Bye("restart", "The server restarts.", 4_200), 0.0)
    ending = session.closed(Closed("", close=4000), 1.0, 0.0)
    assert ending.next == ComeBack(4.3)
    assert ending.deliver == (Disconnected("The server restarts.", 4.3),)


@pytest.mark.parametrize(("close", "code"), [(4510, "bad_token"), (4512, "revoked"), (4520, "abuse"), (4599, "close_4599")])
def test_a_close_of_the_second_class_is_the_end(close: int, code: str) -> None:
    ended = following().closed(Closed("", close=close), 1.0, 0.5).next
    assert isinstance(ended, ConnectionEnded)
    assert ended.code == code


def test_a_bye_whose_close_frame_was_lost_still_ends_it() -> None:
    session = following()
    session.received(Bye("revoked", "Access was withdrawn."), 0.0)
    assert isinstance(session.closed(CUT, 1.0, 0.5).next, ConnectionEnded)


@pytest.mark.parametrize("close", [1001, 1006, 1011, 4000, 4002, 4003, 4004, 4005, 4499, None])
def test_every_other_close_comes_back(close: int | None) -> None:
    assert isinstance(following().closed(Closed("", close=close), 1.0, 0.5).next, ComeBack)


@pytest.mark.parametrize(("status", "returns"), [(401, False), (403, False), (404, False), (429, True), (503, True)])
def test_a_refused_handshake_comes_back_only_where_waiting_can_help(status: int, returns: bool) -> None:
    following = Session().closed(Closed("", status=status, after_ms=2_000), 0.0, 0.5).next
    assert following == ComeBack(2.25) if returns else isinstance(following, ConnectionEnded)


# Suppressions that no event explains.


def suppressed_then_cut(post: str = "p1") -> Session:
    """A session that was at seq 1 when ``post`` was suppressed and the connection broke."""
    session = following()
    session.received(posted(1), 0.0)
    session.received(Suppress(LOBBY, PostId(post)), 0.0)
    session.closed(CUT, 1.0, 0.5)
    return session


def shown_again(step: Step) -> list[str]:
    return [event.post for event in step.deliver if isinstance(event, Unsuppress)]


def test_a_suppression_that_a_whole_resume_does_not_explain_is_taken_back() -> None:
    session = suppressed_then_cut()
    session.opened()
    step = session.received(welcome(BoardState(LOBBY, "e1", 1, recovered=True)), 2.0)
    assert shown_again(step) == ["p1"]
    assert shown_again(session.received(posted(2), 2.0)) == []


def test_it_is_taken_back_only_when_every_event_up_to_the_head_is_here() -> None:
    session = suppressed_then_cut()
    up(session, BoardState(LOBBY, "e1", 3, recovered=True))
    assert shown_again(session.received(posted(2), 2.0)) == []
    assert shown_again(session.received(posted(3), 2.0)) == ["p1"]


def test_what_stopped_the_post_meanwhile_keeps_it_hidden() -> None:
    session = suppressed_then_cut()
    up(session, BoardState(LOBBY, "e1", 2, recovered=True))
    stop = Retracted(LOBBY, 2, PostId("p1"), "spam", "It advertises.", TakedownId("t"), 1)
    assert session.received(stop, 2.0).deliver == (stop,)


def test_a_suppression_that_the_server_says_again_stays() -> None:
    session = suppressed_then_cut()
    up(session, BoardState(LOBBY, "e1", 2, recovered=True))
    session.received(Suppress(LOBBY, PostId("p1")), 2.0)
    assert shown_again(session.received(posted(2), 2.0)) == []


def test_after_a_gap_nobody_knows_and_the_post_stays_hidden() -> None:
    session = suppressed_then_cut()
    session.opened()
    gap = BoardState(LOBBY, "e1", 9, recovered=False, gap=Gap(2, 9, "window"))
    assert shown_again(session.received(welcome(gap), 2.0)) == []


def test_an_unsuppress_is_handed_out_once() -> None:
    session = following()
    session.received(posted(1), 0.0)
    session.received(Suppress(LOBBY, PostId("p1")), 0.0)
    assert shown_again(session.received(Unsuppress(LOBBY, PostId("p1")), 0.0)) == ["p1"]
    session.closed(CUT, 1.0, 0.5)
    session.opened()
    assert shown_again(session.received(welcome(BoardState(LOBBY, "e1", 1, recovered=True)), 2.0)) == []
