"""The same from many accounts within a short time: one text, one link, or simply joining.

Fifty accounts with one message each are under every limit of one author. So what is counted here is the thing said, and how many
different accounts said it. This process counts what comes in through it.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final

from parley_server.domain.bounds import CROWD_ACCOUNTS_MAX, CROWD_THINGS_MAX
from parley_server.domain.rules import Crowd as Limits
from parley_server.domain.rules import CrowdOf, Rule
from parley_server.domain.verdict import Finding
from parley_server.inspection.links import links
from parley_server.inspection.normalise import Normaliser
from parley_server.ports import Item

NAME: Final = "crowd"

Thing = tuple[CrowdOf, str, int]
"""What is counted: of which kind, on which board (or the whole site), its hash."""


class Crowds:
    """Who did what lately. It outlives rule sets, so that activating a rule does not hide a raid that is under way."""

    def __init__(self, things_max: int = CROWD_THINGS_MAX) -> None:
        self._things_max = things_max
        # Of each account the last time, in the order of these times.
        self._by_thing: OrderedDict[Thing, OrderedDict[str, int]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many things are remembered."""
        return len(self._by_thing)

    def add(self, thing: Thing, author: str, at_us: int, since_us: int) -> OrderedDict[str, int]:
        """Count an author in; returns who did the same since ``since_us``, oldest first, with the last time of each."""
        seen = self._by_thing.get(thing)
        if seen is None:
            if len(self._by_thing) >= self._things_max:
                self._by_thing.popitem(last=False)
            seen = self._by_thing[thing] = OrderedDict()
        self._by_thing.move_to_end(thing)
        seen[author] = at_us
        seen.move_to_end(author)
        # One more than any rule asks for is enough to know that there are too many.
        while len(seen) > CROWD_ACCOUNTS_MAX or seen[next(iter(seen))] < since_us:
            seen.popitem(last=False)
        return seen


class Crowd:
    """The check of all rules about crowds."""

    name = NAME
    local = True

    def __init__(self, rules: Sequence[Rule], read: Normaliser, crowds: Crowds) -> None:
        self._limits = tuple((rule, rule.match.crowd) for rule in rules if rule.match.crowd is not None)
        self.rules = tuple(rule for rule, _ in self._limits)
        self._windows_us = {
            same: max((limits.window_s for _, limits in self._limits if limits.same is same), default=0) * 1_000_000
            for same in CrowdOf
        }
        self._read = read
        self._crowds = crowds

    async def inspect(self, item: Item) -> Sequence[Finding]:
        """Count the item in, and return a finding for each rule whose crowd its author now belongs to."""
        found: dict[int, Finding] = {}
        for thing in self._things(item):
            of = thing[0]
            accounts = self._crowds.add(thing, item.author, item.at_us, item.at_us - self._windows_us[of])
            for n, (rule, limits) in enumerate(self._limits):
                if (
                    limits.same is of
                    and n not in found
                    and rule.covers(item.board, item.field)
                    and _too_many(limits, accounts, item)
                ):
                    passage = f"{limits.accounts} accounts or more: the same {of} within {limits.window_s} s"
                    found[n] = Finding(rule.head, NAME, item.field, None, passage)
        return tuple(found.values())

    def _things(self, item: Item) -> Iterator[Thing]:
        """Return what an item is counted as, where any rule asks for it."""
        if item.join and self._windows_us[CrowdOf.JOIN]:
            yield CrowdOf.JOIN, "", 0
        text = self._read(item.text)
        if self._windows_us[CrowdOf.TEXT]:
            yield CrowdOf.TEXT, item.board, hash((item.field, text))
        if self._windows_us[CrowdOf.LINK]:
            # The whole site: a raid leads to one place from many boards.
            yield from {(CrowdOf.LINK, "", hash(name.host)) for name in links(text)}


def _too_many(limits: Limits, accounts: OrderedDict[str, int], item: Item) -> bool:
    since_us = item.at_us - limits.window_s * 1_000_000
    return sum(at_us > since_us for at_us in accounts.values()) >= limits.accounts
