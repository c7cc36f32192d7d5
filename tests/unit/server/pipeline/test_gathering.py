"""Look-ups that gather: what one read answers, and how long it waits."""

import asyncio
from collections.abc import Iterable

import pytest

from parley_server import limits
from parley_server.pipeline.gathering import Gathering
from parley_server.ports import Unavailable
from tests.simulation.loop import run


class Shelf:
    """A store whose reads take a while, and answer with what is there when they begin."""

    def __init__(self, held: Iterable[int] = (), took_s: float = 0.001) -> None:
        self.held = set(held)
        self.took_s = took_s
        self.reads: list[list[int]] = []
        self.down = False

    async def read(self, keys: list[int]) -> dict[int, str]:
        self.reads.append(keys)
        found = {key: f"value {key}" for key in keys if key in self.held}
        await asyncio.sleep(self.took_s)
        if self.down:
            raise Unavailable("the shelf is down")
        return found


def test_those_who_ask_together_cost_one_read_and_get_each_their_own() -> None:
    async def main(_: object) -> None:
        shelf = Shelf(range(0, 100, 2))
        gathering = Gathering(shelf.read, paced=False)
        found = await asyncio.gather(*(gathering.get(key) for key in [*range(100), *range(100)]))
        assert found == [f"value {key}" if key % 2 == 0 else None for key in range(100)] * 2
        assert shelf.reads == [list(range(100))]

    run(main)


def test_who_asks_while_a_read_is_under_way_gets_what_was_there_after_asking() -> None:
    async def main(_: object) -> None:
        shelf = Shelf([7], took_s=1.0)
        for paced in (False, True):
            shelf.held = {7}
            gathering = Gathering(shelf.read, paced=paced)
            first = asyncio.ensure_future(gathering.get(7))
            await asyncio.sleep(0.5)
            # Taken away while the read is under way that saw it.
            shelf.held.clear()
            assert await gathering.get(7) is None
            assert await first == "value 7"

    run(main)


def test_nothing_is_kept_for_the_next_one() -> None:
    async def main(_: object) -> None:
        shelf = Shelf([7])
        gathering = Gathering(shelf.read, paced=False)
        assert await gathering.get(7) == "value 7"
        shelf.held.clear()
        assert await gathering.get(7) is None

    run(main)


def test_five_thousand_who_come_within_ten_seconds_cost_about_two_reads_a_second() -> None:
    async def main(_: object) -> None:
        shelf = Shelf()
        gathering = Gathering(shelf.read, paced=True)
        waits: list[float] = []
        loop = asyncio.get_running_loop()

        async def come(key: int) -> None:
            await asyncio.sleep(key * 0.002)
            began = loop.time()
            await gathering.get(key)
            waits.append(loop.time() - began)

        await asyncio.gather(*(come(key) for key in range(5_000)))
        assert sum(map(len, shelf.reads)) == 5_000
        assert len(shelf.reads) <= 10 / limits.LOOKUP_WAIT_S_MAX + 12
        assert max(waits) <= limits.LOOKUP_WAIT_S_MAX + 2 * shelf.took_s

    run(main)


@pytest.mark.parametrize("beside", [1, 8])
def test_who_opens_one_connection_after_the_other_does_not_wait_for_nobody(beside: int) -> None:
    async def main(_: object) -> None:
        shelf = Shelf()
        gathering = Gathering(shelf.read, paced=True)
        began = asyncio.get_running_loop().time()

        async def one_after_the_other(number: int) -> None:
            for turn in range(100):
                await gathering.get(number * 100 + turn)

        await asyncio.gather(*(one_after_the_other(number) for number in range(beside)))
        assert (asyncio.get_running_loop().time() - began) / 100 <= 4 * limits.LOOKUP_WAIT_S_LEAST

    run(main)


def test_who_comes_after_a_pause_waits_for_nothing() -> None:
    async def main(_: object) -> None:
        shelf = Shelf()
        gathering = Gathering(shelf.read, paced=True)
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(gathering.get(key) for key in range(1_500)))
        await asyncio.sleep(1.0)
        began = loop.time()
        await gathering.get(1)
        assert loop.time() - began == pytest.approx(shelf.took_s)

    run(main)


def test_a_read_takes_no_more_than_its_bound_and_the_first_ones_first() -> None:
    async def main(_: object) -> None:
        shelf = Shelf()
        gathering = Gathering(shelf.read, paced=True)
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(gathering.get(key) for key in range(5 * limits.LOOKUPS_MAX)))
        assert [keys[0] for keys in shelf.reads] == [place * limits.LOOKUPS_MAX for place in range(5)]
        # With so many there is nothing to wait for.
        assert asyncio.get_running_loop().time() - began == pytest.approx(5 * shelf.took_s)

    run(main)


def test_a_full_queue_says_so_at_once() -> None:
    async def main(_: object) -> None:
        gathering = Gathering(Shelf(took_s=1.0).read, paced=False)
        asked = [asyncio.ensure_future(gathering.get(key)) for key in range(limits.LOOKUPS_WAITING_MAX)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await gathering.get(-1)
        # Who asks for what is asked for already takes no room.
        assert await asyncio.gather(gathering.get(3), *asked) == [None] * (1 + len(asked))

    run(main)


def test_a_store_that_is_down_is_told_to_all_who_wait_and_asked_again_by_the_next() -> None:
    async def main(_: object) -> None:
        shelf = Shelf([1])
        shelf.down = True
        gathering = Gathering(shelf.read, paced=True)
        answers = await asyncio.gather(*(gathering.get(key) for key in range(3)), return_exceptions=True)
        assert [type(answer) for answer in answers] == [Unavailable] * 3
        assert len({id(answer) for answer in answers}) == 3
        shelf.down = False
        assert await gathering.get(1) == "value 1"

    run(main)


def test_one_who_leaves_takes_the_answer_from_nobody() -> None:
    async def main(_: object) -> None:
        gathering = Gathering(Shelf([1]).read, paced=False)
        first, second = (asyncio.ensure_future(gathering.get(1)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == "value 1"

    run(main)


def test_a_mistake_leaves_nobody_waiting() -> None:
    async def wrong(keys: list[int]) -> dict[int, str]:
        raise LookupError(f"{len(keys)} keys")

    async def main(loop: object) -> None:
        gathering = Gathering(wrong, paced=False)
        with pytest.raises(asyncio.CancelledError):
            await gathering.get(1)

    run(main)
