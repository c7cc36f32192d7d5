"""Events as lines of text, and lines of text as intentions. Pure.

Line mode prints one line per event, so that a script can read them: ``[12] ann: hello``, ``[15] post 12 retracted: spam — advert``.
The number in brackets is the event's seq; ``post 12`` names a post by the seq at which it stands, or by its id where that is
not known. Lines that are no event of the board start with ``[-]``.
"""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from parley_client.values import Connected, Disconnected, GapEvent, Incoming, SubscriptionEnded
from parley_protocol.frames import (
    Alert,
    CaseChanged,
    Deleted,
    Edited,
    Error,
    Gone,
    Posted,
    Reacted,
    Restored,
    Retracted,
    Standing,
    Suppress,
    Unsuppress,
    VerdictNotice,
)

Place: TypeAlias = Callable[[str], int | None]
"""Finds the seq at which a post stands."""

HELP: Final = (
    "/reply #N TEXT · /edit [#N] TEXT · /delete [#N] · /react #N EMOJI · /report #N TEXT · /retract #N POLICY REASON · "
    "/restore #N REASON · /quit   (#N is the number before a post; without it, your latest)"
)
_CONTROL: Final = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})
_DIRECTIONS: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Bidirectional overrides: in a terminal they would rearrange what stands around the text."""


def printable(text: str) -> str:
    """Return text that cannot steer a terminal: no control characters, and one line."""
    one_line = text.replace("\r\n", "\n").replace("\n", " ⏎ ").replace("\t", " ")
    if one_line.isprintable():
        return one_line
    return "".join("�" if char in _DIRECTIONS or unicodedata.category(char) in _CONTROL else char for char in one_line)


def line(event: Incoming, place: Place = lambda post: None) -> str | None:
    """Write an event as one line; ``None`` for those that line mode leaves out (typing, presence, subscriptions)."""
    text = _text(event, place)
    return printable(text) if text is not None else None


def alert_line(alert: Alert) -> str:
    """Write an alert as one line."""
    parts = [f"alert {alert.n} {alert.severity} case {alert.case} rev {alert.rev} {alert.stage} policy {alert.policy}"]
    parts += [f"rule {alert.rule}"] if alert.rule else []
    parts += [f"board {alert.board}"] if alert.board else []
    parts += [f"post {alert.post}"] if alert.post else []
    return printable(f"{' '.join(parts)} ×{alert.count}: {alert.excerpt}")


def standing_line(standing: Standing | None) -> str:
    """Write the decision that was there first."""
    if standing is None:
        return "someone else changed it first"
    what = standing.action or standing.state
    parts = [f"case {standing.case} stands at rev {standing.rev}: {what}"]
    parts += [f"by {standing.by}"] if standing.by else []
    parts += [f"under {standing.policy}"] if standing.policy else []
    return printable(" ".join(parts) + (f" — {standing.reason}" if standing.reason else ""))


def verdict_line(verdict: VerdictNotice) -> str:
    """Write the statement of reasons for its author."""
    where = f"; objections: {verdict.appeal}" if verdict.appeal else ""
    judge = ", decided by a rule" if verdict.automated else ""
    return printable(
        f"your post {verdict.post} is {verdict.outcome}: {verdict.policy} — {verdict.reason} "
        f"(takedown {verdict.takedown}{judge}{where})"
    )


def _text(event: Incoming, place: Place) -> str | None:
    def named(post: str) -> str:
        return f"post {place(post) or post}"

    match event:
        case Posted():
            answers = f" → {place(event.reply_to) or event.reply_to}" if event.reply_to else ""
            return f"[{event.seq}] {event.author.name}{answers}: {event.body}"
        case Edited():
            return f"[{event.seq}] {named(event.post)} edited, {event.author.name}: {event.body}"
        case Deleted():
            return f"[{event.seq}] {named(event.post)} deleted"
        case Reacted():
            return f"[{event.seq}] {named(event.post)} {'+' if event.on else '-'}{event.emoji}"
        case Retracted():
            return f"[{event.seq}] {named(event.post)} retracted: {event.policy} — {event.reason}"
        case Restored():
            return f"[{event.seq}] {named(event.post)} restored, {event.author.name}: {event.body}"
        case Gone():
            return f"[{event.seq}] gone"
        case Suppress():
            return f"[-] {named(event.post)} hidden"
        case Unsuppress():
            return f"[-] {named(event.post)} shown again"
        case VerdictNotice():
            return f"[-] {verdict_line(event)}"
        case Alert():
            return f"[-] {alert_line(event)}"
        case CaseChanged():
            return f"[-] case {event.case} rev {event.rev} {event.state}" + (f" by {event.by}" if event.by else "")
        case Error():
            return f"[-] error {event.code}: {event.message}"
        case GapEvent():
            return f"[-] events {event.first} to {event.last} did not come ({event.reason})"
        case Connected():
            return f"[-] {'connected again' if event.resumed else 'connected'} as {event.handle or 'guest'}"
        case Disconnected():
            return f"[-] disconnected: {event.why}; back in {event.after_s:.1f} s"
        case SubscriptionEnded():
            return f"[-] {event.board} cannot be followed any more: {event.code}"
        case _:
            return None


@dataclass(frozen=True, slots=True)
class Say:
    """Publish a text; ``reply_to``: the seq that it answers."""

    text: str
    reply_to: int | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """A slash command on a post. ``seq``: the post; ``None`` for one's own latest.

    ``words`` is what follows: the text of an edit, the emoji, the reason.
    """

    name: str
    seq: int | None
    words: str = ""


@dataclass(frozen=True, slots=True)
class Quit:
    """Leave the room."""


@dataclass(frozen=True, slots=True)
class Hint:
    """The line is no command; tell its writer why."""

    text: str


Intention: TypeAlias = Say | Act | Quit | Hint

OWN_LATEST: Final = frozenset({"edit", "delete"})
"""Commands that take one's own latest post where none is named."""
WORDS_NEEDED: Final = {
    "edit": "a text",
    "react": "an emoji",
    "reply": "a text",
    "report": "a text",
    "retract": "a policy and a reason",
    "restore": "a reason",
}


def intention(typed: str) -> Intention | None:
    """Read what was typed; ``None`` for an empty line. Two slashes at the start publish a text that begins with one."""
    text = typed.strip()
    if not text:
        return None
    if text.startswith("//"):
        return Say(text[1:])
    if not text.startswith("/"):
        return Say(text)
    name, _, rest = text[1:].partition(" ")
    if name in ("quit", "q"):
        return Quit()
    if name not in WORDS_NEEDED and name != "delete":
        return Hint(HELP)
    first, _, words = rest.strip().partition(" ")
    seq: int | None = None
    if first.startswith("#") and first[1:].isascii() and first[1:].isdigit():
        seq = int(first[1:])
    else:
        words = rest
    words = words.strip()
    if seq is None and name not in OWN_LATEST:
        return Hint(f"/{name} needs the number of a post: /{name} #12 …")
    if name in WORDS_NEEDED and (not words or (name == "retract" and " " not in words)):
        return Hint(f"/{name} needs {WORDS_NEEDED[name]}")
    return Say(words, seq) if name == "reply" else Act(name, seq, words)
