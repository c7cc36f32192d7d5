"""Run scenarios of loadtest/scenarios/, write what they found as JSON and as a report with plots, compare it with thresholds.

    python loadtest/bench.py --quick                 every scenario, small: two minutes
    python loadtest/bench.py --full                  the whole matrix
    python loadtest/bench.py --full --only fanout    one of them; may be repeated

Exit status 1: a quotient is worse than its threshold, something is broken that has nothing to do with speed (a post lost, a text after
its retraction), or a scenario failed. Method and reading: loadtest/README.md.
"""

import argparse
import asyncio
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from harness import private
from harness.baseline import Baseline
from harness.figures import Outcome
from harness.judgement import judge
from harness.lines import ChildError
from harness.machine import this_machine
from harness.native import NoCompiler
from harness.result import Result, ScenarioResult
from harness.scenario import BadScenario, Effort, Scenario, load_all
from harness.stats import spread
from report import write_report
from peers.probe import NoSuchPeer
from scenarios import burst, fanout, idle, many_boards, presence, publish, reconnect_storm, retract, slow_readers, whole_job

HERE: Final = Path(__file__).resolve().parent
FILES_SPARE: Final = 400
"""Open files of a process beside its connections."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command, run, write, judge; return the exit status."""
    given = _parser().parse_args(arguments)
    effort: Effort = "full" if given.full else "quick"
    try:
        scenarios = _chosen(load_all(), given.only)
    except BadScenario as error:
        sys.exit(f"bench: {error}")
    if given.list:
        for scenario in scenarios:
            print(f"{scenario.name:18} {scenario.question}")
        return 0
    # Some peers listen where they must not on a machine with other networks, and what a peer leaves behind ends with the run.
    private.enter()
    machine = this_machine()
    baseline = Baseline.load(HERE / "baselines", machine.kind, effort)
    began, results = time.monotonic(), []
    for scenario in scenarios:
        sizes = scenario.sizes(effort) | ({"rounds": given.rounds} if given.rounds else {})
        results.append(_run(scenario, sizes, baseline, _command(effort, scenario.name, rounds=given.rounds)))
    took_s = time.monotonic() - began
    result = Result(_command(effort, *given.only, rounds=given.rounds), effort, machine, round(took_s, 1), baseline.name, results)
    folder: Path = given.out
    folder.mkdir(parents=True, exist_ok=True)
    result.write(folder / "result.json")
    write_report(result, folder)
    if given.update_baseline:
        print(f"baseline: {baseline.update(result)}")
    print(f"\n{took_s:.0f} s; report: {folder / 'report.md'}, figures: {folder / 'result.json'}")
    failures = [f"{one.name}: {what}" for one in results for what in one.failures()]
    for failure in failures:
        print(f"FAILED {failure}")
    return 1 if failures else 0


def _run(scenario: Scenario, sizes: Mapping[str, Any], baseline: Baseline, command: str) -> ScenarioResult:
    """Run one scenario and say what it found."""
    print(f"\n== {scenario.name}: {scenario.question}\n   {command}", flush=True)
    began = time.monotonic()
    outcome, failed = Outcome(), ""
    try:
        _allow_files(max((value for key, value in sizes.items() if key in {"readers", "connections"}), default=1_000))
        outcome = asyncio.run(_outcome(scenario.kind, sizes))
    except NoCompiler as error:
        outcome.skipped = str(error)
    except (ChildError, NoSuchPeer, TimeoutError, OSError, subprocess.CalledProcessError) as error:
        failed = f"{type(error).__name__}: {error}"
    except ExceptionGroup as group:
        known, other = group.split((ChildError, TimeoutError, OSError))
        if other is not None or known is None:
            raise
        failed = "; ".join(f"{type(error).__name__}: {error}" for error in known.exceptions)
    findings = [] if failed else judge(scenario.thresholds, outcome, baseline.quotients(scenario.name))
    took_s = round(time.monotonic() - began, 1)
    result = ScenarioResult(scenario.name, scenario.question, command, dict(sizes), took_s, outcome, findings, failed)
    for figure in outcome.figures:
        mark = "  ! the harness was the limit" if figure.busy else ""
        print(f"   {figure.name:58.58} {figure.of:28.28} {spread(figure.rounds, figure.digits):>26} {figure.unit}{mark}")
    print(
        f"   receiving end {outcome.swarm_share * 100:.0f} %, sending end {outcome.authors_share * 100:.0f} % of a core at most"
    )
    for finding in findings:
        print(f"   {finding.word}: {finding.figure}: {finding.says}")
    for line in [*outcome.notes, *result.failures()] + ([f"skipped: {outcome.skipped}"] if outcome.skipped else []):
        print(f"   {line}")
    return result


async def _outcome(kind: str, sizes: Mapping[str, Any]) -> Outcome:
    """Call the module of this kind."""
    match kind:
        case "burst":
            return await burst.run(burst.Size(**sizes))
        case "fanout":
            return await fanout.run(fanout.Size(**sizes))
        case "idle":
            return await idle.run(idle.Size(**sizes))
        case "many_boards":
            return await many_boards.run(many_boards.Size(**sizes))
        case "presence":
            return await presence.run(presence.Size(**sizes))
        case "publish":
            return await publish.run(publish.Size(**sizes))
        case "reconnect_storm":
            return await reconnect_storm.run(reconnect_storm.Size(**sizes))
        case "retract":
            return await retract.run(retract.Size(**sizes))
        case "slow_readers":
            return await slow_readers.run(slow_readers.Size(**sizes))
        case "whole_job":
            return await whole_job.run(whole_job.Size(**sizes))
        case _:
            sys.exit(f"bench: there is no kind of scenario called {kind!r}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    how_much = parser.add_mutually_exclusive_group()
    how_much.add_argument("--quick", action="store_true", help="small sizes (this is the default)")
    how_much.add_argument("--full", action="store_true", help="the sizes that figures are told of")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this scenario; may be repeated")
    parser.add_argument("--rounds", type=int, help="instead of the scenario's own number")
    parser.add_argument("--out", type=Path, default=HERE / "build" / "report", metavar="DIR", help="where the report goes")
    parser.add_argument(
        "--update-baseline", action="store_true", help="keep this run's quotients as the baseline of such machines"
    )
    parser.add_argument("--list", action="store_true", help="name the scenarios and end")
    return parser


def _chosen(scenarios: Sequence[Scenario], names: Sequence[str]) -> list[Scenario]:
    unknown = set(names) - {scenario.name for scenario in scenarios}
    if unknown:
        there = ", ".join(scenario.name for scenario in scenarios)
        sys.exit(f"bench: no such scenario: {', '.join(sorted(unknown))}; there are: {there}")
    return [scenario for scenario in scenarios if not names or scenario.name in names]


def _command(effort: Effort, *names: str, rounds: int | None = None) -> str:
    """Return the command that makes these figures again, from the repository's root."""
    words = [".venv/bin/python", "loadtest/bench.py", f"--{effort}"]
    for name in names:
        words += ["--only", name]
    return shlex.join(words + (["--rounds", str(rounds)] if rounds else []))


def _allow_files(connections: int) -> None:
    """Raise the limit of open files for our children, as far as it may go.

    Raises:
        OSError: the hard limit is too low for so many connections in one process.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + FILES_SPARE
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise OSError(f"{needed} open files are needed, the limit is {hard}: raise it with ulimit -n")
    if soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


if __name__ == "__main__":
    sys.exit(main())
