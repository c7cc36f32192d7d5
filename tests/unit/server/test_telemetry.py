import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from parley_server.domain.verdict import Allow, Withhold
from parley_server.gateway.counts import Counts
from parley_server.telemetry import Sources, Telemetry, set_up_logs


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    set_up_logs("json", stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


def test_the_page_shows_what_the_sources_say_when_it_is_asked_for() -> None:
    counts = Counts()
    telemetry = Telemetry()
    telemetry.read_from(Sources(counts, lambda: 7, lambda: 2, lambda: 1))
    counts.deliveries = 41
    counts.deliveries += 1
    page = telemetry.page().decode()
    assert "parley_hub_deliveries_total 42.0" in page
    assert "parley_connections 7.0" in page
    assert "parley_alert_watchers 2.0" in page
    assert "parley_unrecorded_retractions 1.0" in page


def test_verdicts_are_counted_by_outcome() -> None:
    telemetry = Telemetry()
    telemetry.inspected(Allow(1), 120)
    telemetry.inspected(Allow(1), 80)
    telemetry.inspected(Withhold(1, ()), 90)
    page = telemetry.page().decode()
    assert 'parley_verdicts_total{outcome="allow"} 2.0' in page
    assert 'parley_verdicts_total{outcome="withhold"} 1.0' in page
    assert "parley_inspection_seconds_count 3.0" in page


def test_appends_are_timed() -> None:
    telemetry = Telemetry()
    telemetry.appended(0.003)
    page = telemetry.page().decode()
    assert 'parley_append_seconds_bucket{le="0.002"} 0.0' in page
    assert 'parley_append_seconds_bucket{le="0.004"} 1.0' in page


def test_a_log_line_never_holds_a_token_or_a_body(lines: io.StringIO) -> None:
    structlog.get_logger("t").info("happened", token="tok-1", body="said-1", post="p1")
    held = json.loads(lines.getvalue())
    assert held["post"] == "p1"
    assert "tok-1" not in lines.getvalue()
    assert "said-1" not in lines.getvalue()


def test_an_error_of_the_database_is_logged_without_the_row_that_it_quotes(lines: io.StringIO) -> None:
    row = "p1, said-1\nsaid-2"
    said = f"violates check\nDETAIL:  Failing row contains ({row})."
    try:
        raise ValueError(said)
    except ValueError as error:
        cause = error
    try:
        raise RuntimeError("while storing") from cause
    except RuntimeError:
        structlog.get_logger("t").exception("failed")
    shown = json.loads(lines.getvalue())["exception"]
    assert "violates check" in shown
    assert "while storing" in shown
    assert "said-" not in shown


def test_lines_of_libraries_have_the_same_form(lines: io.StringIO) -> None:
    logging.getLogger("library").warning("hello")
    assert json.loads(lines.getvalue())["event"] == "hello"
