"""The HTTP half of a client, on the standard library: each call runs in a thread, and a problem is a ``ParleyError``.

Source: the server's ``/v1/openapi.json``. Maps come and go as they stand on the wire; only events are made into frames, since a
reader treats them like live ones.
"""

import asyncio
import contextlib
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage
from typing import IO, Any, TypeAlias
from urllib.parse import quote, urlencode

from parley_client.address import http_base, is_loopback
from parley_client.errors import ParleyError
from parley_client.limits import HTTP_BYTES_MAX, HTTP_S
from parley_client.values import GapEvent
from parley_protocol.fields import BadField, build
from parley_protocol.frames import Deleted, Edited, Event, Gone, Posted, Reacted, Restored, Retracted, Standing
from parley_protocol.limits import HISTORY_EVENTS_MAX

Map: TypeAlias = dict[str, Any]
"""A JSON object as the server sent it."""

_EVENTS: dict[str, type[Event]] = {cls.type: cls for cls in (Posted, Edited, Deleted, Reacted, Retracted, Restored, Gone)}


@dataclass(frozen=True, slots=True)
class EventsPage:
    """Events of a board after a seq, in order, rendered as of now."""

    board: str
    epoch: str
    head: int
    events: tuple[Event, ...]


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Takes a redirect for a refusal: following it would show the token to whatever host it names."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Follow none."""


class Http:
    """Calls to one server.

    Every method raises ``ParleyError`` where the server says no (``unreachable`` where it cannot be reached) and ``TimeoutError``.
    """

    def __init__(self, url: str, token: str | None = None, *, timeout_s: float = HTTP_S) -> None:
        """Name the server (http, https, ws or wss) and the token to sign calls with.

        Raises:
            ValueError: ``url`` is no address of a server.
        """
        self.base = http_base(url)
        self.token = token
        self.timeout_s = timeout_s
        # The environment's proxy is for other machines.
        proxies = [urllib.request.ProxyHandler({})] if is_loopback(self.base) else []
        self._opener = urllib.request.build_opener(_NoRedirects(), *proxies)

    async def call(
        self, method: str, path: str, body: Mapping[str, object] | None = None, query: Mapping[str, object] | None = None
    ) -> Map:
        """Make one call; ``path`` is quoted already, ``None`` in ``query`` is left out. An empty answer is ``{}``."""
        return await asyncio.to_thread(self._call, method, path, body, query)

    # Accounts.

    async def sign_up(self, handle: str, display_name: str, password: str) -> Map:
        """Create an account: ``{id, handle, display_name, level}``."""
        return await self.call("POST", "/v1/accounts", {"handle": handle, "display_name": display_name, "password": password})

    async def sign_in(self, handle: str, password: str, otp: str | None = None) -> str:
        """Open a session; its token signs later calls of this object and is returned."""
        body = {"handle": handle, "password": password} | ({"otp": otp} if otp is not None else {})
        token = str((await self.call("POST", "/v1/sessions", body))["token"])
        self.token = token
        return token

    async def sign_out(self) -> None:
        """End this session."""
        await self.call("DELETE", "/v1/sessions/current")

    async def me(self) -> Map:
        """Return the account of the token."""
        return await self.call("GET", "/v1/me")

    async def account(self, account: str) -> Map:
        """Return an account by id or handle."""
        return await self.call("GET", f"/v1/accounts/{_part(account)}")

    async def accounts(self) -> list[Map]:
        """Return every account (administrators)."""
        return [item async for item in self._pages("/v1/accounts", "items")]

    async def set_account(self, account: str, **changes: str) -> Map:
        """Change ``role``, ``state`` or ``level`` of an account (administrators)."""
        return await self.call("PUT", f"/v1/accounts/{_part(account)}", changes)

    async def create_bot(self, handle: str, display_name: str) -> Map:
        """Create a bot of one's own: ``{id, handle, token}``."""
        return await self.call("POST", "/v1/bots", {"handle": handle, "display_name": display_name})

    # Boards.

    async def boards(self) -> list[Map]:
        """Return the boards that one can see."""
        return [item async for item in self._pages("/v1/boards", "items")]

    async def create_board(self, slug: str, name: str, summary: str = "") -> Map:
        """Found a board."""
        return await self.call("POST", "/v1/boards", {"slug": slug, "name": name, "summary": summary})

    async def set_role(self, board: str, account: str, role: str) -> Map:
        """Give an account (by id) a role on a board."""
        return await self.call("PUT", f"/v1/boards/{_part(board)}/roles/{_part(account)}", {"role": role})

    async def events(self, board: str, after: int = 0, limit: int = HISTORY_EVENTS_MAX) -> EventsPage:
        """Return one page of a board's log; events of kinds that this client does not know are left out."""
        page = await self.call("GET", f"/v1/boards/{_part(board)}/events", query={"after": after, "limit": limit})
        events = tuple(event for held in page["events"] if (event := _event(held)) is not None)
        return EventsPage(str(page["board"]), str(page["epoch"]), int(page["head"]), events)

    async def export(self, board: str, after: int = 0) -> AsyncIterator[Event]:
        """Give every event of a board after a seq, in order, up to the head."""
        while True:
            page = await self.events(board, after)
            for event in page.events:
                yield event
            if not page.events or page.events[-1].seq >= page.head:
                return
            after = page.events[-1].seq

    async def missed(self, gap: GapEvent) -> AsyncIterator[Event]:
        """Give the events of a gap, in order, rendered as of now; a replica takes them at any time."""
        after = gap.first - 1
        while after < gap.last:
            page = await self.events(gap.board, after, min(gap.last - after, HISTORY_EVENTS_MAX))
            for event in page.events:
                yield event
            if not page.events:
                return
            after = page.events[-1].seq

    async def search(self, words: str, board: str | None = None) -> list[Map]:
        """Return published posts that hold all words, newest first."""
        return list((await self.call("GET", "/v1/search", query={"q": words, "board": board}))["posts"])

    # Rules.

    async def rules(self) -> list[Map]:
        """Return the latest version of each rule."""
        return [item async for item in self._pages("/v1/rules", "items")]

    async def add_rule(self, document: Mapping[str, object]) -> Map:
        """Store a rule as a draft: ``{id, version, mode}``; the server runs its examples."""
        return await self.call("POST", "/v1/rules", document)

    async def activate_rule(self, rule: str) -> Map:
        """Make a rule's latest version live on every node."""
        return await self.call("POST", f"/v1/rules/{_part(rule)}/activate")

    async def lint_rule(self, toml: str) -> Map:
        """Read a rule file without storing it: ``{usable, faults: [{where, says, line, column}]}``."""
        return await self.call("POST", "/v1/rules/lint", {"toml": toml})

    async def approve_rule(self, rule: str) -> Map:
        """Approve the latest version of a rule that somebody else wrote."""
        return await self.call("POST", f"/v1/rules/{_part(rule)}/approve")

    async def shadow_rule(self, rule: str) -> Map:
        """Let a rule's latest version judge without effect, and count what it would have done."""
        return await self.call("POST", f"/v1/rules/{_part(rule)}/shadow")

    async def shadow(self, rule: str) -> Map:
        """Return what a rule in the shadow would have done: ``{id, version, items: [{board, inspected, would, also, samples}]}``."""
        return await self.call("GET", f"/v1/rules/{_part(rule)}/shadow")

    async def term_lists(self) -> list[Map]:
        """Return id, version and size of each list of terms."""
        return [item async for item in self._pages("/v1/lists", "items")]

    async def put_term_list(self, name: str, terms: Sequence[str], *, activate: bool = False) -> Map:
        """Store a list of terms; ``activate`` renews the live rules that name it."""
        return await self.call("PUT", f"/v1/lists/{_part(name)}", {"terms": list(terms), "activate": activate})

    async def retire_rule(self, rule: str) -> Map:
        """Take a rule out."""
        return await self.call("POST", f"/v1/rules/{_part(rule)}/retire")

    async def policies(self) -> list[Map]:
        """Return the operator's catalogue."""
        return [item async for item in self._pages("/v1/policies", "items")]

    async def put_policy(self, policy: str, title: str, ground: str, reference: str, explanation: str) -> Map:
        """Add a policy to the catalogue, or a new version of one; ``ground``: ``law`` or ``terms``."""
        body = {"title": title, "ground": ground, "reference": reference, "explanation": explanation}
        return await self.call("PUT", f"/v1/policies/{_part(policy)}", body)

    # Takedowns and cases.

    async def takedowns(self, post: str) -> list[Map]:
        """Return the takedown records of a post, oldest first."""
        return [record async for record in self._pages("/v1/takedowns", "takedowns", {"post": post})]

    async def my_takedowns(self) -> list[Map]:
        """Return the takedown records of one's own posts."""
        return [record async for record in self._pages("/v1/me/takedowns", "items")]

    async def appeal(self, takedown: str, text: str) -> Map:
        """Object to a takedown of one's own post."""
        return await self.call("POST", f"/v1/takedowns/{_part(takedown)}/appeals", {"text": text})

    async def report(self, post: str, text: str) -> Map:
        """Report a post to the moderators."""
        return await self.call("POST", f"/v1/posts/{_part(post)}/reports", {"text": text})

    async def evidence(self, post: str, purpose: str) -> Map:
        """Unseal the stopped texts of a post; the reading is recorded under ``purpose``."""
        return await self.call("GET", f"/v1/posts/{_part(post)}/evidence", query={"purpose": purpose})

    async def cases(self, state: str | None = None) -> list[Map]:
        """Return cases, oldest first."""
        return [item async for item in self._pages("/v1/cases", "cases", {"state": state})]

    async def case(self, case: str) -> Map:
        """Return one case."""
        return await self.call("GET", f"/v1/cases/{_part(case)}")

    async def _pages(self, path: str, name: str, query: Mapping[str, object] | None = None) -> AsyncIterator[Map]:
        """Give the entries of a list, page by page."""
        after: object = None
        while True:
            page = await self.call("GET", path, query={**(query or {}), "after": after})
            for item in page[name]:
                yield item
            if page.get("next") is None or page["next"] == after:
                return
            after = page["next"]

    def _call(self, method: str, path: str, body: Mapping[str, object] | None, query: Mapping[str, object] | None) -> Map:
        """Make one call in this thread."""
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        url = self.base + path + (f"?{urlencode(asked)}" if asked else "")
        request = urllib.request.Request(url, method=method)  # noqa: S310 - http_base lets only http and https pass
        request.add_header("Accept", "application/json")
        if self.token is not None:
            request.add_header("Authorization", f"Bearer {self.token}")
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body, ensure_ascii=False).encode()
        try:
            with self._opener.open(request, timeout=self.timeout_s) as response:
                data: bytes = response.read(HTTP_BYTES_MAX + 1)
        except urllib.error.HTTPError as error:
            with error:
                raise _problem(error) from None
        except TimeoutError:
            raise
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, TimeoutError):
                raise reason from None
            raise ParleyError("unreachable", f"Cannot reach {self.base}: {reason}") from error
        if len(data) > HTTP_BYTES_MAX:
            raise ParleyError("too_large", f"The answer to {method} {path} is larger than {HTTP_BYTES_MAX} bytes.")
        return _object(data, f"{method} {path}")


def _part(text: str) -> str:
    """Write one part of a path."""
    return quote(text, safe="")


def _object(data: bytes, where: str) -> Map:
    try:
        value = json.loads(data) if data else {}
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ParleyError("bad_answer", f"{where} was answered with something that is no JSON object.")
    return value


def _problem(error: urllib.error.HTTPError) -> ParleyError:
    """Make the exception of an HTTP error: problem details (RFC 9457) where there are any."""
    try:
        held = json.loads(error.read(HTTP_BYTES_MAX))
    except (ValueError, OSError):
        held = None
    problem: Map = held if isinstance(held, dict) else {}
    says = problem.get("detail") or problem.get("title") or f"HTTP {error.code} {error.reason}"
    wait = error.headers.get("Retry-After", "")
    after_ms = problem.get("retry_after_ms", int(wait) * 1000 if wait.isascii() and wait.isdigit() else None)
    standing: Standing | None = None
    with contextlib.suppress(BadField):
        standing = build(Standing, problem.get("standing"))
    return ParleyError(
        str(problem.get("code", f"http_{error.code}")), str(says), after_ms, scope=problem.get("scope"), standing=standing
    )


def _event(held: Map) -> Event | None:
    """Make a frame of one entry of a page."""
    cls = _EVENTS.get(str(held.get("type")))
    if cls is None:
        return None
    try:
        return build(cls, held)
    except BadField as error:
        raise ParleyError("bad_answer", f"An event cannot be read: {error.path} {error}.") from error
