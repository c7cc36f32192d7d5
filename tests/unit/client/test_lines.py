"""Events as lines, and lines as intentions."""

import pytest

from parley_client.commands.lines import Act, Hint, Quit, Say, intention, line, printable, standing_line
from parley_client.values import Connected, Disconnected, GapEvent, Incoming
from parley_protocol.frames import (
    Author,
    Edited,
    Gone,
    Posted,
    Presence,
    Reacted,
    Retracted,
    Standing,
    Suppress,
    Unsuppress,
    VerdictNotice,
)
from parley_protocol.ids import AccountId, BoardId, CaseId, PostId, TakedownId

B, P, T, ANN = BoardId("lobby"), PostId("p12"), TakedownId("t1"), Author(AccountId("a"), "ann")


def place(post: str) -> int | None:
    return 12 if post == "p12" else None


@pytest.mark.parametrize(
    ("event", "written"),
    [
        (Posted(B, 12, P, ANN, "hello", 1, 1), "[12] ann: hello"),
        (Posted(B, 14, PostId("p14"), ANN, "yes", 1, 1, P), "[14] ann → 12: yes"),
        (Edited(B, 13, P, ANN, "hallo", 1, 2), "[13] post 12 edited, ann: hallo"),
        (Reacted(B, 16, P, AccountId("a"), "👍", True, 1), "[16] post 12 +👍"),
        (Retracted(B, 15, P, "spam", "advert", T, 1), "[15] post 12 retracted: spam — advert"),
        (Retracted(B, 15, PostId("p-far"), "spam", "advert", T, 1), "[15] post p-far retracted: spam — advert"),
        (Gone(B, 12, P), "[12] gone"),
        (Suppress(B, P), "[-] post 12 hidden"),
        (Unsuppress(B, P), "[-] post 12 shown again"),
        (GapEvent(B, 1, 9, "window"), "[-] events 1 to 9 did not come (window)"),
        (Connected("ann", True), "[-] connected again as ann"),
        (Disconnected("restart", 1.25), "[-] disconnected: restart; back in 1.2 s"),
        (
            VerdictNotice(P, "held", "spam", "matched a rule", T, "/v1/takedowns/t1/appeals", True),
            "[-] your post p12 is held: spam — matched a rule (takedown t1, decided by a rule; objections: /v1/takedowns/t1/appeals)",
        ),
    ],
)
def test_each_event_is_one_line(event: Incoming, written: str) -> None:
    assert line(event, place) == written


def test_presence_is_left_out() -> None:
    assert line(Presence(B, 3), place) is None


@pytest.mark.parametrize("evil", ["\x1b[2J", "\x07", "a\rb", "\x9b31m", "\u202egnp.exe", "x\x00y", "two\u2028lines"])
def test_a_body_cannot_steer_the_terminal(evil: str) -> None:
    written = line(Posted(B, 1, P, Author(AccountId("a"), evil), evil, 1, 1), place)
    assert written is not None
    assert not set(written) & set("\x1b\x07\r\x9b\u202e\x00\n\u2028")


def test_a_body_of_several_lines_stays_one_line() -> None:
    assert printable("a\nb\r\nc\td") == "a ⏎ b ⏎ c d"


@pytest.mark.parametrize("text", ["赌场 优惠", "👩‍👩‍👧 naïve", "עברית"])
def test_the_worlds_scripts_are_printed_as_they_are(text: str) -> None:
    assert printable(text) == text


def test_a_standing_decision_is_told_with_its_reason() -> None:
    standing = Standing(CaseId("c1"), 3, "decided", AccountId("mo"), "retract", "spam", "advert")
    assert standing_line(standing) == "case c1 stands at rev 3: retract by mo under spam — advert"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("hello\n", Say("hello")),
        ("  \n", None),
        ("//shrug", Say("/shrug")),
        ("/reply #12 yes", Say("yes", 12)),
        ("/edit new text", Act("edit", None, "new text")),
        ("/edit #12 new text", Act("edit", 12, "new text")),
        ("/edit 12 monkeys", Act("edit", None, "12 monkeys")),
        ("/delete", Act("delete", None)),
        ("/delete #3", Act("delete", 3)),
        ("/react #3 👍", Act("react", 3, "👍")),
        ("/retract #3 spam an advert", Act("retract", 3, "spam an advert")),
        ("/quit", Quit()),
    ],
)
def test_what_is_typed_is_understood(typed: str, meant: object) -> None:
    assert intention(typed) == meant


@pytest.mark.parametrize("typed", ["/nosuch", "/help", "/react 👍", "/retract #3 spam", "/reply yes", "/edit", "/restore #3"])
def test_what_is_not_understood_is_never_published(typed: str) -> None:
    assert isinstance(intention(typed), Hint)
