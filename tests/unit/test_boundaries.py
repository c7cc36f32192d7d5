"""The arrows between Parley's packages: who may import whom, and where SQL may stand.

Everything may import ``parley_protocol``, which is pure; ``domain`` is pure and imports nothing else of ours; the parts of the
server meet in ``pipeline`` and ``app`` alone; the client does not know the server; SQL stands in ``store``.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {
    "parley_protocol": ROOT / "protocol" / "parley_protocol",
    "parley_server": ROOT / "server" / "parley_server",
    "parley_client": ROOT / "clients" / "parley_client",
}
PARTS = ("gateway", "store", "inspection", "moderation", "bus")

# Where requests come in: these call the pipeline, which calls the hub; the rest of the gateway knows neither.
EDGES = tuple(f"parley_server.gateway.{edge}" for edge in ("session", "requests", "desk", "http"))

# The outer world: what a pure module must not reach for, as standard library modules ...
IMPURE = frozenset(
    [
        "asyncio",
        "concurrent",
        "ctypes",
        "fcntl",
        "fileinput",
        "ftplib",
        "getpass",
        "glob",
        "http",
        "importlib",
        "io",
        "logging",
        "mmap",
        "multiprocessing",
        "os",
        "pathlib",
        "random",
        "requests",
        "secrets",
        "select",
        "selectors",
        "shelve",
        "shutil",
        "signal",
        "smtplib",
        "socket",
        "socketserver",
        "sqlite3",
        "ssl",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
        "time",
        "urllib",
        "warnings",
        "webbrowser",
    ]
)
# ... as built-in functions, and as methods that read a clock or chance out of a module that is otherwise pure.
IMPURE_CALLS = frozenset(["open", "print", "input", "exec", "eval", "__import__", "breakpoint"])
IMPURE_METHODS = frozenset(["now", "utcnow", "today", "uuid1", "uuid4", "uuid6", "uuid7", "urandom"])
PROTOCOL_LIBRARIES = frozenset({"msgpack"})

# The embedded PostgreSQL asks one question, "does the database exist?", before there is a store to ask.
SQL_FILES_BESIDE_STORE = frozenset({"parley_server.embedded_postgres"})
SQL = re.compile(
    r"\s*(SELECT\s|INSERT\s+INTO\s|UPDATE\s+\S+\s+SET\s|DELETE\s+FROM\s|WITH\s+\w+\s+AS\s|(CREATE|ALTER|DROP)\s+(TABLE|INDEX)\s)"
)


def imported(tree: ast.AST, module: str, *, is_package: bool) -> set[str]:
    """Every dotted name that a module imports, wherever in it; ``from a import b`` gives ``a`` and ``a.b``."""
    names = set[str]()
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                names.update(alias.name for alias in node.names)
            case ast.ImportFrom():
                base = node.module or ""
                if node.level:
                    package = module.split(".")
                    kept = package[: len(package) - node.level + is_package]
                    base = ".".join([*kept, base] if base else kept)
                names.add(base)
                names.update(f"{base}.{alias.name}" for alias in node.names)
            case _:
                pass
    return names


def is_in(name: str, package: str) -> bool:
    """Whether a dotted name is a package or something within it."""
    return name == package or name.startswith(package + ".")


def impurities(tree: ast.AST, names: set[str]) -> Iterator[str]:
    """What a pure module reaches for that it must not."""
    for name in sorted(names):
        if name.split(".")[0] in IMPURE:
            yield f"imports {name}"
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in IMPURE_CALLS:
                yield f"calls {name}()"
            case ast.Call(func=ast.Attribute(attr=name)) if name in IMPURE_METHODS:
                yield f"calls .{name}()"
            case _:
                pass


def crossings(source: str, module: str, *, is_package: bool = False) -> list[str]:
    """What a module does against the arrows, in words."""
    tree = ast.parse(source)
    names = imported(tree, module, is_package=is_package)
    found = list[str]()
    libraries = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - set(SOURCES)
    if is_in(module, "parley_protocol"):
        found += [f"imports {name}" for name in names if is_in(name, "parley_server") or is_in(name, "parley_client")]
        found += [f"imports {name}" for name in libraries - PROTOCOL_LIBRARIES]
        found += impurities(tree, names)
    if is_in(module, "parley_server.domain"):
        inside = (name for name in names if is_in(name, "parley_server") and name != "parley_server")
        found += [f"imports {name}" for name in inside if not is_in(name, "parley_server.domain")]
        found += [f"imports {name}" for name in libraries]
        found += impurities(tree, names)
    for part in PARTS:
        if is_in(module, f"parley_server.{part}"):
            asks = any(is_in(module, edge) for edge in EDGES)
            others = [f"parley_server.{other}" for other in (*PARTS, "pipeline", "app") if other != part]
            others = [other for other in others if not (asks and other == "parley_server.pipeline")]
            found += [f"imports {name}" for name in names if any(is_in(name, other) for other in others)]
    if is_in(module, "parley_client"):
        found += [f"imports {name}" for name in names if is_in(name, "parley_server")]
    if is_in(module, "parley_server"):
        found += [f"imports {name}" for name in names if is_in(name, "parley_client")]
    if not is_in(module, "parley_server.store") and module not in SQL_FILES_BESIDE_STORE:
        found += [f"imports {name}" for name in names if is_in(name, "asyncpg")]
        found += [f"holds SQL: {text.strip()[:40]!r}" for text in strings(tree) if SQL.match(text)]
    return sorted(set(found))


def strings(tree: ast.AST) -> Iterator[str]:
    """Every string in a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def modules(package: str) -> list[tuple[str, Path]]:
    """The modules of one of our packages, by dotted name."""
    folder = SOURCES[package]
    found = []
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        found.append((".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return found


@pytest.mark.parametrize("package", SOURCES)
def test_no_module_crosses_an_arrow(package: str) -> None:
    if not SOURCES[package].exists():
        pytest.skip(f"{package} is not there")
    scanned = modules(package)
    assert package in [module for module, _ in scanned]
    assert len(scanned) > 3, "nearly nothing was looked at"
    found = {
        module: crossed
        for module, path in scanned
        if (crossed := crossings(path.read_text("utf-8"), module, is_package=path.name == "__init__.py"))
    }
    assert not found


@pytest.mark.parametrize("part", ["domain", *PARTS])
def test_every_part_of_the_server_that_exists_is_looked_at(part: str) -> None:
    folder = SOURCES["parley_server"] / part
    if folder.exists():
        assert len([module for module, _ in modules("parley_server") if is_in(module, f"parley_server.{part}")]) > 1


@pytest.mark.parametrize(
    ("module", "source", "crossing"),
    [
        ("parley_protocol.frames", "import parley_server.ports", "imports parley_server.ports"),
        ("parley_protocol.frames", "import asyncio", "imports asyncio"),
        ("parley_protocol.frames", "import aiohttp", "imports aiohttp"),
        ("parley_protocol.frames", "def f():\n    from ..parley_client import x", "imports parley_client"),
        ("parley_server.domain.verdict", "from parley_server import ports", "imports parley_server.ports"),
        ("parley_server.domain.verdict", "from ..store import pool", "imports parley_server.store"),
        ("parley_server.domain.verdict", "from time import time", "imports time"),
        ("parley_server.domain.verdict", "import random", "imports random"),
        ("parley_server.domain.verdict", "import logging", "imports logging"),
        ("parley_server.domain.verdict", "import structlog", "imports structlog"),
        ("parley_server.domain.verdict", "import datetime\ndatetime.datetime.now()", "calls .now()"),
        ("parley_server.domain.verdict", "open('x')", "calls open()"),
        ("parley_server.gateway.hub", "from parley_server.store.pool import Pool", "imports parley_server.store.pool"),
        ("parley_server.gateway.hub", "from parley_server import moderation", "imports parley_server.moderation"),
        ("parley_server.gateway.hub", "import parley_server.pipeline.publish", "imports parley_server.pipeline.publish"),
        ("parley_server.gateway.session", "from parley_server import moderation", "imports parley_server.moderation"),
        ("parley_server.store.pool", "from parley_server.app import App", "imports parley_server.app"),
        ("parley_server.bus", "import parley_server.gateway.hub", "imports parley_server.gateway.hub"),
        ("parley_client.bot", "import parley_server", "imports parley_server"),
        ("parley_server.app", "import parley_client", "imports parley_client"),
        ("parley_server.gateway.hub", "import asyncpg", "imports asyncpg"),
        ("parley_server.pipeline.post", "q = 'SELECT 1 FROM posts'", "holds SQL: 'SELECT 1 FROM posts'"),
        ("parley_server.pipeline.post", "q = f'''\n  UPDATE posts SET a = {1}'''", "holds SQL: 'UPDATE posts SET a ='"),
    ],
)
def test_a_crossing_is_seen(module: str, source: str, crossing: str) -> None:
    assert crossing in crossings(source, module)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("parley_protocol.codec", "import json, msgpack\nfrom parley_protocol import codes"),
        ("parley_server.domain.verdict", "from parley_protocol.ids import PostId\nfrom parley_server.domain import rules"),
        ("parley_server.gateway.hub", "import asyncio\nfrom parley_server import ports\nfrom . import lanes"),
        ("parley_server.gateway.session", "from parley_server.pipeline.publish import Publisher"),
        ("parley_server.store.pool", "import asyncpg\nq = 'SELECT 1'"),
        ("parley_server.app", "from parley_server import gateway, store, moderation"),
        ("parley_server.gateway.hub", '"""Select a reader, then update it."""'),
    ],
)
def test_what_the_arrows_allow_is_left_alone(module: str, source: str) -> None:
    assert crossings(source, module) == []
