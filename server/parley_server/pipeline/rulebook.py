"""Rules as they are written, activated and retired: from a document to what the stage judges by.

What is stored and what is in force are two things. The store's rule set has one version; a node's stage holds that version compiled.
A set that cannot be compiled never replaces one that works.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from parley_protocol import codes
from parley_protocol.ids import AccountId
from parley_server.domain.answers import Refused
from parley_server.domain.hints import RulesChanged
from parley_server.domain.rule_document import parse
from parley_server.domain.rules import BadRule, Policy, Rule
from parley_server.inspection.flood import Recent
from parley_server.inspection.ruleset import RuleSet, check_examples, check_size, compile_rules, fault
from parley_server.inspection.stage import Stage
from parley_server.pipeline.others import Others
from parley_server.ports import Activation, Rules

Document = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class InForce:
    """What a node judges by: an acknowledgement. ``at_us``: since when."""

    node: str
    ruleset: int
    at_us: int


class CannotCompile(Exception):
    """The stored rule set is not one that this server can use; the earlier one stays in force."""

    def __init__(self, rule: str, bad: BadRule) -> None:
        super().__init__(f"rule {rule}: {bad.where}: {bad.says}")


class Rulebook:
    """Changes the rules, and keeps the stage in step with the store.

    Args:
        rules: where they are stored.
        stage: what is to judge by them.
        clock: microseconds since the epoch.
        others: the nodes that judge beside this one.
    """

    def __init__(self, rules: Rules, stage: Stage, clock: Callable[[], int], others: Others) -> None:
        self._rules = rules
        self._stage = stage
        self._others = others
        self._clock = clock
        self._recent = Recent()
        self._policies: dict[str, Policy] = {}
        self._in_force = InForce(others.node, stage.ruleset.version, clock())
        self._reading = asyncio.Lock()
        # Held across the store and the compiler: changes are rare, and each one is made from the set that the one before left.
        self._changing = asyncio.Lock()

    @property
    def in_force(self) -> InForce:
        """What this node judges by."""
        return self._in_force

    def policy(self, policy_id: str) -> Policy | None:
        """Return a policy of the catalogue."""
        return self._policies.get(policy_id)

    async def put_policy(self, policy: Policy, by: AccountId | None) -> Policy:
        """Add a policy to the catalogue, or a new version of one; returns it with its version once every node knows it."""
        stored = await self._rules.put_policy(policy, by, self._clock())
        await self.load_policies()
        await self._others.everywhere(RulesChanged(self._in_force.ruleset))
        return stored

    async def load(self) -> InForce:
        """Judge by what is stored: at the start, and when another node has changed it.

        Raises:
            CannotCompile: a stored rule is not usable; what was in force stays.
            Unavailable: the store did not answer; what was in force stays.
        """
        async with self._changing:
            await self._load()
        return self._in_force

    async def add(self, document: Document, by: AccountId | None) -> tuple[str, int] | BadRule | Refused:
        """Store a document as the next draft of its rule; returns id and version.

        A document with a fault is not stored, and neither is one whose examples do not hold: a draft is ready to be activated.
        """
        rule = await asyncio.to_thread(_usable, document, 0)
        if isinstance(rule, BadRule):
            return rule
        if rule.head.policy not in self._policies:
            # Another node may have added it.
            await self.load_policies()
        if rule.head.policy not in self._policies:
            return Refused(codes.NO_POLICY, f"The catalogue has no policy {rule.head.policy}.", scope="policy")
        return rule.head.id, await self._rules.add(document, rule.head.id, by, self._clock())

    async def activate(self, rule_id: str, by: AccountId | None) -> Activation | BadRule | Refused:
        """Put a rule's latest version in force; when this returns, this node judges by it.

        Nothing is stored unless the whole set could be compiled with it.

        Raises:
            CannotCompile: another live rule is not usable, so no set can be made.
            Unavailable: the store did not answer; if it did activate, the next ``load`` finds out.
        """
        async with self._changing:
            stored = await self._rules.get(rule_id)
            if stored is None:
                return Refused(codes.NO_RULE)
            version, _, document = stored
            rule = await asyncio.to_thread(_usable, document, version)
            if isinstance(rule, BadRule):
                return rule
            set_version, live = await self._rules.live()
            others = _without(live, rule_id)
            compiled = await asyncio.to_thread(_compile, set_version + 1, others, self._recent, rule)
            if isinstance(compiled, BadRule):
                return compiled
            at_us = self._clock()
            ruleset = await self._rules.activate(rule_id, version, by, at_us)
            self._others.tell(RulesChanged(ruleset))
            await self._use(compiled, ruleset)
            return Activation(rule, ruleset, at_us)

    async def retire(self, rule_id: str, by: AccountId | None) -> int | Refused:
        """Take a rule out of force; returns the version of the set without it. ``no_rule`` if it was not live.

        Raises: as ``activate``.
        """
        async with self._changing:
            set_version, live = await self._rules.live()
            compiled = await asyncio.to_thread(_compile, set_version + 1, _without(live, rule_id), self._recent, None)
            assert isinstance(compiled, RuleSet), "a smaller set breaks no bound"
            ruleset = await self._rules.retire(rule_id, by, self._clock())
            if ruleset is None:
                return Refused(codes.NO_RULE)
            self._others.tell(RulesChanged(ruleset))
            await self._use(compiled, ruleset)
            return ruleset

    async def judging(self, ruleset: int) -> list[InForce]:
        """Wait until every living node judges by a rule set or a later one; returns those that do, this one first (P12).

        Raises:
            Unavailable: the store did not answer.
        """
        others = await self._others.judging(ruleset)
        return [self._in_force, *(InForce(state.node, state.ruleset, state.ruleset_at_us) for state in others)]

    async def load_policies(self) -> None:
        """Take in the catalogue as it is stored."""
        # One after the other: an older answer must not replace a newer one.
        async with self._reading:
            self._policies = {policy.id: policy for policy in await self._rules.policies()}

    async def _use(self, compiled: RuleSet, version: int) -> None:
        """Put a set in force that was compiled for the version after the one that was read."""
        if compiled.version == version:
            self._swap(compiled)
        else:
            # Another node changed the rules between the reading and the storing: what was compiled is not the whole of it.
            await self._load()

    async def _load(self) -> None:
        await self.load_policies()
        version, live = await self._rules.live()
        if version == self._in_force.ruleset:
            return
        compiled = await asyncio.to_thread(_compile, version, live, self._recent, None)
        if isinstance(compiled, BadRule):
            raise CannotCompile("*", compiled)
        self._swap(compiled)

    def _swap(self, ruleset: RuleSet) -> None:
        self._stage.use(ruleset)
        self._in_force = replace(self._in_force, ruleset=ruleset.version, at_us=self._clock())


def _usable(document: Document, version: int) -> Rule | BadRule:
    """Read a document and try its examples."""
    rule = parse(document, version)
    if isinstance(rule, BadRule):
        return rule
    return check_examples(rule) or rule


def _compile(version: int, live: Sequence[tuple[int, Document]], recent: Recent, added: Rule | None) -> RuleSet | BadRule:
    """Compile the live documents and one more rule.

    Raises:
        CannotCompile: a live document is not usable.
    """
    rules = [] if added is None else [added]
    for number, document in live:
        # Its examples held when it was activated; asking them all again would take longer than the compiling.
        rule = parse(document, number)
        if not isinstance(rule, BadRule):
            rule = fault(rule) or rule
        if isinstance(rule, BadRule):
            raise CannotCompile(str(document.get("id")), rule)
        rules.append(rule)
    return check_size(rules) or compile_rules(version, rules, recent)


def _without(live: Sequence[tuple[int, Document]], rule_id: str) -> list[tuple[int, Document]]:
    return [(version, document) for version, document in live if document.get("id") != rule_id]
