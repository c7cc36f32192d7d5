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

ACCEPTS_PER_S: Final = 500
"""WebSocket handshakes taken by one process, sustained: with its hello each costs 0.7 ms of the one thread that serves everybody, and what
it missed comes on top. Full: ``503`` with a ``Retry-After`` that comes in turn, before anything is made for the connection."""

ACCEPTS_BURST: Final = 1_000
"""WebSocket handshakes taken at once. Full: as ``ACCEPTS_PER_S``."""

RETRY_AFTER_S_MAX: Final = 60
"""Longest ``Retry-After`` of a handshake that is turned away. Full: the turns begin again at one second."""

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

LOOKUPS_MAX: Final = 1_000
"""Tokens, or accounts, of those who say hello that one query looks up. Full: it begins at once, and the others wait for the next one."""

LOOKUPS_WAITING_MAX: Final = 20_000
"""Tokens, or accounts, that wait for such a query. Full: ``Unavailable``, so ``bye overloaded`` to the next hello."""

LOOKUP_WAIT_S_LEAST: Final = 0.005
"""Shortest time from one query for tokens to the next one; a hello after a pause waits for nothing."""

LOOKUP_WAIT_S_MAX: Final = 0.5
"""Longest such time, reached while hellos come from everywhere: thousands who come back within seconds cost two queries a second."""

REVOKED_MAX: Final = 10_000
"""Sessions revoked while hellos were under way. Full: those hellos are answered ``bye overloaded``, and ask again."""

REVOKED_LINGER_S: Final = 10.0
"""How long they are remembered: longer than a hello may take (``HELLO_WITHIN_MS``)."""

# Hot log.

RING_EVENTS_MAX: Final = 2_048
"""Events of one board kept in memory. Full: the oldest leaves; who needs it reads it from PostgreSQL."""

RING_BYTES_MAX: Final = 2_097_152
"""Bytes of one board's events kept in memory. Full: as ``RING_EVENTS_MAX``."""

LONG_RING_EVENTS_MAX: Final = 10_000
"""Events of a board whose ring was extended back to readers who missed more: as many as a resume replays. Full: they get ``gap slow``."""

LONG_RING_BYTES_MAX: Final = 8_388_608
"""Bytes of such a ring. Full: as ``LONG_RING_EVENTS_MAX``."""

LONG_RINGS_MAX: Final = 8
"""Boards that hold more than ``RING_EVENTS_MAX`` at the same time. Full: readers further back are served one by one, ``CATCH_UPS_MAX``."""

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
"""Events read at once from PostgreSQL for readers that are behind the ring."""

CATCH_UPS_MAX: Final = 8
"""Readers served from PostgreSQL one by one at the same time, where their board's ring cannot be extended. Full: the next one waits."""

CATCH_UPS_WAITING_MAX: Final = 64
"""Readers that are served so or wait for it. Full: the next one gets ``gap slow`` up to the ring, and fetches it over HTTP."""

COALESCE_S_MAX: Final = 0.004
"""Longest time an event waits for others to be written with, under load. An idle board writes at once."""

SUPPRESSED_MAX: Final = 100_000
"""Posts that are hidden or were retracted a moment ago. Full: ``error limited`` to the next retraction, which has changed nothing yet."""

SUPPRESSED_LINGER_S: Final = 60.0
"""How long a committed retraction stays in that list: longer than any query that may still carry the body (``store/bounds.py``)."""

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
"""Clients of a server that ends come back spread over this time, or over a longer one if they are more than it could take in it."""

SHUTDOWN_S: Final = 10.0
"""Wait for requests under way when the server ends. Full: they are cancelled; what is committed stays."""
