"""What a committed act tells, and to whom: readers, the author, the moderators."""

from collections.abc import Callable
from dataclasses import dataclass

from parley_protocol.ids import PostId
from parley_server.domain.takedowns import Filed
from parley_server.gateway.hub import Hub
from parley_server.gateway.registry import Registry
from parley_server.moderation.alerts import AlertStream


@dataclass(frozen=True, slots=True)
class Announcer:
    """Hands the parts of ``Filed`` to whom they concern. ``seconds``: the loop's clock."""

    hub: Hub
    registry: Registry
    alerts: AlertStream
    seconds: Callable[[], float]

    def filed(self, filed: Filed) -> None:
        """Announce a committed moderation act."""
        if filed.event is not None:
            self.hub.publish(filed.event)
        if filed.verdict is not None:
            self.registry.tell(filed.author, filed.verdict)
        if filed.alert is not None:
            self.alerts.raised()
        self.alerts.changed(filed.case)

    def settled(self, post: PostId, seq: int | None = None) -> None:
        """Note that a suppression's transaction is committed, and the seq of its event if that is known."""
        self.hub.settle(post, self.seconds(), seq)
