"""A whole node under a seed: the promises that it must keep whatever is done to it.

``PARLEY_SIM_SEEDS`` says how many seeds are tried beside the regressions. A failure names its seeds; ``simulate(seed)`` does the same again.
"""

import logging
import os
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Final

import pytest
import structlog

from tests.simulation.model import Outcome, simulate
from tests.simulation.regressions import SEEDS

FRESH: Final = range(1_000, 1_000 + int(os.environ.get("PARLEY_SIM_SEEDS", "120")))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Keep to itself what a node logs about a world that is made to fail."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@cache
def outcome(seed: int) -> Outcome:
    """Run a seed once for all the promises."""
    return simulate(seed)


def assert_kept(promise: str) -> None:
    """Check that no run broke a promise; say which did, and how."""
    broken = {
        seed: [what for name, what in outcome(seed).broken if name == promise]
        for seed in (*SEEDS, *FRESH)
        if any(name == promise for name, _ in outcome(seed).broken)
    }
    said = "\n".join(f"seed {seed}: {len(what)} times, first: {what[0][:500]}" for seed, what in list(broken.items())[:5])
    assert not broken, f"{promise} broken by {len(broken)} seeds: {list(broken)}\n{said}"


def test_p1_nobody_gets_a_byte_of_a_withheld_or_refused_text_before_its_release() -> None:
    assert_kept("P1")


def test_p2_nothing_that_leaves_after_a_retraction_holds_the_text() -> None:
    assert_kept("P2")


def test_p3_the_notice_overtakes_content_and_unsent_bytes_of_the_text_never_arrive() -> None:
    assert_kept("P3")


def test_p4_everything_seen_and_everything_acknowledged_is_committed() -> None:
    assert_kept("P4")


def test_p5_every_reader_gets_one_order_without_holes_and_ends_with_the_stores_picture() -> None:
    assert_kept("P5")


def test_p6_every_stopped_post_has_record_evidence_case_and_alert() -> None:
    assert_kept("P6")


def test_p8_every_watcher_gets_every_alert_in_order() -> None:
    assert_kept("P8")


def test_p11_state_is_bounded_and_gone_when_everybody_left() -> None:
    assert_kept("P11")


def test_p14_after_a_ban_is_acknowledged_nothing_more_of_the_board_is_handed_over() -> None:
    assert_kept("P14")


def test_every_request_on_an_open_connection_is_answered() -> None:
    assert_kept("answers")


def test_no_part_of_the_server_fails() -> None:
    assert_kept("server")


def test_the_runs_do_what_the_promises_are_about() -> None:
    total = sum((Counter(outcome(seed).counts) for seed in FRESH), Counter[str]())
    per_run = {what: count / len(FRESH) for what, count in total.items()}
    assert per_run["crashes"] >= 1 and per_run["suppressed"] >= 3 and per_run["resets"] >= 0.2, per_run
    assert per_run["unsuppressed"] >= 0.5 and per_run["arrived late"] >= 0.05, per_run
    assert per_run["acknowledged"] >= 10 and per_run["records"] >= 10 and per_run["store reads"] >= 3, per_run


def test_the_same_seed_does_the_same_again() -> None:
    assert simulate(FRESH[0]) == outcome(FRESH[0])
