"""What the kernel says about this machine and about one process: CPU time, resident memory, sockets. Linux only (/proc)."""

import os
import platform
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
TICK_US: Final = 1_000_000 // os.sysconf("SC_CLK_TCK")
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
DATABASE_COMMS: Final = ("postgres",)
"""Names of processes that are counted as the database, not as the server that started them."""


@dataclass(frozen=True, slots=True)
class CoreTime:
    """Time of all cores since the machine started, in microseconds."""

    total_us: int
    idle_us: int
    steal_us: int
    """Taken by other machines on the same host."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a figure was measured. ``revision``: of the repository, with a ``+`` where files were changed since."""

    cpu: str
    cores: int
    memory_gib: float
    kernel: str
    python: str
    revision: str

    def __str__(self) -> str:
        return f"{self.cpu}, {self.cores} cores, {self.memory_gib} GiB, {self.kernel}, {self.python}, revision {self.revision}"

    @property
    def kind(self) -> str:
        """Name the kind of machine, as part of a file's name: what runs on another kind is compared with another baseline."""
        return re.sub(r"[^a-z0-9]+", "-", f"{self.cpu} {self.cores} cores".lower()).strip("-")


def this_machine() -> Machine:
    """Describe the machine that we run on."""
    model = next(
        (line.partition(":")[2].strip() for line in _text(PROC / "cpuinfo").splitlines() if line.startswith("model name")),
        platform.machine(),
    )
    memory_kib = _keyed(PROC / "meminfo").get("MemTotal", 0)
    return Machine(
        model,
        os.cpu_count() or 1,
        round(memory_kib / 2**20, 1),
        f"{platform.system()} {platform.release()}",
        f"{platform.python_implementation()} {platform.python_version()}",
        _revision(),
    )


def _revision() -> str:
    """Ask git which commit the files are of; ``unknown`` outside of a repository."""
    git = ("git", "-C", str(Path(__file__).parent))
    try:
        commit = subprocess.run([*git, "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run([*git, "status", "--porcelain", "--untracked-files=no"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit.stdout.strip() + ("+" if changed.stdout.strip() else "")


def cpu_us(pid: int) -> float:
    """Return the CPU time, user and system, that a process has used in all its living threads.

    From ``schedstat`` (nanoseconds) where the kernel keeps it, else from ``stat`` (ticks of 10 ms).

    Raises:
        ProcessLookupError: there is no such process.
    """
    try:
        return sum(int(_text(task / "schedstat").split()[0]) for task in (PROC / str(pid) / "task").iterdir()) / 1000
    except FileNotFoundError:
        return cpu_ticks_us(pid)


def cpu_ticks_us(pid: int) -> float:
    """Return the CPU time of a process and of the children it has waited for, in steps of a tick.

    Raises:
        ProcessLookupError: there is no such process.
    """
    fields = _stat(pid)
    # Fields 14 to 17 of proc_pid_stat(5): utime, stime, cutime, cstime; _stat begins at the third.
    return sum(int(field) for field in fields[11:15]) * TICK_US


def descendants(pid: int) -> tuple[list[int], list[int]]:
    """Return the living processes below ``pid``: the server's own, and those of its embedded database."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                children.setdefault(int(_stat(int(entry.name))[1]), []).append(int(entry.name))
            except ProcessLookupError:
                continue  # It ended while the folder was being read.
    own: list[int] = []
    database: list[int] = []
    queue = [pid]
    while queue:
        for child in children.get(queue.pop(), []):
            queue.append(child)
            (database if _comm(child).startswith(DATABASE_COMMS) else own).append(child)
    return own, database


def rss_bytes(pids: Iterable[int]) -> int:
    """Return the resident memory of these processes together; pages that they share count once for each."""
    return sum(int(_text(PROC / str(pid) / "statm").split()[1]) * PAGE_BYTES for pid in pids)


def core_time() -> CoreTime:
    """Read the time of all cores."""
    fields = [int(field) * TICK_US for field in _text(PROC / "stat").splitlines()[0].split()[1:9]]
    user, nice, system, idle, iowait, irq, softirq, steal = fields
    return CoreTime(user + nice + system + idle + iowait + irq + softirq + steal, idle + iowait, steal)


def tcp_memory_bytes() -> int:
    """Return the memory of TCP buffers on this machine, both ends of every loopback connection included."""
    for line in _text(PROC / "net" / "sockstat").splitlines():
        if line.startswith("TCP:"):
            words = line.split()
            return int(words[words.index("mem") + 1]) * PAGE_BYTES
    return 0


def slab_bytes() -> int:
    """Return the kernel's small objects, where socket structures live, of the whole machine."""
    return _keyed(PROC / "meminfo").get("Slab", 0) * 1024


def _stat(pid: int) -> list[str]:
    """Return the fields of ``stat`` from the third on; the second may hold spaces and parentheses."""
    try:
        return _text(PROC / str(pid) / "stat").rpartition(")")[2].split()
    except FileNotFoundError:
        raise ProcessLookupError(pid) from None


def _comm(pid: int) -> str:
    try:
        return _text(PROC / str(pid) / "comm").strip()
    except FileNotFoundError:
        return ""


def _keyed(path: Path) -> dict[str, int]:
    """Read lines of the form ``Name:  123 kB``."""
    pairs = (line.partition(":") for line in _text(path).splitlines())
    return {name: int(value.split()[0]) for name, _, value in pairs if value.split()}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
