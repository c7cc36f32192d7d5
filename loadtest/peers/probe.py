"""Which peers are here, in which version; those that are not are named with the command that would install them."""

import importlib.metadata
import json
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar, assert_never

from peers.catalogue import NODE, Command, Folder, NodePackage, Part, Peer, PythonPackage, version_in

ANSWER_WITHIN_S: Final = 20
P = TypeVar("P", bound=Peer)


class NoSuchPeer(Exception):
    """A name that the catalogue does not have."""


@dataclass(frozen=True, slots=True)
class Present(Generic[P]):
    """A peer that can be started."""

    peer: P
    version: str

    def note(self) -> str:
        """Return what must be said beside its figures."""
        return f"{self.peer.name} {self.version}: {self.peer.lifted}"


def look(peers: Iterable[P], *, private_network: bool) -> tuple[list[Present[P]], dict[str, str]]:
    """Part the peers into those that can be started, and the names of those that cannot, with the reason."""
    present: list[Present[P]] = []
    absent: dict[str, str] = {}
    for peer in peers:
        versions = [version_of(part) for part in peer.parts]
        missing = [name_of(part) for part, version in zip(peer.parts, versions, strict=True) if version is None]
        if missing:
            absent[peer.name] = f"{' and '.join(missing)} not installed ({peer.install})"
        elif peer.needs_private_network and not private_network:
            absent[peer.name] = "it listens on every interface, and the run has no network of its own (unshare, as root)"
        elif versions[0] is not None:
            present.append(Present(peer, versions[0]))
    return present, absent


def choose(peers: Sequence[P], names: Sequence[str]) -> list[P]:
    """Return the peers of these names, or all of them for ``all``.

    Raises:
        NoSuchPeer: the message names those that there are.
    """
    if "all" in names:
        return list(peers)
    if unknown := set(names) - {peer.name for peer in peers}:
        raise NoSuchPeer(f"no such peer: {', '.join(sorted(unknown))}; there are {', '.join(peer.name for peer in peers)}")
    return [peer for peer in peers if peer.name in names]


def name_of(part: Part) -> str:
    """Return how a part is named to who must install it."""
    match part:
        case Command(argv):
            return Path(argv[0]).name if argv[0].startswith("/") else argv[0]
        case PythonPackage(name) | NodePackage(name):
            return name
        case Folder(pattern):
            return "/" + pattern
        case _:
            assert_never(part)


def version_of(part: Part) -> str | None:
    """Return the version of a part; none where it is not installed."""
    match part:
        case Command(argv):
            if shutil.which(argv[0]) is None:
                return None
            # mosquitto ends with 1 after its help, which is where it tells its version.
            done = subprocess.run(argv, capture_output=True, text=True, timeout=ANSWER_WITHIN_S, check=False)
            return version_in(done.stdout + done.stderr)
        case PythonPackage(name):
            try:
                return importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                return None
        case NodePackage(name):
            manifest = NODE / "node_modules" / name / "package.json"
            return str(json.loads(manifest.read_bytes())["version"]) if manifest.exists() else None
        case Folder(pattern):
            found = sorted(Path("/").glob(pattern))
            return version_in(str(found[-1])) if found else None
        case _:
            assert_never(part)
