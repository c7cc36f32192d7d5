"""Bounds of the wire, each with its answer to "full".

A server announces the ones that a client can run into in ``welcome.limits``. Bounds inside the server (queues, caches, waits)
stand in ``parley_server/limits.py``.

Source: protocol/SPEC.md, "Limits".
"""

from typing import Final

FRAME_BYTES_MAX: Final = 65_536
"""One WebSocket message from a client. Full: close 4502 ``too_large``."""

BODY_BYTES_MAX: Final = 8_192
"""UTF-8 bytes of a post's body. Full: ``error body_too_long``, the connection stays."""

BODY_MARKS_RUN_MAX: Final = 16
"""Combining marks in a row in a body. Full: ``error body_not_text``; more than this draws over the lines above and below."""

ID_BYTES_MAX: Final = 64
"""An id, a slug, a nonce, an epoch, a request's ``id`` where it is a string. Full: ``error bad_field``."""

NAME_BYTES_MAX: Final = 256
"""UTF-8 bytes of a display name, a client's name, a policy's or a rule's id. Full: ``error bad_field``."""

EMOJI_BYTES_MAX: Final = 64
"""UTF-8 bytes of one reaction. Full: ``error bad_field``."""

REASON_BYTES_MAX: Final = 4_096
"""UTF-8 bytes of a moderator's reason. Full: ``error bad_field``."""

TOKEN_BYTES_MAX: Final = 256
"""A session's token. Full: ``error bad_field``."""

SUBSCRIPTIONS_MAX: Final = 128
"""Boards that one connection follows, and entries in ``hello.resume``. Full: ``error limited`` with scope ``subscriptions``."""

KINDS_MAX: Final = 16
"""Entries in ``subscribe.kinds``. Full: ``error bad_field``."""

ATTACHMENTS_MAX: Final = 16
"""Entries in ``post.attachments``. Full: ``error bad_field``."""

SEQ_MAX: Final = 2**53 - 1
"""Greatest integer on the wire: what a double can hold, so that every language reads JSON right. Full: ``error bad_field``."""

HELLO_WITHIN_MS: Final = 5_000
"""Wait for the first frame. Full: close 4001 ``hello_late``."""

BEAT_MS: Final = 20_000
"""Greatest time between two frames of a live server; a client that hears nothing for two of them reconnects."""

RESUME_EVENTS_MAX: Final = 10_000
"""Missed events that one resume replays. Full: ``gap`` with reason ``window``; the rest is history over HTTP."""

HISTORY_EVENTS_MAX: Final = 500
"""Events in one page of history. Full: the page ends there; ask again with its last seq."""

REPLICA_POSTS_MAX: Final = 1_000
"""Posts that a reader's replica holds unless told otherwise, tombstones too. Full: the one that stands first is forgotten."""

REPLICA_REACTIONS_MAX: Final = 1_000
"""Reactions that a replica holds of one post. Full: the one with the lowest seq is forgotten."""

REPLICA_RANGES_MAX: Final = 1_000
"""Separate ranges of seqs that a replica holds beyond its cursor. Full: the highest is forgotten and comes again on resume."""
