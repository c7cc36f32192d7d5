"""What the server tells its operator: logs as key-value lines, metrics in Prometheus' format.

Neither ever carries a body, a token or a password: log calls name ids and codes, and what slips in is taken out here.
"""

import logging
import sys
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, fields
from itertools import accumulate
from typing import Any, Final, Literal, TextIO

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from parley_server.bus.counts import Counts as BusCounts
from parley_server.domain.verdict import Verdict
from parley_server.gateway.counts import Counts

SECRET: Final = frozenset({"authorization", "body", "handle", "nonce", "password", "reason", "text", "token"})
"""Keys whose values never reach a log line."""

APPEND_S: Final = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0, 2.0, 5.0, 15.0)
"""Bounds of the append histogram; the last is the longest wait that the store allows."""

INSPECT_S: Final = (0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
"""Bounds of the inspection histogram."""

ASK_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Bounds of the histogram of questions to other nodes."""

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


_BUS_LANES: Final = {
    "sent": "Hints that Redis took from this node.",
    "received": "Hints of other nodes that were acted on.",
    "dropped": "Hints that found their lane full, or waited too long.",
}

_BUS: Final = {
    "messages": "Messages that Redis took from this node; hints sent per message is how much was joined.",
    "missed": "Messages of other nodes that were sent and did not arrive.",
    "unknown": "Hints that a newer version sent; left out.",
    "garbled": "Messages and hints that nobody can read; left out.",
    "failed": "Hints that this node could not act on.",
    "broken": "Connections to Redis that were lost.",
}


@dataclass(frozen=True, slots=True)
class Sources:
    """Where numbers are read when they are asked for: ``hub.counts``, and the sizes of things."""

    counts: Counts
    connections: Callable[[], int]
    watchers: Callable[[], int]
    unrecorded: Callable[[], int]


class Timing:
    """A histogram of seconds. The library's takes a lock for each of three numbers, four times as long; all of ours are the loop's."""

    __slots__ = ("_bounds", "_counts", "_name", "_says", "_total_s")

    def __init__(self, name: str, says: str, bounds_s: Sequence[float]) -> None:
        self._name = name
        self._says = says
        self._bounds = tuple(bounds_s)
        self._counts = [0] * (len(bounds_s) + 1)
        self._total_s = 0.0

    def observe(self, took_s: float) -> None:
        """Count one event."""
        self._counts[bisect_left(self._bounds, took_s)] += 1
        self._total_s += took_s

    def family(self) -> HistogramMetricFamily:
        """Return the histogram as it is now, each bucket with all that is below it."""
        names = [*map(floatToGoString, self._bounds), "+Inf"]
        buckets = list(zip(names, accumulate(self._counts), strict=True))
        return HistogramMetricFamily(self._name, self._says, buckets=buckets, sum_value=self._total_s)


class Telemetry:
    """The metrics of this process. ``worker``: its number, which each line then carries; ``None`` where it is alone on its port."""

    def __init__(self, worker: int | None = None) -> None:
        self._registry = CollectorRegistry() if worker is None else _OfWorker(worker)
        ProcessCollector(registry=self._registry)
        self._append = Timing("parley_append_seconds", "From an accepted post to its commit.", APPEND_S)
        self._inspect = Timing("parley_inspection_seconds", "One inspection, waiting included.", INSPECT_S)
        self._asked = Timing("parley_bus_ask_seconds", "From a question to other nodes to their answers.", ASK_S)
        self._verdicts: defaultdict[type[Verdict], int] = defaultdict(int)
        self._registry.register(_Own((self._append, self._inspect, self._asked), self._verdicts))

    def read_from(self, sources: Sources) -> None:
        """Name the sources; to be called once."""
        self._registry.register(_Sizes(sources))

    def read_bus(self, counts: BusCounts, up: Callable[[], bool]) -> None:
        """Name the bus; to be called once, where there is one."""
        self._registry.register(_Bus(counts, up))

    def read_nodes(self, living: Callable[[], int], speaks: Callable[[], bool], claims: Callable[[], int]) -> None:
        """Name what is known of the other nodes; to be called once, where there may be some."""
        self._registry.register(_Nodes(living, speaks, claims))

    def asked(self, took_s: float) -> None:
        """Count one question to other nodes."""
        self._asked.observe(took_s)

    def appended(self, took_s: float) -> None:
        """Count one append."""
        self._append.observe(took_s)

    def inspected(self, verdict: Verdict, took_us: int) -> None:
        """Count one inspection."""
        self._verdicts[type(verdict)] += 1
        self._inspect.observe(took_us / 1_000_000)

    def page(self) -> bytes:
        """Return all metrics as text."""
        return generate_latest(self._registry)


class _OfWorker(CollectorRegistry):
    """A registry that says of each line which worker's it is."""

    def __init__(self, worker: int) -> None:
        super().__init__()
        self._label = {"worker": str(worker)}

    def collect(self) -> Iterable[Metric]:
        """Give each metric, labelled."""
        for metric in super().collect():
            metric.samples = [sample._replace(labels=self._label | sample.labels) for sample in metric.samples]
            yield metric


class _Own(Collector):
    """Reads what this module counts when the page is asked for."""

    def __init__(self, timings: Sequence[Timing], verdicts: Mapping[type[Verdict], int]) -> None:
        self._timings = timings
        self._verdicts = verdicts

    def collect(self) -> Iterable[Metric]:
        """Give each number as it is now."""
        for timing in self._timings:
            yield timing.family()
        verdicts = CounterMetricFamily("parley_verdicts", "Verdicts by outcome.", labels=["outcome"])
        for verdict, count in self._verdicts.items():
            verdicts.add_metric([verdict.__name__.lower()], count)
        yield verdicts


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


class _Nodes(Collector):
    """Reads what is known of the other nodes when the page is asked for."""

    def __init__(self, living: Callable[[], int], speaks: Callable[[], bool], claims: Callable[[], int]) -> None:
        self._living = living
        self._speaks = speaks
        self._claims = claims

    def collect(self) -> Iterable[Metric]:
        """Give each number as it is now."""
        yield GaugeMetricFamily("parley_nodes", "Living nodes as of the last beat, this one included.", value=self._living())
        yield GaugeMetricFamily("parley_node_speaks", "1 while this node serves, 0 while it is silent.", value=self._speaks())
        yield GaugeMetricFamily(
            "parley_claims", "Posts hidden here by acts of other nodes whose outcome is not known.", value=self._claims()
        )


class _Bus(Collector):
    """Reads the bus when the page is asked for."""

    def __init__(self, counts: BusCounts, up: Callable[[], bool]) -> None:
        self._counts = counts
        self._up = up

    def collect(self) -> Iterable[Metric]:
        """Give each number as it is now."""
        yield GaugeMetricFamily("parley_bus_up", "1 while other nodes can be reached.", value=self._up())
        for name, says in _BUS_LANES.items():
            family = CounterMetricFamily(f"parley_bus_{name}", says, labels=["lane"])
            for lane in ("urgent", "ordinary"):
                family.add_metric([lane], getattr(self._counts, f"{lane}_{name}"))
            yield family
        for name, says in _BUS.items():
            yield CounterMetricFamily(f"parley_bus_{name}", says, value=getattr(self._counts, name))


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
