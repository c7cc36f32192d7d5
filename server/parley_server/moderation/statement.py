"""The words of a restriction: facts for the record, reasons for the author, a masked excerpt for the alert. Pure."""

from typing import Final

from parley_server.domain.rules import Policy, Severity
from parley_server.domain.takedowns import Detection, Kind
from parley_server.domain.verdict import Failure, Finding, Refuse, Withhold

EXCERPT_CHARS: Final = 80
"""Code points of an alert's excerpt. A longer text is cut around the first passage that was found."""

_MASK: Final = "•"


def detection_of(verdict: Withhold | Refuse) -> Detection:
    """Say how a text was found, for the record."""
    failures = verdict.failures if isinstance(verdict, Withhold) else ()
    rules = [*(finding.rule for finding in verdict.findings), *(failure.rule for failure in failures)]
    return Detection(
        automated=True,
        rules=tuple(dict.fromkeys((rule.id, rule.version) for rule in rules)),
        spans=tuple(f.span for f in verdict.findings if f.span is not None),
        ruleset=verdict.ruleset,
        failed_checks=tuple(dict.fromkeys(f"{f.check}: {f.cause}" for f in failures)),
        normaliser=verdict.normaliser,
        disguises=tuple(dict.fromkeys(f.disguise for f in verdict.findings if f.disguise)),
    )


def leading(verdict: Withhold | Refuse) -> Finding | Failure:
    """Return the finding that decided, or the failure, if nothing was found."""
    if verdict.findings or isinstance(verdict, Refuse):
        return verdict.findings[0]
    return verdict.failures[0]


def reason_of(kind: Kind, cause: Finding | Failure, policy: Policy | None) -> str:
    """Tell the author why, truthfully as to automation, without the pattern that matched."""
    title = policy.title if policy is not None else cause.rule.policy
    done = "was not published and waits for a moderator" if kind is Kind.WITHHOLD else "was refused"
    if isinstance(cause, Failure):
        return f"The inspection of this text could not be completed in time. It {done}; nothing was found against it."
    what = "This text" if cause.field == "body" else f"This {cause.field}"
    return f"{what} {done}: an automated check found a passage that falls under the policy “{title}”."


def facts_of(kind: Kind, cause: Finding | Failure) -> str:
    """State what happened, for the record."""
    if isinstance(cause, Failure):
        return f"Check {cause.check} did not answer ({cause.cause}); rule {cause.rule.id} v{cause.rule.version} fails to {cause.rule.fail}."
    return f"Check {cause.check} matched rule {cause.rule.id} v{cause.rule.version} in the {cause.field}{_hidden(cause)}; effect {cause.rule.effect}, {kind}."


def _hidden(cause: Finding) -> str:
    return f" ({cause.tier}: {cause.disguise})" if cause.disguise else ""


def severity_of(cause: Finding | Failure) -> Severity:
    """Return how grave it is; a failure of a check says nothing against the text."""
    return cause.rule.severity if isinstance(cause, Finding) else Severity.LOW


def masked(text: str, spans: tuple[tuple[int, int], ...] = ()) -> str:
    """Return an excerpt in which a moderator sees what kind of text it is, and no passage in full.

    Inside ``spans`` (all of the text, if there are none) every letter or digit but the first of a word is masked.
    """
    first = min((start for start, _ in spans), default=0)
    begin = max(0, first - EXCERPT_CHARS // 4)
    end = min(len(text), begin + EXCERPT_CHARS)
    cover = spans or ((0, len(text)),)
    out: list[str] = []
    in_word = False
    for index in range(begin, end):
        letter = text[index]
        if not letter.isprintable():
            # A line break parts words; anything else that cannot be seen does not.
            letter = " " if letter.isspace() else ""
            in_word = in_word and not letter
            out.append(letter)
            continue
        hidden = any(start <= index < stop for start, stop in cover)
        out.append(_MASK if hidden and in_word and letter.isalnum() else letter)
        in_word = letter.isalnum()
    return ("…" if begin else "") + "".join(out) + ("…" if end < len(text) else "")
