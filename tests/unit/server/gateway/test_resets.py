"""Who is reset when a post is suppressed, on sinks that say how much is unsent."""

from dataclasses import dataclass, field

import pytest

from parley_protocol import codes
from parley_protocol.frames import BoardState, Posted
from parley_server.domain.answers import Refused
from parley_server.gateway.hotlog import Kinds
from parley_server.gateway.hub import Hub
from parley_server.gateway.lanes import Lanes, Progress
from parley_server.gateway.rooms import Reader
from tests.fakes import FakeBoardLog, FakePeople, FakeWorld
from tests.samples import a_draft
from tests.stores import settle

JSON = 1


@dataclass(slots=True)
class Wire:
    """A sink that keeps what it is given; the peer has not acknowledged the last ``in_flight`` bytes, and nobody knows which have left."""

    got: bytes = b""
    in_flight: int = 0
    cuts: list[codes.Code] = field(default_factory=list)

    def write(self, data: bytes) -> None:
        self.got += data

    def unsent(self) -> int:
        return self.in_flight

    def progress(self) -> Progress | None:
        return None

    def all_acknowledged(self) -> bool:
        return False

    def reset(self) -> None:
        self.got = b""


async def a_room() -> tuple[Hub, Reader, Wire, Posted]:
    """A hub with one reader that was given one post."""
    world = FakeWorld()
    log, people = FakeBoardLog(world), FakePeople(world)
    await settle(people)
    hub, wire = Hub(log), Wire()
    reader = Reader(Lanes(JSON, wire), wire.cuts.append)
    posted = await log.append(a_draft("a body"))
    assert isinstance(posted, Posted)
    state = await hub.join(posted.board, None, 0)
    assert isinstance(state, BoardState) and not isinstance(state, Refused)
    hub.follow(reader, state, Kinds.ALL, 0)
    assert reader.catching_up is not None
    await reader.catching_up
    assert b"a body" in wire.got
    return hub, reader, wire, posted


@pytest.mark.parametrize("reset", [True, False])
async def test_a_reader_whose_unsent_bytes_may_hold_the_body_is_reset_but_not_for_a_deletion(reset: bool) -> None:
    hub, reader, wire, posted = await a_room()
    hub.control(reader, b"beat")
    wire.in_flight = len(b"beat") + 1
    hub.suppress(posted.board, posted.post, reset=reset)
    assert wire.cuts == ([codes.STALE] if reset else [])


async def test_what_was_said_after_the_body_and_is_on_its_way_resets_nobody() -> None:
    hub, reader, wire, posted = await a_room()
    hub.control(reader, b"beat")
    hub.control(reader, b"suppress")
    wire.in_flight = len(b"beatsuppress")
    hub.suppress(posted.board, posted.post)
    assert wire.cuts == []


async def test_a_post_is_suppressed_once_however_many_ask() -> None:
    hub, _, wire, posted = await a_room()
    for _ in range(3):
        assert hub.suppress(posted.board, posted.post) is None
    assert wire.got.count(b'"suppress"') == 1
