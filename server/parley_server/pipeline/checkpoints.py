"""Signed checkpoints of the record log: how long it is and what its root is, said so that it cannot be unsaid."""

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from parley_server.domain.merkle import Frontier
from parley_server.domain.signed_note import checkpoint_text, signed_note, verifier_key
from parley_server.ports import RecordLog

_LEAVES_AT_ONCE: Final = 1_000  # about 2 ms of hashing, after which others have their turn


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log as it stood.

    Attributes:
        root: over all ``size`` leaves; base64, as in ``note``.
        at_us: when the log was read.
        note: origin, size and root, signed.
    """

    origin: str
    size: int
    root: str
    at_us: int
    note: str


class Checkpoints:
    """Signs the log's head. Keeps the tree's right edge in memory, so each leaf is read once in the life of the process.

    The first checkpoint after a start reads the whole log, about 2 s for each million leaves.
    """

    def __init__(self, log: RecordLog, key: bytes, origin: str, clock: Callable[[], int]) -> None:
        """``key``: the 32 bytes of an Ed25519 private key; ``clock``: microseconds since the epoch."""
        self._log = log
        self._key = Ed25519PrivateKey.from_private_bytes(key)
        self._public = self._key.public_key().public_bytes_raw()
        self._origin = origin
        self._clock = clock
        self._frontier = Frontier()
        self._reading = asyncio.Lock()

    @property
    def key(self) -> str:
        """The key that checkpoints are verified with, as C2SP writes it."""
        return verifier_key(self._origin, self._public)

    async def latest(self) -> Checkpoint:
        """Sign the log as it stands: every record that was committed before this was called is in it.

        Raises:
            Unavailable: the store did not answer.
        """
        async with self._reading:
            at_us = self._clock()
            while leaves := await self._log.leaves(self._frontier.size, _LEAVES_AT_ONCE):
                for leaf in leaves:
                    self._frontier.append(leaf)
            size, root = self._frontier.size, self._frontier.root()
        text = checkpoint_text(self._origin, size, root)
        note = signed_note(text, self._origin, self._public, self._key.sign)
        return Checkpoint(self._origin, size, base64.b64encode(root).decode(), at_us, note)
