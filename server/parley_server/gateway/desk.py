"""What the sessions of a node work with."""

from dataclasses import dataclass

from parley_server.clock import World
from parley_server.gateway.hub import Hub
from parley_server.gateway.registry import Registry
from parley_server.pipeline.accounts import Accounts
from parley_server.pipeline.directory import Directory
from parley_server.pipeline.publish import Publisher
from parley_server.pipeline.takedown import Moderation
from parley_server.pipeline.watching import Watching


@dataclass(frozen=True, slots=True)
class Desk:
    """What every session of this node works with. ``limited``: setting ``PARLEY_LIMITS``."""

    hub: Hub
    registry: Registry
    directory: Directory
    accounts: Accounts
    publisher: Publisher
    moderation: Moderation
    watching: Watching
    world: World
    limited: bool
