import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from parley_server.domain.signed_note import checkpoint_text, origin_of, signed_note, verifier_key

# The example of the reference implementation (pkg.go.dev/golang.org/x/mod/sumdb/note).
NAME = "PeterNeumann"
SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNATURE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="


def test_a_note_and_its_key_are_written_as_the_reference_implementation_writes_them() -> None:
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    public = key.public_key().public_bytes_raw()
    assert verifier_key(NAME, public) == "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    assert signed_note(TEXT, NAME, public, key.sign) == f"{TEXT}\n— {NAME} {SIGNATURE}\n"


def test_a_checkpoint_is_origin_size_and_root_on_a_line_each() -> None:
    assert checkpoint_text("Parley/records", 7, b"\0" * 32) == f"Parley/records\n7\n{'A' * 43}=\n"


@pytest.mark.parametrize(
    ("site", "origin"),
    [("Parley", "Parley/records"), ("My Club + Friends", "My-Club---Friends/records"), ("茶馆", "茶馆/records")],
)
def test_a_site_s_name_becomes_a_key_s_name(site: str, origin: str) -> None:
    assert origin_of(site) == origin
