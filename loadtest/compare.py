"""Fan-out beside peers, as a table: server CPU per delivery and memory per idle connection, of every server in the same run.

Runs the scenarios fanout and idle (loadtest/scenarios/) with sizes from the command line. Peers that are not installed are named with the
command that brings them. Method and reading: loadtest/README.md.
"""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Final

from harness import private
from harness.beside import FLOOR
from harness.figures import Outcome
from harness.limits import allow_files
from harness.sheet import Column, sheet
from harness.terminal import finish
from peers.catalogue import TRANSPORTS
from scenarios import fanout, idle
from scenarios.fanout import MODES, PARLEY

MEMORY: Final = "resident memory per connection"


def tables(of_fanout: Outcome, of_idle: Outcome | None) -> str:
    """Return a table for each mode, and one of memory."""
    parts = []
    for mode in MODES:
        cpu = f"CPU per delivery, {mode}"
        columns = [
            Column("CPU us/delivery", cpu),
            Column("x floor", cpu, beside=FLOOR),
            Column("parley/it", cpu, beside=PARLEY, below=True),
            Column("fan-out/it", cpu, beside=FAN_OUT, below=True),
            Column("frames/read", f"frames that a read brings, {mode}"),
            Column("bytes", f"bytes of a delivery, {mode}"),
        ]
        if mode == "one at a time":
            columns += [Column("last ms p50", "to the last reader, p50"), Column("p99", "to the last reader, p99")]
        parts.append(sheet(of_fanout, mode, columns))
    if of_idle is not None:
        columns = [Column("RSS KiB/connection", MEMORY), Column("parley/it", MEMORY, beside=PARLEY, below=True)]
        parts.append(sheet(of_idle, "idle", columns))
    return "\n\n".join(parts)
