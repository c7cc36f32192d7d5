"""What the record log promises of a record: the bytes that its leaf is the hash of.

The leaf covers the record's public map as moderators read it, all of it but

- ``reversed_by``, which comes later than the record; the reversal is a record, and a leaf, of its own;
- ``actor.account`` and ``actor.salt``: in their place stands ``actor.commitment``, so that the leaf binds whose hand it was and names
  nobody. Its author, who is not told the account, can check the leaf as moderators can, and cannot find the account out by trying.

To check a leaf: take the record as ``GET /v1/takedowns/{id}`` gives it, leave these out, write the rest as canonical JSON, and hash that
as a leaf. Who is told account and salt checks the commitment too. A record whose map is ever to be written otherwise needs another
``schema_version``; those that were logged keep theirs.
"""

import hmac
from collections.abc import Mapping
from typing import Final

from parley_server.domain.canonical import canonical
from parley_server.domain.merkle import leaf_hash

SALT_BYTES: Final = 32

_LATER: Final = "reversed_by"
_PERSONAL: Final = frozenset({"account", "salt"})


def commitment(salt: bytes, account: str) -> bytes:
    """Commit to an account: HMAC-SHA-256 of its id under the record's salt. Without the salt nobody can test a guess."""
    return hmac.digest(salt, account.encode(), "sha256")


def leaf_of(record: Mapping[str, object]) -> bytes:
    """Return the leaf of a record, given as its public map, whoever it is shown to.

    Raises:
        NotCanonical: it holds what no record holds.
    """
    covered = {key: value for key, value in record.items() if key != _LATER}
    actor = covered["actor"]
    assert isinstance(actor, Mapping), "every record says who acted"
    covered["actor"] = {key: value for key, value in actor.items() if key not in _PERSONAL}
    return leaf_hash(canonical(covered))
