"""Calls about policies and rules. The catalogue is public; rules are the administrators'."""

from typing import Annotated, Any, Final, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from parley_protocol import codes
from parley_protocol.ids import is_slug
from parley_server.domain.access import administers
from parley_server.domain.answers import Refused
from parley_server.domain.rules import BadRule, Ground, Mode, Policy
from parley_server.gateway.http.bounds import DOCUMENT_BYTES_MAX, TITLE_CHARS_MAX
from parley_server.gateway.http.calls import Asked, Call, Calls, Micros, Nothing, Text, Who, within
from parley_server.gateway.http.services import Services
from parley_server.ports import Activation

Title: TypeAlias = Annotated[str, Meta(min_length=1, max_length=TITLE_CHARS_MAX)]
Document: TypeAlias = Annotated[dict[str, Any], Meta(description="A rule document: the map that a rule's TOML file holds.")]


class NewPolicy(Struct, frozen=True):
    """What a policy says. ``ground``: the law, or the operator's terms; ``reference``: the text that grounds it."""

    title: Title
    ground: Ground
    reference: Text
    explanation: Text

    def __post_init__(self) -> None:
        """Check that each text says something, and its bytes: authors read them in statements of reasons."""
        for name, text in (("title", self.title), ("reference", self.reference), ("explanation", self.explanation)):
            within(name, text)
            if not text.strip():
                raise ValueError(f"`{name}` says nothing")


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
    return PolicyList([_view(held) for held in await services.rules.policies()])


async def put_policy(services: Services, asked: Asked[NewPolicy, Nothing]) -> PolicyView | Refused:
    """Add a policy, or a new version of one; records keep the version that they rest on."""
    no = administers(asked.person)
    if no is not None:
        return no
    name, body = asked.path["policy"], asked.body
    if not is_slug(name):
        return Refused(codes.BAD_FIELD, "A policy's id has 1 to 64 of a-z, 0-9 and inner hyphens.", scope="policy")
    policy = Policy(name, 0, body.title, body.ground, body.reference, body.explanation)
    return _view(await services.rulebook.put_policy(policy, asked.person.account))


async def rules(services: Services, asked: Asked[Nothing, Nothing]) -> RuleList | Refused:
    """Return every rule."""
    no = administers(asked.person)
    if no is not None:
        return no
    return RuleList(
        [
            RuleView(id=held.rule, version=held.version, mode=held.mode, document=dict(held.document))
            for held in await services.rules.all()
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
    return RuleView(id=held.rule, version=held.version, mode=held.mode, document=dict(held.document))


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
    return await live_view(services, done, Mode.LIVE)


async def retire_rule(services: Services, asked: Asked[Nothing, Nothing]) -> RetiredRule | Refused:
    """Take a rule out of force."""
    no = administers(asked.person)
    if no is not None:
        return no
    done = await services.rulebook.retire(asked.path["rule"], asked.person.account)
    if isinstance(done, Refused):
        return done
    await services.rulebook.judging(done)
    return RetiredRule(asked.path["rule"], Mode.RETIRED, done)


async def live_view(services: Services, done: Activation, mode: Mode) -> LiveRule:
    """Return how a rule stands that was activated just now, once every living node judges by it."""
    nodes = [NodeView(judging.node, judging.at_us) for judging in await services.rulebook.judging(done.ruleset)]
    return LiveRule(done.rule.head.id, done.rule.head.version, mode, done.ruleset, nodes)


def _view(policy: Policy) -> PolicyView:
    return PolicyView(policy.id, policy.version, policy.title, policy.ground, policy.reference, policy.explanation)


CALLS: Final[Calls] = (
    Call("GET", "/v1/policies", "The operator's catalogue of what is not allowed.", policies, Nothing, Nothing, PolicyList),
    Call(
        "PUT", "/v1/policies/{policy}", "Add a policy to the catalogue, or a new version of one; administrators.", put_policy,
        NewPolicy, Nothing, PolicyView, who=Who.ACCOUNT, codes=(codes.FORBIDDEN,),
    ),
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
        Nothing, LiveRule, who=Who.ACCOUNT, codes=(codes.FORBIDDEN, codes.NO_RULE, codes.BAD_RULE, codes.NOT_APPROVED),
    ),
    Call(
        "POST", "/v1/rules/{rule}/retire", "Take a rule out of force; administrators.", retire_rule, Nothing, Nothing,
        RetiredRule, who=Who.ACCOUNT, codes=(codes.FORBIDDEN, codes.NO_RULE),
    ),
)  # fmt: skip
