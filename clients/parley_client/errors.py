"""What can go wrong for a caller, as one tree.

``ParleyError`` is the server's no: a code of ``parley_protocol.codes`` and a sentence. Its two children come from this side of
the connection: ``Interrupted``, when nobody can say whether the request was done, and ``ConnectionEnded``, when there is no
coming back. A wait that took too long is the built-in ``TimeoutError``.
"""

from parley_protocol.frames import Error, Standing


class ParleyError(Exception):
    """A request was not done.

    Attributes:
        code: what a program compares; one of ``parley_protocol.codes``, or of the children below.
        message: one sentence for a person.
        retry_after_ms: how long to wait before the same request can succeed.
        scope: what limit or field the answer is about.
        standing: the decision that was there first, with ``conflict``.
    """

    def __init__(
        self,
        code: str,
        message: str,
        retry_after_ms: int | None = None,
        *,
        scope: str | None = None,
        standing: Standing | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retry_after_ms = retry_after_ms
        self.scope = scope
        self.standing = standing

    @classmethod
    def of(cls, frame: Error) -> "ParleyError":
        """Make the exception of an ``error`` frame."""
        return cls(frame.code, frame.message, frame.retry_after_ms, scope=frame.scope, standing=frame.standing)


class Interrupted(ParleyError):
    """The connection broke before the answer, and the repeat was refused: it was done the first time, or somebody was faster.

    ``cause`` is the code that the repeat got.
    """

    def __init__(self, kind: str, cause: str) -> None:
        super().__init__(
            "interrupted", f"The connection broke before {kind} was answered, and its repeat got {cause}; look first."
        )
        self.cause = cause


class ConnectionEnded(ParleyError):
    """The server asked this client not to come back, or the first connection could not be made in time."""
