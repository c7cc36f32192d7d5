"""A network and a process table of a run's own: a peer that listens on every interface is heard by nobody, and all end with the run."""

import fcntl
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

INSIDE: Final = "PARLEY_LOADTEST_PRIVATE"
TRY_WITHIN_S: Final = 10
# From linux/sockios.h and linux/if.h.
SIOCSIFFLAGS: Final = 0x8914
IFF_UP: Final = 0x1


def enter() -> bool:
    """Start this program again in namespaces of its own and become it; inside already, bring its loopback up.

    Returns:
        True inside. False where the kernel or the lack of unshare(1) does not allow it: the caller goes on in the machine's network.
    """
    if inside():
        _loopback_up()
        return True
    command = ["unshare", "--net", "--pid", "--fork", "--mount", "--mount-proc", "--kill-child"]
    if os.geteuid() != 0:
        command += ["--map-current-user", "--keep-caps"]
    if not _works([*command, "true"]):
        return False
    argv = [*command, sys.executable, *sys.orig_argv[1:]]
    os.execvpe(argv[0], argv, os.environ | {INSIDE: "1"})  # noqa: S606  # Ourselves again.
    raise AssertionError("unreachable: exec does not return")


def inside() -> bool:
    """Return whether this process, or one above it, has done that."""
    return bool(os.environ.get(INSIDE))


def _works(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, check=False, capture_output=True, timeout=TRY_WITHIN_S).returncode == 0
    except FileNotFoundError:
        return False


def _loopback_up() -> None:
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))
