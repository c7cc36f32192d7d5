"""Lists of terms that rules refer to: which version a document names, and the terms in its place.

A rule is stored with the versions of its lists, so that a rule version is one thing for ever; a list that changed takes effect when the
rule is renewed.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

from parley_server.domain.rules import ListRef, Node, Rule

Document: TypeAlias = Mapping[str, object]
Lists: TypeAlias = Mapping[tuple[str, int], tuple[str, ...]]
"""Terms by name and version."""


def lists_of(document: Document) -> list[ListRef]:
    """Return the lists that a document names; what is no reference is left to ``parse``."""
    return [ref for table in _tables(document.get("match")) for ref in _refs(table)]


def pinned(document: Document, versions: Mapping[str, int]) -> Document:
    """Return a document in which lists without a version have the one in ``versions``."""

    def pin(entry: object) -> object:
        return {"list": entry, "version": versions[entry]} if isinstance(entry, str) and entry in versions else entry

    return _changed(document, pin)


def unpinned(document: Document, name: str) -> Document:
    """Return a document that names list ``name`` without a version."""

    def unpin(entry: object) -> object:
        return name if isinstance(entry, Mapping) and entry.get("list") == name else entry

    return _changed(document, unpin)


def with_lists(rule: Rule, lists: Lists) -> Rule:
    """Return a rule whose tables look for the terms of their lists too. ``lists`` holds every one that it names."""
    root = _filled(rule.root, lists)
    return replace(rule, root=root, match=root.match or rule.match)


def _filled(node: Node, lists: Lists) -> Node:
    match = node.match
    if match is not None and match.lists:
        more = (term for ref in match.lists if ref.version is not None for term in lists[ref.list, ref.version])
        match = replace(match, terms=tuple(dict.fromkeys((*match.terms, *more))))
    return replace(
        node,
        match=match,
        all=tuple(_filled(inner, lists) for inner in node.all),
        any=tuple(_filled(inner, lists) for inner in node.any),
        none=tuple(_filled(inner, lists) for inner in node.none),
    )


def _tables(value: object) -> Iterator[Mapping[object, object]]:
    if isinstance(value, Mapping):
        yield value
        for key in ("all", "any", "none"):
            inner = value.get(key)
            for entry in inner if isinstance(inner, list | tuple) else ():
                yield from _tables(entry)


def _refs(table: Mapping[object, object]) -> Iterator[ListRef]:
    held = table.get("lists")
    for entry in held if isinstance(held, list | tuple) else ():
        match entry:
            case str():
                yield ListRef(entry, None)
            case {"list": str(name), "version": int(version)}:
                yield ListRef(name, version)
            case _:
                pass


def _changed(document: Document, change: Callable[[object], object]) -> Document:
    return {key: _in_table(value, change) if key == "match" else value for key, value in document.items()}


def _in_table(value: object, change: Callable[[object], object]) -> object:
    if not isinstance(value, Mapping):
        return value
    return {
        key: [change(entry) for entry in held]
        if key == "lists" and isinstance(held, list | tuple)
        else [_in_table(entry, change) for entry in held]
        if key in ("all", "any", "none") and isinstance(held, list | tuple)
        else held
        for key, held in value.items()
    }
