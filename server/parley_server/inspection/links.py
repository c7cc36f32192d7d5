"""Domains that a text names, with or without a scheme around them.

A listed domain is found wherever it stands: in an address, bare, as a redirect's parameter, behind userinfo, percent-encoded, in
punycode, with ideographic or full-width dots, glued to text that has no spaces. ``others`` asks the opposite question, whether a text
links anywhere else, so there a name counts only if it is an address or ends in a public suffix.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from tldextract import TLDExtract

from parley_server.domain.rules import BadRule, Rule
from parley_server.domain.verdict import Finding
from parley_server.inspection.normalise import Normaliser, normalise, origin
from parley_server.ports import Item

NAME: Final = "links"

# Letters of a name: everything but whitespace and punctuation. Hyphens, underscores and dots are inside; the ideographic stop is
# a dot for a browser and ends a sentence for a reader, so both readings are tried.
_NAME: Final = re.compile(r"[^\s\x00-,/:-@\[-^`{-\x7f\u00a1-\u00bf\u2000-\u206f\u3000-\u303f]+")
_ASCII_NAME: Final = re.compile(r"[a-z0-9._-]+")
_DOTS: Final = re.compile(r"\.{2,}")
_IDEOGRAPHIC_STOP: Final = "\u3002"
_INNER_DOT: Final = re.compile(r"\.[^\s.]")
# What makes an address of what follows. A browser takes any number of slashes after a scheme of the web, also backward ones.
_ADDRESS: Final = re.compile(r"(?:https?|ftp|wss?):[/\\]*|//+")
_AUTHORITY: Final = re.compile(r"[^\s/\\?#<>\"'()|]*")
_LABEL_MAX: Final = 63
# The offline arguments: no list is fetched, no cache is written; the snapshot inside the package is read.
_SUFFIXES: Final = TLDExtract(suffix_list_urls=(), cache_dir=None)


@dataclass(frozen=True, slots=True)
class Name:
    """A name in a text, canonical. ``span``: in the text that was searched; ``None`` where it was decoded first."""

    host: str
    span: tuple[int, int] | None


class Links:
    """The check of all rules with links. Use ``fault`` on each rule first."""

    name = NAME
    local = True

    def __init__(self, rules: Sequence[Rule], read: Normaliser) -> None:
        self._read = read
        listed: dict[str, list[Rule]] = {}
        others: list[tuple[Rule, Mapping[str, object]]] = []
        for rule in rules:
            links = rule.match.links
            if links is None:
                continue
            domains = dict.fromkeys(canonical(domain) for domain in links.domains)
            if links.others:
                others.append((rule, domains))
                continue
            for domain in domains:
                listed.setdefault(domain, []).append(rule)
        self._listed = listed
        self._others = tuple(others)
        self.rules = tuple(rule for rule in rules if rule.match.links is not None)
        if others:
            # Reads the snapshot now, in the thread that compiles, and not on the event loop at the first link.
            _is_public("example.org")

    async def inspect(self, item: Item) -> Sequence[Finding]:
        """Return one finding for each rule: the first name that meets it."""
        text = self._read(item.text)
        if not _may_link(text):
            return ()
        met: dict[int, tuple[Rule, Name]] = {}
        for name in names(text) if self._listed else ():
            for domain in _upwards(name.host):
                for rule in self._listed.get(domain, ()):
                    if id(rule) not in met and rule.covers(item.board, item.field):
                        met[id(rule)] = (rule, name)
        for rule, domains in self._others:
            if rule.covers(item.board, item.field):
                elsewhere = (name for name in links(text) if not any(domain in domains for domain in _upwards(name.host)))
                if (first := next(elsewhere, None)) is not None:
                    met[id(rule)] = (rule, first)
        if not met:
            return ()
        at = origin(item.text)
        return tuple(
            Finding(rule.head, NAME, item.field, at.span(*name.span) if name.span else None, name.host)
            for rule, name in met.values()
        )


def fault(rule: Rule) -> BadRule | None:
    """Return the first domain that could never match a name."""
    for n, domain in enumerate(rule.match.links.domains if rule.match.links else ()):
        host = canonical(domain)
        if not host or "" in host.split(".") or _NAME.fullmatch(host) is None:
            return BadRule(f"match.links.domains[{n}]", "It is not a domain.")
    return None


def canonical(host: str) -> str:
    """Return a host as it is compared: normalised, in letters instead of punycode, without dots at its ends.

    What differs only by case folding (``straße.example``, ``strasse.example``) compares as equal.
    """
    if host.isascii() and "xn--" not in (host := host.lower()):
        return host.strip(".")
    labels = normalise(host).replace(_IDEOGRAPHIC_STOP, ".").strip(".").split(".")
    return ".".join(_label(label) for label in labels)


def names(text: str) -> Iterator[Name]:
    """Return every name of a normalised text that has a dot inside, in all readings; the same may come twice."""
    for reading, exact in _readings(text):
        for match in _NAME.finditer(reading):
            for host, first, end in _hosts(match[0], match.start()):
                yield Name(host, (first, end) if exact else None)


def links(text: str) -> Iterator[Name]:
    """Return what leads somewhere when it is followed: addresses, and bare names below a public suffix that are no mail address."""
    for reading, exact in _readings(text):
        at = 0
        while (scheme := _ADDRESS.search(reading, at)) is not None:
            authority = _AUTHORITY.match(reading, scheme.end())
            assert authority is not None, "matches the empty text"
            # At least what the scheme took is consumed, so that the time stays linear in the text.
            at = max(authority.end(), scheme.end())
            host = _host(authority[0])
            if host and ("." in host or ":" in scheme[0]):
                yield Name(host, (authority.start(), authority.end()) if exact else None)
        for match in _NAME.finditer(reading):
            # Behind a slash it is a path or an address that was read above, behind @ a mail address, behind the others a query.
            if (
                reading[match.start() - 1 : match.start()] in ("/", "\\", "@", "=", "?", "&", "#")
                or reading[match.end() :][:1] == "@"
            ):
                continue
            hosts = list(_hosts(match[0], match.start()))
            # The first is the whole run; where ASCII names are glued to other letters, those are what can be followed.
            for host, first, end in hosts[1:] or hosts:
                if _is_public(host):
                    yield Name(host, (first, end) if exact else None)


def _may_link(text: str) -> bool:
    """Say whether a text can hold a name or an address at all: most cannot, and this is all that they cost (0.5 µs)."""
    if _INNER_DOT.search(text) is not None or "//" in text or "%" in text or _IDEOGRAPHIC_STOP in text:
        return True
    # Any scheme of _ADDRESS ends so.
    return "p:" in text or "s:" in text


def _readings(text: str) -> Iterator[tuple[str, bool]]:
    """Return the ways to read a normalised text, and whether positions in it are those of the text."""
    yield text, True
    if _IDEOGRAPHIC_STOP in text:
        yield text.replace(_IDEOGRAPHIC_STOP, "."), True
    if "%" in text and (decoded := normalise(unquote(text))) != text:
        yield decoded.replace(_IDEOGRAPHIC_STOP, "."), False


def _hosts(run: str, at: int) -> Iterator[tuple[str, int, int]]:
    """Return the hosts in a run of name letters: between ellipses whole, then what stands in ASCII inside."""
    if "." not in run:
        return
    first = 0
    for cut in [*_DOTS.finditer(run), None]:
        end = cut.start() if cut else len(run)
        yield from _host_in(run[first:end], at + first)
        first = cut.end() if cut else end


def _host_in(run: str, at: int) -> Iterator[tuple[str, int, int]]:
    if "." not in run.strip("."):
        return
    yield canonical(run), at, at + len(run)
    if run.isascii():
        return
    for part in _ASCII_NAME.finditer(run):
        if "." in part[0].strip("."):
            yield canonical(part[0]), at + part.start(), at + part.end()


def _host(authority: str) -> str:
    """Return the host of an address's authority: without userinfo and port; empty if there is none."""
    host = authority.rpartition("@")[2]
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return canonical(re.split(r"[:\]},;]", host, maxsplit=1)[0])


def _upwards(host: str) -> Iterator[str]:
    """Return a host and all domains that it is below."""
    while host:
        yield host
        host = host.partition(".")[2]


def _label(label: str) -> str:
    """Return a label in letters; what is no punycode stays as it is."""
    if not label.startswith("xn--") or len(label) > _LABEL_MAX:
        return label
    try:
        letters = label[4:].encode("ascii").decode("punycode")
        # The decoder also makes lone surrogates, which no record could hold.
        letters.encode()
    except (UnicodeError, ValueError, OverflowError):
        return label
    return normalise(letters)


def _is_public(host: str) -> bool:
    """Say whether a host is a name below a public suffix, as ``example.org`` is below ``org``."""
    found = _SUFFIXES.extract_str(host)
    return bool(found.suffix and found.domain)
