"""inspection/rulebook.py: from a document to what the stage judges by, without restart."""

import asyncio
from collections.abc import Mapping

import pytest

from parley_protocol import codes
from parley_protocol.ids import AccountId
from parley_server.domain.answers import Refused
from parley_server.domain.rules import BadRule
from parley_server.domain.verdict import Allow, Verdict
from parley_server.inspection.stage import Stage
from parley_server.pipeline.rulebook import CannotCompile, InForce, Rulebook
from parley_server.ports import Activation, Unavailable
from tests.samples import nobody_else
from tests.unit.server.inspection.making import document, item
from tests.unit.server.inspection.memory_rules import MemoryRules
from tests.unit.server.inspection.virtual import run

BY = AccountId("admin")
CASINO = document({"terms": ["free casino"]}, must=["FREE  CASINO here"], must_not=["the casino"], id="casino")
COINS = document({"terms": ["coins"]}, must=["coins"], id="coins")


class Desk:
    """A rulebook over rules in memory, with a clock that ticks once a look."""

    def __init__(self, rules: MemoryRules | None = None) -> None:
        self.rules = rules or MemoryRules()
        self.stage = Stage()
        self.now_us = 0
        self.book = Rulebook(self.rules, self.stage, self._clock, nobody_else())

    def _clock(self) -> int:
        self.now_us += 1
        return self.now_us

    async def verdict(self, text: str) -> Verdict:
        return await self.stage.inspect(item(text))

    async def stops(self, text: str) -> bool:
        return not isinstance(await self.verdict(text), Allow)


def test_an_added_rule_is_a_draft_that_stops_nothing() -> None:
    async def main() -> None:
        desk = Desk()
        assert await desk.book.add(CASINO, BY) == ("casino", 1)
        assert await desk.book.add(CASINO, BY) == ("casino", 2)
        assert not await desk.stops("free casino")

    run(main())


def test_an_activated_rule_stops_the_next_post() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.book.add(CASINO, BY)
        done = await desk.book.activate("casino", BY)
        assert isinstance(done, Activation)
        assert (done.rule.head.id, done.rule.head.version, done.ruleset) == ("casino", 1, 1)
        verdict = await desk.verdict("so FREE casino")
        assert not isinstance(verdict, Allow)
        assert verdict.ruleset == 1
        assert desk.book.in_force == InForce("node-1", 1, desk.now_us)
        assert done.at_us <= desk.book.in_force.at_us

    run(main())


def test_a_new_version_replaces_the_old_one_and_leaves_other_rules() -> None:
    async def main() -> None:
        desk = Desk()
        for made in (CASINO, COINS):
            await desk.book.add(made, BY)
            await desk.book.activate(str(made["id"]), BY)
        changed = document({"terms": ["cheap flights"]}, must=["cheap flights"], id="casino")
        await desk.book.add(changed, BY)
        assert await desk.stops("free casino")
        await desk.book.activate("casino", BY)
        seen = [await desk.stops(text) for text in ("free casino", "cheap flights", "coins")]
        assert seen == [False, True, True]
        assert desk.stage.ruleset.version == 3

    run(main())


def test_a_retired_rule_stops_nothing_and_can_come_back() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.book.add(CASINO, BY)
        await desk.book.activate("casino", BY)
        assert await desk.book.retire("casino", BY) == 2
        assert not await desk.stops("free casino")
        assert await desk.book.retire("casino", BY) == Refused(codes.NO_RULE)
        await desk.book.activate("casino", BY)
        assert await desk.stops("free casino")

    run(main())


@pytest.mark.parametrize(
    ("bad", "where"),
    [
        (document({"terms": ["x"]}, must=["y"]), "examples.must[0]"),
        (document({"patterns": ["("]}, must=["y"]), "match.patterns[0]"),
        (document({"tems": ["x"]}), "match.tems"),
        ({}, "id"),
    ],
)
def test_a_bad_document_is_answered_and_not_stored(bad: Mapping[str, object], where: str) -> None:
    async def main() -> None:
        desk = Desk()
        answer = await desk.book.add(bad, BY)
        assert isinstance(answer, BadRule)
        assert answer.where == where
        assert desk.rules.calls == []

    run(main())


def test_a_rule_without_a_policy_of_the_catalogue_is_refused() -> None:
    async def main() -> None:
        desk = Desk()
        answer = await desk.book.add({**CASINO, "policy": "unheard-of"}, BY)
        assert isinstance(answer, Refused)
        assert answer.code is codes.NO_POLICY
        assert desk.rules.calls == []

    run(main())


def test_activating_what_is_not_there_is_refused() -> None:
    async def main() -> None:
        assert await Desk().book.activate("nothing", BY) == Refused(codes.NO_RULE)

    run(main())


def test_a_failing_example_keeps_a_stored_draft_from_going_live() -> None:
    async def main() -> None:
        desk = Desk()
        # Stored past the rulebook, as by a version of the server that read it otherwise.
        await desk.rules.add(document({"terms": ["x"]}, must=["y"]), "r", BY, 0)
        answer = await desk.book.activate("r", BY)
        assert isinstance(answer, BadRule)
        assert desk.rules.calls == ["add r"]

    run(main())


def test_what_is_live_in_the_store_is_in_force_after_loading() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.book.add(CASINO, BY)
        await desk.book.activate("casino", BY)
        other = Desk(desk.rules)
        assert await other.book.load() == InForce("node-1", 1, other.now_us)
        assert await other.stops("free casino")

    run(main())


def test_a_set_that_cannot_be_compiled_leaves_the_old_one_in_force() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.book.add(CASINO, BY)
        await desk.book.activate("casino", BY)
        await desk.rules.add(document({"patterns": ["("]}, must=["y"], id="broken"), "broken", BY, 0)
        await desk.rules.activate("broken", 1, BY, 0)
        with pytest.raises(CannotCompile, match=r"rule broken: match.patterns\[0\]"):
            await desk.book.load()
        await desk.book.add(COINS, BY)
        with pytest.raises(CannotCompile):
            await desk.book.activate("coins", BY)
        assert "activate coins 1" not in desk.rules.calls
        assert desk.stage.ruleset.version == desk.book.in_force.ruleset == 1
        assert await desk.stops("free casino")

    run(main())


def test_a_store_that_does_not_answer_leaves_the_old_set_in_force() -> None:
    class Away(MemoryRules):
        async def activate(self, rule_id: str, version: int, by: AccountId | None, at_us: int) -> int:
            raise Unavailable

    async def main() -> None:
        desk = Desk(Away())
        await desk.book.add(CASINO, BY)
        with pytest.raises(Unavailable):
            await desk.book.activate("casino", BY)
        assert desk.stage.ruleset.version == 0

    run(main())


def test_another_nodes_change_in_between_is_not_lost() -> None:
    class Busy(MemoryRules):
        async def activate(self, rule_id: str, version: int, by: AccountId | None, at_us: int) -> int:
            if rule_id == "casino":
                await super().activate("coins", 1, by, at_us)
            return await super().activate(rule_id, version, by, at_us)

    async def main() -> None:
        desk = Desk(Busy())
        for made in (COINS, CASINO):
            await desk.book.add(made, BY)
        done = await desk.book.activate("casino", BY)
        assert isinstance(done, Activation)
        assert desk.stage.ruleset.version == done.ruleset == 2
        assert await desk.stops("free casino")
        assert await desk.stops("coins")

    run(main())


def test_activations_at_once_end_with_every_rule_in_force() -> None:
    async def main() -> None:
        desk = Desk()
        words = [f"word{n}" for n in range(6)]
        for word in words:
            await desk.book.add(document({"terms": [word]}, must=[word], id=word), BY)
        await asyncio.gather(*(desk.book.activate(word, BY) for word in words))
        assert [await desk.stops(word) for word in words] == [True] * 6
        assert desk.stage.ruleset.version == 6

    run(main())


def test_a_slow_load_does_not_undo_an_activation() -> None:
    class Slow(MemoryRules):
        slow = False

        async def live(self) -> tuple[int, list[tuple[int, Mapping[str, object]]]]:
            read = await super().live()
            if self.slow:
                self.slow = False
                # Long enough for an activation that does not wait its turn to be read, compiled and in force.
                for _ in range(30):
                    await asyncio.to_thread(int)
            return read

    async def main() -> None:
        rules = Slow()
        desk = Desk(rules)
        await desk.book.add(CASINO, BY)
        rules.slow = True
        await asyncio.gather(desk.book.load(), desk.book.activate("casino", BY))
        assert desk.stage.ruleset.version == 1
        assert await desk.stops("free casino")

    run(main())


def test_a_flood_is_not_forgiven_by_an_activation() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.book.add(document({"flood": {"posts_max": 2, "repeats_max": 2, "window_s": 60}}, must=[], id="flood"), BY)
        await desk.book.add(COINS, BY)
        await desk.book.activate("flood", BY)
        assert not await desk.stops("one")
        assert not await desk.stops("two")
        await desk.book.activate("coins", BY)
        assert await desk.stops("three")

    run(main())
