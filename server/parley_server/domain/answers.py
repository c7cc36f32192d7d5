"""How the domain says no: values, not exceptions."""

from dataclasses import dataclass

from parley_protocol.codes import Code
from parley_protocol.frames import Standing


@dataclass(frozen=True, slots=True)
class Refused:
    """The request was not done; the connection stays.

    Attributes:
        code: from ``parley_protocol.codes``.
        detail: a sentence for the person, where the code's own says too little.
        scope: what limit or field the answer is about.
        retry_after_ms: wait, where ``code.retry``.
        standing: the decision that was there first, with ``conflict``.
    """

    code: Code
    detail: str | None = None
    scope: str | None = None
    retry_after_ms: int | None = None
    standing: Standing | None = None
