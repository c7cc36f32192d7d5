"""Sealing: what opens, what does not, and where the key comes from."""

import base64
import hashlib
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from parley_server.store.seal import BadKey, BrokenSeal, Sealer, evidence_hash, load_or_create_key, read_key

KEY = b"k" * 32
BODY = "buy now 现在购买 " * 20


def test_a_sealed_text_opens_with_its_key_at_its_place() -> None:
    sealed = Sealer(KEY).seal("t", "p", 2, BODY)
    assert Sealer(KEY).unseal("t", "p", 2, sealed) == BODY


def test_a_sealed_text_shows_nothing_of_the_text_and_never_looks_the_same() -> None:
    first, second = (Sealer(KEY).seal("t", "p", 1, BODY) for _ in range(2))
    assert BODY.encode()[:8] not in first.text
    assert first.text != second.text
    assert first.wrapped_key != second.wrapped_key
    assert first.commitment != second.commitment


def test_the_commitment_cannot_be_tested_with_a_guess() -> None:
    commitment = Sealer(KEY).seal("t", "p", 1, "yes").commitment
    assert commitment != hashlib.sha256(b"yes").digest()
    assert commitment != Sealer(KEY).seal("t", "p", 1, "yes").commitment


def test_another_key_opens_nothing() -> None:
    sealed = Sealer(KEY).seal("t", "p", 1, BODY)
    with pytest.raises(BrokenSeal, match="not the one that sealed it"):
        Sealer(b"x" * 32).unseal("t", "p", 1, sealed)


@pytest.mark.parametrize(("takedown", "post", "rev"), [("u", "p", 1), ("t", "q", 1), ("t", "p", 2)])
def test_a_sealed_text_does_not_pass_for_another(takedown: str, post: str, rev: int) -> None:
    sealed = Sealer(KEY).seal("t", "p", 1, BODY)
    with pytest.raises(BrokenSeal):
        Sealer(KEY).unseal(takedown, post, rev, sealed)


@pytest.mark.parametrize("part", ["text", "wrapped_key", "commitment"])
@pytest.mark.parametrize("place", [0, 15, -1])
def test_a_changed_byte_breaks_the_seal(part: str, place: int) -> None:
    sealed = Sealer(KEY).seal("t", "p", 1, BODY)
    changed = bytearray(getattr(sealed, part))
    changed[place] ^= 1
    with pytest.raises(BrokenSeal):
        Sealer(KEY).unseal("t", "p", 1, replace(sealed, **{part: bytes(changed)}))


@pytest.mark.parametrize("text", [b"", b"short"])
def test_a_truncated_text_breaks_the_seal(text: bytes) -> None:
    sealed = Sealer(KEY).seal("t", "p", 1, BODY)
    with pytest.raises(BrokenSeal):
        Sealer(KEY).unseal("t", "p", 1, replace(sealed, text=text))


def test_the_digest_of_a_nonce_tells_bodies_apart_and_needs_the_key() -> None:
    digest = Sealer(KEY).digest("a", "n", "hello")
    assert digest == Sealer(KEY).digest("a", "n", "hello")
    assert digest != Sealer(KEY).digest("a", "n", "hello!")
    assert digest != Sealer(KEY).digest("a", "m", "hello")
    assert digest != Sealer(KEY).digest("b", "n", "hello")
    assert digest != Sealer(b"x" * 32).digest("a", "n", "hello")


def test_the_hash_of_evidence_depends_on_every_revision_and_their_order() -> None:
    assert evidence_hash([b"a", b"b"]) != evidence_hash([b"b", b"a"])
    assert evidence_hash([b"a"]) != evidence_hash([b"a", b"b"])


def test_a_key_is_read_from_base64() -> None:
    assert read_key(base64.b64encode(KEY).decode() + "\n") == KEY


@pytest.mark.parametrize("text", ["", "not base64!", base64.b64encode(b"short").decode(), "ключ"])
def test_what_is_no_key_is_said_to_be_none(text: str) -> None:
    with pytest.raises(BadKey):
        read_key(text)


def test_a_key_has_its_length() -> None:
    with pytest.raises(BadKey):
        Sealer(b"short")


def test_the_key_file_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "evidence.key"
    key = load_or_create_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_create_key(path) == key
    assert [file.name for file in tmp_path.iterdir()] == ["evidence.key"]
    assert load_or_create_key(tmp_path / "other.key") != key


def test_the_key_of_a_process_that_was_first_is_the_one(tmp_path: Path) -> None:
    path = tmp_path / "evidence.key"

    def slowly(size: int) -> bytes:
        """Let another process make the file while this one draws its key."""
        if size == 32 and not path.exists():
            path.write_text(base64.b64encode(b"f" * 32).decode())
        return b"s" * size

    assert load_or_create_key(path, slowly) == b"f" * 32
    assert [file.name for file in tmp_path.iterdir()] == ["evidence.key"]


def test_a_file_that_holds_no_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "evidence.key"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(BadKey, match=r"evidence\.key"):
        load_or_create_key(path)


def test_a_kept_answer_opens_for_its_own_request_alone() -> None:
    sealed = Sealer(KEY).seal_answer("ada", "k", b"token")
    assert b"token" not in sealed
    assert Sealer(KEY).unseal_answer("ada", "k", sealed) == b"token"
    for sealer, who, key, held in (
        (Sealer(KEY), "bob", "k", sealed),
        (Sealer(KEY), "ada", "j", sealed),
        (Sealer(b"o" * 32), "ada", "k", sealed),
        (Sealer(KEY), "ada", "k", sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (Sealer(KEY), "ada", "k", b""),
    ):
        with pytest.raises(BrokenSeal):
            sealer.unseal_answer(who, key, held)


def test_the_digest_of_a_request_says_nothing_without_the_key() -> None:
    assert Sealer(KEY).request_digest(b"d") == Sealer(KEY).request_digest(b"d")
    assert Sealer(KEY).request_digest(b"d") not in (Sealer(KEY).request_digest(b"e"), Sealer(b"o" * 32).request_digest(b"d"))
