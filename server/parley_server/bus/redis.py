"""The bus on Redis: publish and subscribe, two lanes with two connections each (decision 0021).

A lane's connections live and end together. What is sent waits in the lane's box until Redis answered; what is received is never older than
the last ping that Redis answered, or the connection is given up with all that is still on it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from itertools import count
from random import Random
from typing import Any, Final

import structlog
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.exceptions import RedisError

from parley_server import limits
from parley_server.bus.asking import Asked
from parley_server.bus.codec import Garbled, Lane, Message, decode, encode_hint, head
from parley_server.bus.counts import Counts
from parley_server.bus.outbox import OrdinaryBox, UrgentBox
from parley_server.bus.taking import Take, Taking
from parley_server.domain.hints import Hint, NodeId, Urgent

log = structlog.get_logger(__name__)

SCHEMES: Final = ("redis://", "rediss://", "unix://")

# Over whatever the address says: waits are ours, and a subscribed connection speaks the older protocol.
_OURS: Final[dict[str, Any]] = {
    "socket_timeout": None,
    "socket_connect_timeout": limits.BUS_CONNECT_S,
    "health_check_interval": 0,
    "decode_responses": False,
    "protocol": 2,
    "db": 0,
}


class Silent(Exception):
    """Redis did not answer in time."""


_DOWN: Final = (RedisError, OSError, TimeoutError, Silent)
"""What says that Redis cannot be used now."""


def what_is_wrong(url: str) -> str | None:
    """Say why ``url`` is no address of a Redis, in words that do not hold it: it may hold a password."""
    if not url.startswith(SCHEMES):
        return f"does not begin with {', '.join(SCHEMES[:-1])} or {SCHEMES[-1]}"
    try:
        _connection(url, "check")
    except (ValueError, TypeError):
        return "cannot be read; a password in it must be percent-encoded"
    return None


def _connection(url: str, name: str) -> AbstractConnection:
    """Make a connection that is not open yet; ``name`` is what Redis lists it as."""
    pool = ConnectionPool.from_url(url, protocol=2)
    return pool.connection_class(**{**pool.connection_kwargs, **_OURS, "client_name": name})


class RedisBus:
    """``ports.Bus`` on a Redis that the nodes of ``site`` share."""

    def __init__(
        self,
        url: str,
        site: str,
        node: NodeId,
        counts: Counts | None = None,
        asked: Callable[[float], None] = lambda _: None,
        random: Random | None = None,
    ) -> None:
        """Name the Redis; ``run`` connects.

        Args:
            url: ``redis://``, ``rediss://`` or ``unix://``; ``what_is_wrong`` finds nothing in it.
            site: what the nodes of one site have in common and no other site has.
            node: this one.
            counts: what it does is counted there.
            asked: told the seconds that each ``ask`` waited.
            random: spreads reconnections.
        """
        self.node = node
        self.counts = counts or Counts()
        self._asked = asked
        self._channels = f"parley:{site}:"
        self._own = head(node)
        self._numbers = count(1)
        self._asks: dict[int, Asked] = {}
        self._urgent_box = UrgentBox(node, self.counts)
        self._ordinary_box = OrdinaryBox(node, self.counts)
        # Last message of each node's lane.
        self._heard: OrderedDict[tuple[NodeId, Lane], int] = OrderedDict()
        self._garbage_logged_s = float("-inf")
        random = random or Random()

        def connect() -> AbstractConnection:
            # A closure, which unlike a partial shows nobody the address.
            return _connection(url, f"parley-{node}")

        own, urgent, ordinary = f"{self._channels}node:{node}", f"{self._channels}urgent", f"{self._channels}events"
        self._urgent = _Link("urgent", connect, (urgent, own), self.counts, random)
        self._ordinary = _Link("ordinary", connect, (ordinary,), self.counts, random)

    @property
    def up(self) -> bool:
        return self._urgent.up and self._ordinary.up

    def send(self, hint: Hint) -> None:
        if isinstance(hint, Urgent):
            self._urgent_box.add(encode_hint(hint))
        else:
            self._ordinary_box.add(encode_hint(hint), asyncio.get_running_loop().time())

    async def ask(self, hint: Urgent, nodes: frozenset[NodeId], within_s: float) -> frozenset[NodeId]:
        data = encode_hint(hint)
        number = next(self._numbers)
        asked = self._asks[number] = Asked(nodes - {self.node})
        self._urgent_box.add(data, number)
        try:
            await asked.wait(within_s, self._asked)
        finally:
            del self._asks[number]
            self._urgent_box.asks_no_more(data, number)
        return asked.acted

    async def run(self, take: Take) -> None:
        taking = Taking(take, self.counts)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._urgent.run(self._send_urgent, partial(self._receive_urgent, taking)))
                group.create_task(self._ordinary.run(self._send_ordinary, partial(self._receive_ordinary, taking)))
        finally:
            await taking.end()

    # Out.

    async def _send_urgent(self, redis: "_Publisher") -> None:
        """Publish what is urgent, at once, until the connection breaks."""
        box, channel = self._urgent_box, f"{self._channels}urgent"
        while True:
            await box.filled.wait()
            answers = [(f"{self._channels}node:{node}", data) for node, data in box.answers()]
            await redis.publish([*answers, *((channel, data) for data in box.take())])
            box.sent()

    async def _send_ordinary(self, redis: "_Publisher") -> None:
        """Publish what is ordinary, joined, until the connection breaks."""
        box, channel = self._ordinary_box, f"{self._channels}events"
        loop = asyncio.get_running_loop()
        next_at = loop.time()
        while True:
            await box.filled.wait()
            now = loop.time()
            if now < next_at:
                await asyncio.sleep(next_at - now)
            if (data := box.take(loop.time())) is not None:
                await redis.publish([(channel, data)])
                box.sent()
            next_at = loop.time() + limits.BUS_COALESCE_S

    # In.

    async def _receive_urgent(self, taking: Taking, data: bytes) -> None:
        message = self._read(data)
        if message is None:
            return
        if message.lane is Lane.ANSWER:
            if (asked := self._asks.get(message.ask)) is not None:
                asked.answer(message.node)
            return
        self._in_order(message)
        for hint in message.hints:
            await taking.urgent(hint, partial(self._acted, message))

    async def _receive_ordinary(self, taking: Taking, data: bytes) -> None:
        message = self._read(data)
        if message is not None and self._in_order(message):
            for hint in message.hints:
                await taking.ordinary(hint)

    def _acted(self, message: Message) -> None:
        """Answer for the hint of a message that asks."""
        if message.ask:
            self._urgent_box.answer(message.node, message.ask)

    def _read(self, data: bytes) -> Message | None:
        """Read what arrived; ``None`` for one's own and for what nobody can read."""
        if data.startswith(self._own):
            return None
        try:
            message = decode(data)
        except Garbled as error:
            self.counts.garbled += 1
            self._log_garbage(str(error))
            return None
        self.counts.unknown += message.unknown
        self.counts.garbled += message.garbled
        if message.garbled:
            self._log_garbage(f"{message.garbled} hints of {message.node}")
        return message

    def _in_order(self, message: Message) -> bool:
        """Note the number of a message and those that are missing before it; false for one that came before, or too late."""
        key = (message.node, message.lane)
        last = self._heard.pop(key, None)
        self._heard[key] = message.number if last is None else max(last, message.number)
        if len(self._heard) > limits.BUS_NODES_MAX:
            self._heard.popitem(last=False)
        if last is not None and message.number > last + 1:
            self.counts.missed += message.number - last - 1
        return last is None or message.number > last

    def _log_garbage(self, what: str) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._garbage_logged_s >= limits.GARBAGE_LOG_S:
            self._garbage_logged_s = now
            log.warning("bus_garbage", what=what[:200], so_far=self.counts.garbled)


class _Publisher:
    """The connection of a lane that publishes. ``asked_s``: since when Redis owes an answer."""

    def __init__(self, redis: AbstractConnection) -> None:
        self._redis = redis
        self.asked_s: float | None = None

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Publish messages in order; returns when Redis has taken them all."""
        if not messages:
            return
        self.asked_s = asyncio.get_running_loop().time()
        commands = [("PUBLISH", channel, data) for channel, data in messages]
        await self._redis.send_packed_command(self._redis.pack_commands(commands))
        for _ in commands:
            await self._redis.read_response(disable_decoding=True)
        self.asked_s = None


class _Link:
    """The two connections of one lane: made again, after growing waits, whenever one is lost."""

    def __init__(
        self, name: str, connect: Callable[[], AbstractConnection], channels: tuple[str, ...], counts: Counts, random: Random
    ) -> None:
        self.up = False
        self._name = name
        self._connect = connect
        self._channels = channels
        self._counts = counts
        self._random = random
        self._answered_s = 0.0

    async def run(
        self, send: Callable[[_Publisher], Coroutine[Any, Any, None]], receive: Callable[[bytes], Awaitable[None]]
    ) -> None:
        """Keep the lane open until cancelled."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            publisher, subscriber = self._connect(), self._connect()
            cause: BaseException | None = None
            up_at = float("inf")
            try:
                async with asyncio.timeout(limits.BUS_CONNECT_S):
                    await publisher.connect()  # type: ignore[no-untyped-call]  # redis-py says nothing of what it returns
                    await subscriber.connect()  # type: ignore[no-untyped-call]  # likewise
                    await self._subscribe(subscriber)
                log.info("bus_up", lane=self._name)
                self.up, up_at = True, loop.time()
                out = _Publisher(publisher)
                async with asyncio.TaskGroup() as group:
                    group.create_task(send(out))
                    group.create_task(self._listen(subscriber, receive))
                    group.create_task(self._watch(out, subscriber))
            except* _DOWN as error:
                cause = _first(error)
            finally:
                was_up, self.up = self.up, False
                for connection in (publisher, subscriber):
                    await connection.disconnect(nowait=True)
            if loop.time() - up_at > limits.BUS_AGAIN_S[-1]:
                failures = 0
            if was_up or failures == 0:
                # Said once, not with every attempt.
                log.warning("bus_down", lane=self._name, cause=f"{type(cause).__name__}: {cause}")
            self._counts.broken += was_up
            wait = limits.BUS_AGAIN_S[min(failures, len(limits.BUS_AGAIN_S) - 1)]
            failures += 1
            await asyncio.sleep(wait * self._random.uniform(1.0, 1.5))

    async def _subscribe(self, redis: AbstractConnection) -> None:
        self._answered_s = asyncio.get_running_loop().time()
        await redis.send_command("SUBSCRIBE", *self._channels, check_health=False)
        for _ in self._channels:
            await redis.read_response(disable_decoding=True)

    async def _listen(self, redis: AbstractConnection, receive: Callable[[bytes], Awaitable[None]]) -> None:
        """Take what arrives."""
        loop = asyncio.get_running_loop()
        while True:
            reply = await redis.read_response(disable_decoding=True)
            match reply:
                case [b"message", _, bytes(data)]:
                    # What Redis sends after an answer was published after the question.
                    if loop.time() - self._answered_s > limits.BUS_PING_S + limits.BUS_ANSWER_S:
                        raise Silent("what arrives is too old")
                    await receive(data)
                case [b"pong", bytes(asked_at)]:
                    self._answered_s = float(asked_at)
                case _:
                    pass

    async def _watch(self, publisher: _Publisher, subscriber: AbstractConnection) -> None:
        """See that Redis answers: to what is published, and to a ping that comes back behind everything that was sent before it."""
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            if publisher.asked_s is not None and now - publisher.asked_s > limits.BUS_ANSWER_S:
                raise Silent(f"nothing taken for {now - publisher.asked_s:.1f} s")
            if now - self._answered_s > limits.BUS_PING_S + limits.BUS_ANSWER_S:
                raise Silent(f"no sign of life for {now - self._answered_s:.1f} s")
            await subscriber.send_command("PING", repr(now), check_health=False)
            await asyncio.sleep(limits.BUS_PING_S)


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    """Return the first error that is no group."""
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
