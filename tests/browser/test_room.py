"""The web page in a real browser, on the real server: what people see, and no error in any console.

Playwright's sync API runs an event loop of its own, so these tests have a pytest process of their own:
``python -m pytest tests/browser``. They need Playwright and a Chromium (``PARLEY_CHROMIUM``, else Debian's).
"""

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final

import pytest

pytest.importorskip("playwright", reason="Playwright is not installed")

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

ROOT: Final = Path(__file__).parents[2]
CHROMIUM: Final = Path(os.environ.get("PARLEY_CHROMIUM", "/usr/bin/chromium"))
COMMAND: Final = [sys.executable, "-m", "parley_server"]
# The first start makes a database; on a small machine that takes its time.
START_WITHIN_S: Final = 90.0
STOP_WITHIN_S: Final = 20.0
SEEN_WITHIN_MS: Final = 10_000
PASSWORD: Final = "correct horse battery staple"
ARGS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no browser at {CHROMIUM}")


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. ``token``: the administrator's."""

    port: int
    password: str
    token: str

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}"

    def post(self, path: str, value: object) -> Any:
        """Call the server as the administrator."""
        return call(self.port, path, value, token=self.token)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start the server with an empty data folder and one board, stop it at the end."""
    password = secrets.token_urlsafe(16)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("server")
    environment = os.environ | {
        "PARLEY_HOST": "127.0.0.1",
        "PARLEY_PORT": str(port),
        "PARLEY_DATA_DIR": str(folder / "data"),
        "PARLEY_ADMIN_PASSWORD": password,
        "PARLEY_IDENTITY": "unverified",
        "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("protocol", "server", "clients")),
    }
    environment.pop("PARLEY_DATABASE_URL", None)
    environment.pop("PARLEY_REDIS_URL", None)
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(COMMAND, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT)
        try:
            wait_until_ready(port, process, log)
            session = call(port, "/v1/sessions", {"handle": "admin", "password": password})
            running = Server(port, password, session["token"])
            running.post("/v1/boards", {"slug": "lobby", "name": "The lobby", "summary": "Talk about anything."})
            yield running
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start one browser; each person gets a context of their own."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield running
        running.close()


class People:
    """Browser contexts, one for each person, and everything that their consoles complained about."""

    def __init__(self, browser: Browser, address: str) -> None:
        """Start with nobody."""
        self._browser = browser
        self._address = address
        self.contexts: list[BrowserContext] = []
        self.errors: list[str] = []

    def guest(self) -> Page:
        """Open the page as somebody without an account."""
        context = self._browser.new_context(locale="en-GB", viewport={"width": 900, "height": 800})
        self.contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(SEEN_WITHIN_MS)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(self._address + "/")
        return page

    def member(self, name: str) -> Page:
        """Sign up through the page; the handle is unique for the run."""
        page = self.guest()
        page.get_by_role("link", name="Sign in").click()
        form = page.get_by_role("form", name="Create an account")
        form.get_by_label("Handle").fill(f"{name.lower()}-{secrets.token_hex(4)}")
        form.get_by_label("Name that others see").fill(name)
        form.get_by_label("Password").fill(PASSWORD)
        form.get_by_role("button", name="Create an account").click()
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        return page

    def administrator(self, password: str) -> Page:
        """Sign in through the page as the administrator."""
        page = self.guest()
        page.get_by_role("link", name="Sign in").click()
        form = page.get_by_role("form", name="Sign in")
        form.get_by_label("Handle").fill("admin")
        form.get_by_label("Password").fill(password)
        form.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        return page

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)


@pytest.fixture
def people(server: Server, browser: Browser) -> Iterator[People]:
    """Gather people for one test; at its end no console may have an error."""
    gathered = People(browser, server.address)
    yield gathered
    for context in gathered.contexts:
        context.close()
    assert gathered.errors == []


def test_a_post_reaches_the_other_member_and_can_be_answered_changed_and_deleted(people: People) -> None:
    ann, ben = people.member("Ann"), people.member("Ben")
    for page in (ann, ben):
        enter(page)
    text = unique("good morning")
    write(ann, text)
    expect(line(ben, text)).to_be_visible()
    expect(line(ann, text)).to_have_count(1)
    expect(ann.get_by_text("Identities are not verified")).to_be_visible()

    line(ben, text).get_by_text("React", exact=True).click()
    line(ben, text).get_by_role("button", name="React with 🎉").click()
    expect(line(ann, text).get_by_role("button", name="🎉, 1 person")).to_be_visible()

    line(ben, text).get_by_role("button", name="Reply").click()
    answer = unique("and to you")
    write(ben, answer)
    expect(line(ann, answer)).to_contain_text("in reply to Ann")

    changed = unique("good evening")
    line(ann, text).get_by_role("button", name="Edit").click()
    dialog = ann.get_by_role("dialog")
    dialog.get_by_label("Post").fill(changed)
    dialog.get_by_role("button", name="Save").click()
    expect(line(ben, changed)).to_be_visible()
    expect(ben.get_by_text(text)).to_have_count(0)

    line(ann, changed).get_by_role("button", name="Delete").click()
    ann.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(ben.get_by_text("Deleted by its author.").first).to_be_visible()
    expect(ben.get_by_text(changed)).to_have_count(0)
    expect(line(ben, answer)).to_contain_text("in reply to a removed post")


def test_a_withheld_post_is_seen_by_its_author_alone_until_a_moderator_releases_it(server: Server, people: People) -> None:
    term = f"zorbl{secrets.token_hex(4)}"
    make_rule(server, term)
    ann, ben, moderator = people.member("Ann"), people.member("Ben"), people.administrator(server.password)
    for page in (ann, ben):
        enter(page)
    moderator.get_by_role("link", name="Moderation").click()
    expect(moderator.get_by_role("heading", name="Moderation")).to_be_visible()

    text = unique(f"buy {term} now")
    write(ann, text)
    expect(ann.get_by_text("Held: waiting for a moderator")).to_be_visible()
    notice = ann.get_by_role("region", name="Notices about your posts")
    expect(notice).to_contain_text("held for a moderator")
    expect(notice.get_by_role("button", name="Appeal")).to_be_visible()

    case = moderator.get_by_role("list", name="Cases").get_by_role("listitem").filter(has_text=f"rule {term}")
    expect(case).to_be_visible()
    # The excerpt is masked: the rule's name stands in the row, the text does not.
    expect(case).not_to_contain_text(text)
    after = unique("something else")
    write(ann, after)
    expect(line(ben, after)).to_be_visible()
    expect(ben.get_by_text(text)).to_have_count(0)

    case.get_by_role("button", name="Claim").click()
    expect(case).to_contain_text("Claimed by you")
    case.get_by_role("button", name="Release").click()
    moderator.get_by_role("dialog").get_by_role("button", name="Release").click()
    expect(case).to_contain_text("Decided")
    expect(line(ben, text)).to_be_visible()
    expect(notice).to_contain_text("released and is published")
    expect(ann.get_by_text("Held: waiting for a moderator")).to_have_count(0)


def test_a_retracted_post_disappears_from_every_page_and_comes_back_when_restored(server: Server, people: People) -> None:
    ann, ben, moderator = people.member("Ann"), people.member("Ben"), people.administrator(server.password)
    for page in (ann, ben, moderator):
        enter(page)
    text, reason = unique("a thing that must go"), unique("it names a person")
    write(ann, text)
    expect(line(ben, text)).to_be_visible()
    line(moderator, text).get_by_role("button", name="Retract").click()
    dialog = moderator.get_by_role("dialog")
    dialog.get_by_label("Policy").select_option(index=1)
    dialog.get_by_label("Reason").fill(reason)
    dialog.get_by_role("button", name="Retract").click()
    for page in (ben, moderator, ann):
        expect(page.get_by_text(f"Reason: {reason}")).to_be_visible()
        assert text not in page.content()
    expect(ann.get_by_role("region", name="Notices about your posts")).to_contain_text(reason)
    # Who comes now finds the tombstone, and no text.
    late = people.guest()
    enter(late)
    expect(late.get_by_text(f"Reason: {reason}")).to_be_visible()
    assert text not in late.content()

    ann.get_by_role("button", name="Appeal").click()
    ann.get_by_role("dialog").get_by_label("Your appeal").fill("The person is me.")
    ann.get_by_role("dialog").get_by_role("button", name="Send appeal").click()
    expect(ann.get_by_text("Your appeal was sent.")).to_be_visible()

    moderator.get_by_role("link", name="Moderation").click()
    case = moderator.get_by_role("list", name="Cases").get_by_role("listitem").first
    case.get_by_role("button", name="Show text").click()
    moderator.get_by_role("dialog").get_by_label("Purpose").fill("To judge the appeal")
    moderator.get_by_role("dialog").get_by_role("button", name="Show text").click()
    expect(case).to_contain_text(text)
    case.get_by_role("button", name="Restore").click()
    moderator.get_by_role("dialog").get_by_label("Reason").fill("The author is right.")
    moderator.get_by_role("dialog").get_by_role("button", name="Restore").click()
    expect(line(ben, text)).to_be_visible()
    expect(line(late, text)).to_be_visible()


def test_a_guest_reads_reports_and_cannot_write(server: Server, people: People) -> None:
    ann, moderator, guest = people.member("Ann"), people.administrator(server.password), people.guest()
    for page in (ann, guest):
        enter(page)
    moderator.get_by_role("link", name="Moderation").click()
    text = unique("a doubtful offer")
    write(ann, text)
    expect(line(guest, text)).to_be_visible()
    expect(guest.get_by_label("Post", exact=True)).to_have_count(0)
    cases = moderator.get_by_role("list", name="Cases").get_by_role("listitem")
    before = cases.count()
    line(guest, text).get_by_role("button", name="Report").click()
    guest.get_by_role("dialog").get_by_label("What is wrong with it?").fill("It is a trick.")
    guest.get_by_role("dialog").get_by_role("button", name="Send report").click()
    expect(guest.get_by_text("Your report was sent.")).to_be_visible()
    expect(cases).to_have_count(before + 1)
    expect(cases.first).to_contain_text("found by a report")


def test_a_member_posts_with_the_keyboard_alone_on_a_narrow_screen(people: People) -> None:
    ann = people.member("Ann")
    ann.set_viewport_size({"width": 320, "height": 600})
    enter(ann)
    ann.get_by_label("Post", exact=True).focus()
    text = unique("typed")
    ann.keyboard.type(text)
    ann.keyboard.press("Enter")
    expect(line(ann, text)).to_be_visible()
    ann.keyboard.press("Tab")
    expect(ann.get_by_role("button", name="Post", exact=True)).to_be_focused()
    assert ann.evaluate("document.documentElement.scrollWidth") <= 320


def enter(page: Page) -> None:
    """Open the board from the list."""
    page.get_by_role("link", name="Boards").click()
    page.get_by_role("link", name="The lobby").click()
    expect(page.get_by_role("heading", name="The lobby")).to_be_visible()
    # The number of readers comes with the subscription, so from here on posts are live.
    expect(page.get_by_text(re.compile(r"\d+ online"))).to_be_visible()


def write(page: Page, text: str) -> None:
    """Post a text."""
    page.get_by_label("Post", exact=True).fill(text)
    page.get_by_role("button", name="Post", exact=True).click()


def line(page: Page, text: str) -> Any:
    """Find a published post by its text."""
    return page.get_by_role("list", name="Posts", exact=True).get_by_role("listitem").filter(has_text=text)


def unique(text: str) -> str:
    """Make a text that no other test writes."""
    return f"{text} {secrets.token_hex(4)}"


def make_rule(server: Server, term: str) -> None:
    """Create and activate a rule that withholds posts with ``term``; the rule's id is the term."""
    server.post(
        "/v1/rules",
        {
            "id": term,
            "policy": "spam",
            "severity": "medium",
            "effect": "withhold",
            "fail": "hold",
            "fields": ["body"],
            "boards": ["*"],
            "match": {"terms": [term]},
            "examples": {"must": [f"a {term} here"], "must_not": ["nothing of the kind"]},
        },
    )
    server.post(f"/v1/rules/{term}/activate", {})


def call(port: int, path: str, value: object = None, *, token: str | None = None, method: str = "POST") -> Any:
    """Send JSON to the server, return the answer's JSON.

    Raises:
        OSError, HTTPException: the server does not answer.
    """
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    try:
        connection.request(method, path, None if method == "GET" else json.dumps(value), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    assert answer.status < 300, f"{method} {path}: {answer.status} {text}"
    return json.loads(text) if text else None


def wait_until_ready(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until the server answers, or say what it printed instead."""
    until = time.monotonic() + START_WITHIN_S
    while time.monotonic() < until and process.poll() is None:
        try:
            call(port, "/readyz", method="GET")
        except (OSError, HTTPException, AssertionError):
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"the server did not start:\n{log.read_text('utf-8', 'replace')[-4_000:]}")
