"""The record log of a running server, held against its records as an outsider would."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from parley_client import Client, Http
from parley_client.values import HeldAnswer
from parley_server.app import serve
from parley_server.config import Settings, load

RULE = {
    "id": "casino-spam",
    "policy": "spam",
    "severity": "medium",
    "effect": "withhold",
    "fail": "hold",
    "fields": ["body"],
    "boards": ["*"],
    "match": {"terms": ["free casino"]},
    "examples": {"must": ["FREE  CASINO here"], "must_not": ["the casino scene in that film"]},
}


@pytest.fixture
def settings(postgres_url: str, tmp_path: Path) -> Settings:
    settings = load(
        {
            "PARLEY_DATABASE_URL": postgres_url,
            "PARLEY_DATA_DIR": str(tmp_path),
            "PARLEY_PORT": "0",
            "PARLEY_ADMIN_PASSWORD": "correct horse battery",
            "PARLEY_IDENTITY": "unverified",
            "PARLEY_SITE_NAME": "Our Site",
        },
        None,
    )
    assert isinstance(settings, Settings)
    return settings


@pytest.fixture
async def http(settings: Settings) -> AsyncIterator[Http]:
    """The administrator of a running server."""
    async with serve(settings) as running:
        http = Http(f"http://{running.host}:{running.port}")
        await http.sign_in("admin", "correct horse battery")
        await http.create_board("general", "General")
        yield http


def naive_leaf(record: dict[str, Any]) -> bytes:
    """What a leaf hashes, by another hand: keys of records are ASCII, so that this is their canonical form."""
    actor = {key: value for key, value in record["actor"].items() if key not in ("account", "salt")}
    covered = {key: value for key, value in record.items() if key != "reversed_by"} | {"actor": actor}
    return json.dumps(covered, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def naive_root(data: list[bytes]) -> bytes:
    if len(data) < 2:
        return hashlib.sha256(b"\x00" + data[0] if data else b"").digest()
    split = 1 << (len(data) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + naive_root(data[:split]) + naive_root(data[split:])).digest()


def verified(checkpoint: str, key: str) -> tuple[str, int, bytes]:
    """Verify a checkpoint with nothing but the key line; returns origin, size and root."""
    name, key_id, held = key.split("+", 2)
    text, signature_line = checkpoint.split("\n\n")
    dash, signer, signature = signature_line.removesuffix("\n").split(" ")
    assert (dash, signer) == ("—", name)
    raw, public = base64.b64decode(signature), base64.b64decode(held)
    assert raw[:4].hex() == key_id == hashlib.sha256(name.encode() + b"\n" + public).hexdigest()[:8]
    assert public[:1] == b"\x01"
    Ed25519PublicKey.from_public_bytes(public[1:]).verify(raw[4:], f"{text}\n".encode())
    origin, size, root = text.split("\n")
    assert origin == name
    return origin, int(size), base64.b64decode(root)


async def acts(http: Http) -> str:
    """Withhold, release, retract and restore a post; returns it."""
    await http.add_rule(RULE)
    await http.activate_rule("casino-spam")
    async with Client(http.base, http.token) as client:
        held = await client.post("general", "free casino")
        assert isinstance(held, HeldAnswer)
        await client.release(held.post, "A quote.")
        await client.retract(held.post, "spam", "It advertises after all.")
        await client.restore(held.post, "It does not.")
    return held.post


async def test_p9_an_outsider_checks_the_log_against_the_records(http: Http, settings: Settings, postgres_url: str) -> None:
    guest = Http(http.base)
    empty = await guest.call("GET", "/v1/log/checkpoint")
    assert verified(empty["checkpoint"], empty["key"]) == ("Our-Site/records", 0, hashlib.sha256().digest())

    post = await acts(http)
    head = await guest.call("GET", "/v1/log/checkpoint")
    records = await http.takedowns(post)
    assert [record["kind"] for record in records] == ["withhold", "release", "retract", "restore"]
    root = naive_root([naive_leaf(record) for record in records])
    assert verified(head["checkpoint"], head["key"]) == ("Our-Site/records", 4, root)
    assert (head["origin"], head["size"], head["root"]) == ("Our-Site/records", 4, base64.b64encode(root).decode())
    assert await guest.call("GET", "/v1/log/checkpoint") | {"at": 0} == head | {"at": 0}
    with pytest.raises(InvalidSignature):
        verified(head["checkpoint"].replace("\n4\n", "\n5\n"), head["key"])

    connection = await asyncpg.connect(postgres_url)
    try:
        await connection.execute("alter table takedowns disable trigger append_only")
        await connection.execute("update takedowns set reason = 'Another.' where kind = 'retract'")
    finally:
        await connection.close()
    changed = await http.takedowns(post)
    assert naive_root([naive_leaf(record) for record in changed]) != root


async def test_the_log_and_its_key_outlast_the_process(settings: Settings) -> None:
    heads: list[dict[str, Any]] = []
    for _ in range(2):
        async with serve(settings) as running:
            http = Http(f"http://{running.host}:{running.port}")
            if not heads:
                await http.sign_in("admin", "correct horse battery")
                await http.create_board("general", "General")
                await acts(http)
            heads.append(await http.call("GET", "/v1/log/checkpoint"))
    assert heads[0] | {"at": 0} == heads[1] | {"at": 0}
    assert heads[0]["size"] == 4
    assert settings.log_key_path.stat().st_mode & 0o777 == 0o600
