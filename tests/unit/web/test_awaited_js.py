"""The web page's memory of suppressions says what the SDK's says, run by node on the same random acts."""

import json
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from parley_protocol.awaited import Awaited
from parley_protocol.ids import PostId

MODULE: Final = Path(__file__).parents[3] / "clients" / "web" / "awaited.js"
RUN: Final = """
let input = "";
for await (const part of process.stdin) input += part;
const { source, acts } = JSON.parse(input);
const { Awaited } = await import("data:text/javascript," + encodeURIComponent(source));
const awaited = new Awaited();
const said = [];
for (const [act, value] of acts) {
  if (act === "begin") awaited.begin(value, true);
  else if (act === "gap") awaited.begin(value, false);
  else if (act === "reached") said.push(awaited.reached(value));
  else awaited.take({ type: act, board: "lobby", post: value });
}
console.log(JSON.stringify(said));
"""

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def acts(order: random.Random) -> list[tuple[str, Any]]:
    """Draw what happens to a board: frames of three posts, subscriptions, cursors."""
    drawn: list[tuple[str, Any]] = []
    for _ in range(400):
        act = order.choice(
            ["suppress", "suppress", "begin", "gap", "reached", "reached", "retracted", "deleted", "restored", "unsuppress"]
        )
        drawn.append((act, order.randint(0, 9) if act in ("begin", "gap", "reached") else order.choice("pqr")))
    return drawn


def test_both_show_the_same_posts_again() -> None:
    drawn = acts(random.Random(4711))
    awaited, said = Awaited(), []
    for act, value in drawn:
        match act:
            case "suppress":
                awaited.suppressed(PostId(value))
            case "begin" | "gap":
                awaited.begin(value, whole=act == "begin")
            case "reached":
                said.append(list(awaited.reached(value)))
            case _:
                awaited.ended(PostId(value))
    given = json.dumps({"source": MODULE.read_text("utf-8"), "acts": drawn})
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", RUN], input=given, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == said and any(said)
