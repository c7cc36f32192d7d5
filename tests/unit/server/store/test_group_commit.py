"""The queue of the group commit, without a database."""

import asyncio
from typing import cast

import pytest

from parley_server.ports import Unavailable
from parley_server.store import bounds
from parley_server.store.group_commit import GroupCommit
from parley_server.store.pool import Database
from parley_server.store.seal import Sealer
from tests.samples import a_draft
from tests.simulation.loop import VirtualLoop, run


def test_p11_each_draft_is_told_when_its_own_time_is_up() -> None:
    told: list[tuple[str, float]] = []

    async def work(loop: VirtualLoop) -> None:
        group = GroupCommit(cast("Database", None), Sealer(b"k" * 32))

        async def wait(name: str) -> None:
            began = loop.time()
            with pytest.raises(Unavailable, match="too long"):
                await group.append(a_draft(name))
            told.append((name, round(loop.time() - began, 3)))

        tasks = [asyncio.create_task(wait("first")), asyncio.create_task(wait("left"))]
        await asyncio.sleep(bounds.APPEND_S / 2)
        tasks[1].cancel()
        tasks.append(asyncio.create_task(wait("second")))
        await asyncio.wait(tasks)

    run(work)
    assert told == [("first", bounds.APPEND_S), ("second", bounds.APPEND_S)]
