"""Rules as they are written, activated and retired: from a document to what the stage judges by.

What is stored and what is in force are two things. The store's rule set has one version; a node's stage holds that version compiled.
A set that cannot be compiled never replaces one that works.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from parley_protocol import codes
from parley_protocol.ids import AccountId
from parley_server.domain.answers import Refused
from parley_server.domain.hints import RulesChanged
from parley_server.domain.rule_document import parse
from parley_server.domain.rule_lint import doubts
from parley_server.domain.rule_lists import Lists, lists_of, pinned, unpinned, with_lists
from parley_server.domain.rules import BadRule, Mode, Policy, Rule, StoredRule, TermList, judging
from parley_server.inspection.ruleset import Memory, RuleSet, check_examples, check_size, compile_rules, fault
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
        two_people: whether a rule goes live only once somebody other than its author approved it.
    """

    def __init__(self, rules: Rules, stage: Stage, clock: Callable[[], int], others: Others, *, two_people: bool = False) -> None:
        self._rules = rules
        self._stage = stage
        self._others = others
        self._clock = clock
        self._two_people = two_people
        self._memory = Memory()
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

        A document with a fault is not stored, and neither is one whose examples do not hold: a draft is ready to be activated. Lists
        that it names without a version are taken as they are now.
        """
        rule = await self._read(document, 0)
        if isinstance(rule, BadRule):
            return rule
        if rule.head.policy not in self._policies:
            # Another node may have added it.
            await self.load_policies()
        if rule.head.policy not in self._policies:
            return Refused(codes.NO_POLICY, f"The catalogue has no policy {rule.head.policy}.", scope="policy")
        return rule.head.id, await self._rules.add(rule.document, rule.head.id, by, self._clock())

    async def lint(self, document: Document) -> tuple[Rule | None, list[BadRule]]:
        """Read a document without storing it; returns the rule, if it could be activated, and what is wrong or doubtful."""
        rule = await self._read(document, 0)
        if isinstance(rule, BadRule):
            return None, [rule]
        if rule.head.policy not in self._policies:
            return None, [BadRule("policy", f"The catalogue has no policy {rule.head.policy}.")]
        return rule, doubts(rule)

    async def approve(self, rule_id: str, by: AccountId) -> StoredRule | Refused:
        """Approve a rule's latest version, which somebody else wrote."""
        stored = await self._rules.get(rule_id)
        if stored is None:
            return Refused(codes.NO_RULE)
        no = await self._rules.approve(rule_id, stored.version, by, self._clock())
        return no or await self._rules.get(rule_id) or Refused(codes.NO_RULE)

    async def activate(self, rule_id: str, by: AccountId | None, *, shadow: bool = False) -> Activation | BadRule | Refused:
        """Put a rule's latest version in force, or let it judge in the shadow; when this returns, this node judges by it.

        Nothing is stored unless the whole set could be compiled with it. Where two people are asked for, somebody other than its
        author must have approved a version that goes live.

        Raises:
            CannotCompile: another rule in force is not usable, so no set can be made.
            Unavailable: the store did not answer; if it did activate, the next ``load`` finds out.
        """
        place = Mode.SHADOW if shadow else Mode.LIVE
        async with self._changing:
            stored = await self._rules.get(rule_id)
            if stored is None:
                return Refused(codes.NO_RULE)
            if self._two_people and not shadow and not stored.approved_by:
                return Refused(codes.NOT_APPROVED)
            rule = await self._read(stored.document, stored.version, place)
            if isinstance(rule, BadRule):
                return rule
            set_version, in_force = await self._rules.in_force()
            others = [old for old in in_force if old.rule != rule_id or (old.version != stored.version and old.mode is not place)]
            compiled = await self._compiled(set_version + 1, others, rule)
            if isinstance(compiled, BadRule):
                return compiled
            at_us = self._clock()
            ruleset = await self._rules.activate(rule_id, stored.version, by, at_us, shadow=shadow)
            self._others.tell(RulesChanged(ruleset))
            await self._use(compiled, ruleset)
            return Activation(rule, ruleset, at_us)

    async def retire(self, rule_id: str, by: AccountId | None) -> int | Refused:
        """Take a rule out of force; returns the version of the set without it. ``no_rule`` if it was neither live nor in the shadow.

        Raises: as ``activate``.
        """
        async with self._changing:
            set_version, in_force = await self._rules.in_force()
            compiled = await self._compiled(set_version + 1, [old for old in in_force if old.rule != rule_id], None)
            assert isinstance(compiled, RuleSet), "a smaller set breaks no bound"
            ruleset = await self._rules.retire(rule_id, by, self._clock())
            if ruleset is None:
                return Refused(codes.NO_RULE)
            self._others.tell(RulesChanged(ruleset))
            await self._use(compiled, ruleset)
            return ruleset

    async def put_list(self, name: str, terms: Sequence[str], by: AccountId | None) -> int:
        """Store a list of terms; rules that are in force keep the version that they were made with until ``renew``."""
        return await self._rules.put_list(name, terms, by, self._clock())

    async def renew(self, name: str, by: AccountId | None) -> list[Activation | BadRule | Refused]:
        """Store and activate every live rule that names a list anew, with the list's latest version."""
        _, in_force = await self._rules.in_force()
        done: list[Activation | BadRule | Refused] = []
        for old in in_force:
            if old.mode is Mode.LIVE and name in {ref.list for ref in lists_of(old.document)}:
                added = await self.add(unpinned(old.document, name), by)
                done.append(added if isinstance(added, BadRule | Refused) else await self.activate(old.rule, by))
        return done

    async def read(self, document: Document, version: int) -> Rule | BadRule:
        """Read a document with the lists that it names, and try its examples."""
        return await self._read(document, version)

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
        version, in_force = await self._rules.in_force()
        if version == self._in_force.ruleset:
            return
        compiled = await self._compiled(version, in_force, None)
        if isinstance(compiled, BadRule):
            raise CannotCompile("*", compiled)
        self._swap(compiled)

    async def _read(self, document: Document, version: int, mode: Mode = Mode.DRAFT) -> Rule | BadRule:
        """Read a document, name the versions of its lists, take in their terms, try its examples."""
        pins: dict[str, TermList] = {}
        for ref in lists_of(document):
            if ref.version is None and ref.list not in pins and (held := await self._rules.term_list(ref.list)) is not None:
                pins[ref.list] = held
        document = pinned(document, {name: held.version for name, held in pins.items()})
        held_lists = {(held.name, held.version): held.terms for held in pins.values()}
        missing = await self._read_lists([document], held_lists)
        if missing is not None:
            return BadRule("match.lists", f"There is no list {missing}.")
        return await asyncio.to_thread(_usable, document, version, held_lists, mode)

    async def _read_lists(self, documents: Iterable[Document], held: dict[tuple[str, int], tuple[str, ...]]) -> str | None:
        """Read the lists that documents name into ``held``; returns one that there is not."""
        for document in documents:
            for ref in lists_of(document):
                if ref.version is None:
                    return ref.list
                if (ref.list, ref.version) not in held:
                    found = await self._rules.term_list(ref.list, ref.version)
                    if found is None:
                        return f"{ref.list} version {ref.version}"
                    held[found.name, found.version] = found.terms
        return None

    async def _compiled(self, version: int, in_force: Sequence[StoredRule], added: Rule | None) -> RuleSet | BadRule:
        """Compile what is stored and one more rule.

        Raises:
            CannotCompile: a stored rule is not usable.
        """
        lists: dict[tuple[str, int], tuple[str, ...]] = {}
        missing = await self._read_lists((old.document for old in in_force), lists)
        if missing is not None:
            raise CannotCompile("*", BadRule("match.lists", f"There is no list {missing}."))
        return await asyncio.to_thread(_compile, version, in_force, lists, self._memory, added)

    def _swap(self, ruleset: RuleSet) -> None:
        self._stage.use(ruleset)
        self._in_force = replace(self._in_force, ruleset=ruleset.version, at_us=self._clock())


def _usable(document: Document, version: int, lists: Lists, mode: Mode) -> Rule | BadRule:
    """Read a document and try its examples."""
    rule = parse(document, version)
    if isinstance(rule, BadRule):
        return rule
    rule = judging(with_lists(rule, lists), mode)
    return check_examples(rule) or rule


def _compile(version: int, in_force: Sequence[StoredRule], lists: Lists, memory: Memory, added: Rule | None) -> RuleSet | BadRule:
    """Compile stored documents and one more rule.

    Raises:
        CannotCompile: a stored document is not usable.
    """
    rules = [] if added is None else [added]
    for old in in_force:
        # Its examples held when it was activated; asking them all again would take longer than the compiling.
        rule = parse(old.document, old.version)
        if not isinstance(rule, BadRule):
            rule = judging(with_lists(rule, lists), old.mode)
            rule = fault(rule) or rule
        if isinstance(rule, BadRule):
            raise CannotCompile(old.rule, rule)
        rules.append(rule)
    return check_size(rules) or compile_rules(version, rules, memory)
