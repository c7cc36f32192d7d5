"""inspection/stage.py: one rule set, one budget, and a fail mode for everything that goes wrong."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from parley_server.domain.rules import Rule
from parley_server.domain.verdict import Allow, Failure, Finding, Flag, Refuse, Unjudged, Verdict, Withhold
from parley_server.inspection.ruleset import RuleSet
from parley_server.inspection.stage import CROWDED, Inspected, Stage
from parley_server.ports import Item
from tests.unit.server.inspection.making import compiled, item, rule
from tests.unit.server.inspection.virtual import run

BUDGET_MS = 200


@dataclass
class Remote:
    """A check that is waited for. Its behaviour is given; ``let_go`` ends what ignores cancellation."""

    rules: Sequence[Rule]
    behave: Callable[["Remote"], object]
    name: str = "remote"
    local: bool = False
    asked: int = 0
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    async def inspect(self, item: Item) -> Sequence[Finding]:
        self.asked += 1
        answer = self.behave(self)
        if asyncio.iscoroutine(answer):
            await answer
        return [Finding(rule.head, self.name) for rule in self.rules]


def hangs(check: Remote) -> object:
    return check.let_go.wait()


def fails(check: Remote) -> object:
    raise ConnectionError("gone")


def ends_itself(check: Remote) -> object:
    raise asyncio.CancelledError


def clings(check: Remote) -> object:
    async def cling() -> None:
        while not check.let_go.is_set():
            try:
                await check.let_go.wait()
            except asyncio.CancelledError:
                continue

    return cling()


def answers(check: Remote) -> object:
    return None


async def inspected(check: Remote, *, what: Item | None = None) -> tuple[Verdict, float]:
    """Inspect by one remote check; returns the verdict and the seconds that it took by the loop's clock."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    verdict = await Stage(RuleSet(7, remote=(check,)), budget_ms=BUDGET_MS).inspect(what or item("hello"))
    took = loop.time() - began
    check.let_go.set()
    return verdict, took


@pytest.mark.parametrize("mode", ["hold", "refuse", "allow-and-rescan"])
@pytest.mark.parametrize(
    ("behave", "cause", "at_most_s"),
    [
        (hangs, "timeout", BUDGET_MS / 1000),
        (clings, "timeout", BUDGET_MS / 1000),
        (fails, "ConnectionError", 0.0),
        (ends_itself, "CancelledError", 0.0),
    ],
)
def test_p13_inspection_ends_in_time(mode: str, behave: Callable[[Remote], object], cause: str, at_most_s: float) -> None:
    made = rule({"terms": ["x"]}, fail=mode)

    async def main() -> None:
        verdict, took_s = await inspected(Remote([made], behave))
        failure = Failure(made.head, "remote", cause)
        expected: dict[str, Verdict] = {
            "hold": Withhold(7, (), (failure,)),
            "refuse": Unjudged(7, (failure,)),
            "allow-and-rescan": Allow(7, (failure,)),
        }
        assert verdict == expected[mode]
        assert took_s == pytest.approx(at_most_s)

    run(main())


def test_p12_one_rule_set_judges_one_message() -> None:
    async def main() -> None:
        old = Remote([rule({"terms": ["x"]}, id="old")], hangs)
        new = Remote([rule({"terms": ["x"]}, id="new")], answers)
        # The remote check of the old set is still waiting when the new set comes: local and remote findings stay of one set.
        local = compiled(rule({"terms": ["casino"]}, id="old-local")).local
        stage = Stage(RuleSet(1, local=local, remote=(old,)), budget_ms=BUDGET_MS)
        under_way = asyncio.create_task(stage.inspect(item("casino")))
        while not old.asked:
            await asyncio.sleep(0)
        stage.use(RuleSet(2, remote=(new,)))
        after = await stage.inspect(item("casino"))
        old.let_go.set()
        before = await under_way
        assert isinstance(before, Withhold)
        assert isinstance(after, Withhold)
        assert (before.ruleset, {finding.rule.id for finding in before.findings}) == (1, {"old", "old-local"})
        assert (after.ruleset, {finding.rule.id for finding in after.findings}) == (2, {"new"})

    run(main())


def test_only_rules_that_cover_the_item_fail() -> None:
    here = rule({"terms": ["x"]}, id="here", boards=["b"])
    there = rule({"terms": ["x"]}, id="there", boards=["other"])

    async def main() -> None:
        verdict, _ = await inspected(Remote([here, there], fails))
        assert verdict == Withhold(7, (), (Failure(here.head, "remote", "ConnectionError"),))

    run(main())


def test_a_remote_check_without_a_rule_for_the_item_is_not_asked() -> None:
    async def main() -> None:
        check = Remote([rule({"terms": ["x"]}, boards=["other"])], hangs)
        verdict, took_s = await inspected(check)
        assert (verdict, took_s, check.asked) == (Allow(7), 0.0, 0)

    run(main())


def test_remote_checks_share_one_budget_beside_each_other() -> None:
    async def main() -> None:
        checks = tuple(Remote([rule({"terms": ["x"]}, id=f"r{n}")], hangs, name=f"c{n}") for n in range(5))
        stage = Stage(RuleSet(1, remote=checks), budget_ms=BUDGET_MS)
        began = asyncio.get_running_loop().time()
        verdict = await stage.inspect(item("x"))
        assert asyncio.get_running_loop().time() - began == pytest.approx(BUDGET_MS / 1000)
        assert isinstance(verdict, Withhold)
        assert [failure.rule.id for failure in verdict.failures] == ["r0", "r1", "r2", "r3", "r4"]

    run(main())


def test_a_finding_beside_a_failure_leads() -> None:
    async def main() -> None:
        refusing = Remote([rule({"terms": ["x"]}, id="answers", effect="refuse")], answers, name="one")
        failing = Remote([rule({"terms": ["x"]}, id="fails", fail="refuse")], fails, name="two")
        verdict = await Stage(RuleSet(1, remote=(failing, refusing))).inspect(item("x"))
        assert isinstance(verdict, Refuse)

    run(main())


def test_cancelling_an_inspection_cancels_its_checks_and_is_not_swallowed() -> None:
    async def main() -> None:
        hanging, clinging = Remote([rule({"terms": ["x"]})], hangs, name="h"), Remote([rule({"terms": ["x"]})], clings, name="c")
        stage = Stage(RuleSet(1, remote=(hanging, clinging)), budget_ms=BUDGET_MS)
        under_way = asyncio.create_task(stage.inspect(item("x")))
        while not clinging.asked:
            await asyncio.sleep(0)
        under_way.cancel()
        with pytest.raises(asyncio.CancelledError):
            await under_way
        for _ in range(3):
            await asyncio.sleep(0)
        assert stage.strays == 1
        clinging.let_go.set()
        while stage.strays:
            await asyncio.sleep(0)

    run(main())


def test_a_check_with_too_many_strays_fails_at_once_and_alone() -> None:
    async def main() -> None:
        clinging = Remote([rule({"terms": ["x"]}, id="clings")], clings, name="c")
        healthy = Remote([rule({"terms": ["x"]}, id="healthy", effect="flag")], answers, name="h")
        stage = Stage(RuleSet(1, remote=(clinging, healthy)), budget_ms=BUDGET_MS, strays_max=2)
        for _ in range(2):
            await stage.inspect(item("x"))
        assert (clinging.asked, stage.strays) == (2, 2)
        began = asyncio.get_running_loop().time()
        verdict = await stage.inspect(item("x"))
        assert asyncio.get_running_loop().time() == began
        assert isinstance(verdict, Withhold)
        assert [failure.cause for failure in verdict.failures] == [CROWDED]
        assert [finding.rule.id for finding in verdict.findings] == ["healthy"]
        assert clinging.asked == 2
        clinging.let_go.set()
        while stage.strays:
            await asyncio.sleep(0)
        assert isinstance(await stage.inspect(item("x")), Withhold)
        assert clinging.asked == 3

    run(main())


@pytest.mark.parametrize(("behave", "cause"), [(fails, "ConnectionError"), (hangs, "Waited")])
def test_a_local_check_that_fails_or_waits_meets_the_fail_mode_at_once(behave: Callable[[Remote], object], cause: str) -> None:
    made = rule({"terms": ["x"]}, id="remote")

    async def main() -> None:
        check = Remote([made], behave, local=True)
        good = compiled(rule({"terms": ["casino"]}, id="good")).local
        verdict = await Stage(RuleSet(3, local=(check, *good))).inspect(item("casino"))
        assert isinstance(verdict, Withhold)
        assert verdict.failures == (Failure(made.head, "remote", cause),)
        assert [finding.rule.id for finding in verdict.findings] == ["good"]
        assert asyncio.get_running_loop().time() == 0.0

    run(main())


def test_local_checks_alone_make_no_task() -> None:
    async def main() -> None:
        stage = Stage(compiled(rule({"terms": ["casino"]}, effect="flag")))
        before = asyncio.all_tasks()
        inspection = stage.inspect(item("casino"))
        with pytest.raises(StopIteration) as done:
            inspection.send(None)
        assert isinstance(done.value.value, Flag)
        assert asyncio.all_tasks() == before

    run(main())


def test_no_rules_allow_everything() -> None:
    async def main() -> None:
        assert await Stage().inspect(item("x")) == Allow(0)

    run(main())


def test_each_inspection_is_observed_once_with_what_failed() -> None:
    seen: list[Inspected] = []
    made = rule({"terms": ["x"]}, fail="allow-and-rescan")

    async def main() -> None:
        check = Remote([made], hangs)
        clock = asyncio.get_running_loop().time
        stage = Stage(RuleSet(1, remote=(check,)), budget_ms=BUDGET_MS, observe=seen.append, stopwatch=clock)
        await stage.inspect(item("x"))
        check.let_go.set()

    run(main())
    failure = Failure(made.head, "remote", "timeout")
    assert seen == [Inspected(item("x"), Allow(1, (failure,)), (failure,), BUDGET_MS * 1_000)]


def test_a_shadow_rule_is_observed_and_has_no_effect() -> None:
    seen: list[Inspected] = []
    made = rule({"terms": ["x"]}, effect="refuse")
    shadow = replace(made, head=replace(made.head, shadow=True))

    async def main() -> None:
        stage = Stage(compiled(shadow), observe=seen.append)
        assert await stage.inspect(item("x")) == Allow(1)

    run(main())
    assert [finding.rule for finding in seen[0].shadow] == [shadow.head]
