"""Calls about what moderators decide: the queue of cases, one case, its decision, and the alerts that were raised."""

from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from parley_protocol import codes
from parley_protocol.fields import to_map
from parley_protocol.frames import Action, CaseState, Decide
from parley_protocol.ids import AccountId, CaseId
from parley_protocol.limits import REASON_BYTES_MAX, SEQ_MAX
from parley_server.domain.access import Act, may, moderates
from parley_server.domain.answers import Refused
from parley_server.domain.people import Person
from parley_server.domain.rules import Severity
from parley_server.domain.takedowns import Case, KeptDraft
from parley_server.gateway.http.calls import (
    Asked,
    Call,
    Calls,
    Id,
    Limit,
    Micros,
    Name,
    Nothing,
    Reason,
    Record,
    Seq,
    Who,
    within,
)
from parley_server.gateway.http.services import Services
from parley_server.gateway.http.takedowns import ActView, act_view
from parley_server.ports import Unavailable

StandingMap: TypeAlias = Annotated[dict[str, Any], Meta(description="The decision that stands, as on the wire.")]
AlertMap: TypeAlias = Annotated[dict[str, Any], Meta(description="An alert as on the wire, with its `type`.")]


class CaseView(Struct, frozen=True, kw_only=True):
    """A case as it stands."""

    case: str
    rev: int
    state: CaseState
    board: str
    post: str
    policy: str
    severity: Severity
    opened_at: Micros
    claimed_by: str | UnsetType = UNSET
    standing: StandingMap | UnsetType = UNSET


class AuthorView(Struct, frozen=True):
    """Who wrote the post."""

    id: str
    name: str


class KeptView(Struct, frozen=True):
    """What a moderator wrote for a case that another decided first."""

    by: str
    action: str
    policy: str | None
    reason: str | None
    at: Micros


class CaseDetails(CaseView, frozen=True, kw_only=True):
    """A case with its post's author, its records and the texts kept for it."""

    author: AuthorView | UnsetType = UNSET
    post_state: str | UnsetType = UNSET
    takedowns: list[Record]
    kept: list[KeptView]


class CaseQuery(Struct, frozen=True):
    """A page of cases. ``after``: the last case's id."""

    state: Literal["new", "claimed", "decided"] | None = None
    after: Id | None = None
    limit: Limit = 100


class CaseList(Struct, frozen=True, kw_only=True):
    """Cases, oldest first."""

    cases: list[CaseView]
    next: str | UnsetType = UNSET


class Decision(Struct, frozen=True):
    """A decision of a case, if it still stands at ``rev``."""

    rev: Annotated[int, Meta(ge=1, le=SEQ_MAX)]
    action: Action
    policy: Name | None = None
    reason: Reason | None = None

    def __post_init__(self) -> None:
        """Check the bytes of the reason: it goes out on the wire."""
        within("reason", self.reason, REASON_BYTES_MAX)


class AlertQuery(Struct, frozen=True):
    """Alerts from a cursor on."""

    after: Seq = 0
    limit: Limit = 100


class AlertList(Struct, frozen=True):
    """Alerts in order. ``head``: greatest cursor of the stream."""

    alerts: list[AlertMap]
    head: Seq


async def cases(services: Services, asked: Asked[Nothing, CaseQuery]) -> CaseList | Refused:
    """Return a page of the cases that the person may decide."""
    boards = _moderated(asked.person)
    if isinstance(boards, Refused):
        return boards
    query = asked.query
    held = await services.alerts.cases(state=query.state, boards=boards, after=query.after, limit=query.limit)
    return CaseList(
        cases=[CaseView(**_face(case)) for case in held],
        next=held[-1].case if len(held) == query.limit else UNSET,
    )


async def case(services: Services, asked: Asked[Nothing, Nothing]) -> CaseDetails | Refused:
    """Return a case with all that belongs to it."""
    held = await services.alerts.case(CaseId(asked.path["case"]))
    if held is None or may(asked.person, Act.MODERATE, services.directory.board(held.board)) is not None:
        return Refused(codes.NO_CASE)
    info = await services.log.info(held.post)
    records = await services.takedowns.records(post=held.post)
    kept = await services.alerts.kept(held.case)
    return CaseDetails(
        **_face(held),
        author=UNSET if info is None else AuthorView(info.author.id, info.author.name),
        post_state=UNSET if info is None else info.state.value,
        takedowns=records,
        kept=[_kept(draft) for draft in kept],
    )


async def decide(services: Services, asked: Asked[Decision, Nothing]) -> ActView | Refused:
    """Decide a case by compare-and-set; a conflict carries the decision that stands."""
    body = asked.body
    frame = Decide(0, CaseId(asked.path["case"]), body.rev, body.action, body.policy, body.reason)
    try:
        done = await services.moderation.decide(asked.person, frame)
    except Unavailable:
        held = await services.alerts.case(frame.case) if body.action == "retract" else None
        if held is None or held.post not in services.moderation.unrecorded:
            raise
        return Refused(codes.UNAVAILABLE, "The post is hidden. Its record cannot be written now, and will follow.")
    return done if isinstance(done, Refused) else act_view(done)


async def alerts(services: Services, asked: Asked[Nothing, AlertQuery]) -> AlertList | Refused:
    """Return a page of the alerts that the person may see."""
    boards = _moderated(asked.person)
    if isinstance(boards, Refused):
        return boards
    head = await services.alerts.head()
    held = await services.alerts.after(asked.query.after, boards, asked.query.limit)
    return AlertList([to_map(alert) for alert in held], max(head, held[-1].n if held else 0))


def _moderated(person: Person) -> frozenset[str] | Refused | None:
    """Return the boards that the person moderates (``None``: all); ``forbidden`` if there is none."""
    boards = moderates(person)
    return Refused(codes.FORBIDDEN) if boards is not None and not boards else boards


def _face(held: Case) -> dict[str, Any]:
    """Return the fields of ``CaseView``."""
    claimed: AccountId | None = held.claimed_by
    return {
        "case": held.case,
        "rev": held.rev,
        "state": held.state,
        "board": held.board,
        "post": held.post,
        "policy": held.policy,
        "severity": held.severity,
        "opened_at": held.opened_at_us,
        "claimed_by": UNSET if claimed is None else claimed,
        "standing": UNSET if held.standing is None else to_map(held.standing),
    }


def _kept(draft: KeptDraft) -> KeptView:
    return KeptView(draft.by, draft.action, draft.policy, draft.reason, draft.at_us)


CALLS: Final[Calls] = (
    Call(
        "GET", "/v1/cases", "Cases of the boards that one moderates, oldest first.", cases, Nothing, CaseQuery, CaseList,
        who=Who.ACCOUNT, codes=(codes.FORBIDDEN,),
    ),
    Call(
        "GET", "/v1/cases/{case}", "A case with its records and kept texts; moderators.", case, Nothing, Nothing, CaseDetails,
        who=Who.ACCOUNT, codes=(codes.NO_CASE,),
    ),
    Call(
        "POST", "/v1/cases/{case}/decisions", "Decide a case, if it still stands at `rev`; moderators.", decide, Decision,
        Nothing, ActView, who=Who.ACCOUNT,
        codes=(
            codes.NO_CASE, codes.NO_POST, codes.CONFLICT, codes.REASON_REQUIRED, codes.NO_POLICY, codes.POST_STOPPED,
            codes.NOT_HELD, codes.NOT_RETRACTED,
        ),
    ),
    Call(
        "GET", "/v1/alerts", "Alerts of the boards that one moderates, from a cursor on.", alerts, Nothing, AlertQuery,
        AlertList, who=Who.ACCOUNT, codes=(codes.FORBIDDEN,),
    ),
)  # fmt: skip
