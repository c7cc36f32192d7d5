"""What the server tells its operator: logs as key-value lines, metrics in Prometheus' format.

Neither ever carries a body, a token or a password: log calls name ids and codes, and what slips in is taken out here.
"""

import logging
import sys
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from parley_server.domain.verdict import Verdict
from parley_server.gateway.counts import Counts

SECRET: Final = frozenset({"authorization", "body", "handle", "nonce", "password", "reason", "text", "token"})
"""Keys whose values never reach a log line."""

APPEND_S: Final = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0, 2.0, 5.0, 15.0)
"""Bounds of the append histogram; the last is the longest wait that the store allows."""

INSPECT_S: Final = (0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
"""Bounds of the inspection histogram."""

_ROW: Final = "DETAIL:"
_NEXT_ERROR: Final = ("The above exception was", "During handling of the above")

_COUNTS: Final = {
    "deliveries": "Events written to readers.",
    "writes": "Writes to readers' transports.",
    "lagged": "Readers that fell behind.",
    "resets": "Connections reset because they may have held a retracted post.",
    "slow_cuts": "Connections cut because they took nothing.",
    "healed": "Holes in a board's log that were read from the store.",
    "suppressed": "Posts hidden before their record was committed.",
    "store_reads": "Pages read from the store for readers that were behind.",
}


@dataclass(frozen=True, slots=True)
class Sources:
    """Where numbers are read when they are asked for: ``hub.counts``, and the sizes of things."""

    counts: Counts
    connections: Callable[[], int]
    watchers: Callable[[], int]
    unrecorded: Callable[[], int]


class Telemetry:
    """The metrics of this process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._append = Histogram(
            "parley_append_seconds", "From an accepted post to its commit.", buckets=APPEND_S, registry=self._registry
        )
        self._inspect = Histogram(
            "parley_inspection_seconds", "One inspection, waiting included.", buckets=INSPECT_S, registry=self._registry
        )
        self._verdicts = Counter("parley_verdicts", "Verdicts by outcome.", ["outcome"], registry=self._registry)

    def read_from(self, sources: Sources) -> None:
        """Name the sources; to be called once."""
        self._registry.register(_Sizes(sources))

    def appended(self, took_s: float) -> None:
        """Count one append."""
        self._append.observe(took_s)

    def inspected(self, verdict: Verdict, took_us: int) -> None:
        """Count one inspection."""
        self._verdicts.labels(type(verdict).__name__.lower()).inc()
        self._inspect.observe(took_us / 1_000_000)

    def page(self) -> bytes:
        """Return all metrics as text."""
        return generate_latest(self._registry)


class _Sizes(Collector):
    """Reads the sources when the page is asked for."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def collect(self) -> Iterable[Metric]:
        """Give each number as it is now."""
        sources = self._sources
        for count in fields(sources.counts):
            says = _COUNTS.get(count.name, f"Hub: {count.name.replace('_', ' ')}.")
            yield CounterMetricFamily(f"parley_hub_{count.name}", says, value=getattr(sources.counts, count.name))
        yield GaugeMetricFamily("parley_connections", "Open connections that said hello.", value=sources.connections())
        yield GaugeMetricFamily("parley_alert_watchers", "Connections that watch alerts.", value=sources.watchers())
        yield GaugeMetricFamily(
            "parley_unrecorded_retractions",
            "Posts that are hidden while their record is tried again.",
            value=sources.unrecorded(),
        )


def set_up_logs(form: Literal["console", "json"], stream: TextIO = sys.stderr) -> None:
    """Send every log line, also those of libraries, to ``stream`` in one format."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        without_secrets,
    ]
    # The plain formatter: the others print the variables of each frame, and with them bodies and passwords.
    render: list[structlog.typing.Processor] = [structlog.processors.format_exc_info, without_rows]
    if form == "json":
        render.append(structlog.processors.JSONRenderer())
    else:
        plain = structlog.dev.plain_traceback
        render.append(structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=plain))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)


def without_secrets(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take out what must not be logged, whoever put it there."""
    for key in SECRET.intersection(event):
        event[key] = "(not logged)"
    return event


def without_rows(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take PostgreSQL's ``DETAIL`` out of an error's text: it quotes the row, and with it what somebody wrote."""
    for key in ("exception", "cause"):
        text = event.get(key)
        if isinstance(text, str) and _ROW in text:
            event[key] = "\n".join(_up_to_rows(text.splitlines()))
    return event


def _up_to_rows(lines: Iterable[str]) -> Iterable[str]:
    """Leave out each ``DETAIL`` with the lines of the text that it quotes, up to the next error of the chain."""
    inside = False
    for line in lines:
        if line.startswith(_NEXT_ERROR):
            inside = False
        elif line.startswith(_ROW):
            inside = True
        if not inside:
            yield line
