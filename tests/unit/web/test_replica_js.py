"""The web page's replica ends in the same pictures as every other one: the golden vectors, run by node."""

import json
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[3]
MODULE: Final = ROOT / "clients" / "web" / "replica.js"
VECTORS: Final = ROOT / "protocol" / "vectors" / "replica.json"

# A `data:` address lets any node read the file as an ES module, without a package.json that the page does not need.
RUN: Final = """
let input = "";
for await (const part of process.stdin) input += part;
const { source, runs, keep } = JSON.parse(input);
const { Replica } = await import("data:text/javascript," + encodeURIComponent(source));
const results = runs.map((events) => {
  const replica = new Replica("lobby", "e", 0, keep);
  const changes = events.map((event) => replica.apply(event));
  const picture = replica.posts().map((view) => ({ ...view, reactions: Object.fromEntries(view.reactions) }));
  return { cursor: replica.seq, picture, changes: changes.map((change) => change && change.kind) };
});
console.log(JSON.stringify(results));
"""

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def run(runs: list[list[dict[str, Any]]], keep: int = 1_000) -> list[dict[str, Any]]:
    """Apply each list of events to an empty replica in node; return cursor, picture and kinds of change of each."""
    given = json.dumps({"source": MODULE.read_text("utf-8"), "runs": runs, "keep": keep})
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", RUN], input=given, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    results: list[dict[str, Any]] = json.loads(done.stdout)
    return results


def vectors() -> list[dict[str, Any]]:
    """Read the golden vectors."""
    entries: list[dict[str, Any]] = json.loads(VECTORS.read_text("utf-8"))
    return entries


def test_every_vector_ends_in_its_picture_and_cursor() -> None:
    entries = vectors()
    for entry, result in zip(entries, run([entry["events"] for entry in entries]), strict=True):
        assert result["picture"] == entry["picture"], entry["name"]
        assert result["cursor"] == entry["cursor"], entry["name"]


def test_events_shuffled_and_repeated_end_in_the_same_picture() -> None:
    # What ``suppress`` and ``unsuppress`` mean depends on what came before them; the others commute.
    control = ("suppress", "unsuppress")
    entries = [entry for entry in vectors() if all(event["type"] not in control for event in entry["events"])]
    order = random.Random(4711)
    runs = [order.sample(entry["events"] * 2, 2 * len(entry["events"])) for entry in entries for _ in range(5)]
    results = run(runs)
    for index, result in enumerate(results):
        entry = entries[index // 5]
        assert result["picture"] == entry["picture"], entry["name"]
        assert result["cursor"] == entry["cursor"], entry["name"]


def test_a_stopped_post_is_reported_as_hidden_once_and_an_old_text_does_not_show_it() -> None:
    posted = {
        "type": "posted",
        "board": "lobby",
        "seq": 1,
        "post": "p",
        "author": {"id": "a", "name": "A"},
        "body": "x",
        "at": 1,
        "rev": 1,
    }
    suppress = {"type": "suppress", "board": "lobby", "post": "p"}
    [result] = run([[posted, suppress, suppress, posted]])
    assert result["changes"] == ["shown", "hidden", None, None]
    assert result["picture"] == []


def test_a_forgotten_post_does_not_come_back() -> None:
    events = [
        {
            "type": "posted",
            "board": "lobby",
            "seq": seq,
            "post": f"p{seq}",
            "author": {"id": "a", "name": "A"},
            "body": "x",
            "at": seq,
            "rev": 1,
        }
        for seq in (1, 2, 3)
    ]
    [result] = run([[*events, events[0]]], keep=2)
    assert [view["post"] for view in result["picture"]] == ["p2", "p3"]
