"""The sending end: signed-in connections that post and match answers. Frames are made before the clock runs."""

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from harness.lines import ChildError
from parley_protocol.codec import MSGPACK, encode
from parley_protocol.frames import Hello, Post
from parley_protocol.ids import BoardId

SUBPROTOCOL: Final = "parley.v1.msgpack"
ANSWER_WITHIN_S: Final = 30.0
STAMP: Final = b"@" + b"0" * 20
"""What a body begins with whose time of sending the swarm reads: CLOCK_MONOTONIC in nanoseconds, the same clock in every process."""
SYLLABLES: Final = (
    "ba",
    "ce",
    "di",
    "fo",
    "gu",
    "ka",
    "le",
    "mi",
    "no",
    "pu",
    "ra",
    "se",
    "ti",
    "vo",
    "lun",
    "mar",
    "ten",
    "sol",
)


def bodies(count: int, size_bytes: int, seed: str) -> list[str]:
    """Return texts of exactly ``size_bytes`` ASCII letters and spaces, no two alike: a repeated text would be judged as flood."""
    source = random.Random(seed)
    made = []
    for _ in range(count):
        text = ""
        while len(text) < size_bytes:
            text += "".join(source.choices(SYLLABLES, k=source.randint(1, 4))) + " "
        made.append(text[: size_bytes - 1].rstrip().ljust(size_bytes, "o"))
    return made


@dataclass(frozen=True, slots=True)
class Draft:
    """A post that is ready to send: its request id, and its frame. ``stamp_at``: where in the frame the time of sending is put."""

    number: int
    frame: bytes
    stamp_at: int = -1

    def stamped(self) -> bytes:
        """Return the frame as it is to be sent now."""
        if self.stamp_at < 0:
            return self.frame
        return self.frame[: self.stamp_at] + b"@%020d" % time.monotonic_ns() + self.frame[self.stamp_at + len(STAMP) :]


@dataclass(slots=True)
class Author:
    """One connection. It follows no board, so that all it reads are answers to its posts."""

    socket: ClientConnection
    nonce: str = field(default_factory=lambda: secrets.token_hex(6))
    made: int = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, token: str) -> AsyncIterator[Self]:
        """Connect and sign in."""
        async with connect(
            url, subprotocols=[Subprotocol(SUBPROTOCOL)], compression=None, ping_interval=None, max_queue=None
        ) as socket:
            author = cls(socket)
            await socket.send(encode(MSGPACK, Hello(v=1, client="loadtest", token=token)))
            answer = await author.answer()
            if answer.get("type") != "welcome":
                raise ChildError(f"hello was answered with {answer}")
            yield author

    def make(self, board: str, texts: Sequence[str], *, stamped: bool = False) -> list[Draft]:
        """Encode posts; ``stamped`` ones get the time of their sending at the beginning of the body, in place of what stands there."""
        return [self.draft(board, text, stamped=stamped) for text in texts]

    def draft(self, board: str, text: str, *, stamped: bool = False) -> Draft:
        """Encode one post."""
        number = self.made
        self.made += 1
        body = STAMP.decode() + text[len(STAMP) :] if stamped else text
        frame = encode(MSGPACK, Post(number, BoardId(board), nonce=f"{self.nonce}-{number}", body=body))
        return Draft(number, frame, frame.index(STAMP) if stamped else -1)

    async def publish(self, drafts: Sequence[Draft], in_flight_max: int) -> list[int]:
        """Send posts, at most ``in_flight_max`` of them unanswered.

        Returns:
            For each post, in the order of the answers, nanoseconds from just before it was sent until its ``ok`` was read here.

        Raises:
            ChildError: a post was answered with anything but ``ok``: the run would measure something else.
        """
        sent_ns: dict[int, int] = {}
        took_ns: list[int] = []
        waiting = iter(drafts)
        while len(took_ns) < len(drafts):
            for draft in islice(waiting, in_flight_max - len(sent_ns)):
                sent_ns[draft.number] = time.monotonic_ns()
                await self.socket.send(draft.stamped())
            answer = await self.answer()
            match answer.get("type"):
                case "ok":
                    took_ns.append(time.monotonic_ns() - sent_ns.pop(int(answer["re"])))
                case "held" | "error" | "bye" | "verdict":
                    raise ChildError(f"a post was answered with {answer}")
        return took_ns

    async def answer(self) -> dict[str, Any]:
        """Read one frame.

        Raises:
            TimeoutError: nothing came for ``ANSWER_WITHIN_S``.
        """
        async with asyncio.timeout(ANSWER_WITHIN_S):
            data = await self.socket.recv(decode=False)
        value = MSGPACK.load(data)
        assert isinstance(value, dict)
        return value


@asynccontextmanager
async def open_authors(url: str, tokens: Sequence[str]) -> AsyncIterator[list[Author]]:
    """Open one connection per token."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Author.open(url, token)) for token in tokens]


async def publish_all(shares: Sequence[tuple[Author, Sequence[Draft]]], in_flight_max: int) -> list[int]:
    """Publish every author's share at once, at most ``in_flight_max`` posts unanswered over all; return all the times."""
    each = max(1, in_flight_max // len(shares))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(author.publish(frames, each)) for author, frames in shares]
    return [took_ns for task in tasks for took_ns in task.result()]
