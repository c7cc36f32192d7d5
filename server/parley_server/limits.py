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

RETRY_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0)
"""Waits before a retraction whose transaction failed is tried again; the last one repeats."""

# Droppable.

PRESENCE_S: Final = 1.0
"""Shortest time between two presence frames of one board."""

TYPING_S: Final = 3.0
"""Shortest time between two typing frames of one account on one board. Full: dropped."""

# Between nodes. What is lost here stands in PostgreSQL, where the other nodes find it by its seq or at their next beat.

URGENT_HINTS_MAX: Final = 100_000
"""Urgent hints that wait to be sent; the same one twice is one. Full: the oldest is dropped, and counted. Posts that are hidden end before it
(``SUPPRESSED_MAX``), so it means that the other nodes could not be reached for very long, and by then they beat without this one."""

ORDINARY_HINTS_MAX: Final = 8_192
"""Ordinary hints that wait to be sent, or to be taken. Full: the oldest is dropped, and counted."""

ORDINARY_BYTES_MAX: Final = 16_777_216
"""Bytes of ordinary hints that wait to be sent. Full: as ``ORDINARY_HINTS_MAX``."""

ORDINARY_WAIT_S: Final = 5.0
"""Wait of an ordinary hint until Redis has it. Full: it is dropped, and counted."""

HINT_AGE_S_MAX: Final = 10.0
"""Age of an ordinary hint when it is taken: ``ORDINARY_WAIT_S``, and what an answer of Redis may take on both sides. Full: it is lost. Well
below ``SUPPRESSED_LINGER_S``: a text on its way never outlives the suppression of its post."""

ANSWERS_MAX: Final = 1_024
"""Answers to other nodes' urgent hints that wait to be sent. Full: the oldest is dropped; who asked waits until its time is up."""

URGENT_TAKES_MAX: Final = 1_024
"""Urgent hints that are acted on at the same time. Full: the next one waits where it is, on its way from Redis."""

ORDINARY_TURN: Final = 64
"""Ordinary hints that are taken before urgent ones, and the rest of the process, have their turn."""

BUS_BATCH_HINTS: Final = 256
"""Hints of one message on the bus. Full: the others form the next one."""

BUS_BATCH_BYTES: Final = 65_536
"""Bytes of hints of one message on the bus; a single hint may be larger. Full: as ``BUS_BATCH_HINTS``."""

BUS_COALESCE_S: Final = 0.004
"""Shortest time between two messages of the ordinary lane; after a pause the first one leaves at once."""

BUS_CONNECT_S: Final = 2.0
"""Wait for a connection to Redis that is ready. Full: given up, and tried again."""

BUS_PING_S: Final = 0.5
"""Time between two signs of life that a connection to Redis must give."""

BUS_ANSWER_S: Final = 2.0
"""Wait for an answer of Redis. Full: the connection is given up with all that is still on it, and made again."""

BUS_AGAIN_S: Final = (0.05, 0.2, 0.5, 1.0, 2.0)
"""Waits before a connection to Redis is made again, each up to half as long again; the last one repeats."""

BUS_NODES_MAX: Final = 1_024
"""Nodes whose messages are numbered, ended ones included. Full: the one that said nothing for longest is forgotten, and what
it lost next is not counted."""

GARBAGE_LOG_S: Final = 60.0
"""Shortest time between two lines in the log about messages that nobody can read."""

# A node among others (decision 0022).

NODE_MARGIN_S: Final = 1.0
"""Time before the end of its lease at which a node that could not beat falls silent (decision 0022). Full: drift and delays beyond it break P2."""

BEAT_S: Final = 1.0
"""Time between two beats of a node."""

BEAT_SOON_S: Final = 0.25
"""The same while the bus is down, or after a beat that failed."""

BEAT_WITHIN_S: Final = 2.0
"""One beat with what it takes in. Full: it failed, and the next one goes on where it ended; after ``NODE_LEASE_S`` the node falls silent."""

BEGIN_WITHIN_S: Final = 30.0
"""Wait for everything that a node keeps in memory, read anew after it fell silent. Full: it stays silent and tries again."""

ASK_S: Final = 0.5
"""Wait for what other nodes say over the bus. Full: their beats are waited for."""

LOOK_AGAIN_S: Final = 0.1
"""Time between two looks at the beats of nodes that are waited for."""

EVERYWHERE_S: Final = 15.0
"""Wait for every living node to act on a change: two leases and more. Full: ``unavailable``; it is committed, and not acknowledged."""

JUDGING_S: Final = 30.0
"""Wait for every living node to judge by a new rule set. Full: the answer names those that do."""

CLAIM_S: Final = 10.0
"""Time after which an act of another node that hides a post here and is not said again is looked up in the store. Full: what the store says."""

HIDE_AGAIN_S: Final = 2.0
"""Time between two hints of an act of ours whose outcome is not known yet."""

ACTS_KEPT_S: Final = 60.0
"""How long the end of another node's act is remembered, for hints of it that come late."""

CHANGES_PAGE: Final = 500
"""Changes read at once."""

REACH_S: Final = 5.0
"""Wait for events that a reader has from another node. Full: ``unavailable``."""

CLOSED_SESSIONS_S: Final = 120.0
"""How long a revoked session is remembered, for connections that read it before: longer than a hello takes."""

CLOSED_SESSIONS_MAX: Final = 10_000
"""Revoked sessions that are remembered. Full: the oldest is forgotten; its connections were closed."""

PRESENCE_AGAIN_S: Final = 20.0
"""Time between two hints of how many follow a board here, if nothing changes."""

PRESENCE_KEPT_S: Final = 50.0
"""How long such a hint of another node counts."""

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

WORKER_AGAIN_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0)
"""Waits before a worker that ended is started again; the last one repeats."""

WORKER_STARTS_MAX: Final = 8
"""Starts of one worker that fail in a row. Full: the parent ends with all workers, status 1; whoever supervises it decides."""

WORKER_END_S: Final = 20.0
"""Wait for a worker that was told to end: ``SHUTDOWN_S`` and what it closes afterwards. Full: it is killed; what is committed stays."""

SHUTDOWN_S: Final = 10.0
"""Wait for requests under way when the server ends. Full: they are cancelled; what is committed stays."""
