"""What rules in the shadow would have done: counted as texts are inspected, stored now and then.

Nothing of it reaches a reader or an author. Counts that were not stored when the process ends are lost; they decide nothing.
"""

import asyncio
from dataclasses import dataclass, field

import structlog

from parley_server import limits
from parley_server.domain.bounds import SHADOW_SAMPLES
from parley_server.domain.rules import ShadowCount
from parley_server.domain.verdict import Allow, Finding, Unjudged
from parley_server.inspection.stage import Inspected
from parley_server.moderation.statement import masked
from parley_server.ports import Rules, Unavailable

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Tally:
    """What one rule met on one board since the last time it was stored."""

    inspected: int = 0
    would: int = 0
    also: int = 0
    samples: list[str] = field(default_factory=list)


class Shadows:
    """Counts on this node, by rule version and board; at most ``SHADOW_TALLIES_MAX`` of them at once."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._tallies: dict[tuple[str, int, str], Tally] = {}

    def observe(self, seen: Inspected) -> None:
        """Count one inspection."""
        item = seen.item
        for rule in seen.in_shadow:
            if not rule.covers(item.board, item.field):
                continue
            name = (rule.head.id, rule.head.version, item.board)
            tally = self._tallies.get(name)
            if tally is None:
                if len(self._tallies) >= limits.SHADOW_TALLIES_MAX:
                    continue
                tally = self._tallies[name] = Tally()
            tally.inspected += 1
            met = [finding for finding in seen.shadow if finding.rule.id == rule.head.id]
            if met:
                tally.would += 1
                tally.also += not isinstance(seen.verdict, Allow | Unjudged) and bool(seen.verdict.findings)
                tally.samples = [*tally.samples, _excerpt(item.text, met)][-SHADOW_SAMPLES:]

    async def run(self) -> None:
        """Store what was counted every ``SHADOW_STORE_S`` until cancelled."""
        while True:
            await asyncio.sleep(limits.SHADOW_STORE_S)
            await self.store()

    async def store(self) -> None:
        """Store what was counted; if the store does not answer, it is kept for the next time."""
        counted, self._tallies = self._tallies, {}
        if not counted:
            return
        try:
            await self._rules.count_shadow(
                [
                    ShadowCount(*name, tally.inspected, tally.would, tally.also, tuple(tally.samples))
                    for name, tally in sorted(counted.items())
                ]
            )
        except Unavailable as error:
            log.warning("shadow_not_stored", cause=str(error))
            for name, tally in self._tallies.items():
                before = counted.setdefault(name, Tally())
                before.inspected += tally.inspected
                before.would += tally.would
                before.also += tally.also
                before.samples = [*before.samples, *tally.samples][-SHADOW_SAMPLES:]
            self._tallies = counted


def _excerpt(text: str, met: list[Finding]) -> str:
    return masked(text, tuple(finding.span for finding in met if finding.span is not None))
