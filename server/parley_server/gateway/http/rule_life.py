"""Calls about the life of a rule beside activation: linting, approval, the shadow, and the lists that rules refer to."""

from typing import Annotated, Final, TypeAlias

from msgspec import Meta, Struct

from parley_protocol import codes
from parley_protocol.ids import is_slug
from parley_server.domain import bounds as rule_bounds
from parley_server.domain.access import administers
from parley_server.domain.answers import Refused
from parley_server.domain.rule_document import read_toml
from parley_server.domain.rules import BadRule, Mode
from parley_server.domain.toml_places import place_of
from parley_server.gateway.http.bounds import DOCUMENT_BYTES_MAX
from parley_server.gateway.http.calls import Asked, Call, Calls, Nothing, Who
from parley_server.gateway.http.rules import LiveRule, live_view
from parley_server.gateway.http.services import Services
from parley_server.ports import Activation

Term: TypeAlias = Annotated[str, Meta(min_length=1, max_length=rule_bounds.TERM_BYTES_MAX)]


class Linted(Struct, frozen=True):
    """The text of a rule file. ``toml``: a rule document in TOML."""

    toml: str


class Fault(Struct, frozen=True):
    """What is wrong or doubtful at one place. ``where``: the key, from the outside in; line and column count from 1."""

    where: str
    says: str
    line: int
    column: int


class LintView(Struct, frozen=True):
    """What was found. ``usable``: the rule could be activated; then what follows are doubts, else it is why not."""

    usable: bool
    faults: list[Fault]


class ApprovalView(Struct, frozen=True):
    """A version of a rule and how many people approved it."""

    id: str
    version: int
    mode: Mode
    approvals: int


class ShadowView(Struct, frozen=True):
    """What a rule would have done on one board: of the texts that it looked at, those that it met, those that live rules found too."""

    board: str
    inspected: int
    would: int
    also: int
    samples: list[str]


class ShadowList(Struct, frozen=True):
    """What a version in the shadow would have done so far."""

    id: str
    version: int
    items: list[ShadowView]


class NewList(Struct, frozen=True):
    """Terms of a list. ``activate``: renew the live rules that name the list at once."""

    terms: Annotated[list[Term], Meta(min_length=1, max_length=rule_bounds.TERMS_MAX)]
    activate: bool = False


class ListView(Struct, frozen=True):
    """The latest version of a list."""

    id: str
    version: int
    size: int


class RenewedList(Struct, frozen=True):
    """A new version of a list, the rules that were renewed with it, and the rules that could not be."""

    id: str
    version: int
    size: int
    renewed: list[LiveRule]
    kept: list[str]


class Lists(Struct, frozen=True):
    """The latest version of every list."""

    items: list[ListView]


async def lint(services: Services, asked: Asked[Linted, Nothing]) -> LintView | Refused:
    """Read a rule file and run its examples; nothing is stored."""
    no = administers(asked.person)
    if no is not None:
        return no
    text = asked.body.toml
    document = read_toml(text)
    if isinstance(document, BadRule):
        # A fault of TOML itself names its line.
        digits = [int(part) for part in document.where.replace(",", " ").split() if part.isdigit()]
        line, column = digits if len(digits) == 2 else (text.count("\n") + 1, 1)
        return LintView(usable=False, faults=[Fault("", document.says, line, column)])
    rule, found = await services.rulebook.lint(document)
    faults = [Fault(bad.where, bad.says, (place := place_of(text, bad.where)).line, place.column) for bad in found]
    return LintView(usable=rule is not None, faults=faults)


async def approve(services: Services, asked: Asked[Nothing, Nothing]) -> ApprovalView | Refused:
    """Approve the latest version of a rule that somebody else wrote."""
    no = administers(asked.person)
    if no is not None or asked.person.account is None:
        return no or Refused(codes.UNAUTHENTICATED)
    held = await services.rulebook.approve(asked.path["rule"], asked.person.account)
    return held if isinstance(held, Refused) else ApprovalView(held.rule, held.version, held.mode, len(held.approved_by))


async def shadow(services: Services, asked: Asked[Nothing, Nothing]) -> LiveRule | BadRule | Refused:
    """Let a rule's latest version judge in the shadow."""
    no = administers(asked.person)
    if no is not None:
        return no
    done = await services.rulebook.activate(asked.path["rule"], asked.person.account, shadow=True)
    return await live_view(services, done, Mode.SHADOW) if isinstance(done, Activation) else done


async def shadowed(services: Services, asked: Asked[Nothing, Nothing]) -> ShadowList | Refused:
    """Return what the version in the shadow, or else the latest one, would have done."""
    no = administers(asked.person)
    if no is not None:
        return no
    name = asked.path["rule"]
    latest = await services.rules.get(name)
    if latest is None:
        return Refused(codes.NO_RULE)
    _, in_force = await services.rules.in_force()
    version = next((rule.version for rule in in_force if rule.rule == name and rule.mode is Mode.SHADOW), latest.version)
    counts = await services.rules.shadow(name, version)
    return ShadowList(
        name,
        version,
        [ShadowView(count.board, count.inspected, count.would, count.also, list(count.samples)) for count in counts],
    )


async def lists(services: Services, asked: Asked[Nothing, Nothing]) -> Lists | Refused:
    """Return every list, without its terms."""
    no = administers(asked.person)
    return no or Lists([ListView(*held) for held in await services.rules.term_lists()])


async def put_list(services: Services, asked: Asked[NewList, Nothing]) -> RenewedList | Refused:
    """Store a list of terms, or the next version of one."""
    no = administers(asked.person)
    if no is not None:
        return no
    name, terms = asked.path["list"], list(dict.fromkeys(asked.body.terms))
    if not is_slug(name):
        return Refused(codes.BAD_FIELD, "A list's id has 1 to 64 of a-z, 0-9 and inner hyphens.", scope="list")
    for n, term in enumerate(terms):
        if not term.strip() or len(term.encode()) > rule_bounds.TERM_BYTES_MAX:
            return Refused(codes.BAD_FIELD, f"A term has 1 to {rule_bounds.TERM_BYTES_MAX} bytes.", scope=f"terms[{n}]")
    version = await services.rulebook.put_list(name, terms, asked.person.account)
    done = await services.rulebook.renew(name, asked.person.account) if asked.body.activate else []
    renewed = [await live_view(services, one, Mode.LIVE) for one in done if isinstance(one, Activation)]
    kept = [_why_not(one) for one in done if not isinstance(one, Activation)]
    return RenewedList(name, version, len(terms), renewed, kept)


def _why_not(no: BadRule | Refused) -> str:
    return f"{no.where}: {no.says}" if isinstance(no, BadRule) else no.detail or no.code.says


CALLS: Final[Calls] = (
    Call(
        "POST", "/v1/rules/lint", "Read a rule file and run its examples without storing it; administrators.", lint, Linted, Nothing,
        LintView, who=Who.ACCOUNT, codes=(codes.FORBIDDEN,), body_bytes_max=DOCUMENT_BYTES_MAX,
    ),
    Call(
        "POST", "/v1/rules/{rule}/approve", "Approve the latest version of a rule that somebody else wrote; administrators.", approve,
        Nothing, Nothing, ApprovalView, who=Who.ACCOUNT, codes=(codes.FORBIDDEN, codes.NO_RULE),
    ),
    Call(
        "POST", "/v1/rules/{rule}/shadow", "Let a rule's latest version judge without effect, and count; administrators.", shadow,
        Nothing, Nothing, LiveRule, who=Who.ACCOUNT, codes=(codes.FORBIDDEN, codes.NO_RULE, codes.BAD_RULE),
    ),
    Call(
        "GET", "/v1/rules/{rule}/shadow", "What a rule in the shadow would have done; administrators.", shadowed, Nothing, Nothing,
        ShadowList, who=Who.ACCOUNT, codes=(codes.FORBIDDEN, codes.NO_RULE),
    ),
    Call("GET", "/v1/lists", "The lists of terms that rules refer to; administrators.", lists, Nothing, Nothing, Lists, who=Who.ACCOUNT,
         codes=(codes.FORBIDDEN,)),
    Call(
        "PUT", "/v1/lists/{list}", "Store a list of terms, or the next version of one; administrators.", put_list, NewList, Nothing,
        RenewedList, who=Who.ACCOUNT, codes=(codes.FORBIDDEN,), body_bytes_max=DOCUMENT_BYTES_MAX,
    ),
)  # fmt: skip
