"""``parley export``, ``search``, ``takedowns``, ``report``, ``appeal``, ``evidence``, ``cases`` and ``decide``."""

import json
import sys
from enum import StrEnum
from typing import Annotated

import typer

from parley_client.client import Client
from parley_client.commands.lines import printable, standing_line
from parley_client.commands.shared import Token, Url, ask, fail, found, run, show, table
from parley_client.errors import ParleyError
from parley_client.http import Http, Map
from parley_client.values import CaseAnswer
from parley_protocol.fields import to_map


class ExportFormat(StrEnum):
    """How an export is written."""

    JSONL = "jsonl"
    JSON = "json"


class Decision(StrEnum):
    """What a moderator can decide."""

    RELEASE = "release"
    REFUSE = "refuse"
    RETRACT = "retract"
    RESTORE = "restore"
    DISMISS = "dismiss"


PostArgument = Annotated[str, typer.Argument(metavar="POST", help="The post's id.")]


def export(
    board: Annotated[str, typer.Argument(help="The board's slug.")],
    format: Annotated[ExportFormat, typer.Option("--format", help="One event per line, or one list.")] = ExportFormat.JSONL,
    after: Annotated[int, typer.Option("--after", help="Start after this seq.", min=0)] = 0,
    url: Url = None,
    token: Token = None,
) -> None:
    """Write a board's events to the output, as they read now; what was stopped has no text."""

    async def work(http: Http) -> None:
        first = True
        async for event in http.export(board, after):
            written = json.dumps(to_map(event), ensure_ascii=False)
            if format is ExportFormat.JSONL:
                sys.stdout.write(written + "\n")
            else:
                sys.stdout.write(("[\n" if first else ",\n") + written)
            first = False
        if format is ExportFormat.JSON:
            sys.stdout.write("[]\n" if first else "\n]\n")

    ask(url, token, work)


def search(
    words: Annotated[list[str], typer.Argument(help="All of them must be in the post.")],
    board: Annotated[str | None, typer.Option("--board", "-b", help="On this board alone.")] = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """Find published posts, newest first."""
    for post in ask(url, token, lambda http: http.search(" ".join(words), board)):
        author = post.get("author") or {}
        print(printable(f"{post.get('board')} [{post.get('seq')}] {author.get('name')}: {post.get('body')}"))


def takedowns(
    post: Annotated[str | None, typer.Argument(help="The post's id; without it, those of your own posts.")] = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """Show the takedown records of a post, as JSON."""
    show(ask(url, token, lambda http: http.my_takedowns() if post is None else http.takedowns(post)))


def report(post: PostArgument, text: Annotated[list[str], typer.Argument()], url: Url = None, token: Token = None) -> None:
    """Report a post to the moderators."""
    show(ask(url, token, lambda http: http.report(post, " ".join(text))))


def appeal(
    takedown: Annotated[str, typer.Argument(help="The takedown's id.")],
    text: Annotated[list[str], typer.Argument()],
    url: Url = None,
    token: Token = None,
) -> None:
    """Object to a takedown of one's own post."""
    show(ask(url, token, lambda http: http.appeal(takedown, " ".join(text))))


def evidence(
    post: PostArgument,
    purpose: Annotated[str, typer.Option("--purpose", prompt=True, help="Why; it is recorded with your name.")],
    url: Url = None,
    token: Token = None,
) -> None:
    """Unseal the stopped texts of a post; the reading is recorded."""
    show(ask(url, token, lambda http: http.evidence(post, purpose)))


def cases(
    state: Annotated[str | None, typer.Option("--state", help="new, claimed or decided.")] = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """Show the moderators' cases."""
    rows = ask(url, token, lambda http: http.cases(state))
    table(rows, "case", "rev", "state", "severity", "policy", "board", "post", "claimed_by")


def decide(
    case: Annotated[str, typer.Argument(help="The case's id.")],
    action: Annotated[Decision, typer.Argument()],
    policy: Annotated[str | None, typer.Option("--policy", help="Needed to refuse or retract.")] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="What the author reads.")] = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """Decide a case as it stands now."""
    place = found(url, token)

    async def work() -> CaseAnswer:
        held: Map = await Http(place.url, place.token).case(case)
        async with Client(place.url, place.token, client="parley-decide/0.1") as client:
            return await client.decide(case, int(held["rev"]), action.value, policy=policy, reason=reason)

    async def explained() -> CaseAnswer:
        try:
            return await work()
        except ParleyError as error:
            if error.standing is not None:
                raise fail(f"conflict: {standing_line(error.standing)}") from None
            raise

    done = run(explained())
    print(f"case {done.case} rev {done.rev} {action.value}" + (f" takedown {done.takedown}" if done.takedown else ""))
