"""The programs that must cost little: built from C where there is a compiler; readers and floor else in Python."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NATIVE: Final = Path(__file__).resolve().parent.parent / "native"
BUILD: Final = NATIVE / "build"
COMPILE_WITHIN_S: Final = 60


class NoCompiler(Exception):
    """A program has no stand-in, and there is no C compiler."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program that is ready to start. ``compiled`` is false for the Python stand-in, which tables must name."""

    argv: tuple[str, ...]
    compiled: bool


def program(name: str) -> Program:
    """Return ``native/NAME.c`` compiled, or ``native/NAME.py`` where there is no C compiler.

    Raises:
        NoCompiler: there is neither a compiler nor a stand-in.
        subprocess.CalledProcessError: there is a compiler and it fails.
    """
    source, binary = NATIVE / f"{name}.c", BUILD / name
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        stand_in = NATIVE / f"{name}.py"
        if not stand_in.exists():
            raise NoCompiler(f"native/{name}.c has no stand-in in Python, and there is no C compiler (cc, gcc, clang)")
        return Program((sys.executable, str(stand_in)), compiled=False)
    if not binary.exists() or binary.stat().st_mtime < max(part.stat().st_mtime for part in (source, *NATIVE.glob("*.h"))):
        BUILD.mkdir(exist_ok=True)
        fresh = binary.with_suffix(".new")
        subprocess.run([compiler, "-O2", "-o", str(fresh), str(source)], check=True, timeout=COMPILE_WITHIN_S)
        fresh.replace(binary)
    return Program((str(binary),), compiled=True)
