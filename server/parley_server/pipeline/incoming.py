"""What other nodes say, acted on here. Each hint may be lost, doubled, late or out of order; PostgreSQL is asked for what it is about."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from parley_server.domain.hints import (
    Alerted,
    BoardChanged,
    CaseMoved,
    Committed,
    Counted,
    Hide,
    Hint,
    Lift,
    PersonChanged,
    RulesChanged,
    SessionClosed,
    Settle,
    Told,
    Typed,
)
from parley_server.gateway.hub import Hub
from parley_server.gateway.registry import Registry
from parley_server.moderation.alerts import AlertStream
from parley_server.pipeline.beats import Beats
from parley_server.pipeline.claims import Claims
from parley_server.pipeline.directory import Directory
from parley_server.pipeline.rulebook import Rulebook


@dataclass(frozen=True, slots=True)
class Incoming:
    """Where a hint goes. ``seconds``: the loop's clock."""

    hub: Hub
    claims: Claims
    directory: Directory
    registry: Registry
    rulebook: Rulebook
    stream: AlertStream
    beats: Beats
    seconds: Callable[[], float]

    async def take(self, hint: Hint) -> None:
        """Act on a hint. On return of an urgent one nothing leaves this node that it forbids.

        Raises:
            Unavailable: the store did not answer; the next beat hears of it again.
        """
        match hint:
            case Committed():
                self.hub.publish(hint.event)
            case Hide():
                self.claims.hide(hint)
            case Settle():
                self.claims.settle(hint)
            case Lift():
                self.claims.lift(hint)
            case PersonChanged():
                await self.directory.person_changed(hint.account)
            case SessionClosed():
                self.registry.close_session(hint.account, hint.session)
            case BoardChanged():
                await self.directory.board_changed(hint.board)
            case RulesChanged():
                await self.rulebook.load_policies()
                # Compiling takes long, and nobody waits here for it: the node says by its beat when it judges by the new set.
                if hint.ruleset > self.rulebook.in_force.ruleset:
                    self.beats.load_rules()
            case Alerted():
                self.stream.raised()
            case CaseMoved():
                self.stream.changed(hint.case)
            case Told():
                self.registry.tell(hint.account, hint.verdict)
            case Counted():
                self.hub.counted(hint.node, hint.board, hint.online, self.seconds())
            case Typed():
                self.hub.typing(None, hint.board, hint.account, self.seconds())
            case _:
                assert_never(hint)
