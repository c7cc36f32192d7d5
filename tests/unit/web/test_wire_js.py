"""The web page's rules of coming back and of silence, run by node."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from parley_protocol.codes import CODES

MODULE: Final = Path(__file__).parents[3] / "clients" / "web" / "wire.js"
RUN: Final = """
let input = "";
for await (const part of process.stdin) input += part;
const { source, script } = JSON.parse(input);
const wire = await import("data:text/javascript," + encodeURIComponent(source));
console.log(JSON.stringify(new Function("wire", `return (${script})`)(wire)));
"""

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def run(script: str) -> Any:
    """Return the value of a JavaScript expression over ``wire``, the module."""
    given = json.dumps({"source": MODULE.read_text("utf-8"), "script": script})
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", RUN], input=given, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_delay_grows_to_30_seconds_and_is_never_below_100_ms() -> None:
    assert run("[0, 1, 2, 3, 10, 5000].map((n) => wire.delayMs(n, 1))") == [500, 1_000, 2_000, 4_000, 30_000, 30_000]
    assert run("wire.delayMs(10, 0)") == 100
    assert run("wire.delayMs(10, 0.5)") == 15_000


def test_what_bye_asked_for_is_waited_before_the_delay() -> None:
    assert run("wire.delayMs(1, 1, 7000)") == 8_000


def test_every_close_code_is_read_as_the_table_of_codes_means_it() -> None:
    closes = {code.close: code for code in CODES.values() if code.close is not None}
    final = run(f"{json.dumps(sorted(closes))}.filter(wire.isFinal)")
    assert final == [close for close in sorted(closes) if close >= 4500]
    assert run("[1000, 1001, 1006, 1012, 4000, 4499, 5000].filter(wire.isFinal)") == []


def test_the_codes_that_may_be_tried_again_are_those_of_the_table() -> None:
    names = sorted(CODES)
    retried = run(f"{json.dumps(names)}.filter((code) => new wire.Problem(code, '').retry)")
    assert retried == [name for name in names if CODES[name].retry]


def test_an_answer_to_a_repeated_request_can_say_that_it_was_done() -> None:
    pairs = [["retract", "post_stopped"], ["restore", "not_retracted"], ["release", "not_held"], ["refuse", "not_held"]]
    assert run(f"{json.dumps(pairs)}.every(([type, code]) => wire.wasDone(type, code))") is True
    assert run("wire.wasDone('retract', 'forbidden') || wire.wasDone('post', 'post_stopped')") is False


def test_a_board_is_silent_after_two_beats_beyond_the_cursor_with_no_event_between() -> None:
    watch = "((w) => {})(new wire.SilenceWatch())"
    assert run(watch.replace("{}", "[w.beat('b', 5, 4), w.beat('b', 5, 4)]")) == [False, True]
    assert run(watch.replace("{}", "[w.beat('b', 5, 4), (w.heard('b'), w.beat('b', 6, 5))]")) == [False, False]
    assert run(watch.replace("{}", "[w.beat('b', 5, 4), w.beat('b', 5, 5), w.beat('b', 6, 5)]")) == [False, False, False]
