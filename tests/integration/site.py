"""A site of several nodes: real servers on one PostgreSQL and one Redis."""

import base64
import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.integration.server_process import ServerProcess, server_process

KEYS = {name: base64.b64encode(bytes([number]) * 32).decode() for number, name in enumerate(("EVIDENCE", "LOG"))}


@dataclass(frozen=True, slots=True)
class Site:
    """The nodes ``a`` and ``b``, which know the same people."""

    a: ServerProcess
    b: ServerProcess


@contextlib.contextmanager
def site(database_url: str, redis_url: str) -> Iterator[Site]:
    """Two servers that end with the block, as on two machines: each has a data folder of its own, the keys are given."""
    environment = {
        "PARLEY_DATABASE_URL": database_url,
        "PARLEY_REDIS_URL": redis_url,
        "PARLEY_LIMITS": "off",
        **{f"PARLEY_{name}_KEY": key for name, key in KEYS.items()},
    }
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(2) as starts:
        # Each on a thread of its own that lasts; they migrate at once, which one of them does.
        a, b = starts.map(lambda _: stack.enter_context(server_process(environment)), range(2))
        b.people = a.people
        yield Site(a, b)
