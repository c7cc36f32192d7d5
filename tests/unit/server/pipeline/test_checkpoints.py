import asyncio
import base64

from parley_server.domain.merkle import leaf_hash, root_of
from parley_server.pipeline.checkpoints import Checkpoints
from tests.fakes import FakeRecordLog, FakeWorld

KEY = b"k" * 32


class Log(FakeRecordLog):
    """A log that tells how many leaves were read from it."""

    def __init__(self, world: FakeWorld) -> None:
        super().__init__(world)
        self.read = 0

    async def leaves(self, after: int, limit: int) -> list[bytes]:
        await asyncio.sleep(0)
        leaves = await super().leaves(after, limit)
        self.read += len(leaves)
        return leaves


async def test_each_leaf_is_read_once_however_often_and_at_once_it_is_asked() -> None:
    world = FakeWorld(leaves=[leaf_hash(b"%d" % n) for n in range(2_500)])
    log = Log(world)
    checkpoints = Checkpoints(log, KEY, "Parley/records", lambda: 7)
    made = await asyncio.gather(*(checkpoints.latest() for _ in range(5)))
    assert [(one.size, one.at_us) for one in made] == [(2_500, 7)] * 5
    world.leaves.append(leaf_hash(b"one more"))
    last = await checkpoints.latest()
    assert (last.size, log.read) == (2_501, 2_501)
    assert last == await Checkpoints(FakeRecordLog(world), KEY, "Parley/records", lambda: 7).latest()
    assert root_of(world.leaves) == base64.b64decode(last.root)


async def test_a_reading_that_was_cut_off_goes_on_where_it_stopped() -> None:
    world = FakeWorld(leaves=[leaf_hash(b"%d" % n) for n in range(2_500)])
    log = Log(world)
    checkpoints = Checkpoints(log, KEY, "Parley/records", lambda: 7)
    first = asyncio.create_task(checkpoints.latest())
    while log.read < 1_000:
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert (await checkpoints.latest()).root == (await Checkpoints(Log(world), KEY, "Parley/records", lambda: 7).latest()).root
