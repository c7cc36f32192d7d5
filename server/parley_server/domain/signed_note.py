"""Checkpoints as text that tools of other logs can read: C2SP tlog-checkpoint in a C2SP signed note.

Pure: the signature comes in as a function. Sources: https://c2sp.org/tlog-checkpoint, https://c2sp.org/signed-note.
"""

import base64
import hashlib
from collections.abc import Callable
from typing import Final

_ED25519: Final = b"\x01"
_KEY_ID_BYTES: Final = 4


def origin_of(site_name: str) -> str:
    """Make the log's name of the site's: a key's name has no space and no ``+``.

    The origin is the log's identity: a site that changes its name is a new log to those who keep checkpoints.
    """
    return "".join("-" if letter.isspace() or letter == "+" else letter for letter in site_name) + "/records"


def checkpoint_text(origin: str, size: int, root: bytes) -> str:
    """Write what is signed: the log's name, how many leaves it has, and the root over them."""
    return f"{origin}\n{size}\n{_base64(root)}\n"


def verifier_key(name: str, public_key: bytes) -> str:
    """Write an Ed25519 key as a line that verifiers are configured with: name, key id and key."""
    return f"{name}+{_key_id(name, public_key).hex()}+{_base64(_ED25519 + public_key)}"


def signed_note(text: str, name: str, public_key: bytes, sign: Callable[[bytes], bytes]) -> str:
    """Sign a text.

    Args:
        text: ends with a newline.
        sign: makes the Ed25519 signature that ``public_key`` verifies.
    """
    return f"{text}\n— {name} {_base64(_key_id(name, public_key) + sign(text.encode()))}\n"


def _key_id(name: str, public_key: bytes) -> bytes:
    """Return what tells keys of one name apart."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[:_KEY_ID_BYTES]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
