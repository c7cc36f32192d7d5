"""What a committed act tells, and to whom: readers, the author, the moderators, on this node and on the others."""

from collections.abc import Callable
from dataclasses import dataclass

from parley_protocol.frames import Deleted, Event
from parley_protocol.ids import BoardId, PostId
from parley_server.domain.answers import Refused
from parley_server.domain.hints import Alerted, CaseMoved, Committed, Told
from parley_server.domain.takedowns import Case, Filed
from parley_server.gateway.hub import Hub
from parley_server.gateway.registry import Registry
from parley_server.moderation.alerts import AlertStream
from parley_server.pipeline.others import HidingAct, Others


@dataclass(frozen=True, slots=True)
class Announcer:
    """Hands what was committed, or is about to be, to whom it concerns. ``seconds``: the loop's clock."""

    hub: Hub
    registry: Registry
    alerts: AlertStream
    others: Others
    seconds: Callable[[], float]

    def committed(self, event: Event) -> None:
        """Let the readers see an event, as the store returned it."""
        self.hub.publish(event)
        self.others.tell(Committed(event))

    def filed(self, filed: Filed) -> None:
        """Announce a committed moderation act."""
        if filed.event is not None:
            self.committed(filed.event)
        if filed.verdict is not None:
            self.registry.tell(filed.author, filed.verdict)
            self.others.tell(Told(filed.author, filed.verdict))
        if filed.alert is not None:
            self.alerts.raised()
            self.others.tell(Alerted())
        self.moved(filed.case)

    def moved(self, case: Case) -> None:
        """Tell the moderators how a case stands."""
        self.alerts.changed(case)
        self.others.tell(CaseMoved(case))

    # Acts that hide a post.

    def hide(self, board: BoardId, post: PostId) -> HidingAct | Refused:
        """Hide a post here, and begin to hide it everywhere; ``settled`` or ``lifted`` ends it. ``limited``: as ``Hub.suppress``."""
        return self.hub.suppress(board, post) or self.others.hide(board, post)

    def deleted(self, event: Deleted) -> HidingAct:
        """Announce a deletion by the author. It is committed, so nothing can refuse to hide the post."""
        self.hub.suppress(event.board, event.post, reset=False, ours=False)
        act = self.others.hide(event.board, event.post, reset=False)
        self.committed(event)
        self.settled(act, event.seq)
        return act

    def settled(self, act: HidingAct, seq: int | None = None) -> None:
        """Note that an act is committed, and the seq of its event if that is known."""
        self.hub.settle(act.hint.post, self.seconds(), seq)
        self.others.settle(act, seq)

    def lifted(self, act: HidingAct) -> None:
        """Note that an act led to nothing."""
        self.hub.lift(act.hint.post)
        self.others.lift(act)

    async def hidden(self, act: HidingAct) -> None:
        """Wait until the post of a committed act is hidden on every living node (P2).

        Raises:
            Unavailable: one did not say so in time.
        """
        await self.others.hidden(act)
