"""Calls about policies and rules. The catalogue is public; rules are the administrators'."""

from typing import Annotated, Any, Final, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from parley_protocol import codes
from parley_server.domain.access import administers
from parley_server.domain.answers import Refused
from parley_server.domain.rules import BadRule, Ground, Mode
from parley_server.gateway.http.bounds import DOCUMENT_BYTES_MAX
from parley_server.gateway.http.calls import Asked, Call, Calls, Micros, Nothing, Who
from parley_server.gateway.http.services import Services

Document: TypeAlias = Annotated[dict[str, Any], Meta(description="A rule document: the map that a rule's TOML file holds.")]


class PolicyView(Struct, frozen=True):
    """One entry of the catalogue."""

    id: str
    version: int
    title: str
    ground: Ground
    reference: str
    explanation: str


class PolicyList(Struct, frozen=True):
    """The catalogue."""

    items: list[PolicyView]


class RuleView(Struct, frozen=True, kw_only=True):
    """The latest version of a rule."""

    id: str
    version: int
    mode: Mode
    document: Document | UnsetType = UNSET


class RuleList(Struct, frozen=True):
    """The latest version of every rule."""

    items: list[RuleView]


class NodeView(Struct, frozen=True):
    """A node that judges by it, and since when."""

    node: str
    at: Micros


class LiveRule(Struct, frozen=True):
    """A rule that went live. ``ruleset``: version of the whole set from then on."""

    id: str
    version: int
    mode: Mode
    ruleset: int
    nodes: list[NodeView]


class RetiredRule(Struct, frozen=True):
    """A rule that was taken out. ``ruleset``: version of the whole set from then on."""

    id: str
    mode: Mode
    ruleset: int


async def policies(services: Services, _: Asked[Nothing, Nothing]) -> PolicyList:
    """Return the catalogue."""
    return PolicyList(
        [
            PolicyView(held.id, held.version, held.title, held.ground, held.reference, held.explanation)
            for held in await services.rules.policies()
        ]
    )


async def rules(services: Services, asked: Asked[Nothing, Nothing]) -> RuleList | Refused:
    """Return every rule."""
    no = administers(asked.person)
    if no is not None:
        return no
    return RuleList(
        [
            RuleView(id=rule, version=version, mode=Mode(mode), document=dict(document))
            for rule, version, mode, document in await services.rules.all()
        ]
    )


async def rule(services: Services, asked: Asked[Nothing, Nothing]) -> RuleView | Refused:
    """Return a rule."""
    no = administers(asked.person)
    if no is not None:
        return no
    held = await services.rules.get(asked.path["rule"])
    if held is None:
        return Refused(codes.NO_RULE)
    version, mode, document = held
    return RuleView(id=asked.path["rule"], version=version, mode=Mode(mode), document=dict(document))


async def add_rule(services: Services, asked: Asked[dict[str, Any], Nothing]) -> RuleView | BadRule | Refused:
    """Store a document as a draft, once its examples hold."""
    no = administers(asked.person)
    if no is not None:
        return no
    made = await services.rulebook.add(asked.body, asked.person.account)
    if isinstance(made, BadRule | Refused):
        return made
    return RuleView(id=made[0], version=made[1], mode=Mode.DRAFT)


async def activate_rule(services: Services, asked: Asked[Nothing, Nothing]) -> LiveRule | BadRule | Refused:
    """Put a rule's latest version in force."""
    no = administers(asked.person)
    if no is not None:
        return no
    done = await services.rulebook.activate(asked.path["rule"], asked.person.account)
    if isinstance(done, BadRule | Refused):
        return done
    node = NodeView(services.site.node, done.at_us)
    return LiveRule(done.rule.head.id, done.rule.head.version, Mode.LIVE, done.ruleset, [node])


async def retire_rule(services: Services, asked: Asked[Nothing, Nothing]) -> RetiredRule | Refused:
    """Take a rule out of force."""
    no = administers(asked.person)
    if no is not None:
        return no
    done = await services.rulebook.retire(asked.path["rule"], asked.person.account)
    return done if isinstance(done, Refused) else RetiredRule(asked.path["rule"], Mode.RETIRED, done)


CALLS: Final[Calls] = (
    Call("GET", "/v1/policies", "The operator's catalogue of what is not allowed.", policies, Nothing, Nothing, PolicyList),
    Call(
        "GET", "/v1/rules", "The latest version of every rule; administrators.", rules, Nothing, Nothing, RuleList,
        who=Who.ACCOUNT, codes=(codes.FORBIDDEN,),
    ),
    Call(
        "POST", "/v1/rules", "Store a rule document as a draft; administrators.", add_rule, dict[str, Any], Nothing, RuleView,
        201, Who.ACCOUNT, (codes.FORBIDDEN, codes.BAD_RULE, codes.NO_POLICY), body_bytes_max=DOCUMENT_BYTES_MAX,
    ),
    Call(
        "GET", "/v1/rules/{rule}", "The latest version of a rule; administrators.", rule, Nothing, Nothing, RuleView,
        who=Who.ACCOUNT, codes=(codes.FORBIDDEN, codes.NO_RULE),
    ),
    Call(
        "POST", "/v1/rules/{rule}/activate", "Put a rule's latest version in force; administrators.", activate_rule, Nothing,
        Nothing, LiveRule, who=Who.ACCOUNT, codes=(codes.FORBIDDEN, codes.NO_RULE, codes.BAD_RULE),
    ),
    Call(
        "POST", "/v1/rules/{rule}/retire", "Take a rule out of force; administrators.", retire_rule, Nothing, Nothing,
        RetiredRule, who=Who.ACCOUNT, codes=(codes.FORBIDDEN, codes.NO_RULE),
    ),
)  # fmt: skip
