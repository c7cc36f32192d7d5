"""Bounds of HTTP, each with its answer to "full"."""

from typing import Final

from parley_protocol.limits import BODY_BYTES_MAX

REQUEST_BYTES_MAX: Final = 8 * BODY_BYTES_MAX
"""Body of a request. Full: ``too_large``."""

DOCUMENT_BYTES_MAX: Final = 8_388_608
"""Body of a request that carries a rule document. Full: ``too_large``; split the rule."""

REQUEST_WITHIN_S: Final = 10.0
"""Wait for the body of a request. Full: ``bad_request``."""

PAGE_MAX: Final = 100
"""Entries of one page of anything but events. Full: the page ends there; ask again with its ``next``."""

SEARCH_MAX: Final = 50
"""Posts that a search answers with. Full: the newest ones."""

SEGMENT_BYTES: Final = 16_384
"""Text of posts that is encoded before it is handed to the transport. Full: written; what follows is rendered when the peer took it."""

STREAM_S_MAX: Final = 30.0
"""Time in which a peer takes one page of posts. Full: the connection is cut. Must stay below ``SUPPRESSED_LINGER_S``: a page is read from
the store once, and what is retracted meanwhile is known here for at least that long."""

TEXT_BYTES_MAX: Final = 4_096
"""UTF-8 bytes of a report, an appeal or a purpose. Full: ``bad_field``."""

TITLE_CHARS_MAX: Final = 200
"""Characters of a policy's title. Full: ``bad_field``."""

CALLS_PER_S: Final = 20.0
"""Calls of one account, or of one address without account, sustained. Full: ``limited`` with scope ``calls``."""

CALLS_BURST: Final = 100
"""The same at once."""

SIGN_UPS_PER_S: Final = 0.05
"""New accounts of one address, sustained. Full: ``limited`` with scope ``sign_up``."""

SIGN_UPS_BURST: Final = 10
"""The same at once."""

SIGN_INS_PER_S: Final = 0.2
"""Passwords tried from one address, sustained. Full: ``limited`` with scope ``sign_in``."""

SIGN_INS_BURST: Final = 10
"""The same at once."""

REPORTS_PER_S: Final = 0.1
"""Reports from one address, sustained. Full: ``limited`` with scope ``reports``."""

REPORTS_BURST: Final = 10
"""The same at once."""

KEY_CHARS_MAX: Final = 64
"""An ``Idempotency-Key``. Full: ``bad_field``."""
