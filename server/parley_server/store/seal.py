"""Sealing: how a stopped text is kept so that it can be read with the key and, without it, not even be guessed.

Each text has a fresh data key (AES-256-GCM); the data key is wrapped (RFC 3394) by a key that is derived from the operator's. Takedown,
post and revision are bound in as associated data, so that a sealed text cannot be passed off as another's. With the key gone, or one
wrapped data key erased, the text is gone too, while its record still verifies.

A record needs a hash of the text that it is about. A plain hash of a short text tells the text to whoever tries enough of them, so it
is a commitment: HMAC-SHA-256 under a random salt that lies inside the sealed part. Who may open the text can check it; nobody else
can test a guess. For the same reason the digests by which a repeated nonce or request is compared are keyed: a request may hold a password.

Source: NIST SP 800-38D (GCM), RFC 3394 (key wrap), RFC 5869 (HKDF), RFC 7693 (BLAKE2).
"""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from parley_server.ports import Unavailable

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_SALT_BYTES: Final = 32
_DIGEST_BYTES: Final = 16


class BadKey(Exception):
    """The operator's key cannot be used; the message says where it came from, never what it is."""


class BrokenSeal(Unavailable):
    """A sealed text cannot be opened: the key is another one, or the text, its key or its place was changed. Nothing was done."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A text under seal.

    Attributes:
        text: GCM nonce, then ciphertext with tag.
        wrapped_key: the data key, wrapped.
        commitment: HMAC-SHA-256 of the body under the salt inside ``text``; 32 bytes.
    """

    text: bytes
    wrapped_key: bytes
    commitment: bytes


class Sealer:
    """Seals and opens texts under one operator's key. Holds no state but the keys derived from it."""

    def __init__(self, key: bytes, random: Callable[[int], bytes] = os.urandom) -> None:
        if len(key) != KEY_BYTES:
            raise BadKey(f"A key has {KEY_BYTES} bytes, not {len(key)}.")
        self._wrapping = _derive(key, b"parley evidence v1")
        self._digesting = _derive(key, b"parley nonce digest v1")
        self._keeping = AESGCM(_derive(key, b"parley kept answer v1"))
        self._comparing = _derive(key, b"parley request digest v1")
        self._random = random

    def seal(self, takedown: str, post: str, rev: int, body: str) -> Sealed:
        """Seal revision ``rev`` of a post as evidence of a takedown."""
        text = body.encode()
        salt = self._random(_SALT_BYTES)
        data_key = self._random(KEY_BYTES)
        nonce = self._random(_NONCE_BYTES)
        sealed = nonce + AESGCM(data_key).encrypt(nonce, salt + text, _place(takedown, post, rev))
        return Sealed(sealed, aes_key_wrap(self._wrapping, data_key), hmac.digest(salt, text, "sha256"))

    def unseal(self, takedown: str, post: str, rev: int, sealed: Sealed) -> str:
        """Open a sealed text.

        Raises:
            BrokenSeal: wrong key, or anything was changed since.
        """
        try:
            data_key = aes_key_unwrap(self._wrapping, sealed.wrapped_key)
            nonce, text = sealed.text[:_NONCE_BYTES], sealed.text[_NONCE_BYTES:]
            opened = AESGCM(data_key).decrypt(nonce, text, _place(takedown, post, rev))
        except (InvalidUnwrap, InvalidTag, ValueError) as error:
            raise BrokenSeal(
                f"The evidence of takedown {takedown} (revision {rev}) cannot be opened: the key is not the one that sealed it, "
                "or the sealed text was changed."
            ) from error
        salt, body = opened[:_SALT_BYTES], opened[_SALT_BYTES:]
        if not hmac.compare_digest(hmac.digest(salt, body, "sha256"), sealed.commitment):
            raise BrokenSeal(f"The commitment of takedown {takedown} (revision {rev}) is not of the text under its seal.")
        return body.decode()

    def digest(self, author: str, nonce: str, body: str) -> bytes:
        """Return what tells whether a nonce comes again with the same body; 16 bytes, useless without the key."""
        # BLAKE2 has a keyed mode: one pass, where HMAC makes two and sets OpenSSL up for each (1.5 µs for 2.6 µs).
        text = f"{author}\0{nonce}\0{body}".encode()
        return hashlib.blake2b(text, digest_size=_DIGEST_BYTES, key=self._digesting).digest()

    def seal_answer(self, who: str, key: str, data: bytes) -> bytes:
        """Seal what HTTP answered to a request, which may be a token."""
        nonce = self._random(_NONCE_BYTES)
        return nonce + self._keeping.encrypt(nonce, data, f"{who}\0{key}".encode())

    def unseal_answer(self, who: str, key: str, sealed: bytes) -> bytes:
        """Open a kept answer.

        Raises:
            BrokenSeal: wrong key, or anything was changed since.
        """
        try:
            return self._keeping.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], f"{who}\0{key}".encode())
        except (InvalidTag, ValueError) as error:
            raise BrokenSeal(
                "A kept answer cannot be opened: the key is not the one that sealed it, or it was changed."
            ) from error

    def request_digest(self, digest: bytes) -> bytes:
        """Return what tells whether a request comes again; 16 bytes, useless without the key."""
        return hmac.digest(self._comparing, digest, "sha256")[:_DIGEST_BYTES]


def evidence_hash(commitments: Sequence[bytes]) -> bytes:
    """Return the one hash of a takedown's evidence: SHA-256 over the commitments of its revisions, oldest first."""
    return hashlib.sha256(b"".join(commitments)).digest()


def read_key(text: str) -> bytes:
    """Read a key of ``KEY_BYTES`` bytes from base64.

    Raises:
        BadKey: it is not that.
    """
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadKey("The key is not base64.") from error
    if len(key) != KEY_BYTES:
        raise BadKey(f"A key has {KEY_BYTES} bytes, not {len(key)}; make one with: openssl rand -base64 {KEY_BYTES}")
    return key


def load_or_create_key(path: Path, random: Callable[[int], bytes] = os.urandom) -> bytes:
    """Read the key file; at the first start, make it, readable by its owner alone.

    Two processes that start at once end with the same key: a key is written aside, then linked to its name, which only one can do.

    Raises:
        BadKey: the file holds no key.
    """
    if not path.exists():
        aside = path.with_name(f".{path.name}.{random(8).hex()}")
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(base64.b64encode(random(KEY_BYTES)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            os.link(aside, path)
        except FileExistsError:
            pass  # The other process was first; its key is read below.
        finally:
            aside.unlink()
    try:
        return read_key(path.read_text(encoding="ascii"))
    except (BadKey, UnicodeDecodeError) as error:
        raise BadKey(f"{path} holds no key: {error}") from error


def _derive(key: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=purpose).derive(key)


def _place(takedown: str, post: str, rev: int) -> bytes:
    """Associated data: which text this is. Ids hold no NUL."""
    return "\0".join(("parley evidence v1", takedown, post, str(rev))).encode()
