"""Bounds of the client, each with its answer to "full"."""

from typing import Final

INBOX_EVENTS_MAX: Final = 1_024
"""Events that wait for the caller. Full: the socket is not read until there is room, so the server sees a slow reader."""

INBOX_OVERFLOW_MAX: Final = 16_384
"""Events that may wait while a request is in flight, because its answer comes behind them: a caller that awaits an answer
inside its own loop over events must get it. Full: the socket is not read, and the request ends by its timeout."""

REQUESTS_MAX: Final = 1_024
"""Requests in flight. Full: ``RuntimeError`` at once; the caller sends faster than it listens."""

OPEN_S: Final = 10.0
"""Wait for one TCP, TLS and WebSocket handshake and for ``welcome``. Full: the attempt failed."""

SEND_S: Final = 10.0
"""Wait for the transport to take one frame. Full: the connection is dropped."""

CLOSE_S: Final = 1.0
"""Wait for the peer's side of a closing handshake. Full: TCP is closed without it."""

RECEIVE_BUFFER_BYTES: Final = 16_384
"""``SO_RCVBUF`` of a connection. Full: the server sees a slow reader and keeps the rest, where a retraction still reaches it; what a
kernel has taken for a program that is stopped, nobody can recall."""

MESSAGE_BYTES_MAX: Final = 1_048_576
"""One WebSocket message from a server. Full: the connection is dropped."""

BACKOFF_FIRST_S: Final = 0.5
"""Upper bound of the first wait before a reconnect; it doubles with each attempt."""

BACKOFF_MOST_S: Final = 30.0
"""Upper bound of any wait before a reconnect that the server did not ask for."""

AFTER_MOST_S: Final = 300.0
"""Longest wait that a server's ``after_ms`` can ask for. Longer: this."""

BACKOFF_LEAST_S: Final = 0.1
"""Lower bound of any wait before a reconnect."""

STABLE_S: Final = 60.0
"""A connection that was up this long counts as a success: the next wait starts from the beginning."""

LIMIT_RETRIES_MAX: Final = 5
"""Times that a ``limited`` request is repeated after the wait it asks for. Full: the error is raised."""

LIMIT_WAIT_MS_MAX: Final = 60_000
"""Longest such wait. Longer: the error is raised at once."""

HTTP_S: Final = 15.0
"""Wait for one HTTP answer. Full: ``TimeoutError``."""

HTTP_BYTES_MAX: Final = 16_777_216
"""One HTTP answer. Full: ``ParleyError too_large``."""
