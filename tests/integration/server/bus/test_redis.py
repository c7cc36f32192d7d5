"""The bus on a Redis that stops, falls silent, is shared, guarded or full of what others write."""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import time
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from parley_protocol.ids import AccountId, BoardId
from parley_server import limits
from parley_server.bus import codec
from parley_server.bus.codec import Lane
from parley_server.bus.redis import RedisBus, what_is_wrong
from parley_server.domain.hints import Hint, NodeId, PersonChanged, Typed
from tests.redis_server import RedisForTests, free_port, needs_redis

A, B = NodeId("a"), NodeId("b")
WITHIN_S = 15.0
_sites = count(1)


class Node:
    """A bus that runs, and what it took. ``free``: set unless it is to take nothing."""

    def __init__(self, url: str, site: str, name: NodeId) -> None:
        self.bus = RedisBus(url, site, name)
        self.taken: list[Hint] = []
        self.free = asyncio.Event()
        self.free.set()
        self.running = asyncio.create_task(self.bus.run(self._take))

    async def _take(self, hint: Hint) -> None:
        await self.free.wait()
        self.taken.append(hint)


@contextlib.asynccontextmanager
async def nodes(url: str, *names: NodeId, site: str | None = None) -> AsyncIterator[list[Node]]:
    """Run nodes of one site."""
    site = site or f"site-{next(_sites)}"
    started = [Node(url, site, name) for name in names]
    try:
        yield started
    finally:
        for node in started:
            node.running.cancel()
        ended = await asyncio.gather(*(node.running for node in started), return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ended), ended


async def until(true: Callable[[], bool], within_s: float = WITHIN_S) -> None:
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(0.005)


def typed(number: int) -> Typed:
    return Typed(BoardId("general"), AccountId(str(number)))


def changed(number: int) -> PersonChanged:
    return PersonChanged(AccountId(str(number)))


@contextlib.asynccontextmanager
async def client(server: RedisForTests) -> AsyncIterator[Any]:
    """Talk to Redis as somebody else."""
    connected = redis.asyncio.Redis.from_url(server.url)
    try:
        yield connected
    finally:
        await connected.aclose()


# Redis stops.


async def test_after_redis_was_killed_and_started_again_urgent_hints_wait_in_order_and_asking_works(
    own_redis: RedisForTests,
) -> None:
    async with nodes(own_redis.url, A, B) as (a, b):
        await until(lambda: a.bus.up and b.bus.up)
        own_redis.kill()
        await until(lambda: not a.bus.up and not b.bus.up)
        for number in range(500):
            a.bus.send(changed(number))
        assert await a.bus.ask(changed(500), frozenset({B}), 0.1) == frozenset()
        own_redis.start()
        await until(lambda: a.bus.up and b.bus.up)
        assert await a.bus.ask(changed(501), frozenset({B}), WITHIN_S) == {B}
        # Who comes back after the sender misses what was said between, so the first ones may be lost.
        heard = [hint for hint in b.taken if isinstance(hint, PersonChanged)]
        assert heard == sorted(heard, key=lambda hint: int(hint.account))
        assert a.bus.counts.urgent_dropped == 0 and a.bus.counts.broken >= 2


async def test_a_node_starts_without_redis_and_finds_it_later(own_redis: RedisForTests) -> None:
    own_redis.kill()
    async with nodes(own_redis.url, A, B) as (a, b):
        a.bus.send(typed(1))
        assert await a.bus.ask(changed(1), frozenset({B}), 0.3) == frozenset()
        assert not a.bus.up
        own_redis.start()
        await until(lambda: a.bus.up and b.bus.up)
        assert await a.bus.ask(changed(2), frozenset({B}), WITHIN_S) == {B}


async def test_a_silent_redis_is_noticed_and_a_question_still_ends_in_time(own_redis: RedisForTests) -> None:
    loop = asyncio.get_running_loop()
    async with nodes(own_redis.url, A, B) as (a, b):
        await until(lambda: a.bus.up and b.bus.up)
        own_redis.pause()
        began = loop.time()
        try:
            assert await a.bus.ask(changed(1), frozenset({B}), 0.2) == frozenset()
            assert loop.time() - began < 2.0
            await until(lambda: not a.bus.up and not b.bus.up)
        finally:
            own_redis.go_on()
        await until(lambda: a.bus.up and b.bus.up)
        assert await a.bus.ask(changed(2), frozenset({B}), WITHIN_S) == {B}


async def test_ordinary_hints_of_a_long_outage_are_not_kept_and_the_latest_are(own_redis: RedisForTests) -> None:
    async with nodes(own_redis.url, A, B) as (a, b):
        await until(lambda: a.bus.up and b.bus.up)
        own_redis.kill()
        await until(lambda: not a.bus.up and not b.bus.up)
        a.bus.send(typed(1))
        await asyncio.sleep(limits.ORDINARY_WAIT_S + 0.2)
        a.bus.send(typed(2))
        own_redis.start()
        await until(lambda: a.bus.up and b.bus.up)
        a.bus.send(typed(3))
        await until(lambda: typed(3) in b.taken)
        assert typed(1) not in b.taken and a.bus.counts.ordinary_dropped == 1


async def test_a_node_that_was_stopped_does_not_take_what_waited_for_it(shared_redis: RedisForTests) -> None:
    async with nodes(shared_redis.url, B, site="stopped") as (b,):
        await until(lambda: b.bus.up)
        with redis.Redis.from_url(shared_redis.url) as other:
            await asyncio.sleep(0)
            message = codec.encode(A, Lane.ORDINARY, 1, 0, [codec.encode_hint(typed(1))])
            assert other.publish("parley:stopped:events", message) == 1
        # All of this process stands still, as when it is stopped from outside.
        time.sleep(limits.BUS_PING_S + limits.BUS_ANSWER_S + 0.2)
        await until(lambda: b.bus.counts.broken >= 1)
        await until(lambda: b.bus.up)
        async with client(shared_redis) as other:
            await other.publish("parley:stopped:events", codec.encode(A, Lane.ORDINARY, 2, 0, [codec.encode_hint(typed(2))]))
        await until(lambda: typed(2) in b.taken)
        assert b.taken == [typed(2)]


async def test_a_node_that_takes_too_little_is_cut_off_by_redis_comes_back_and_counts_what_it_missed(
    own_redis: RedisForTests,
) -> None:
    long = Typed(BoardId("x" * 60_000), AccountId("acc-anna"))
    async with client(own_redis) as other, nodes(own_redis.url, A, B) as (a, b):
        await other.config_set("client-output-buffer-limit", "pubsub 100kb 0 0")
        await until(lambda: a.bus.up and b.bus.up)
        b.free.clear()
        # More than the sockets between Redis and the node hold.
        while not await _cut_off(other):
            a.bus.send(long)
            await until(lambda: len(a.bus._ordinary_box) == 0)
        b.free.set()
        await until(lambda: b.bus.counts.broken == 1)
        await until(lambda: b.bus.up)
        a.bus.send(typed(2))
        await until(lambda: typed(2) in b.taken)
        assert b.bus.counts.missed > 0 and b.bus.counts.ordinary_received + b.bus.counts.missed == a.bus.counts.ordinary_sent
        assert a.bus.counts.broken == 0


async def _cut_off(other: Any) -> bool:
    """Say whether Redis no longer lists that node as a subscriber of what is ordinary."""
    return "parley-b" not in [c["name"] for c in await other.client_list("pubsub") if c["sub"] == "1"]


# Who else writes there.


async def test_what_nobody_can_read_and_what_is_newer_is_counted_and_logged_once(shared_redis: RedisForTests) -> None:
    async with client(shared_redis) as other, nodes(shared_redis.url, A, site="garbage") as (a,):
        await until(lambda: a.bus.up)
        with structlog.testing.capture_logs() as logged:
            for data in (b"", b"\xff\xfe", b"hello", codec.encode(B, Lane.URGENT, 1, 0, [b"\x01"])):
                await other.publish("parley:garbage:urgent", data)
                await other.publish("parley:garbage:events", data)
            await other.publish("parley:garbage:events", b"\x92\x02\xa1b")
            await other.publish("parley:garbage:node:a", codec.encode(B, Lane.ANSWER, 0, 99, ()))
            await other.publish("parley:garbage:events", codec.encode(B, Lane.ORDINARY, 7, 0, [codec.encode_hint(typed(1))]))
            await until(lambda: a.taken == [typed(1)])
        assert (a.bus.counts.garbled, a.bus.counts.unknown) == (8, 1)
        assert [line["event"] for line in logged] == ["bus_garbage"]


async def test_a_doubled_or_late_message_is_not_taken_again_and_a_lost_one_is_counted(shared_redis: RedisForTests) -> None:
    async with client(shared_redis) as other, nodes(shared_redis.url, A, site="doubled") as (a,):
        await until(lambda: a.bus.up)
        for number in (5, 6, 6, 4, 9):
            message = codec.encode(B, Lane.ORDINARY, number, 0, [codec.encode_hint(typed(number))])
            await other.publish("parley:doubled:events", message)
        await until(lambda: typed(9) in a.taken)
        assert a.taken == [typed(5), typed(6), typed(9)] and a.bus.counts.missed == 2


async def test_two_sites_on_one_redis_do_not_hear_each_other(shared_redis: RedisForTests) -> None:
    async with nodes(shared_redis.url, A, B, site="one") as (a, b), nodes(shared_redis.url, B, site="two") as (stranger,):
        await until(lambda: a.bus.up and b.bus.up and stranger.bus.up)
        a.bus.send(typed(1))
        assert await a.bus.ask(changed(1), frozenset({B}), WITHIN_S) == {B}
        await until(lambda: len(b.taken) == 2)
        assert stranger.taken == []


# Passwords and certificates.


@pytest.fixture
def guarded_url(tmp_path: Path) -> Iterator[str]:
    """A Redis behind TLS, with one user who may do what a node does and nothing else."""
    needs_redis()
    certificate, key = _certificate(tmp_path)
    rules = tmp_path / "users.acl"
    # As the runbook says it.
    rules.write_text(
        "user default off\n"
        "user parley on >open-sesame resetchannels &parley:* -@all +hello +auth +ping +publish +subscribe +client|setname\n"
    )
    port = free_port()
    tls = ("--tls-port", str(port), "--tls-auth-clients", "no", "--tls-cert-file", str(certificate), "--tls-key-file", str(key))
    server = RedisForTests(("--aclfile", str(rules), *tls, "--tls-ca-cert-file", str(certificate)))
    server.start()
    yield f"rediss://parley:open-sesame@127.0.0.1:{port}?ssl_ca_certs={certificate}"
    server.remove()


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Make a key, and a certificate for this machine that it signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "redis.crt", folder / "redis.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


async def test_tls_and_a_user_who_may_do_nothing_else_are_enough(guarded_url: str) -> None:
    async with nodes(guarded_url, A, B) as (a, b):
        await until(lambda: a.bus.up and b.bus.up)
        a.bus.send(typed(1))
        assert await a.bus.ask(changed(1), frozenset({B}), WITHIN_S) == {B}
        await until(lambda: typed(1) in b.taken)


async def test_a_wrong_password_is_said_and_never_shown(guarded_url: str) -> None:
    with structlog.testing.capture_logs() as logged:
        async with nodes(guarded_url.replace("open-sesame", "swordfish"), A) as (a,):
            await until(lambda: len(logged) >= 2)
            assert not a.bus.up
    assert {line["event"] for line in logged} == {"bus_down"}
    assert any("AuthenticationError" in line["cause"] for line in logged)
    assert "swordfish" not in repr(logged) + repr(vars(a.bus._urgent))


@pytest.mark.parametrize(
    "url",
    ["redis://:pa/ss@host", "http://host", "redis://user:pass@host?socket_timeout=pass", "redis://:pass@host?pass=1", "pass"],
)
def test_what_is_wrong_with_an_address_is_said_without_it(url: str) -> None:
    says = what_is_wrong(url)
    assert says and "pa" not in says.replace("password", "")


@pytest.mark.parametrize(
    "url", ["redis://host", "rediss://user:p%2Fss@host:1/0", "unix:///run/redis.sock", "redis://host?protocol=3"]
)
def test_what_is_an_address_is_taken(url: str) -> None:
    assert what_is_wrong(url) is None
