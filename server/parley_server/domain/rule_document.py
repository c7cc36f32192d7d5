"""From a rule document to a ``Rule``, or to what is wrong with it.

A document is the map of design §7, read from TOML or JSON. Every key is known and every value has a bound: a misspelt key is refused,
because a rule that silently does nothing is worse than none.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, TypeVar

from parley_protocol.ids import is_slug
from parley_server.domain import bounds
from parley_server.domain.rules import BadRule, Disguises, Effect, FailMode, Flood, Links, Match, Rule, RuleHead, Severity

Map = Mapping[str, object]
T = TypeVar("T")
N = TypeVar("N", bound=StrEnum)

FIELDS: Final = frozenset({"body", "name"})
_KEYS: Final = ("id", "policy", "severity", "effect", "fail", "fields", "boards", "match")
_LOOKS_FOR: Final = ("terms", "links", "flood", "patterns")
_OF_TERMS: Final = ("strict", "strict_terms", "disguises", "except")
_POSITION: Final = re.compile(r" \(at (line \d+, column \d+|end of document)\)$")
_NO_DOMAIN: Final = frozenset("/@:?#*\\[]%")


def parse(document: Map, version: int) -> Rule | BadRule:
    """Read a document as version ``version`` of its rule.

    Returns:
        The rule, or the first fault with the key where it is. Entries of ``terms``, ``domains``, ``patterns``, ``fields`` and
        ``boards`` that stand twice are folded into one. Whether a pattern can be compiled and the examples hold is asked of the
        checks, in inspection/.
    """
    try:
        return _rule(document, version)
    except _Bad as bad:
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
    for name, text in sorted(files.items()):
        document = read_toml(text)
        rule = document if isinstance(document, BadRule) else parse(document, 0)
        if isinstance(rule, BadRule):
            return BadRule(f"{name}: {rule.where}".removesuffix(": "), rule.says)
        if rule.head.id in rules:
            return BadRule(f"{name}: id", f"The id {rule.head.id!r} is that of {rules[rule.head.id][0]} too.")
        rules[rule.head.id] = (name, rule)
    return tuple(rule for _, rule in rules.values())


class _Bad(Exception):
    """A fault on its way out of ``parse``."""

    def __init__(self, where: str, says: str) -> None:
        super().__init__(says)
        self.where = where
        self.says = says


def _rule(document: object, version: int) -> Rule:
    held = _map(document, "", required=_KEYS, optional=("examples",))
    head = RuleHead(
        id=_slug(held["id"], "id"),
        version=version,
        policy=_slug(held["policy"], "policy"),
        severity=_one_of(Severity, held["severity"], "severity"),
        effect=_one_of(Effect, held["effect"], "effect"),
        fail=_one_of(FailMode, held["fail"], "fail"),
        disguises=_disguises(held["match"]),
    )
    match = _match(held["match"])
    examples = _map(held.get("examples", {}), "examples", required=(), optional=("must", "must_not"))
    must = _texts(examples.get("must", []), "examples.must", bounds.EXAMPLES_MAX, bounds.EXAMPLE_BYTES_MAX)
    if not must and (match.terms or match.links or match.patterns):
        raise _Bad("examples.must", "A rule that looks at text needs at least one example that it must match.")
    return Rule(
        head=head,
        match=match,
        fields=frozenset(_some(_many(held["fields"], "fields", len(FIELDS), _field), "fields")),
        boards=frozenset(_some(_many(held["boards"], "boards", bounds.BOARDS_MAX, _board), "boards")),
        must=must,
        must_not=_texts(examples.get("must_not", []), "examples.must_not", bounds.EXAMPLES_MAX, bounds.EXAMPLE_BYTES_MAX),
        document=held,
    )


def _match(value: object) -> Match:
    held = _map(value, "match", required=(), optional=(*_LOOKS_FOR, *_OF_TERMS))
    if not any(key in held for key in _LOOKS_FOR):
        raise _Bad("match", "There is nothing to look for: give terms, links, flood or patterns.")
    terms: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    if "terms" in held:
        terms = _some(_texts(held["terms"], "match.terms", bounds.TERMS_MAX, bounds.TERM_BYTES_MAX), "match.terms")
    if "patterns" in held:
        patterns = _some(
            _texts(held["patterns"], "match.patterns", bounds.PATTERNS_MAX, bounds.PATTERN_BYTES_MAX), "match.patterns"
        )
    return Match(
        terms=terms,
        links=_links(held["links"]) if "links" in held else None,
        flood=_flood(held["flood"]) if "flood" in held else None,
        patterns=patterns,
        strict=_strict(held, terms),
        exceptions=_texts(held.get("except", []), "match.except", bounds.EXCEPTIONS_MAX, bounds.TERM_BYTES_MAX),
    )


def _disguises(match: object) -> Disguises:
    """Read ``match.disguises``; what else is wrong with ``match`` is said where it is read."""
    given = match.get("disguises", Disguises.WITHHOLD) if isinstance(match, Mapping) else Disguises.WITHHOLD
    return _one_of(Disguises, given, "match.disguises")


def _strict(held: Map, terms: tuple[str, ...]) -> frozenset[str]:
    """Read ``strict = true``, which means all terms, or ``strict_terms``, which are terms of the rule too."""
    everything = held.get("strict", False)
    if not isinstance(everything, bool):
        raise _Bad("match.strict", "It is not true or false.")
    some = _texts(held.get("strict_terms", []), "match.strict_terms", bounds.TERMS_MAX, bounds.TERM_BYTES_MAX)
    known = frozenset(terms)
    for n, term in enumerate(some):
        if term not in known:
            raise _Bad(f"match.strict_terms[{n}]", "It is none of the rule's terms.")
    return known if everything else frozenset(some)


def _links(value: object) -> Links:
    held = _map(value, "match.links", required=("domains",), optional=("others",))
    others = held.get("others", False)
    if not isinstance(others, bool):
        raise _Bad("match.links.others", "It is not true or false.")
    domains = _many(held["domains"], "match.links.domains", bounds.DOMAINS_MAX, _domain)
    # Without domains, "others" means every link, which is a rule; its opposite would match nothing.
    return Links(domains if others else _some(domains, "match.links.domains"), others)


def _flood(value: object) -> Flood:
    where = "match.flood"
    held = _map(value, where, required=("posts_max", "repeats_max", "window_s"), optional=())
    return Flood(
        posts_max=_int(held["posts_max"], f"{where}.posts_max", 1, bounds.FLOOD_POSTS_MAX),
        repeats_max=_int(held["repeats_max"], f"{where}.repeats_max", 1, bounds.FLOOD_POSTS_MAX),
        window_s=_int(held["window_s"], f"{where}.window_s", 1, bounds.FLOOD_WINDOW_S_MAX),
    )


def _map(value: object, where: str, *, required: tuple[str, ...], optional: tuple[str, ...]) -> Map:
    """Read a map whose keys are all known; ``where`` is empty for the document itself."""
    if not isinstance(value, Mapping):
        raise _Bad(where, "It is not a table.")
    inside = f"{where}." if where else ""
    for key in value:
        if not isinstance(key, str) or key not in required + optional:
            raise _Bad(f"{inside}{str(key)[:64]}", f"There is no such key; known are {', '.join(required + optional)}.")
    for key in required:
        if key not in value:
            raise _Bad(f"{inside}{key}", "It is missing.")
    return value


def _many(value: object, where: str, count_max: int, read: Callable[[object, str], T]) -> tuple[T, ...]:
    """Read a list; entries that stand twice are folded into one, in the order of their first."""
    if not isinstance(value, list | tuple):
        raise _Bad(where, "It is not a list.")
    if len(value) > count_max:
        raise _Bad(where, f"It has {len(value)} entries of at most {count_max}.")
    return tuple(dict.fromkeys(read(entry, f"{where}[{n}]") for n, entry in enumerate(value)))


def _texts(value: object, where: str, count_max: int, bytes_max: int) -> tuple[str, ...]:
    return _many(value, where, count_max, lambda entry, at: _text(entry, at, bytes_max))


def _some(entries: tuple[T, ...], where: str) -> tuple[T, ...]:
    if not entries:
        raise _Bad(where, "It is empty.")
    return entries


def _text(value: object, where: str, bytes_max: int) -> str:
    if not isinstance(value, str):
        raise _Bad(where, "It is not a string.")
    if not value.strip():
        raise _Bad(where, "It is empty.")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise _Bad(where, "It holds a lone surrogate.") from None
    if size > bytes_max:
        raise _Bad(where, f"It has {size} bytes of at most {bytes_max}.")
    return value


def _slug(value: object, where: str) -> str:
    if not isinstance(value, str) or not is_slug(value):
        raise _Bad(where, "It is not 1 to 64 of a-z, 0-9 and inner hyphens.")
    return value


def _board(value: object, where: str) -> str:
    return "*" if value == "*" else _slug(value, where)


def _field(value: object, where: str) -> str:
    if not isinstance(value, str) or value not in FIELDS:
        raise _Bad(where, f"It is none of {', '.join(sorted(FIELDS))}.")
    return value


def _domain(value: object, where: str) -> str:
    """Read a domain as people write it; address parts are refused, since they would never match."""
    domain = _text(value, where, bounds.DOMAIN_BYTES_MAX)
    if not domain.strip(".") or _NO_DOMAIN & set(domain) or any(letter.isspace() for letter in domain):
        raise _Bad(where, "It is not a domain: write it without scheme, port, path or wildcard.")
    return domain


def _int(value: object, where: str, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise _Bad(where, f"It is not a whole number from {least} to {most}.")
    return value


def _one_of(kind: type[N], value: object, where: str) -> N:
    for name in kind:
        if value == name.value:
            return name
    raise _Bad(where, f"It is none of {', '.join(kind)}.")
