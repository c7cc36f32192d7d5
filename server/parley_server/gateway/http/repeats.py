"""Answers kept for requests that are made again with the same ``Idempotency-Key``.

They live in the memory of this node, for ``KEPT_ANSWERS_S``: a key that is repeated after a restart, or on another node, counts as new.
What must never be done twice has its own key in the store (a post's nonce, a case's revision).
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from parley_protocol import codes
from parley_server.domain.answers import Refused
from parley_server.gateway.http.bounds import KEPT_ANSWERS_MAX, KEPT_ANSWERS_S


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer as it went out."""

    status: int
    data: bytes
    content_type: str


@dataclass(slots=True)
class _Kept:
    digest: bytes
    at_us: int
    reply: Reply | None = None


class Repeats:
    """Answers by who asked and with which key."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Hashable, str], _Kept] = OrderedDict()

    def begin(self, who: Hashable, key: str, digest: bytes, now_us: int) -> Reply | Refused | None:
        """Start a request.

        Args:
            digest: of everything that the request says.

        Returns:
            ``None`` if it is new, and ``end`` is to be called; what it was answered with before; ``nonce_reused`` if the key belongs to
            another request; ``limited`` if the first one is still under way.
        """
        while self._kept and now_us - next(iter(self._kept.values())).at_us > KEPT_ANSWERS_S * 1_000_000:
            self._kept.popitem(last=False)
        kept = self._kept.get((who, key))
        if kept is None:
            if len(self._kept) >= KEPT_ANSWERS_MAX:
                self._kept.popitem(last=False)
            self._kept[who, key] = _Kept(digest, now_us)
            return None
        if kept.digest != digest:
            return Refused(codes.NONCE_REUSED, "The Idempotency-Key belongs to another request.", scope="Idempotency-Key")
        if kept.reply is None:
            return Refused(codes.LIMITED, "The same request is under way.", scope="Idempotency-Key", retry_after_ms=1_000)
        return kept.reply

    def end(self, who: Hashable, key: str, reply: Reply | None) -> None:
        """Keep an answer; ``None`` forgets the request, so that it can be tried again."""
        if reply is None:
            self._kept.pop((who, key), None)
        elif (kept := self._kept.get((who, key))) is not None:
            kept.reply = reply
