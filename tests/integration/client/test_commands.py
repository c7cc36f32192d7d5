"""The command, run as a program."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.progress import Progress

from parley_client import Client, EventsPage, Http
from parley_client.commands.chat import converse
from parley_client.commands.replay import _accounts, play
from parley_client.commands.room import Room
from parley_client.commands.transcript import Entry
from parley_client.http import Map
from parley_protocol import frames
from parley_protocol.frames import Alert, Error, Held, Ok, Retracted, Suppress
from parley_protocol.ids import CaseId, PostId, TakedownId
from tests.integration.client.http_server import http_server
from tests.integration.client.scripted_server import LOBBY, Peer, posted, scripted_server

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(30)]


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run of the command left."""

    status: int
    out: list[str]
    err: str


async def parley(*arguments: str, home: Path, stdin: str = "", **environment: str) -> Ran:
    """Run ``parley`` with its own configuration."""
    held = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "parley_client",
        *arguments,
        env={**held, "XDG_CONFIG_HOME": str(home), "COLUMNS": "200", "TERM": "dumb", **environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(15):
        out, err = await process.communicate(stdin.encode())
    return Ran(process.returncode or 0, out.decode().splitlines(), err.decode())


async def test_chat_in_line_mode_posts_each_line_and_prints_each_event(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        assert (await peer.greet()).token == "t"
        await peer.subscribed(head=4)
        await peer.send(posted(5, "an advert"))
        first = await peer.expect(frames.Post)
        await peer.send(Ok(first.id, post=PostId("p6"), seq=6, at=1), posted(6, first.body))
        await peer.send(Suppress(LOBBY, PostId("p5")))
        await peer.send(Retracted(LOBBY, 7, PostId("p5"), "spam", "advert", TakedownId("t"), 9))
        held = await peer.expect(frames.Post)
        await peer.send(Held(held.id, PostId("p-held")))
        refused = await peer.expect(frames.Post)
        await peer.send(Error("refused", "The post was refused.", re=refused.id))
        last = await peer.expect(frames.Post)
        await peer.send(Ok(last.id, post=PostId("p8"), seq=8, at=1))
        await asyncio.sleep(0.1)  # the answer comes well before its event, as a loaded server may do
        await peer.send(posted(8, last.body))
        await peer.gone()

    raw = tmp_path / "raw"
    async with scripted_server(script) as url:
        ran = await parley(
            "chat", "lobby", "--plain", "--raw", str(raw), home=tmp_path, stdin="hello\nheld\nrefused\n\n/nosuch\nbye\n",
            PARLEY_URL=url, PARLEY_TOKEN="t",
        )  # fmt: skip
    assert (ran.status, ran.err) == (0, "")
    assert ran.out[0] == "[-] connected as me"
    events = ran.out[1:]
    # A suppress overtakes what waits, so the advert was printed before it or reads as gone.
    assert {"[5] ann: an advert", "[5] gone"} & set(events)
    assert "[6] ann: hello" in events
    assert {"[-] post 5 hidden", "[-] post p5 hidden"} & set(events)
    assert "[7] post 5 retracted: spam — advert" in events
    assert "[-] your post p-held is held for a moderator; only you and moderators know of it" in events
    assert "[-] error refused: The post was refused." in events
    assert events[-1] == "[8] ann: bye"
    assert b"an advert" in raw.read_bytes()


async def test_chat_prints_earlier_events_first_where_it_is_asked_to() -> None:
    class Past:
        async def events(self, board: str, after: int = 0, limit: int = 100) -> EventsPage:
            return EventsPage(board, "e1", 9, tuple(posted(seq, f"text {seq}") for seq in range(after + 1, after + limit + 1)))

        async def report(self, post: str, text: str) -> Map:
            raise AssertionError

    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed(head=9)
        await peer.gone()

    async def nothing() -> AsyncIterator[str]:
        for line in list[str]():
            yield line

    out: list[str] = []
    async with scripted_server(script) as url, Client(url) as client:
        await converse(Room("lobby", client, Past()), nothing(), out.append, history=2)
    assert out[:2] == ["[8] ann: text 8", "[9] ann: text 9"]


async def test_chat_on_a_board_that_is_not_there_ends_with_its_code(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.send(Error("no_board", "There is no such board.", re=(await peer.expect(frames.Subscribe)).id))
        await peer.gone()

    async with scripted_server(script) as url:
        ran = await parley("chat", "nowhere", "--url", url, home=tmp_path)
    assert (ran.status, ran.out, ran.err) == (1, [], "parley: no_board: There is no such board.\n")


async def test_watch_in_line_mode_prints_each_alert(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        watch = await peer.expect(frames.Watch)
        assert (watch.scope, watch.after) == ("lobby", 3)
        await peer.send(
            Ok(watch.id, head=4), Alert(4, CaseId("c1"), "high", "spam", "inline", "f***", 2, 1, LOBBY, "casino", PostId("p"))
        )
        await peer.gone()

    async with scripted_server(script) as url:
        ran = await parley("watch", "--board", "lobby", "--after", "3", "--count", "1", "--url", url, home=tmp_path)
    assert ran.out == [
        "[-] watching lobby; the latest alert is 4",
        "alert 4 high case c1 rev 1 inline policy spam rule casino board lobby post p ×2: f***",
    ]


async def test_replay_posts_a_transcript_and_says_how_it_went(tmp_path: Path) -> None:
    bodies: list[str] = []

    async def script(peer: Peer) -> None:
        await peer.greet()
        for seq in range(1, 5):
            post = await peer.expect(frames.Post)
            bodies.append(post.body)
            answers: dict[str, frames.ServerFrame] = {
                "held": Held(post.id, PostId("p")),
                "refused": Error("refused", "no", re=post.id),
            }
            await peer.send(answers.get(post.body, Ok(post.id, post=PostId(f"p{seq}"), seq=seq, at=1)))
        await peer.gone()

    file = tmp_path / "talk.csv"
    file.write_text("author,text\nann,one\nbob,held\nann,refused\nbob,four\n")
    async with scripted_server(script) as url:
        ran = await parley("replay", str(file), "--board", "lobby", "--alone", "--token", "t", "--url", url, home=tmp_path)
    assert bodies == ["one", "held", "refused", "four"]
    assert ran.out[0].startswith("4 posts in ")
    assert ran.out[1:3] == ["ok 2 · held 1 · refused 1", "  refused 1"]
    assert ran.out[3].startswith("answer p50 ")


async def test_replay_keeps_no_more_posts_in_flight_than_its_window() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        for seq in range(1, 10, 2):
            pair = [await peer.expect(frames.Post), await peer.expect(frames.Post)]
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await peer.receive()
            await peer.send(*(Ok(post.id, post=PostId("p"), seq=seq, at=1) for post in pair))
        await peer.gone()

    async with scripted_server(script) as url, Client(url) as client:
        spoken = [(client, Entry(None, str(n))) for n in range(10)]
        tally = await play(spoken, "lobby", rate=None, speed=None, window=2, progress=Progress(disable=True))
    assert tally.answers == {"ok": 10}


async def test_replay_makes_an_account_per_author_and_waits_where_it_is_told_to() -> None:
    answers: dict[str, object] = {
        "POST /v1/accounts": [
            (429, {"code": "limited", "detail": "wait", "retry_after_ms": 10}),
            (409, {"code": "taken", "detail": "taken"}),
            (201, {"id": "a1"}),
        ],
        "PUT /v1/accounts/a1": {"id": "a1"},
        "POST /v1/sessions": [(201, {"token": "session"})],
    }
    with http_server(answers) as server:
        tokens = await _accounts(Http(server.url, "admin"), ["Ann Lee"], Progress(disable=True))
    assert tokens == {"Ann Lee": "session"}
    handles = [asked.body["handle"] for asked in server.asked if asked.path == "/v1/accounts"]
    assert handles[:2] == ["ann-lee", "ann-lee"]
    assert handles[2].startswith("ann-lee-")
    verified = next(asked for asked in server.asked if asked.method == "PUT")
    assert (verified.body, verified.token) == ({"level": "verified"}, "admin")


async def test_login_keeps_the_token_for_later_commands(tmp_path: Path) -> None:
    answers = {"POST /v1/sessions": [(201, {"token": "t"})], "GET /v1/boards": {"items": [{"id": "lobby", "name": "Lobby"}]}}
    with http_server(answers) as server:
        first = await parley("login", "ann", "--password", "pw", "--url", server.url, home=tmp_path)
        second = await parley("boards", "list", home=tmp_path)
    assert first.status == 0
    assert "t\n" not in first.out
    assert "Lobby" in second.out[1]
    assert server.asked[-1].token == "t"


async def test_a_rule_is_read_checked_and_activated(tmp_path: Path) -> None:
    file = tmp_path / "rule.toml"
    file.write_text('id = "r"\npolicy = "spam"\neffect = "withhold"\n[match]\nterms = ["x"]\n')
    answers = {
        "POST /v1/rules": [(201, {"id": "r", "version": 1, "mode": "draft"})],
        "POST /v1/rules/r/activate": {"id": "r", "version": 1, "mode": "live", "nodes": []},
    }
    with http_server(answers) as server:
        ran = await parley("rules", "add", str(file), "--activate", "--url", server.url, "--token", "t", home=tmp_path)
    assert '"mode": "live",' in "".join(ran.out)
    assert server.asked[0].body == {"id": "r", "policy": "spam", "effect": "withhold", "match": {"terms": ["x"]}}


@pytest.mark.parametrize(("text", "says"), [("id = ", "rule.toml: "), ('id = "r"', "policy, effect, match missing")])
async def test_a_rule_that_cannot_be_read_is_not_sent(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "rule.toml"
    file.write_text(text)
    ran = await parley("rules", "check", str(file), "--url", "http://127.0.0.1:9", home=tmp_path)
    assert ran.status == 1
    assert says in ran.err


async def test_an_export_is_a_line_of_json_per_event(tmp_path: Path) -> None:
    page = {"board": "lobby", "epoch": "e", "head": 1, "events": [{"type": "gone", "board": "lobby", "seq": 1, "post": "p"}]}
    with http_server({"GET /v1/boards/lobby/events?after=0&limit=500": page}) as server:
        ran = await parley("export", "lobby", "--url", server.url, home=tmp_path)
    assert ran.out == ['{"type": "gone", "board": "lobby", "seq": 1, "post": "p"}']


async def python(code: str) -> Ran:
    """Run a piece of Python."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    return Ran(process.returncode or 0, out.decode().splitlines(), err.decode())


async def test_the_sdk_needs_websockets_and_msgpack_alone() -> None:
    ran = await python(
        "import sys, parley_client\n"
        "print({name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)"
        " - {'parley_client', 'parley_protocol', 'websockets', 'msgpack', '__main__', '__mp_main__'})"
    )
    unexpected = ran.out[0]
    for name in ("typer", "rich", "textual", "aiohttp", "msgspec", "asyncpg", "parley_server"):
        assert name not in unexpected


async def test_the_command_without_its_extra_says_how_to_install_it() -> None:
    ran = await python("import sys; sys.modules['textual'] = None; from parley_client.__main__ import main; main()")
    assert (ran.status, ran.err) == (1, "parley: textual missing; install the command with: pip install 'parley[cli]'\n")


async def test_serve_without_the_server_says_how_to_install_it() -> None:
    ran = await python(
        "import sys; sys.modules['parley_server'] = None; sys.argv = ['parley', 'serve']\n"
        "from parley_client.__main__ import main; main()"
    )
    assert ran.status == 1
    assert "pip install 'parley[server]'" in ran.err


async def test_a_policy_is_added_to_the_catalogue(tmp_path: Path) -> None:
    said = {"title": "Gambling", "ground": "law", "reference": "Gambling Act, s. 33", "explanation": "Games for money."}
    with http_server({"PUT /v1/policies/gambling": {"id": "gambling", "version": 1, **said}}) as server:
        options = [part for name, value in said.items() for part in (f"--{name}", value)]
        ran = await parley("rules", "policy-put", "gambling", *options, "--url", server.url, "--token", "t", home=tmp_path)
    assert (ran.status, ran.err) == (0, "")
    assert "gambling" in "\n".join(ran.out)
    assert [(asked.method, asked.path, asked.body) for asked in server.asked] == [("PUT", "/v1/policies/gambling", said)]
