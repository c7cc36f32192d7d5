"""One inspection: every check of the rule set, within the budget, to a verdict.

Nothing a check does can hold up the answer: a local check cannot wait, any other one is cut off at the budget and left behind. What it
then fails to say meets the fail mode of each rule that needed it (P13).
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from parley_server.domain.bounds import INSPECTION_BUDGET_MS, STRAYS_MAX
from parley_server.domain.rules import Rule
from parley_server.domain.verdict import Failure, Finding, Verdict, judge
from parley_server.inspection.local import ask
from parley_server.inspection.ruleset import EMPTY, RuleSet
from parley_server.ports import Check, Item

TIMEOUT: Final = "timeout"
CROWDED: Final = "crowded"
"""Cause of a failure: too many earlier runs of the check have not ended; it was not asked."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """One inspection, for whoever counts them.

    Attributes:
        took_us: waiting included.
        shadow: what shadow rules found.
        in_shadow: the shadow rules of the set that judged.
    """

    item: Item
    verdict: Verdict
    failures: tuple[Failure, ...]
    took_us: int
    shadow: tuple[Finding, ...] = ()
    in_shadow: tuple[Rule, ...] = ()


Observe = Callable[[Inspected], None]
"""Called once for each inspection that ends with a verdict. Must neither wait nor raise."""


class Stage:
    """Holds the rule set in force and inspects by it."""

    def __init__(
        self,
        ruleset: RuleSet = EMPTY,
        *,
        budget_ms: int = INSPECTION_BUDGET_MS,
        strays_max: int = STRAYS_MAX,
        observe: Observe | None = None,
        stopwatch: Callable[[], float] = time.perf_counter,
    ) -> None:
        # Not the loop's clock: uvloop's steps are a millisecond, and an inspection takes less.
        self._ruleset = ruleset
        self._budget_s = budget_ms / 1000
        self._strays_max = strays_max
        self._observe = observe
        self._stopwatch = stopwatch
        # Runs that were told to end and have not. They are held here, since a task that nobody holds may vanish half-way.
        self._strays: dict[str, set[asyncio.Task[Sequence[Finding]]]] = {}

    @property
    def ruleset(self) -> RuleSet:
        """The rule set that the next inspection uses."""
        return self._ruleset

    @property
    def strays(self) -> int:
        """How many runs were cut off and have not ended."""
        return sum(map(len, self._strays.values()))

    def use(self, ruleset: RuleSet) -> None:
        """Judge by ``ruleset`` from the next inspection on; those under way end with the one they began with (P12)."""
        self._ruleset = ruleset

    async def inspect(self, item: Item) -> Verdict:
        """Return the verdict on ``item`` within the budget.

        Cancelling it cancels the checks under way, without waiting for them.
        """
        began = self._stopwatch()
        ruleset = self._ruleset
        findings: list[Finding] = []
        failures: list[Failure] = []
        for check in ruleset.local:
            try:
                findings += ask(check, item)
            except Exception as error:  # noqa: BLE001  # A check's error is an answer here: its rules' fail mode.
                failures += _failures(check, item, type(error).__name__)
        if ruleset.remote:
            until = asyncio.get_running_loop().time() + self._budget_s
            await self._ask_remote(ruleset.remote, item, until, findings, failures)
        stand, unknown = ruleset.concluded(item, findings, failures)
        verdict = judge(ruleset.version, stand, unknown)
        if self._observe is not None:
            shadow = tuple(finding for finding in stand if finding.rule.shadow)
            took_us = round((self._stopwatch() - began) * 1_000_000)
            self._observe(Inspected(item, verdict, tuple(failures), took_us, shadow, ruleset.in_shadow))
        return verdict

    async def _ask_remote(
        self, checks: Sequence[Check], item: Item, until: float, findings: list[Finding], failures: list[Failure]
    ) -> None:
        """Ask checks beside each other until ``until`` by the loop's clock; add what they say, or that they did not."""
        loop = asyncio.get_running_loop()
        runs: dict[asyncio.Task[Sequence[Finding]], Check] = {}
        for check in checks:
            if len(self._strays.get(check.name, ())) >= self._strays_max:
                failures += _failures(check, item, CROWDED)
            elif any(rule.covers(item.board, item.field) for rule in check.rules):
                runs[loop.create_task(_run(check, item))] = check
        if not runs:
            return
        try:
            await asyncio.wait(runs, timeout=max(0.0, until - loop.time()))
        finally:
            # Also when this inspection is cancelled itself.
            for run, check in runs.items():
                if not run.done():
                    self._leave(run, check.name)
        for run, check in runs.items():
            if not run.done():
                failures += _failures(check, item, TIMEOUT)
            elif run.cancelled():
                failures += _failures(check, item, asyncio.CancelledError.__name__)
            elif (error := run.exception()) is not None:
                failures += _failures(check, item, type(error).__name__)
            else:
                findings += run.result()

    def _leave(self, run: asyncio.Task[Sequence[Finding]], name: str) -> None:
        """Tell a run to end, and hold it until it does. What it still says is dropped."""
        strays = self._strays.setdefault(name, set())
        strays.add(run)

        def ended(run: asyncio.Task[Sequence[Finding]]) -> None:
            strays.discard(run)
            # Reading the exception keeps asyncio from reporting it as lost; the failure was counted at the cut.
            if not run.cancelled():
                run.exception()

        run.add_done_callback(ended)
        run.cancel()


async def _run(check: Check, item: Item) -> Sequence[Finding]:
    """Ask a check; a coroutine of its own, since a port may return any awaitable."""
    return await check.inspect(item)


def _failures(check: Check, item: Item, cause: str) -> list[Failure]:
    """Return the failure of each rule of ``check`` that covers ``item``."""
    return [Failure(rule.head, check.name, cause) for rule in check.rules if rule.covers(item.board, item.field)]
