"""Acts of other nodes that hide posts here: begun, told again, ended, late, lost (decision 0022).

Hints of one act may come twice, in another order, or not at all. So each act is one claim, whatever is said how often; its end is
remembered for a while; and one that is not heard of any more is looked up in the store, which knows what became of it.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from parley_protocol.ids import BoardId, PostId
from parley_server import limits
from parley_server.domain.hints import ActId, Hide, Lift, Settle
from parley_server.domain.posts import PostState
from parley_server.gateway.hub import Hub
from parley_server.ports import BoardLog

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Claim:
    """An act that hides a post here. ``said_at``: when this node heard of it last."""

    board: BoardId
    post: PostId
    said_at: float


@dataclass(frozen=True, slots=True)
class Ended:
    """An act that is over. ``seq``: where it stopped its post; ``None`` if it led to nothing, or nobody said."""

    seq: int | None
    at: float


class Claims:
    """The acts of other nodes. ``seconds``: the loop's clock."""

    def __init__(self, hub: Hub, log_: BoardLog, seconds: Callable[[], float]) -> None:
        self._hub = hub
        self._log = log_
        self._seconds = seconds
        self._open: dict[ActId, Claim] = {}
        self._ended: OrderedDict[ActId, Ended] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def hide(self, hint: Hide) -> None:
        """Hide a post for an act; on return nothing that leaves this node holds its text."""
        now = self._seconds()
        claim, ended = self._open.get(hint.act), self._ended.get(hint.act)
        if claim is not None:
            claim.said_at = now
        elif ended is None:
            self._hub.suppress(hint.board, hint.post, reset=hint.reset, ours=False)
            self._open[hint.act] = Claim(hint.board, hint.post, now)
        elif ended.seq is not None:
            # It was overtaken by its own end, and the post may have been restored since.
            self._hub.stopped(hint.board, hint.post, ended.seq, now, reset=hint.reset)

    def settle(self, hint: Settle) -> None:
        """End an act that is committed."""
        now = self._seconds()
        self._end(hint.act, hint.seq, now)
        if self._open.pop(hint.act, None) is not None:
            self._hub.settle(hint.post, now, hint.seq)

    def lift(self, hint: Lift) -> None:
        """End an act that led to nothing."""
        self._end(hint.act, None, self._seconds())
        if self._open.pop(hint.act, None) is not None:
            self._hub.lift(hint.post)

    async def look_up(self) -> None:
        """Ask the store what became of acts that nobody speaks of any more: the node that began one ended, or its end was lost.

        Raises:
            Unavailable: the store did not answer; they are asked about again.
        """
        now = self._seconds()
        while self._ended and now - next(iter(self._ended.values())).at > limits.ACTS_KEPT_S:
            self._ended.popitem(last=False)
        for act, claim in list(self._open.items()):
            if now - claim.said_at <= limits.CLAIM_S:
                continue
            info = await self._log.info(claim.post)
            if self._open.get(act) is not claim or self._seconds() - claim.said_at <= limits.CLAIM_S:
                continue  # It was spoken of while the store was asked.
            stopped = info is not None and info.state is not PostState.PUBLISHED
            log.info("claim_looked_up", post=claim.post, stopped=stopped)
            del self._open[act]
            if stopped:
                self._hub.settle(claim.post, self._seconds())
                self._hub.refresh(claim.board)
            else:
                self._hub.lift(claim.post)

    def _end(self, act: ActId, seq: int | None, now: float) -> None:
        self._ended[act] = Ended(seq, now)
