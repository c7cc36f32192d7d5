"""Run the suites in order, say what each did, and end with what was not run: ``make test``.

A failure does not stop the suites after it. Exit status 1 when a suite failed; in CI (``CI=true``) also when anything
was skipped, since a machine that is prepared for the tests has no reason to leave one out.

Usage: ``python tests/run.py [SUITE...]``, all suites when none is named.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parent.parent
SUITE_SECONDS_MAX = 900
"""One suite may take this long; it is then stopped and has failed."""

INTERRUPT_SECONDS_MAX = 20
"""How long a suite may clean up after Ctrl-C."""

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PYTEST_NO_TESTS = 5
"""pytest's exit status when it found no test."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite: its commands in order, or the folder whose tests pytest runs in a process of their own."""

    name: str
    commands: Sequence[Sequence[str]] = ()
    folder: str | None = None


SUITES = (
    Suite("lint", commands=(("ruff", "format", "--check", "."), ("ruff", "check", "."))),
    Suite("types", commands=(("mypy",), ("pyright",))),
    Suite("unit", folder="tests/unit"),
    Suite("contract", folder="tests/contract"),
    Suite("simulation", folder="tests/simulation"),
    Suite("fuzz", folder="tests/fuzz"),
    Suite("integration", folder="tests/integration"),
    # Playwright's synchronous API leaves a loop running on the main thread, so these are never in one process with async tests.
    Suite("browser", folder="tests/browser"),
)


@dataclass(slots=True)
class Result:
    """What came of one suite. ``skips``: reason and how many tests; ``tests`` is 0 for a suite of commands."""

    suite: str
    seconds: float = 0.0
    failed: bool = False
    tests: int = 0
    failures: int = 0
    skips: Counter[str] = field(default_factory=Counter)

    @property
    def word(self) -> str:
        """The result in one word."""
        if self.failed:
            return "FAILED"
        return "skipped" if self.skips and self.tests == self.skips.total() else "passed"


def main(names: Sequence[str]) -> int:
    """Run the suites that are named, or all; return the exit status."""
    unknown = set(names) - {suite.name for suite in SUITES}
    if unknown:
        print(f"No such suite: {', '.join(sorted(unknown))}. There are: {', '.join(suite.name for suite in SUITES)}.")
        return 2
    in_ci = os.environ.get("CI", "").lower() in {"1", "true", "yes"}
    results = [run(suite) for suite in SUITES if not names or suite.name in names]
    report(results)
    failed = [result.suite for result in results if result.failed]
    skipped = [result.suite for result in results if result.skips]
    if failed:
        print(f"\nFAILED: {', '.join(failed)}")
    elif skipped and in_ci:
        print("\nFAILED: in CI nothing may be skipped")
    else:
        print("\nAll that ran passed." if skipped else "\nAll passed, nothing was skipped.")
    return 1 if failed or (skipped and in_ci) else 0


def run(suite: Suite) -> Result:
    """Run one suite; its own output goes straight to the terminal."""
    print(f"\n== {suite.name}", flush=True)
    started = time.monotonic()
    result = Result(suite.name)
    if suite.folder is None:
        for command in suite.commands:
            result.failed |= call(command) != 0
    elif reason := why_not(suite):
        result.skips[reason] += 1
        result.tests = 1
    else:
        run_pytest(suite.folder, result)
    result.seconds = time.monotonic() - started
    print(f"== {suite.name}: {result.word} in {result.seconds:.1f} s", flush=True)
    return result


def why_not(suite: Suite) -> str | None:
    """Why the tests of this suite cannot run here, if they cannot."""
    assert suite.folder is not None
    if not any((ROOT / suite.folder).rglob("test_*.py")):
        return "no tests in " + suite.folder
    if suite.name == "browser" and not any(shutil.which(name) for name in CHROMIUM_NAMES):
        return "no Chromium found (tried " + ", ".join(CHROMIUM_NAMES) + ")"
    return None


def run_pytest(folder: str, result: Result) -> None:
    """Run pytest on one folder and count what it reports."""
    with tempfile.TemporaryDirectory(prefix="parley-tests-") as scratch:
        report_file = Path(scratch, "report.xml")
        status = call(("pytest", "-q", "--durations=3", "--durations-min=5", f"--junitxml={report_file}", folder))
        result.failed = status not in {0, PYTEST_NO_TESTS}
        if status == PYTEST_NO_TESTS:
            result.skips["no tests in " + folder] += 1
        if not report_file.exists():
            return
        # The file was written by pytest a moment ago: the parser's weakness against hostile XML does not matter.
        cases = list(ET.parse(report_file).iter("testcase"))  # noqa: S314
    result.tests = len(cases)
    for case in cases:
        if (skip := case.find("skipped")) is not None:
            result.skips[skip.get("message") or "no reason given"] += 1
        elif case.find("failure") is not None or case.find("error") is not None:
            result.failures += 1


def call(command: Sequence[str]) -> int:
    """Run a module of this Python's environment as a program, for a bounded time; return its exit status."""
    # pyright asks the network for a newer version unless told not to; its program and its Node are in the environment.
    environment = {**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1", "PYTHONUNBUFFERED": "1"}
    print("$ " + " ".join(command), flush=True)
    process = subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, env=environment, start_new_session=True)
    try:
        return process.wait(SUITE_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        print(f"stopped after {SUITE_SECONDS_MAX} s", flush=True)
        return 1
    except KeyboardInterrupt:
        # Ctrl-C reached us alone: pass it on, so that fixtures can end what they started.
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, signal.SIGINT)
            process.wait(INTERRUPT_SECONDS_MAX)
        sys.exit(130)
    finally:
        # What a test started belongs to the session made above, and ends with it.
        end_group(process)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that is left of its group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def report(results: Sequence[Result]) -> None:
    """Print a line for each suite, the totals, and why anything was skipped."""
    print("\n" + "=" * 72)
    for result in results:
        tests = f"{result.tests - result.skips.total() - result.failures} passed" if result.tests else ""
        tests += f", {result.failures} failed" if result.failures else ""
        tests += f", {result.skips.total()} skipped" if result.skips else ""
        print(f"{result.suite:12} {result.word:8} {result.seconds:7.1f} s  {tests}")
    ran = sum(result.tests - result.skips.total() for result in results)
    failures = sum(result.failures for result in results)
    print(f"{'total':12} {'':8} {sum(result.seconds for result in results):7.1f} s  {ran - failures} passed, {failures} failed")
    skips = [(result.suite, reason, count) for result in results for reason, count in result.skips.items()]
    print("\nSkipped:" + ("" if skips else " nothing"))
    for suite, reason, count in skips:
        print(f"  {suite}: {reason}" + (f" ({count} tests)" if count > 1 else ""))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
