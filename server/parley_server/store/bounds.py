"""Bounds of the store, each with its answer to "full"."""

from typing import Final

CONNECTIONS_MAX: Final = 12
"""Connections of one process's pool; the board log's writer has one beside it. Full: wait ``ACQUIRE_S``, then ``Unavailable``."""

ACQUIRE_S: Final = 3.0
"""Wait for a connection. Full: ``Unavailable``."""

STATEMENT_MS: Final = 5_000
"""One statement inside PostgreSQL. Full: it is cancelled there, ``Unavailable``."""

LOCK_MS: Final = 3_000
"""Wait for one lock, above all a board's head row. Full: ``Unavailable``."""

COMMAND_S: Final = 8.0
"""One statement as the process sees it, for a server that fell silent. Full: the connection is given up, ``Unavailable``."""

IDLE_TRANSACTION_MS: Final = 10_000
"""A transaction in which nothing happens. Full: PostgreSQL ends its connection, so that no lock outlives a hung process."""

AGAIN_S: Final = 0.05
"""Pause before a transaction that lost a deadlock runs a second time. Full: it loses again, ``Unavailable``."""

WAITING_DRAFTS_MAX: Final = 4_096
"""Accepted drafts that wait for their commit. Full: ``Unavailable`` at once; the author may try the same nonce again."""

BATCH_DRAFTS_MAX: Final = 256
"""Drafts of one group commit. Full: the others form the next one."""

APPEND_S: Final = 15.0
"""Wait of one draft for its commit. Full: ``Unavailable``; it may be stored nevertheless, the same nonce finds out."""

REOPEN_S: Final = 0.5
"""Pause of the writer after it lost its connection; drafts that come meanwhile wait in the queue."""

READ_EVENTS_MAX: Final = 1_000
"""Events of one ``read``. Full: the page ends there; ask again with its last seq."""

PAGE_MAX: Final = 500
"""Rows of one page of anything else. Full: the page ends there; ask again with its last id."""

LEAVES_MAX: Final = 1_000
"""Leaves of one page of the record log. Full: the page ends there; ask again with its last number."""

PARTITIONS_AHEAD: Final = 2
"""Months that have a partition before they begin. Full: later events go to the default partition."""

MIGRATION_S: Final = 3_600.0
"""One migration, and the wait for another process that migrates. Full: the start fails, nothing of that migration stays."""

INDEX_S: Final = 1.0
"""Time between two turns of upkeep. Full: searches read a longer list, up to 64 MB; then posts pay (0002_board_log.sql)."""

NODE_LEASE_S: Final = 6.0
"""Age of a node's last beat up to which it is waited for. Full: the others go on without it; it fell silent before (decision 0022)."""

NODES_KEPT_S: Final = 3_600.0
"""How long the row of a node that lives no more is kept, for whoever looks into what happened."""

CHANGES_KEPT_S: Final = 600.0
"""How long a change is kept for nodes that have not heard of it: a hundred leases. Full: a node that was away for longer begins anew."""

KEPT_ANSWERS_S: Final = 3_600
"""How long an answer is kept for requests that are made again."""

KEPT_ANSWERS_MAX: Final = 100_000
"""Answers kept for repeated keys, on all nodes. Full: the oldest are forgotten; their keys then count as new ones."""

UNDER_WAY_S: Final = 60
"""Time after which a request whose answer never came, since its node died, say, may be made again. Full: the same key begins anew."""

FORGET_S: Final = 60.0
"""Time between two turns of forgetting what is kept for a while: changes, nodes that ended, answers."""
