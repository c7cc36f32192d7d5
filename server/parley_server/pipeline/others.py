"""The other nodes of the site: what this one tells them, and how it knows that they acted on it (decision 0022)."""

import asyncio
from dataclasses import dataclass
from itertools import count
from typing import Final, TypeAlias

import structlog

from parley_protocol.ids import BoardId, PostId
from parley_server import limits
from parley_server.domain.hints import ActId, Hide, Hint, Lift, NodeId, Settle, Urgent
from parley_server.ports import Bus, Nodes, NodeState, Seen, Unavailable

log = structlog.get_logger(__name__)

Asked: TypeAlias = "asyncio.Task[frozenset[NodeId]] | None"


@dataclass(slots=True, eq=False)
class HidingAct:
    """An act of this node that hides a post, until ``settle`` or ``lift``.

    Attributes:
        asked: becomes the nodes that hid the post at once; ``None`` where there is nobody to ask.
        said_at: when the others were told last, in the loop's seconds.
    """

    hint: Hide
    asked: "Asked"
    said_at: float


class Others:
    """The way from this node to the others.

    Attributes:
        node: this one.
        nodes: who lives; ``None`` for one process alone, which waits for nobody.
    """

    def __init__(self, node: NodeId, bus: Bus, nodes: Nodes | None) -> None:
        self.node: Final = node
        self.nodes: Final = nodes
        self._bus = bus
        self._living: frozenset[NodeId] = frozenset()
        self._acts: dict[ActId, HidingAct] = {}
        self._asking: set[asyncio.Task[frozenset[NodeId]]] = set()
        self._numbers = count(1)

    def tell(self, hint: Hint) -> None:
        """Give a hint to every other node. Whether and when it arrives is not known."""
        self._bus.send(hint)

    def see(self, seen: Seen) -> None:
        """Note who lives, as of the latest beat: these are asked at once."""
        self._living = frozenset(state.node for state in seen.others)

    @property
    def living(self) -> int:
        """How many nodes live as of the latest beat, this one included."""
        return len(self._living) + 1

    # An act that hides a post.

    def hide(self, board: BoardId, post: PostId, *, reset: bool = True) -> HidingAct:
        """Begin to hide a post on every other node, ahead of everything else that they are told; ``reset``: as in ``Hub.suppress``."""
        hint = Hide(ActId(f"{self.node}/{next(self._numbers)}"), board, post, reset)
        act = self._acts[hint.act] = HidingAct(hint, self._ask(hint), asyncio.get_running_loop().time())
        return act

    async def hidden(self, act: HidingAct) -> None:
        """Wait until every living node hides the post of a committed act.

        Raises:
            Unavailable: one did not say so in time. It is committed, and not acknowledged.
        """
        await self._everywhere(act.hint, act.asked)

    def settle(self, act: HidingAct, seq: int | None) -> None:
        """Tell the others that an act is committed, at ``seq`` if that is known."""
        self._acts.pop(act.hint.act, None)
        self._bus.send(Settle(act.hint.act, act.hint.post, seq))

    def lift(self, act: HidingAct) -> None:
        """Tell the others that an act led to nothing."""
        self._acts.pop(act.hint.act, None)
        self._bus.send(Lift(act.hint.act, act.hint.post))

    def say_again(self, now: float) -> None:
        """Tell the others of the acts whose outcome is still not known: a node that hears nothing of one for long asks the store."""
        for act in self._acts.values():
            if now - act.said_at >= limits.HIDE_AGAIN_S:
                act.said_at = now
                self._bus.send(act.hint)

    # Other changes.

    async def everywhere(self, hint: Urgent) -> None:
        """Tell the others of a committed change, and wait until every living node acted on it.

        Raises:
            Unavailable: one did not say so in time. It is committed, and not acknowledged.
        """
        await self._everywhere(hint, self._ask(hint))

    async def judging(self, ruleset: int) -> list[NodeState]:
        """Wait until every other living node judges by a rule set, for at most ``JUDGING_S``; returns those that do."""
        if self.nodes is None:
            return []
        until = asyncio.get_running_loop().time() + limits.JUDGING_S
        while True:
            seen = await self._look()
            behind = [state.node for state in seen.others if state.ruleset < ruleset]
            if not behind:
                break
            if asyncio.get_running_loop().time() > until:
                log.error("nodes_judge_by_older_rules", ruleset=ruleset, nodes=behind)
                break
            await asyncio.sleep(limits.LOOK_AGAIN_S)
        return [state for state in seen.others if state.ruleset >= ruleset]

    async def close(self) -> None:
        """Ask nobody any more."""
        for task in list(self._asking):
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)

    # Inside.

    def _ask(self, hint: Urgent) -> Asked:
        """Begin to ask the nodes that are known to live."""
        if self.nodes is None:
            return None
        task = asyncio.get_running_loop().create_task(self._bus.ask(hint, self._living, limits.ASK_S))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)
        return task

    async def _everywhere(self, hint: Urgent, asked: Asked) -> None:
        """Wait until each living node acted: by its word over the bus, else by its beat, else by its end."""
        if asked is None:
            return
        # Shielded: who waits for the answer may leave, the question stands.
        acted = await asyncio.shield(asked)
        unheard: list[NodeId] = []
        try:
            async with asyncio.timeout(limits.EVERYWHERE_S):
                # After the commit: its change is among these, and so is every node that may not have seen it.
                seen = await self._look()
                changes = seen.changes
                while unheard := [state.node for state in seen.others if state.node not in acted and state.heard < changes]:
                    await asyncio.sleep(limits.LOOK_AGAIN_S)
                    seen = await self._look()
        except TimeoutError as error:
            log.error("not_acknowledged", kind=type(hint).__name__, nodes=unheard)
            raise Unavailable(f"{', '.join(unheard) or 'the store'} did not answer for a change") from error

    async def _look(self) -> Seen:
        """See who lives and how far they are; a store that does not answer is asked again."""
        assert self.nodes is not None
        while True:
            try:
                seen = await self.nodes.look(self.node)
            except Unavailable:
                await asyncio.sleep(limits.LOOK_AGAIN_S)
            else:
                self.see(seen)
                return seen
