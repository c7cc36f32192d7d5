"""What is doubtful in a rule that could be activated: things that hit the innocent, or nobody."""

from collections.abc import Iterator
from typing import Final

from parley_server.domain.rules import BadRule, Effect, Node, Rule

SHORT_TERM: Final = 3
"""A term of fewer letters is found in much that has nothing to do with it."""

_STOPS: Final = (Effect.WITHHOLD, Effect.REFUSE, Effect.RETRACT)


def doubts(rule: Rule) -> list[BadRule]:
    """Return what its author should look at again, in the order of the document."""
    return list(_doubts(rule))


def _doubts(rule: Rule) -> Iterator[BadRule]:
    stops = rule.head.effect in _STOPS
    if stops and not rule.must_not:
        yield BadRule("examples.must_not", "Nothing says what it must not match; name the nearest innocent texts.")
    for where, node in _tables(rule.root, "match"):
        terms = node.match.terms if node.match is not None else ()
        for n, term in enumerate(terms):
            if stops and term.isascii() and len(term.strip()) < SHORT_TERM:
                yield BadRule(f"{where}.terms[{n}]", f"It has fewer than {SHORT_TERM} letters.")
        for n, pattern in enumerate(node.match.patterns if node.match is not None else ()):
            if pattern.startswith(".*") or pattern.endswith(".*"):
                yield BadRule(f"{where}.patterns[{n}]", "A pattern is found anywhere; .* at its ends does nothing but take time.")
    if "*" not in rule.boards and "name" in rule.fields:
        yield BadRule("fields", "Names belong to the whole site; a rule for some boards never sees those of accounts.")
    if rule.head.effect is Effect.REFUSE and rule.root.plain and rule.match.flood is not None:
        yield BadRule("effect", "A refusal of what is merely frequent is final; withhold or slow lets the author go on.")


def _tables(node: Node, where: str) -> Iterator[tuple[str, Node]]:
    yield where, node
    for key, inner in (("all", node.all), ("any", node.any), ("none", node.none)):
        for n, table in enumerate(inner):
            yield from _tables(table, f"{where}.{key}[{n}]")
