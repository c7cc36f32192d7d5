"""The one exception of the wire: what the other end sent breaks the protocol."""

from parley_protocol.codes import Code


class ProtocolError(Exception):
    """Bytes from the peer that are no frame of this protocol.

    Attributes:
        code: what is wrong; ``code.close`` says whether the connection can go on.
        re: the ``id`` of the request, where one could be read, so that the answer can name it.
        detail: one sentence for the person who reads the peer's log; never holds the peer's own text.
    """

    def __init__(self, code: Code, detail: str, *, re: "int | str | None" = None) -> None:
        super().__init__(f"{code.name}: {detail}")
        self.code = code
        self.detail = detail
        self.re = re
