"""Bounds inside the server, each with its answer to "full".

What a client can run into on the wire stands in ``parley_protocol/limits.py``. Bounds of the store stand in ``store/bounds.py``, those of
rules in ``domain/bounds.py``.
"""

from typing import Final

# Front door and connection.

HEAD_BYTES_MAX: Final = 16_384
"""Request line and headers of a new connection. Full: closed with 431 by the HTTP server."""

CONNECTIONS_MAX: Final = 20_000
"""Open WebSocket connections of one process. Full: ``503`` with ``Retry-After`` to the handshake."""

HEAD_WITHIN_S: Final = 5.0
"""Wait for a new connection's request head. Full: closed."""

CLOSE_WITHIN_S: Final = 2.0
"""Wait for the peer's half of the closing handshake. Full: the transport is closed."""

SEND_BUFFER_BYTES: Final = 32_768
"""``SO_SNDBUF`` of a WebSocket: with the tail of one segment, the most that one connection holds outside our memory. The kernel counts its
own overhead in it. Full: the connection lags and is served from its cursor."""

SEGMENT_BYTES_MAX: Final = 16_384
"""Content written at once to a lagging connection. Full: the next segment waits until this one is with the kernel."""

SEGMENTS_PER_TURN: Final = 8
"""Segments that one catching-up connection gets before others have their turn."""

CONTROL_BYTES_MAX: Final = 65_536
"""Control lane of one connection that takes nothing. Full: closed with ``slow``; it resumes from its cursor."""

STALL_S_MAX: Final = 60.0
"""Time in which a connection with something to send takes no byte. Full: cut, ``slow``."""

REQUESTS_MAX: Final = 64
"""Requests of one connection that wait for their answer. Full: its socket is not read until one is answered."""

FRAMES_PER_S: Final = 50
"""Frames of one connection, sustained. Full: ``error limited`` with scope ``frames``."""

FRAMES_BURST: Final = 200
"""Frames of one connection, at once. Full: as ``FRAMES_PER_S``."""

LIMITED_MAX: Final = 500
"""``limited`` answers to one connection within a minute. Full: closed with ``abuse``."""

POSTS_PER_S: Final = 5
"""Posts, edits and reactions of one account, sustained. Full: ``error limited`` with scope ``posts``."""

POSTS_BURST: Final = 20
"""Posts, edits and reactions of one account, at once. Full: as ``POSTS_PER_S``."""

BUCKETS_MAX: Final = 100_000
"""Accounts and addresses whose rate is remembered. Full: the one idle for longest is forgotten, which can only favour it."""

WATCHERS_MAX: Final = 1_000
"""Connections that watch alerts. Full: ``error limited`` with scope ``watchers``."""

# Hot log.

RING_EVENTS_MAX: Final = 2_048
"""Events of one board kept in memory. Full: the oldest leaves; who needs it reads it from PostgreSQL."""

RING_BYTES_MAX: Final = 2_097_152
"""Bytes of one board's events kept in memory. Full: as ``RING_EVENTS_MAX``."""

RING_LINGER_S: Final = 120.0
"""How long a board without readers keeps its ring, so that readers who come back at once cost no query."""

HOT_BOARDS_MAX: Final = 4_096
"""Boards kept in memory. Full: those without readers leave first; with readers on all, ``error limited`` with scope ``boards``."""

HOLE_WAIT_S: Final = 0.05
"""Wait for an event whose successor is already here. Full: the missing ones are read from PostgreSQL."""

HEAL_AGAIN_S: Final = 0.5
"""Wait before the store is asked again for events that it did not have, or could not give."""

PENDING_EVENTS_MAX: Final = 4_096
"""Events of one board that wait for an earlier one. Full: all are dropped and read from PostgreSQL."""

READ_EVENTS: Final = 500
"""Events read at once from PostgreSQL for a reader that is behind the ring."""

CATCH_UPS_MAX: Final = 8
"""Readers served from PostgreSQL at the same time. Full: the next one waits."""

COALESCE_S_MAX: Final = 0.004
"""Longest time an event waits for others to be written with, under load. An idle board writes at once."""

SUPPRESSED_MAX: Final = 100_000
"""Posts that are hidden or were retracted a moment ago. Full: ``error limited`` to the next retraction, which has changed nothing yet."""

SUPPRESSED_LINGER_S: Final = 60.0
"""How long a committed retraction stays in that list: longer than any query that may still carry the body (``store/bounds.py``)."""

IN_FLIGHT_S: Final = 0.25
"""Wait for a peer to acknowledge a text that had left for it when its post was hidden: several times the 40 ms for which Linux holds an
acknowledgement back. Full: the connection is reset, so that the kernel does not send the text again."""

RECEIPT_S: Final = 2.0
"""Wait for a peer that may have a retracted text to acknowledge the notice. Full: the connection is reset and meets the tombstone when it
resumes; the receipt counts it as a straggler."""

RECEIPT_SLICE: Final = 250
"""Connections that the kernel is asked about before other work has its turn: about a millisecond."""

NOTICES_MAX: Final = 200_000
"""Notices of retractions whose acknowledgement is waited for. Full: connections that may be sent the text again are reset at once, and the
receipt says nothing about acknowledgements."""

RETRY_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0)
"""Waits before a retraction whose transaction failed is tried again; the last one repeats."""

# Droppable.

PRESENCE_S: Final = 1.0
"""Shortest time between two presence frames of one board."""

TYPING_S: Final = 3.0
"""Shortest time between two typing frames of one account on one board. Full: dropped."""

# Others.

CASES_CHANGED_MAX: Final = 10_000
"""Cases whose change the watchers were not told of yet. Full: they are not told; the queue of cases has it, and deciding finds out."""

UNACKNOWLEDGED_MAX: Final = 1_000
"""Alerts that a watcher without cursor gets at first. Full: the oldest ones; the rest stands in the queue of cases."""

ALERTS_PAGE: Final = 200
"""Alerts read at once for a watcher that catches up."""

HASHES_MAX: Final = 4
"""Passwords hashed at the same time. Full: the next one waits, ``PASSWORD_WAIT_S`` at most."""

PASSWORD_WAIT_S: Final = 10.0
"""Wait for a turn to hash. Full: ``limited``."""

SHUTDOWN_SPREAD_MS: Final = 5_000
"""Clients of a server that ends come back spread over this time."""

SHUTDOWN_S: Final = 10.0
"""Wait for requests under way when the server ends. Full: they are cancelled; what is committed stays."""
