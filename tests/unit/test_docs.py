"""The documents against the code: what they name exists, and what the code has they name."""

import ast
import re
import subprocess
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import pytest
import typer

from parley_client.commands.app import app
from parley_server.config import CLIENT, CONFIG, DEFAULTS, PREFIX
from parley_server.gateway.counts import Counts
from parley_server.telemetry import Sources, Telemetry

ROOT: Final = Path(__file__).resolve().parents[2]
SERVER: Final = ROOT / "server" / "parley_server"

BOUNDS: Final = (
    ROOT / "protocol/parley_protocol/limits.py",
    SERVER / "limits.py",
    SERVER / "domain/bounds.py",
    SERVER / "gateway/http/bounds.py",
    SERVER / "store/bounds.py",
    ROOT / "clients/parley_client/limits.py",
)

PACES: Final = frozenset(
    {
        "AFTER_MOST_S",
        "ALERTS_PAGE",
        "BACKOFF_FIRST_S",
        "BACKOFF_LEAST_S",
        "BACKOFF_MOST_S",
        "BEAT_MS",
        "COALESCE_S_MAX",
        "HEAL_AGAIN_S",
        "KEPT_ANSWERS_S",
        "LIMIT_WAIT_MS_MAX",
        "PRESENCE_S",
        "READ_EVENTS",
        "REOPEN_S",
        "RETRY_S",
        "RING_LINGER_S",
        "SEGMENTS_PER_TURN",
        "SHUTDOWN_SPREAD_MS",
        "STABLE_S",
        "SUPPRESSED_LINGER_S",
    }
)
"""Constants that say how often, how long or in what portions: nothing can be full of them."""

# What must stand in no file: paths of somebody's machine, and hosts of package registries, written so that this file passes.
FOREIGN: Final = re.compile(
    "|".join(
        (
            rf"(?<![\w.])/{'work'}/",
            rf"(?<![\w./]){'/ro'}ot/",
            rf"{'/ho'}me/\w",
            rf"/{'Us'}ers/\w",
            rf"py{'pi'}\.",
            rf"python{'hosted'}\.org",
            rf"registry\.{'npm'}js",
            rf"proxy\.{'gol'}ang",
            rf"crates\.{'i'}o\b",
        )
    )
)


def text(path: str) -> str:
    return (ROOT / path).read_text("utf-8")


def tracked() -> list[Path]:
    """The files of the tree, as git knows them, those not yet committed too; all but what git ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def pages() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".md"]


def without_code(page: str) -> str:
    """A page without its fenced blocks and code spans."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", page, flags=re.DOTALL | re.MULTILINE))


def code(page: str) -> list[str]:
    """The fenced blocks and code spans of a page."""
    blocks = re.findall(r"^```[^\n]*\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    return blocks + re.findall(r"`[^`\n]+`", re.sub(r"^```.*?^```", "", page, flags=re.DOTALL | re.MULTILINE))


def anchor(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def settings_table(page: str) -> dict[str, str]:
    """Read rows whose first cell names settings; a row may name several, with as many defaults."""
    rows: dict[str, str] = {}
    for first, second in re.findall(r"^\| (`PARLEY_[^|]*) \| ([^|]*) \|", text(page), re.MULTILINE):
        names, values = re.findall(r"`(PARLEY_\w+)`", first), re.findall(r"`([^`]+)`", second)
        for place, name in enumerate(names):
            rows[name] = values[place] if place < len(values) else ""
    return rows


def commands(group: typer.Typer = app, before: str = "parley") -> list[str]:
    """Every command of a group and its groups, as it is typed."""
    named = ((command.name, command.callback) for command in group.registered_commands)
    found = [f"{before} {name or (callback and callback.__name__)}" for name, callback in named]
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        found += commands(inner.typer_instance, f"{before} {inner.name}")
    return found


def constants(path: Path) -> dict[str, str]:
    """Public constants of a module, each with the text below it."""
    body = ast.parse(path.read_text("utf-8")).body
    found: dict[str, str] = {}
    for node, after in zip(body, [*body[1:], None], strict=True):
        match node:
            case ast.AnnAssign(target=ast.Name(id=name)) if name.isupper() and not name.startswith("_"):
                match after:
                    case ast.Expr(value=ast.Constant(value=str(says))):
                        found[name] = says
                    case _:
                        found[name] = ""
            case _:
                pass
    return found


def defined(path: Path) -> set[str]:
    """Names that a module defines: functions, classes with their methods, constants."""
    names: set[str] = set()

    def walk(body: list[ast.stmt], before: str) -> None:
        for node in body:
            match node:
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    names.add(before + name)
                case ast.ClassDef(name=name):
                    names.add(before + name)
                    walk(node.body, f"{before}{name}.")
                case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                    names.add(before + name)
                case _:
                    pass

    walk(ast.parse(path.read_text("utf-8")).body, "")
    return names


def metric_names() -> set[str]:
    """Names of our own metrics, as the page at /metrics shows them."""
    telemetry = Telemetry()
    telemetry.read_from(Sources(Counts(), lambda: 0, lambda: 0, lambda: 0))
    shown = re.findall(r"^# TYPE (parley_\w+) (?:counter|gauge|histogram)$", telemetry.page().decode(), re.MULTILINE)
    return {name for name in shown if not name.endswith("_created")}


@pytest.mark.parametrize("page", ["README.md", "deploy/RUNBOOK.md"])
def test_every_setting_stands_in_the_table_with_its_default(page: str) -> None:
    assert settings_table(page) == {PREFIX + key.upper(): default for key, default in DEFAULTS.items()}


def test_no_document_names_a_variable_that_nobody_reads() -> None:
    read = {PREFIX + key.upper() for key in DEFAULTS} | CLIENT | {CONFIG}
    # What the compose file alone knows stands in the compose file.
    read |= set(re.findall(r"\$\{(PARLEY_\w+)", text("deploy/compose.yaml")))
    found = {page.name: set(re.findall(r"\bPARLEY_[A-Z_]+\b", page.read_text("utf-8"))) - read for page in pages()}
    assert not {page: names for page, names in found.items() if names}


def test_every_metric_stands_in_the_runbook_and_no_other() -> None:
    named = set(re.findall(r"`(parley_[a-z_]+)`", text("deploy/RUNBOOK.md"))) - {"parley_client", "parley_server"}
    assert named == metric_names()


def test_every_command_stands_in_the_page_of_the_command() -> None:
    typed = commands()
    assert len(typed) > 20
    page = text("clients/README.md")
    assert not [command for command in typed if not re.search(rf"{re.escape(command)}\b", page)]


@pytest.mark.parametrize("page", ["README.md", "clients/README.md", "deploy/RUNBOOK.md"])
def test_no_document_shows_a_command_that_does_not_exist(page: str) -> None:
    known = {tuple(command.split()) for command in commands()}
    groups = {command[:2] for command in known if len(command) == 3}
    shown = re.findall(r"(?:^|[`|(]|\$ )\s*(?:\.venv/bin/)?(parley(?: [a-z-]+){1,2})\b", text(page), re.MULTILINE)
    assert shown
    for line in shown:
        words = tuple(line.split())
        assert words in known or words[:2] in known or (words[:2] in groups and len(words) == 2), line


def test_the_readme_shows_the_echo_bot_as_it_is() -> None:
    assert f"```python\n{text('clients/examples/echo_bot.py').rstrip()}\n```" in text("README.md")


def test_the_readmes_rule_is_one_that_can_be_activated() -> None:
    from parley_server.domain.rule_document import parse, read_toml
    from parley_server.domain.rules import Rule
    from parley_server.inspection.ruleset import check_examples

    document = re.search(r"^```toml\n(.*?)^```", text("README.md"), re.DOTALL | re.MULTILINE)
    assert document is not None
    read = read_toml(document[1])
    assert isinstance(read, dict), read
    rule = parse(read, 1)
    assert isinstance(rule, Rule), rule
    assert check_examples(rule) is None


@pytest.mark.parametrize("path", BOUNDS, ids=lambda path: str(path.relative_to(ROOT)))
def test_p11_every_bound_says_what_happens_when_it_is_full(path: Path) -> None:
    found = constants(path)
    assert len(found) > 5
    silent = []
    before = ""
    for name, says in found.items():
        # "The same at once." is the burst of the rate above it, with the same answer.
        answer = before if says == "The same at once." else says
        if not re.search(r"\b(Full|Above)\b[^:]*: \S", answer) and not (name in PACES and says):
            silent.append(name)
        before = answer
    assert not silent


def test_every_pace_is_still_a_constant() -> None:
    there = {name for path in BOUNDS for name in constants(path)}
    assert there >= PACES


def test_no_module_of_bounds_is_left_out() -> None:
    named = {path for path in tracked() if path.name in ("limits.py", "bounds.py") and "tests" not in path.parts}
    assert named == set(BOUNDS)


def test_every_decision_is_linked_from_the_tour_and_numbered_once() -> None:
    files = [path.name for path in sorted((ROOT / "server" / "decisions").glob("*.md"))]
    assert files
    assert [name for name in files if f"(decisions/{name})" not in text("server/README.md")] == []
    numbers = [name[:4] for name in files]
    assert len(set(numbers)) == len(numbers)
    for name in files:
        assert text(f"server/decisions/{name}").startswith(f"# {name[:4]}"), name


def test_every_decision_that_the_tree_names_exists() -> None:
    there = {path.name[:4] for path in (ROOT / "server" / "decisions").glob("*.md")}
    named = {
        number
        for path in tracked()
        if path.suffix in (".py", ".sql", ".md", ".toml", ".js")
        for number in re.findall(r"\bdecisions?[ /](\d{4})\b", path.read_text("utf-8"))
    }
    assert named
    assert named <= there


def test_every_place_that_the_tour_names_exists() -> None:
    places = re.findall(r"`([\w/]+\.py):([\w.]+)`", text("server/README.md"))
    assert len(places) > 40
    for file, name in places:
        paths = [path for folder in (SERVER, SERVER.parent, ROOT / "protocol") if (path := folder / file).is_file()]
        assert paths, file
        assert name in defined(paths[0]), f"{file}:{name}"


def test_every_test_that_a_document_names_exists() -> None:
    sources = [path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    there = {name for source in sources for name in re.findall(r"def (test_\w+)\(", source)}
    named = {name for page in pages() for name in re.findall(r"`(test_\w+)`", page.read_text("utf-8"))}
    assert len(named) > 10
    assert named <= there


def test_every_promise_has_its_row_and_a_test_or_says_that_it_is_not_built() -> None:
    rows = re.findall(r"^\| P(\d+) [^|]*\| ([^|]*) \| ?([^|]*)\|$", text("server/README.md"), re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == list(range(1, 15))
    for number, owner, proof in rows:
        assert "`test_" in proof or owner.startswith("*not built*"), f"P{number}"


def test_every_relative_link_of_every_page_resolves() -> None:
    broken = []
    for page in pages():
        for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text("utf-8"))):
            if re.match(r"[a-z]+:", target):
                continue
            file, _, part = unquote(target).partition("#")
            found = (page.parent / file).resolve() if file else page
            if not found.exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
            elif part:
                headings = re.findall(r"^#+ (.+)$", found.read_text("utf-8"), re.MULTILINE)
                if part not in map(anchor, headings):
                    broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert not broken


def test_the_runbook_and_the_readme_name_files_that_exist() -> None:
    for page in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "deploy/RUNBOOK.md", "loadtest/README.md"):
        for name in re.findall(r"`((?:clients|deploy|loadtest|protocol|server|tests)/[\w./-]*)`", text(page)):
            assert (ROOT / name).exists(), f"{page}: {name}"


def test_every_suite_and_target_that_a_document_shows_exists() -> None:
    targets = set(re.findall(r"^([a-z][a-z ]*):", text("Makefile"), re.MULTILINE))
    there = {target for line in targets for target in line.split()}
    for page in ("README.md", "CONTRIBUTING.md", "deploy/RUNBOOK.md"):
        shown = set(re.findall(r"(?:^|`|\s)make ([a-z]+)(?=`|\s|$)", "\n".join(code(text(page))), re.MULTILINE))
        assert shown <= there, page


def test_no_file_names_a_machine_or_a_package_registry() -> None:
    found = []
    for path in tracked():
        try:
            content = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {hit[0]}" for hit in FOREIGN.finditer(content)]
    assert not found


@pytest.mark.parametrize(
    "line",
    [
        "see /" + "work/x",
        "cd /ro" + "ot/x",
        "cd /ho" + "me/ann",
        "https://py" + "pi.org/simple",
        "https://files.python" + "hosted.org/x",
    ],
)
def test_a_foreign_name_is_seen(line: str) -> None:
    assert FOREIGN.search(line)


@pytest.mark.parametrize("line", ["the work/life of a post", "/v1/accounts/ro" + "ot", "network/ing", "/v1/home"])
def test_what_only_looks_like_one_is_left_alone(line: str) -> None:
    assert not FOREIGN.search(line)
