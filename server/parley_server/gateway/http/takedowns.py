"""Calls about stopped posts: what moderators do to a post, its records, evidence, reports and appeals."""

from typing import Final, Literal

from msgspec import UNSET, Struct, UnsetType

from parley_protocol import codes
from parley_protocol.ids import PostId, TakedownId
from parley_protocol.limits import REASON_BYTES_MAX
from parley_server.domain.access import Act, may
from parley_server.domain.answers import Refused
from parley_server.domain.people import Person
from parley_server.domain.takedowns import Filed
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
    Text,
    Who,
    author_view,
    within,
)
from parley_server.gateway.http.services import Rate, Services
from parley_server.ports import Unavailable


class Grounds(Struct, frozen=True):
    """Policy and reason of a restriction; a reversal needs no policy."""

    policy: Name | None = None
    reason: Reason | None = None

    def __post_init__(self) -> None:
        """Check the bytes of the reason: it goes out on the wire."""
        within("reason", self.reason, REASON_BYTES_MAX)


class ActView(Struct, frozen=True, kw_only=True):
    """What a moderator's act led to. ``seq``: of its event, if readers saw a change; ``rev`` and ``state`` of the case."""

    post: str
    case: str
    rev: int
    state: str
    takedown: str | UnsetType = UNSET
    seq: Seq | UnsetType = UNSET


class Words(Struct, frozen=True):
    """What somebody has to say."""

    text: Text

    def __post_init__(self) -> None:
        """Check its bytes."""
        within("text", self.text)


class CaseRef(Struct, frozen=True):
    """The case that a report or an appeal belongs to."""

    case: str


class Purpose(Struct, frozen=True):
    """Why sealed texts are read; it is recorded."""

    purpose: Text

    def __post_init__(self) -> None:
        """Check its bytes."""
        within("purpose", self.purpose)


class EvidenceView(Struct, frozen=True):
    """One sealed text, opened."""

    takedown: str
    post: str
    rev: int
    body: str
    sealed_at: Micros


class EvidenceList(Struct, frozen=True):
    """The stopped texts of a post, newest revision first."""

    items: list[EvidenceView]


class TakedownQuery(Struct, frozen=True):
    """Records of one post. ``after``: the last record's id."""

    post: Id
    after: Id | None = None
    limit: Limit = 100


class TakedownList(Struct, frozen=True, kw_only=True):
    """Takedown records, oldest first."""

    takedowns: list[Record]
    next: str | UnsetType = UNSET


async def retract(services: Services, asked: Asked[Grounds, Nothing]) -> ActView | Refused:
    """Stop a published post everywhere."""
    post = PostId(asked.path["post"])
    try:
        done = await services.moderation.retract(asked.person, post, asked.body.policy or "", asked.body.reason or "")
    except Unavailable:
        if post not in services.moderation.unrecorded:
            raise
        return Refused(codes.UNAVAILABLE, "The post is hidden. Its record cannot be written now, and will follow.")
    return done if isinstance(done, Refused) else act_view(done)


async def restore(services: Services, asked: Asked[Grounds, Nothing]) -> ActView | Refused:
    """Undo a retraction."""
    done = await services.moderation.restore(asked.person, PostId(asked.path["post"]), asked.body.reason or "")
    return done if isinstance(done, Refused) else act_view(done)


async def release(services: Services, asked: Asked[Grounds, Nothing]) -> ActView | Refused:
    """Publish a withheld post or edit."""
    done = await services.moderation.release(asked.person, PostId(asked.path["post"]), asked.body.reason)
    return done if isinstance(done, Refused) else act_view(done)


async def refuse(services: Services, asked: Asked[Grounds, Nothing]) -> ActView | Refused:
    """End a withheld post or edit unpublished."""
    body = asked.body
    done = await services.moderation.refuse(asked.person, PostId(asked.path["post"]), body.policy or "", body.reason or "")
    return done if isinstance(done, Refused) else act_view(done)


async def report(services: Services, asked: Asked[Words, Nothing]) -> CaseRef | Refused:
    """Report a post to the moderators."""
    done = await services.moderation.report(asked.person, PostId(asked.path["post"]), asked.body.text)
    return done if isinstance(done, Refused) else CaseRef(done.case.case)


async def evidence(services: Services, asked: Asked[Nothing, Purpose]) -> EvidenceList | Refused:
    """Open the sealed texts of a post; the reading is recorded."""
    opened = await services.moderation.evidence(asked.person, PostId(asked.path["post"]), asked.query.purpose)
    if isinstance(opened, Refused):
        return opened
    return EvidenceList([EvidenceView(text.takedown, text.post, text.rev, text.body, text.sealed_at_us) for text in opened])


async def takedowns(services: Services, asked: Asked[Nothing, TakedownQuery]) -> TakedownList | Refused:
    """Return the records of a post, to those whom they concern."""
    query = asked.query
    post = PostId(query.post)
    role = await _concerned(services, asked.person, post)
    if role is None:
        return Refused(codes.NO_POST)
    records = [_shown(held, role) for held in await services.takedowns.records(post=post, after=query.after, limit=query.limit)]
    return TakedownList(takedowns=records, next=str(records[-1]["id"]) if len(records) == query.limit else UNSET)


async def takedown(services: Services, asked: Asked[Nothing, Nothing]) -> Record | Refused:
    """Return one record, to those whom it concerns."""
    record = await services.takedowns.record(TakedownId(asked.path["takedown"]))
    subject = record["subject"] if record is not None else None
    if record is None or not isinstance(subject, dict):
        return Refused(codes.NO_TAKEDOWN)
    role = await _concerned(services, asked.person, PostId(str(subject["id"])))
    return _shown(record, role) if role is not None else Refused(codes.NO_TAKEDOWN)


async def appeal(services: Services, asked: Asked[Words, Nothing]) -> CaseRef | Refused:
    """Object to a restriction of one's own post."""
    done = await services.moderation.appeal(asked.person, TakedownId(asked.path["takedown"]), asked.body.text)
    return done if isinstance(done, Refused) else CaseRef(done.case.case)


def act_view(filed: Filed) -> ActView:
    """Say what a committed act led to."""
    return ActView(
        post=filed.post,
        case=filed.case.case,
        rev=filed.case.rev,
        state=filed.case.state,
        takedown=UNSET if filed.takedown is None else filed.takedown,
        seq=UNSET if filed.event is None else filed.event.seq,
    )


Concern = Literal["author", "moderator"]


async def _concerned(services: Services, person: Person, post: PostId) -> Concern | None:
    """Say as what a person may see a post's records: as its author, or as one who moderates its board.

    To all others the post does not exist here, so that nobody learns of one that was withheld (P1).
    """
    info = await services.log.info(post)
    if info is None or person.account is None:
        return None
    if may(person, Act.MODERATE, services.directory.board(info.board)) is None:
        return "moderator"
    return "author" if info.author.id == person.account else None


def _shown(record: Record, concern: Concern) -> Record:
    """Leave out of a record whose hand it was, unless a moderator asks: the author learns the role and the reason."""
    return record if concern == "moderator" else author_view(record)


_ACT: Final = (codes.NO_POST, codes.NO_BOARD, codes.FORBIDDEN, codes.REVOKED, codes.CONFLICT, codes.REASON_REQUIRED)

CALLS: Final[Calls] = (
    Call(
        "POST", "/v1/posts/{post}/retract", "Stop a published post everywhere; moderators.", retract, Grounds, Nothing, ActView,
        who=Who.ACCOUNT, codes=(*_ACT, codes.NO_POLICY, codes.POST_STOPPED),
    ),
    Call(
        "POST", "/v1/posts/{post}/restore", "Undo a retraction; moderators.", restore, Grounds, Nothing, ActView,
        who=Who.ACCOUNT, codes=(*_ACT, codes.NOT_RETRACTED),
    ),
    Call(
        "POST", "/v1/posts/{post}/release", "Publish a withheld post or edit; moderators.", release, Grounds, Nothing, ActView,
        who=Who.ACCOUNT, codes=(*_ACT, codes.NOT_HELD),
    ),
    Call(
        "POST", "/v1/posts/{post}/refuse", "End a withheld post or edit unpublished; moderators.", refuse, Grounds, Nothing,
        ActView, who=Who.ACCOUNT, codes=(*_ACT, codes.NO_POLICY, codes.NOT_HELD),
    ),
    Call(
        "POST", "/v1/posts/{post}/reports", "Report a post to the moderators; guests may.", report, Words, Nothing, CaseRef,
        201, codes=(codes.NO_POST, codes.REASON_REQUIRED), rate=Rate.REPORTS,
    ),
    Call(
        "GET", "/v1/posts/{post}/evidence", "Open the sealed texts of a post; moderators. The reading is recorded.", evidence,
        Nothing, Purpose, EvidenceList, who=Who.ACCOUNT,
        codes=(codes.NO_POST, codes.NO_BOARD, codes.FORBIDDEN, codes.REVOKED, codes.REASON_REQUIRED),
    ),
    Call(
        "GET", "/v1/takedowns", "Records of a post, for its author and moderators.", takedowns, Nothing, TakedownQuery,
        TakedownList, who=Who.ACCOUNT, codes=(codes.NO_POST,),
    ),
    Call(
        "GET", "/v1/takedowns/{takedown}", "One record, for its post's author and moderators.", takedown, Nothing, Nothing,
        Record, who=Who.ACCOUNT, codes=(codes.NO_TAKEDOWN,),
    ),
    Call(
        "POST", "/v1/takedowns/{takedown}/appeals", "Object to a restriction of one's own post.", appeal, Words, Nothing,
        CaseRef, 201, Who.ACCOUNT, (codes.NO_TAKEDOWN, codes.NOT_YOURS, codes.AGAIN, codes.REASON_REQUIRED),
    ),
)  # fmt: skip
