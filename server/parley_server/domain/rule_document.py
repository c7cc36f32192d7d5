"""From a rule document to a ``Rule``, or to what is wrong with it.

A document is the map of design §7, read from TOML or JSON. Every key is known and every value has a bound: a misspelt key is refused,
because a rule that silently does nothing is worse than none.
"""

import re
import tomllib
from collections.abc import Mapping
from itertools import count
from typing import Final

from parley_server.domain import bounds
from parley_server.domain.conditions import reads
from parley_server.domain.people import BoardRole, Level, SiteRole
from parley_server.domain.reading import (
    Bad,
    Map,
    duration,
    many,
    moment,
    one_of,
    slug,
    some,
    table,
    text,
    texts,
    whole,
)
from parley_server.domain.rules import (
    AuthorIs,
    BadRule,
    Crowd,
    CrowdOf,
    Effect,
    FailMode,
    Flood,
    Links,
    ListRef,
    Match,
    Node,
    Proposal,
    Rule,
    RuleHead,
    Sanction,
    Severity,
)

FIELDS: Final = frozenset({"body", "name"})
_KEYS: Final = ("id", "policy", "severity", "effect", "fail", "fields", "boards", "match")
_MORE: Final = ("examples", "slow", "propose", "rollout", "expires")
_LOOKS: Final = ("terms", "lists", "links", "flood", "crowd", "patterns")
_ASKS: Final = ("author", "languages", "all", "any", "none")
_POSITION: Final = re.compile(r" \(at (line \d+, column \d+|end of document)\)$")
_LANGUAGE: Final = re.compile(r"[a-z]{2}")
_NO_DOMAIN: Final = frozenset("/@:?#*\\[]%")
_ROLES: Final = frozenset({*SiteRole, *BoardRole})


def parse(document: Map, version: int) -> Rule | BadRule:
    """Read a document as version ``version`` of its rule.

    Returns:
        The rule, or the first fault with the key where it is. Entries of ``terms``, ``domains``, ``patterns``, ``fields`` and
        ``boards`` that stand twice are folded into one. Whether a pattern can be compiled and the examples hold is asked of the
        checks, in inspection/.
    """
    try:
        return _rule(document, version)
    except Bad as bad:
        return BadRule(bad.where, bad.says)


def read_toml(text: str) -> Map | BadRule:
    """Read TOML; a syntax error gives its line and column as ``where``."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        says = str(error)
        position = _POSITION.search(says)
        return BadRule(position[1] if position else "", _POSITION.sub("", says) + ".")
    except RecursionError:
        return BadRule("", "The document is nested too deeply.")


def read_files(files: Mapping[str, str]) -> tuple[Rule, ...] | BadRule:
    """Read the rule files of a folder, one document each.

    Args:
        files: text by name. They are read in the order of their names.

    Returns:
        A draft (version 0) for each, or the first fault; ``where`` begins with the name of its file. Two files with the same id are
        refused: which of them is meant cannot be told.
    """
    rules: dict[str, tuple[str, Rule]] = {}
    for name, content in sorted(files.items()):
        document = read_toml(content)
        rule = document if isinstance(document, BadRule) else parse(document, 0)
        if isinstance(rule, BadRule):
            return BadRule(f"{name}: {rule.where}".removesuffix(": "), rule.says)
        if rule.head.id in rules:
            return BadRule(f"{name}: id", f"The id {rule.head.id!r} is that of {rules[rule.head.id][0]} too.")
        rules[rule.head.id] = (name, rule)
    return tuple(rule for _, rule in rules.values())


def _rule(document: object, version: int) -> Rule:
    held = table(document, "", required=_KEYS, optional=_MORE)
    effect = one_of(Effect, held["effect"], "effect")
    root = _node(held["match"], "match", count(1), 1)
    head = RuleHead(
        id=slug(held["id"], "id"),
        version=version,
        policy=slug(held["policy"], "policy"),
        severity=one_of(Severity, held["severity"], "severity"),
        effect=effect,
        fail=one_of(FailMode, held["fail"], "fail"),
        slow_s=_slow(held, effect),
        proposes=_proposal(held["propose"]) if "propose" in held else None,
    )
    examples = table(held.get("examples", {}), "examples", required=(), optional=("must", "must_not"))
    must = texts(examples.get("must", []), "examples.must", bounds.EXAMPLES_MAX, bounds.EXAMPLE_BYTES_MAX)
    if not must and reads(root):
        raise Bad("examples.must", "A rule that looks at text needs at least one example that it must match.")
    return Rule(
        head=head,
        match=root.match or Match(),
        root=root,
        rollout=whole(held.get("rollout", 100), "rollout", 1, 100),
        expires_us=moment(held["expires"], "expires") if "expires" in held else None,
        fields=frozenset(some(many(held["fields"], "fields", len(FIELDS), _field), "fields")),
        boards=frozenset(some(many(held["boards"], "boards", bounds.BOARDS_MAX, _board), "boards")),
        must=must,
        must_not=texts(examples.get("must_not", []), "examples.must_not", bounds.EXAMPLES_MAX, bounds.EXAMPLE_BYTES_MAX),
        document=held,
    )


def _node(value: object, where: str, numbers: "count[int]", depth: int) -> Node:
    """Read one table of the condition. ``numbers``: for the tables that look at text, in the order of the document."""
    if depth > bounds.CONDITION_DEPTH_MAX:
        raise Bad(where, f"It is nested deeper than {bounds.CONDITION_DEPTH_MAX}.")
    held = table(value, where, required=(), optional=_LOOKS + _ASKS)
    if not held:
        raise Bad(where, f"There is nothing to look for: give one of {', '.join(_LOOKS + _ASKS)}.")
    match = _match(held, where) if any(key in held for key in _LOOKS) else None
    probe = next(numbers) if match is not None else 0

    def inner(key: str) -> tuple[Node, ...]:
        if key not in held:
            return ()
        at = f"{where}.{key}"
        entries = held[key]
        if not isinstance(entries, list | tuple) or not 0 < len(entries) <= bounds.CONDITION_PARTS_MAX:
            raise Bad(at, f"It is not a list of 1 to {bounds.CONDITION_PARTS_MAX} tables.")
        return tuple(_node(entry, f"{at}[{n}]", numbers, depth + 1) for n, entry in enumerate(entries))

    languages = many(held.get("languages", []), f"{where}.languages", bounds.LANGUAGES_MAX, _language)
    if "languages" in held:
        some(languages, f"{where}.languages")
    return Node(
        match=match,
        probe=probe,
        author=_author(held["author"], f"{where}.author") if "author" in held else None,
        languages=frozenset(languages),
        all=inner("all"),
        any=inner("any"),
        none=inner("none"),
    )


def _match(held: Map, where: str) -> Match:
    terms: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    lists: tuple[ListRef, ...] = ()
    if "terms" in held:
        terms = some(texts(held["terms"], f"{where}.terms", bounds.TERMS_MAX, bounds.TERM_BYTES_MAX), f"{where}.terms")
    if "lists" in held:
        lists = some(many(held["lists"], f"{where}.lists", bounds.LISTS_MAX, _list), f"{where}.lists")
    if "patterns" in held:
        at = f"{where}.patterns"
        patterns = some(texts(held["patterns"], at, bounds.PATTERNS_MAX, bounds.PATTERN_BYTES_MAX), at)
    return Match(
        terms=terms,
        lists=lists,
        links=_links(held["links"], f"{where}.links") if "links" in held else None,
        flood=_flood(held["flood"], f"{where}.flood") if "flood" in held else None,
        crowd=_crowd(held["crowd"], f"{where}.crowd") if "crowd" in held else None,
        patterns=patterns,
    )


def _links(value: object, where: str) -> Links:
    held = table(value, where, required=("domains",), optional=("others",))
    others = held.get("others", False)
    if not isinstance(others, bool):
        raise Bad(f"{where}.others", "It is not true or false.")
    domains = many(held["domains"], f"{where}.domains", bounds.DOMAINS_MAX, _domain)
    # Without domains, "others" means every link, which is a rule; its opposite would match nothing.
    return Links(domains if others else some(domains, f"{where}.domains"), others)


def _flood(value: object, where: str) -> Flood:
    held = table(value, where, required=("posts_max", "repeats_max", "window_s"), optional=())
    return Flood(
        posts_max=whole(held["posts_max"], f"{where}.posts_max", 1, bounds.FLOOD_POSTS_MAX),
        repeats_max=whole(held["repeats_max"], f"{where}.repeats_max", 1, bounds.FLOOD_POSTS_MAX),
        window_s=whole(held["window_s"], f"{where}.window_s", 1, bounds.FLOOD_WINDOW_S_MAX),
    )


def _crowd(value: object, where: str) -> Crowd:
    held = table(value, where, required=("same", "accounts", "window_s"), optional=())
    return Crowd(
        same=one_of(CrowdOf, held["same"], f"{where}.same"),
        accounts=whole(held["accounts"], f"{where}.accounts", 2, bounds.CROWD_ACCOUNTS_MAX),
        window_s=whole(held["window_s"], f"{where}.window_s", 1, bounds.FLOOD_WINDOW_S_MAX),
    )


def _author(value: object, where: str) -> AuthorIs:
    known = ("younger", "levels", "roles", "posts_below", "restricted_within")
    held = table(value, where, required=(), optional=known)
    if not held:
        raise Bad(where, f"It asks for nothing: give one of {', '.join(known)}.")

    def names(key: str, of: frozenset[str]) -> frozenset[str]:
        if key not in held:
            return frozenset()
        return frozenset(some(many(held[key], f"{where}.{key}", len(of), lambda name, at: _name(name, at, of)), f"{where}.{key}"))

    return AuthorIs(
        younger_s=duration(held["younger"], f"{where}.younger") if "younger" in held else None,
        levels=names("levels", frozenset(Level)),
        roles=names("roles", _ROLES),
        posts_below=whole(held["posts_below"], f"{where}.posts_below", 1, bounds.POSTS_COUNTED_MAX)
        if "posts_below" in held
        else None,
        restricted_within_s=duration(held["restricted_within"], f"{where}.restricted_within")
        if "restricted_within" in held
        else None,
    )


def _slow(held: Map, effect: Effect) -> int:
    if ("slow" in held) != (effect is Effect.SLOW):
        raise Bad("slow", "It stands with effect slow, and only there.")
    seconds = duration(held["slow"], "slow") if "slow" in held else 0
    if seconds > bounds.SLOW_S_MAX:
        raise Bad("slow", f"It is longer than {bounds.SLOW_S_MAX} s.")
    return seconds


def _proposal(value: object) -> Proposal:
    held = table(value, "propose", required=("sanction",), optional=("for",))
    return Proposal(
        sanction=one_of(Sanction, held["sanction"], "propose.sanction"),
        for_s=duration(held["for"], "propose.for") if "for" in held else None,
    )


def _list(value: object, where: str) -> ListRef:
    """Read a reference to a list: its name, or name and version once it is pinned."""
    if isinstance(value, str):
        return ListRef(slug(value, where), None)
    held = table(value, where, required=("list", "version"), optional=())
    return ListRef(slug(held["list"], f"{where}.list"), whole(held["version"], f"{where}.version", 1, 2**31 - 1))


def _language(value: object, where: str) -> str:
    if not isinstance(value, str) or not _LANGUAGE.fullmatch(value):
        raise Bad(where, "It is no language: two letters of ISO 639-1, such as en.")
    return value


def _name(value: object, where: str, of: frozenset[str]) -> str:
    if not isinstance(value, str) or value not in of:
        raise Bad(where, f"It is none of {', '.join(sorted(of))}.")
    return value


def _board(value: object, where: str) -> str:
    return "*" if value == "*" else slug(value, where)


def _field(value: object, where: str) -> str:
    return _name(value, where, FIELDS)


def _domain(value: object, where: str) -> str:
    """Read a domain as people write it; address parts are refused, since they would never match."""
    domain = text(value, where, bounds.DOMAIN_BYTES_MAX)
    if not domain.strip(".") or _NO_DOMAIN & set(domain) or any(letter.isspace() for letter in domain):
        raise Bad(where, "It is not a domain: write it without scheme, port, path or wildcard.")
    return domain
