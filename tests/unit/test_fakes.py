"""The fakes' own promise: what was committed survives a crash between any two steps."""

import pytest

from parley_protocol.frames import Posted
from parley_server.domain.posts import PostState, Repeat
from parley_server.domain.takedowns import Filed, Kind
from tests.fakes import FakeAlerts, FakeBoardLog, FakePeople, FakeTakedowns, FakeWorld
from tests.samples import GENERAL, MODERATOR, a_draft, a_restriction
from tests.stores import settle


class Crash(Exception):
    """The process ended here."""


class CrashAt:
    """A step that raises once, at one label."""

    def __init__(self, label: str) -> None:
        self._label: str | None = label

    async def __call__(self, label: str) -> None:
        if label == self._label:
            self._label = None
            raise Crash(label)


@pytest.fixture
async def world() -> FakeWorld:
    made = FakeWorld()
    await settle(FakePeople(made))
    return made


async def test_a_crash_before_the_commit_leaves_nothing(world: FakeWorld) -> None:
    draft, log = a_draft(), FakeBoardLog(world, CrashAt("append"))
    with pytest.raises(Crash):
        await log.append(draft)
    assert await log.read(GENERAL, 0, 10) == []
    assert isinstance(await log.append(draft), Posted)


async def test_a_crash_after_the_commit_loses_the_answer_alone(world: FakeWorld) -> None:
    draft, log = a_draft(), FakeBoardLog(world, CrashAt("append committed"))
    with pytest.raises(Crash):
        await log.append(draft)
    assert await log.append(draft) == Repeat(draft.post, PostState.PUBLISHED, 1, draft.at_us)


async def test_p6_a_crash_around_a_retraction_leaves_all_of_it_or_nothing(world: FakeWorld) -> None:
    for label, done in (("retract", False), ("retract committed", True)):
        draft, takedowns = a_draft(), FakeTakedowns(world, CrashAt(label))
        await FakeBoardLog(world).append(draft)
        alerts = await FakeAlerts(world).head()
        with pytest.raises(Crash):
            await takedowns.retract(draft.post, a_restriction(Kind.RETRACT, by=MODERATOR))
        assert (world.posts[draft.post].state is PostState.RETRACTED) is done
        assert len(await takedowns.records(post=draft.post)) == done
        assert await FakeAlerts(world).head() == alerts + done


async def test_the_log_and_the_takedowns_of_one_world_agree(world: FakeWorld) -> None:
    draft = a_draft()
    assert isinstance(await FakeTakedowns(world).stop(draft, a_restriction()), Filed)
    assert await FakeBoardLog(world).append(draft) == Repeat(draft.post, PostState.HELD, None, draft.at_us)
