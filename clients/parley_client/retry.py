"""Whether to come back, and when. Pure.

Full jitter: a wait drawn evenly from zero to a bound that doubles, so that clients cut off together do not return together.

Source: protocol/SPEC.md, "Errors and closes".
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from parley_client.errors import ConnectionEnded
from parley_client.limits import AFTER_MOST_S, BACKOFF_FIRST_S, BACKOFF_LEAST_S, BACKOFF_MOST_S
from parley_protocol.codes import CODES
from parley_protocol.frames import Bye

DO_NOT_RETURN: Final = range(4500, 5000)
"""Close codes that ask the client to stay away. Every other end of a connection may be the network's."""

WAITING_STATUSES: Final = frozenset({408, 425, 429})
"""HTTP 4xx answers to a handshake that may differ next time."""

_BY_CLOSE: Final = {code.close: code for code in CODES.values() if code.close is not None}


@dataclass(frozen=True, slots=True)
class Closed:
    """How a connection, or an attempt at one, ended.

    Attributes:
        why: one phrase for a person.
        close: WebSocket close code; ``None`` without a close frame.
        status: HTTP status, where the handshake was refused.
        after_ms: wait that the server asked for in HTTP's ``Retry-After``.
    """

    why: str
    close: int | None = None
    status: int | None = None
    after_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ComeBack:
    """Try again after ``after_s`` seconds."""

    after_s: float


Next: TypeAlias = ComeBack | ConnectionEnded


def what_next(closed: Closed, bye: Bye | None, attempt: int, random: float) -> Next:
    """Decide what to do after a connection ended.

    Args:
        closed: how it ended.
        bye: the server's ``bye``, if one came.
        attempt: failures since the last stable connection, from 0.
        random: 0 ≤ random < 1.
    """
    code = CODES.get(bye.code) if bye is not None else None
    close = closed.close
    if code is not None and code.close is not None and (close is None or close < 4000):
        # The close frame itself was lost; the bye said what it would have been.
        close = code.close
    if close is not None and close in DO_NOT_RETURN:
        named = _BY_CLOSE.get(close)
        says = bye.why if bye is not None else named.says if named is not None else closed.why
        return ConnectionEnded(bye.code if bye is not None else named.name if named is not None else f"close_{close}", says)
    if closed.status is not None and 400 <= closed.status < 500 and closed.status not in WAITING_STATUSES:
        return ConnectionEnded("handshake_refused", closed.why)
    jitter_s = max(BACKOFF_LEAST_S, random * min(BACKOFF_MOST_S, BACKOFF_FIRST_S * 2 ** min(attempt, 16)))
    asked_ms = bye.after_ms if bye is not None and bye.after_ms is not None else closed.after_ms
    return ComeBack(jitter_s + min((asked_ms or 0) / 1000, AFTER_MOST_S))
