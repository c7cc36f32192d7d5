"""What the routes need of the rest of the server, handed over once by the composition root."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from parley_server.clock import World
from parley_server.gateway.http import bounds
from parley_server.gateway.hub import Hub
from parley_server.pipeline.accounts import Accounts
from parley_server.pipeline.checkpoints import Checkpoints
from parley_server.pipeline.directory import Directory
from parley_server.pipeline.rates import Rates
from parley_server.pipeline.rulebook import Rulebook
from parley_server.pipeline.takedown import Moderation
from parley_server.ports import Alerts, BoardLog, KeptAnswers, People, Rules, Takedowns


class Rate(StrEnum):
    """What is counted apart. The value is the ``scope`` of the answer ``limited``."""

    CALLS = "calls"
    SIGN_UP = "sign_up"
    SIGN_IN = "sign_in"
    REPORTS = "reports"


def usual_rates() -> Mapping[Rate, Rates]:
    """Return empty buckets with the rates of ``bounds.py``."""
    return {
        Rate.CALLS: Rates(bounds.CALLS_PER_S, bounds.CALLS_BURST),
        Rate.SIGN_UP: Rates(bounds.SIGN_UPS_PER_S, bounds.SIGN_UPS_BURST),
        Rate.SIGN_IN: Rates(bounds.SIGN_INS_PER_S, bounds.SIGN_INS_BURST),
        Rate.REPORTS: Rates(bounds.REPORTS_PER_S, bounds.REPORTS_BURST),
    }


@dataclass(frozen=True, slots=True)
class Site:
    """What the server says of itself. ``verified_only``: setting ``PARLEY_IDENTITY``; ``node``: this process, in acknowledgements."""

    name: str
    version: str
    verified_only: bool
    node: str


@dataclass(frozen=True, slots=True)
class Services:
    """The parts behind the routes.

    Attributes:
        rates: ``None`` where limits are lifted.
        pages: folder of the web app; ``None`` serves none.
        ready: whether the store answers.
        metrics: all metrics in Prometheus' text format.
    """

    accounts: Accounts
    directory: Directory
    moderation: Moderation
    rulebook: Rulebook
    log: BoardLog
    takedowns: Takedowns
    alerts: Alerts
    rules: Rules
    people: People
    kept_answers: KeptAnswers
    hub: Hub
    checkpoints: Checkpoints
    site: Site
    ready: Callable[[], Awaitable[bool]]
    metrics: Callable[[], bytes]
    pages: Path | None = None
    rates: Mapping[Rate, Rates] | None = field(default_factory=usual_rates)
    world: World = field(default_factory=World)
