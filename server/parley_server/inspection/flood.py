"""Too much from one author: rate and repetition in a sliding window.

What was posted is remembered in this process alone, by whole texts' hashes. A node counts what comes in through it; an author who
spreads over several nodes is allowed as much on each.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from parley_server.domain.bounds import FLOOD_AUTHORS_MAX, FLOOD_POSTS_MAX
from parley_server.domain.rules import Flood as Limits
from parley_server.domain.rules import Rule
from parley_server.domain.verdict import Finding
from parley_server.inspection.normalise import Normaliser
from parley_server.ports import Item

NAME: Final = "flood"


class Act(NamedTuple):
    """One inspected item. ``text``: hash of the normalised text; ``None`` for an edit, which repeats nothing."""

    at_us: int
    board: str
    field: str
    text: int | None


class Recent:
    """The latest acts of the latest authors. It outlives rule sets, so that activating a rule does not forgive a flood."""

    def __init__(self, authors_max: int = FLOOD_AUTHORS_MAX) -> None:
        self._authors_max = authors_max
        self._acts: OrderedDict[str, deque[Act]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many authors are remembered."""
        return len(self._acts)

    def add(self, author: str, act: Act, since_us: int) -> deque[Act]:
        """Remember an act, forget this author's acts before ``since_us``, and return the rest, oldest first."""
        acts = self._acts.get(author)
        if acts is None:
            if len(self._acts) >= self._authors_max:
                self._acts.popitem(last=False)
            # One more than any rule allows is enough to know that there were too many.
            acts = self._acts[author] = deque(maxlen=FLOOD_POSTS_MAX + 1)
        else:
            self._acts.move_to_end(author)
        while acts and acts[0].at_us < since_us:
            acts.popleft()
        acts.append(act)
        return acts


class Flood:
    """The check of all rules with flood limits."""

    name = NAME
    local = True

    def __init__(self, rules: Sequence[Rule], read: Normaliser, recent: Recent) -> None:
        self._limits = tuple((rule, rule.match.flood) for rule in rules if rule.match.flood)
        self.rules = tuple(rule for rule, _ in self._limits)
        self._window_us = max((limits.window_s for _, limits in self._limits), default=0) * 1_000_000
        self._read = read
        self._recent = recent

    async def inspect(self, item: Item) -> Sequence[Finding]:
        """Count the item in, and return a finding for each rule whose limit its author is now above."""
        text = None if item.edit else hash(self._read(item.text))
        act = Act(item.at_us, item.board, item.field, text)
        acts = self._recent.add(item.author, act, item.at_us - self._window_us)
        return tuple(
            Finding(rule.head, NAME, item.field, None, passage)
            for rule, limits in self._limits
            if rule.covers(item.board, item.field) and (passage := _above(rule, limits, acts, act)) is not None
        )


def _above(rule: Rule, limits: Limits, acts: deque[Act], now: Act) -> str | None:
    """Say which limit ``now`` exceeds, counting the acts that the rule covers."""
    since_us = now.at_us - limits.window_s * 1_000_000
    if len(acts) <= min(limits.posts_max, limits.repeats_max):
        return None
    counted = [act for act in acts if act.at_us > since_us and rule.covers(act.board, act.field)]
    if len(counted) > limits.posts_max:
        return f"more than {limits.posts_max} posts in {limits.window_s} s"
    if now.text is not None and sum(act.text == now.text for act in counted) > limits.repeats_max:
        return f"more than {limits.repeats_max} times the same in {limits.window_s} s"
    return None
