"""The Merkle tree over the record log: RFC 9162 §2.1.1 with SHA-256.

A log only grows, so its root is kept as a frontier: the roots of the full subtrees that the leaves so far make up, one for each set bit
of the size. Appending merges what has become full; nothing that was there before is read again.
"""

import hashlib
from collections.abc import Iterable
from typing import Final

HASH_BYTES: Final = 32

EMPTY_ROOT: Final = hashlib.sha256().digest()


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf; ``HASH_BYTES`` bytes. The first byte keeps leaves and nodes apart."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node above two others."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a tree that grows: enough to append to it and to tell its root, some 30 hashes for any size."""

    def __init__(self) -> None:
        self._size = 0
        # Roots of full subtrees, the largest first: their sizes are the set bits of ``_size``, so none needs to be kept.
        self._roots: list[bytes] = []

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return self._size

    def append(self, leaf: bytes) -> None:
        """Add a leaf, given as its hash."""
        root, full = leaf, self._size
        while full & 1:
            root = node_hash(self._roots.pop(), root)
            full >>= 1
        self._roots.append(root)
        self._size += 1

    def root(self) -> bytes:
        """Return the root; ``HASH_BYTES`` bytes."""
        if not self._roots:
            return EMPTY_ROOT
        *larger, root = self._roots
        for left in reversed(larger):
            root = node_hash(left, root)
        return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the root over leaves, given as their hashes, in order."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()
