"""Become another program that ends when its parent does; run as a program by ``embedded_postgres``.

``python -I -S bound_child.py PARENT_PID UID GID PROGRAM ARGUMENT...``; ``-1`` keeps the user and the group.

Why a program and not ``subprocess``'s ``preexec_fn``: that runs Python between fork and exec of a process with threads,
which may deadlock. It imports the standard library alone, so it starts in some 15 ms.

Linux only: elsewhere the parent's death sends nothing, and the next start ends what was left (``embedded_postgres``).
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""Source: prctl(2), ``<sys/prctl.h>``."""


def main(arguments: list[str]) -> None:
    """Drop to the user, ask for SIGINT at the parent's death, and become the program."""
    parent, uid, gid = (int(number) for number in arguments[:3])
    program = arguments[3:]
    if uid != -1:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After setuid, which clears it. It follows the *thread* that made this process: see `_spawn` there.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent ended before its child began")
    os.execv(program[0], program)  # noqa: S606  # No shell is the point.


if __name__ == "__main__":
    main(sys.argv[1:])
