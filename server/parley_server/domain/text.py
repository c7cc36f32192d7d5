"""What a body may be made of, before anyone asks what it says."""

import unicodedata
from typing import Final

from parley_protocol import codes, limits
from parley_server.domain.answers import Refused

# Overrides that make text read in another order than it is stored; isolates and marks stay, scripts need them.
_BIDI_OVERRIDES: Final = frozenset("\u202a\u202b\u202c\u202d\u202e")
_ALLOWED_CONTROLS: Final = frozenset("\n\t")
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Mn", "Me", "Zl", "Zp", "Zs"})
# Letters and a symbol by category, blank by their nature: fillers of Hangul, and the braille cell without dots.
_BLANK: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")


def check_body(body: str) -> Refused | None:
    """Decide whether ``body`` is text that a board can show.

    Returns:
        ``None``, or ``empty_body``, ``body_too_long``, or ``body_not_text`` with the reason: a lone surrogate, a control character
        (NUL among them), a bidirectional override, or more than ``BODY_MARKS_RUN_MAX`` combining marks in a row.
    """
    if body.isascii() and body.isprintable() and len(body) <= limits.BODY_BYTES_MAX:
        return None if body and not body.isspace() else Refused(codes.EMPTY_BODY)
    try:
        size = len(body.encode())
    except UnicodeEncodeError:
        return Refused(codes.BODY_NOT_TEXT, "The body holds a lone surrogate.")
    if size > limits.BODY_BYTES_MAX:
        return Refused(codes.BODY_TOO_LONG, f"The body has {size} bytes of at most {limits.BODY_BYTES_MAX}.")
    visible = False
    marks = 0
    for letter in body:
        category = unicodedata.category(letter)
        if category == "Cc" and letter not in _ALLOWED_CONTROLS:
            return Refused(codes.BODY_NOT_TEXT, f"The body holds the control character U+{ord(letter):04X}.")
        if letter in _BIDI_OVERRIDES:
            return Refused(codes.BODY_NOT_TEXT, f"The body holds the direction override U+{ord(letter):04X}.")
        if category in ("Mn", "Me"):
            marks += 1
        elif category != "Cf":
            # A joiner between two marks does not keep them from piling up on the same letter.
            marks = 0
        if marks > limits.BODY_MARKS_RUN_MAX:
            return Refused(codes.BODY_NOT_TEXT, f"The body has more than {limits.BODY_MARKS_RUN_MAX} combining marks in a row.")
        visible = visible or (category not in _INVISIBLE and letter not in _BLANK)
    return None if visible else Refused(codes.EMPTY_BODY)
