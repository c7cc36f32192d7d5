"""``parley rules``: what detects."""

import json
import tomllib
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from parley_client.commands.lines import printable
from parley_client.commands.shared import Token, Url, ask, fail, show, table
from parley_client.http import Http, Map

File: TypeAlias = Annotated[Path, typer.Argument(help="A rule document, TOML or JSON.")]
RuleId: TypeAlias = Annotated[str, typer.Argument(metavar="ID", help="The rule's id.")]

rules = typer.Typer(no_args_is_help=True, help="Rules: drafts, activation, retirement.")


@rules.command("list")
def list_rules(url: Url = None, token: Token = None) -> None:
    """Show the latest version of each rule."""
    rows = [{**(rule.get("document") or {}), **rule} for rule in ask(url, token, lambda http: http.rules())]
    table(rows, "id", "version", "mode", "policy", "severity", "effect", "boards")


@rules.command("check")
def check_rule(file: File, url: Url = None, token: Token = None) -> None:
    """Let the server read a rule and run its examples; it is stored as a draft, which judges nothing."""
    document = _document(file)
    draft = ask(url, token, lambda http: http.add_rule(document))
    print(f"{draft['id']} version {draft['version']} can be used; it is a {draft['mode']}")


@rules.command("add")
def add_rule(
    file: File,
    activate: Annotated[bool, typer.Option("--activate", help="Make it live at once.")] = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Store a rule as a draft, or make it live at once."""
    document = _document(file)

    async def work(http: Http) -> Map:
        draft = await http.add_rule(document)
        return await http.activate_rule(str(draft["id"])) if activate else draft

    show(ask(url, token, work))


@rules.command("activate")
def activate_rule(rule: RuleId, url: Url = None, token: Token = None) -> None:
    """Make a rule's latest version live on every node."""
    show(ask(url, token, lambda http: http.activate_rule(rule)))


@rules.command("lint")
def lint_rule(file: File, url: Url = None, token: Token = None) -> None:
    """Let the server read a rule file; shows each fault and doubt with its line and column, and stores nothing."""
    text = _text(file)
    found = ask(url, token, lambda http: http.lint_rule(text))
    for fault in found["faults"]:
        print(printable(f"{file}:{fault['line']}:{fault['column']}: {fault['where']}: {fault['says']}"))
    if not found["usable"]:
        raise typer.Exit(1)
    print(f"{file}: it can be used")


@rules.command("approve")
def approve_rule(rule: RuleId, url: Url = None, token: Token = None) -> None:
    """Approve the latest version of a rule that somebody else wrote."""
    show(ask(url, token, lambda http: http.approve_rule(rule)))


@rules.command("shadow")
def shadow_rule(
    rule: RuleId,
    start: Annotated[bool, typer.Option("--start", help="Let the latest version judge in the shadow from now on.")] = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Show what a rule in the shadow would have done so far."""
    if start:
        show(ask(url, token, lambda http: http.shadow_rule(rule)))
        return
    held = ask(url, token, lambda http: http.shadow(rule))
    print(f"{held['id']} version {held['version']}")
    table(held["items"], "board", "inspected", "would", "also", "samples")


@rules.command("lists")
def lists(url: Url = None, token: Token = None) -> None:
    """Show the lists of terms that rules refer to."""
    table(ask(url, token, lambda http: http.term_lists()), "id", "version", "size")


@rules.command("list-put")
def put_list(
    name: Annotated[str, typer.Argument(metavar="ID", help="The list's id.")],
    file: Annotated[Path, typer.Argument(help="One term a line; empty lines and lines that begin with # are left out.")],
    activate: Annotated[bool, typer.Option("--activate", help="Renew the live rules that name it at once.")] = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Store a list of terms, or the next version of one."""
    terms = [line.strip() for line in _text(file).splitlines() if line.strip() and not line.startswith("#")]
    show(ask(url, token, lambda http: http.put_term_list(name, terms, activate=activate)))


@rules.command("retire")
def retire_rule(rule: RuleId, url: Url = None, token: Token = None) -> None:
    """Take a rule out."""
    show(ask(url, token, lambda http: http.retire_rule(rule)))


@rules.command("policies")
def list_policies(url: Url = None, token: Token = None) -> None:
    """Show the operator's catalogue, which rules refer to."""
    table(ask(url, token, lambda http: http.policies()), "id", "title", "ground", "reference")


@rules.command("policy-put")
def put_policy(
    policy: Annotated[str, typer.Argument(metavar="ID", help="The policy's id.")],
    title: Annotated[str, typer.Option(help="What it is called.")],
    ground: Annotated[Literal["law", "terms"], typer.Option(help="What it rests on: the law, or the operator's terms.")],
    reference: Annotated[str, typer.Option(help="The text that grounds it, as a citation or an address.")],
    explanation: Annotated[str, typer.Option(help="What is not allowed, as authors read it.")],
    url: Url = None,
    token: Token = None,
) -> None:
    """Add a policy to the catalogue, or a new version of one."""
    show(ask(url, token, lambda http: http.put_policy(policy, title, ground, reference, explanation)))


def _document(file: Path) -> Map:
    """Read a rule document, or end the command with where it cannot be read."""
    text = _text(file)
    try:
        held = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except ValueError as error:
        raise fail(f"{file}: {error}") from None
    if not isinstance(held, dict):
        raise fail(f"{file}: a rule document is a map")
    missing = [name for name in ("id", "policy", "effect", "match") if name not in held]
    if missing:
        raise fail(f"{file}: {', '.join(missing)} missing")
    return held


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise fail(f"{file}: {error}") from None
