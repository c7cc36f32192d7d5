"""The promises, as checks of every byte that a node hands over and every byte that reaches a reader.

What may be seen is asked of the committed world at that very moment, so a check needs no model of the node; what a moderator, an
author or an administrator was told is taken from the answers on their own connections.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from parley_protocol import frames
from parley_protocol.frames import Event
from parley_protocol.ids import AccountId, BoardId, PostId
from parley_protocol.limits import SUBSCRIPTIONS_MAX
from parley_protocol.replica import Replica
from parley_server.domain.people import AccountState, BoardRole
from parley_server.domain.posts import PostState
from parley_server.limits import CONTROL_BYTES_MAX
from tests.fake_world import FakePost, FakeWorld
from tests.fakes import render
from tests.simulation.client import Client
from tests.simulation.network import Wire, messages
from tests.simulation.node import Node

MARK: Final = re.compile(rb"~(\d{6})~")
"""Stands once in every text that is ever written, so that each can be told in any bytes."""

_MARK_BYTES: Final = 8
_EVENTS: Final = (
    frames.Posted,
    frames.Edited,
    frames.Restored,
    frames.Retracted,
    frames.Deleted,
    frames.Reacted,
    frames.Gone,
)


@dataclass(frozen=True, slots=True)
class Text:
    """What somebody wrote. ``post``: for an edit; a new post is found by its nonce. ``bad``: a rule must withhold it."""

    mark: int
    author: AccountId
    nonce: str
    post: PostId | None
    bad: bool


@dataclass(slots=True)
class Seen:
    """What one connection was handed."""

    client: Client
    given: dict[BoardId, int] = field(default_factory=dict)
    owed: set[PostId] = field(default_factory=set)
    alert: int = 0
    told: set[int] = field(default_factory=set)
    tail: bytes = b""
    greeted: bool = False


class Promises:
    """The judge of one run. ``broken``: promise and what happened, in order."""

    def __init__(self, stored: FakeWorld, nodes: int = 1) -> None:
        """``nodes``: where there are several, what is committed binds the others from its acknowledgement on."""
        self.stored = stored
        self._alone = nodes == 1
        # Takedowns that a moderator was told of.
        self.told: set[str] = set()
        self.broken: list[tuple[str, str]] = []
        self.texts: dict[int, Text] = {}
        self.deleted: set[PostId] = set()
        self.hidden: dict[PostId, int] = {}
        self.barred: set[tuple[AccountId, str]] = set()
        self.demoted: set[tuple[AccountId, str]] = set()
        self.suspended: set[AccountId] = set()
        self.acknowledged: dict[PostId, int] = {}
        self.seen: dict[int, Seen] = {}
        self.wires: dict[int, Wire] = {}
        self.counts = {"written": 0, "suppressed": 0, "acknowledged": 0, "turned away": 0}

    def add(self, wire: Wire, client: Client) -> None:
        """Begin to look at a connection."""
        self.wires[wire.number] = wire
        self.seen[wire.number] = Seen(client)

    def breaks(self, promise: str, what: str) -> None:
        """Note that a promise was not kept."""
        self.broken.append((promise, what))

    # As a node hands over bytes.

    def wrote(self, wire: Wire, data: bytes) -> None:
        """Look at one write: whole messages, after the handshake's answer."""
        seen = self.seen[wire.number]
        if not seen.greeted:
            seen.greeted = True
            # A node that fell silent takes nobody.
            assert data.startswith((b"HTTP/1.1 101 ", b"HTTP/1.1 503 ")), data
            self.counts["turned away"] += data.startswith(b"HTTP/1.1 503 ")
            return
        for payload in messages(data):
            frame = seen.client.decode(payload)
            marks = {int(mark) for mark in MARK.findall(payload)}
            if isinstance(frame, frames.Alert):
                # Moderators may see what was withheld; who else gets an alert breaks another promise.
                seen.told |= marks
            else:
                for mark in marks:
                    self._may_leave(seen.client, mark)
            self._frame(seen, frame)

    def _may_leave(self, client: Client, mark: int) -> None:
        """Ask whether a text is published, now."""
        promise = self._unseen(mark)
        if promise is not None:
            self.breaks(promise, f"text {mark} was handed to {client.name}")

    def _unseen(self, mark: int) -> str | None:
        """Return the promise that forbids a text to be seen now."""
        text = self.texts[mark]
        post = self._post(text)
        hidden = "P1" if text.bad else "P4"
        if post is None or post.unseen:
            return hidden
        if post.state is PostState.RETRACTED and (self._alone or post.takedown in self.told):
            return "P2"
        if post.state is PostState.DELETED and post.draft.post in self.deleted:
            return "P2"
        if post.state is not PostState.PUBLISHED:
            # Its texts are gone from the store; one that never was public is still known as such.
            return hidden if text.bad and not self._released(post) else None
        if not any(f"~{mark:06d}~" in body for body in post.bodies.values()):
            return hidden
        return "P1" if text.bad and not self._released(post) else None

    def _released(self, post: FakePost) -> bool:
        return any(row["post"] == post.draft.post and row["kind"] == "release" for row in self.stored.records)

    def _post(self, text: Text) -> FakePost | None:
        post = text.post or self.stored.nonces.get((text.author, text.nonce), (None, ""))[0]
        return None if post is None else self.stored.posts.get(post)

    def _frame(self, seen: Seen, frame: frames.ServerFrame) -> None:
        client = seen.client
        self.counts["written"] += 1
        if isinstance(frame, _EVENTS):
            self._event(seen, frame)
        board = getattr(frame, "board", None)
        # A suppression that waited since before the ban only hides.
        if isinstance(board, str) and not isinstance(frame, frames.Ok | frames.Suppress) and self._banned(client.account, board):
            self.breaks("P14", f"{frame.type} of {board} was handed to {client.name}, who is banned there")
        if not isinstance(frame, frames.Bye) and self._suspended(client.account):
            self.breaks("P14", f"{frame.type} was handed to {client.name}, who is suspended")
        match frame:
            case frames.Suppress():
                seen.owed.discard(frame.post)
            case frames.Welcome():
                for state in frame.boards:
                    start = client.resumed[state.board] if state.gap is None else state.gap.last
                    seen.given[state.board] = start
            case frames.Ok():
                self._ok(seen, frame, client.asked.get(frame.re))
            case frames.Error(code="revoked", re=None, scope=str(scope)):
                seen.given.pop(BoardId(scope), None)
            case frames.Alert():
                if frame.n <= seen.alert:
                    self.breaks("P8", f"alert {frame.n} after {seen.alert} to {client.name}")
                seen.alert = frame.n
                if (client.account, frame.board) in self.demoted and self._role(client.account, frame.board) != "moderator":
                    self.breaks("P14", f"alert {frame.n} was handed to {client.name}, who does not moderate {frame.board}")
            case frames.Bye(code="internal"):
                self.breaks("server", f"{client.name} was told: internal")
            case _:
                pass

    def _banned(self, account: AccountId | None, board: str) -> bool:
        return account is not None and (account, board) in self.barred and self._role(account, board) == "banned"

    def _suspended(self, account: AccountId | None) -> bool:
        return account is not None and account in self.suspended and self.stored.people[account].state is AccountState.SUSPENDED

    def _role(self, account: AccountId | None, board: str | None) -> str:
        """Return the role on a board that is committed; it may be given back while an answer about its loss is on its way."""
        if account is None or board is None:
            return "member"
        return self.stored.people[account].boards.get(BoardId(board), BoardRole.MEMBER).value

    def _event(self, seen: Seen, event: Event) -> None:
        """An event is committed, follows the one before it, and no suppression waits behind it."""
        name, log = seen.client.name, self.stored.logs[event.board]
        if event.seq > len(log) or (event.type not in (log[event.seq - 1].kind, "gone")):
            self.breaks("P4", f"{name} was handed {event.type} {event.seq} of {event.board}, which is not committed")
        before = seen.given.get(event.board)
        if before is None:
            self.breaks("P5", f"{name} was handed {event.type} of {event.board} without following it")
        elif event.seq != before + 1:
            self.breaks("P5", f"{name} was handed {event.board} {event.seq} after {before}")
        seen.given[event.board] = event.seq
        if seen.owed:
            self.breaks("P3", f"{name} was handed {event.type} {event.seq} before the suppressions of {seen.owed}")

    def _ok(self, seen: Seen, ok: frames.Ok, asked: frames.ClientFrame | None) -> None:
        match asked:
            case frames.Subscribe():
                start = asked.seq if asked.seq is not None else ok.head
                seen.given[asked.board] = ok.gap.last if ok.gap is not None else (start or 0)
            case frames.Post():
                self.counts["acknowledged"] += 1
                if ok.post is None or ok.seq is None:
                    self.breaks("P4", f"an ok to a post says neither which nor where: {ok}")
                else:
                    self.acknowledged[ok.post] = ok.seq
                    self._stored(ok.post, ok.seq)
            case frames.Delete():
                self.deleted.add(asked.post)
            case frames.Decide(action="retract") if ok.takedown is not None:
                self.told.add(ok.takedown)
            case frames.Retract():
                if ok.takedown is not None:
                    self.told.add(ok.takedown)
                state = self.stored.posts[asked.post].state
                if not any(row["post"] == asked.post and row["kind"] == "retract" for row in self.stored.records):
                    self.breaks("P6", f"the retraction of {asked.post} ({state}) was acknowledged without a record")
            case _:
                pass

    def _stored(self, post: PostId, seq: int) -> None:
        found = self.stored.posts.get(post)
        if found is None:
            self.breaks("P4", f"post {post} was acknowledged and is not stored")
        else:
            log = self.stored.logs[found.draft.board]
            if seq > len(log) or log[seq - 1].post != post:
                self.breaks("P4", f"post {post} was acknowledged at {seq} and does not stand there")

    # As a reader gets bytes.

    def delivered(self, wire: Wire, data: bytes) -> None:
        """Look at what reaches the reader: nothing that is stopped by now (P3), nothing that never was public (P1)."""
        seen = self.seen[wire.number]
        before = len(seen.tail)
        read = seen.tail + data
        for found in MARK.finditer(read):
            mark = int(found[1])
            if found.end() > before and mark not in seen.told and (promise := self._unseen(mark)) is not None:
                post = self._post(self.texts[mark])
                if promise == "P2" and post is not None and post.state is PostState.DELETED:
                    # Nobody is cut off for an author's own deletion: what was on its way by then arrives.
                    continue
                self.breaks("P3" if promise == "P2" else promise, f"text {mark} reached {seen.client.name}")
        seen.tail = read[-(_MARK_BYTES - 1) :]

    # Around a suppression.

    def suppressing(self, followers: Sequence[int], post: PostId) -> None:
        """Note who must be told before anything else."""
        self.counts["suppressed"] += 1
        self.hidden[post] = self._retractions(post)
        for number in followers:
            self.seen[number].owed.add(post)

    def suppressed(self, wires: Iterable[int], post: PostId) -> None:
        """See that none of a node's connections still holds the text, and that those that could write at once were told."""
        marks = {text.mark for text in self.texts.values() if (found := self._post(text)) and found.draft.post == post}
        for number in wires:
            wire = self.wires[number]
            unsent = wire.unsent()
            if not wire.ended and any(b"~%06d~" % mark in unsent for mark in marks - self.seen[number].told):
                name = self.seen[number].client.name
                self.breaks("P3", f"a suppressed text is among the {len(unsent)} unsent bytes of {name}")

    # At any moment, and at the end.

    def bounded(self, node: Node) -> None:
        """What a node holds for its connections is small (P11)."""
        for number, seat in node.seats.items():
            lag, tail = seat.reader.lanes.lag, seat.reader.lanes.tail
            if lag is not None and (lag.control_bytes > CONTROL_BYTES_MAX or len(lag.cursors) > SUBSCRIPTIONS_MAX):
                self.breaks("P11", f"connection {number} holds {lag.control_bytes} bytes and {len(lag.cursors)} cursors")
            if tail is not None and len(tail._posts) > 4_096:
                self.breaks("P11", f"connection {number} remembers {len(tail._posts)} posts")

    def settled(self, clients: list[Client]) -> None:
        """Nothing goes on any more: everybody has the same picture, and every act has what belongs to it."""
        for post, seq in self.acknowledged.items():
            self._stored(post, seq)
        pictures = {board: self._picture(board) for board in self.stored.logs}
        for client in clients:
            for board in client.boards:
                replica = client.replicas.get(board)
                if replica is None or replica.seq != len(self.stored.logs[board]):
                    has = None if replica is None else replica.seq
                    self.breaks("P5", f"{client.name} is at {has} of {board}, which is at {len(self.stored.logs[board])}")
                elif (theirs := {*replica.posts()}) != (ours := {*pictures[board].posts()}):
                    if theirs <= ours and all(self._unfinished(view.post) for view in ours - theirs):
                        continue
                    self.breaks("P5", f"{client.name} sees {theirs - ours} on {board} instead of {ours - theirs}")
            if client.watches and {*client.alerts} != {alert.n for alert in self.stored.alerts}:
                missing = {alert.n for alert in self.stored.alerts} - {*client.alerts}
                self.breaks("P8", f"{client.name} never got the alerts {sorted(missing)}")
            if client.asked:
                self.breaks("answers", f"{client.name} waits for answers to {list(client.asked.values())}")
            self.broken += client.faults
        self._recorded()

    def _unfinished(self, post: PostId) -> bool:
        """Say whether a post was hidden last by an act that came to nothing: the wire has no word that shows it again."""
        return post in self.hidden and self.hidden[post] == self._retractions(post)

    def _retractions(self, post: PostId) -> int:
        return sum(row["post"] == post and row["kind"] == "retract" for row in self.stored.records)

    def _picture(self, board: BoardId) -> Replica:
        """Make the picture of a board from what is stored."""
        picture = Replica(board, self.stored.boards[board].epoch)
        for event in self.stored.logs[board]:
            picture.apply(render(board, event, self.stored.posts[event.post]))
        return picture

    def _recorded(self) -> None:
        """Every stopped post has its record, its evidence, its case and its alert (P6)."""
        stored = self.stored
        for post in stored.posts.values():
            if post.state not in (PostState.HELD, PostState.REFUSED, PostState.RETRACTED):
                continue
            name, about = f"{post.state.value} post {post.draft.post}", post.draft.post
            record = next((row for row in stored.records if row["id"] == post.takedown), None)
            if record is None:
                self.breaks("P6", f"{name} has no record")
            elif not any(kept.post == about and kept.takedown == record["evidence_takedown"] for kept in stored.evidence):
                self.breaks("P6", f"{name} has no evidence")
            elif not any(case.case == record["case_id"] and case.post == about for case in stored.cases.values()):
                self.breaks("P6", f"{name} has no case")
            elif not any(alert.case == record["case_id"] for alert in stored.alerts):
                self.breaks("P6", f"{name} has no alert")

    def emptied(self, node: Node) -> None:
        """Everybody left a while ago: nothing of them remains (P11)."""
        hub, directory = node.hub, node.directory
        left = {
            "rooms": len(hub._rooms),
            "paused": len(hub.paused),
            "parting": len(hub._parting),
            "suppressed": len(hub._suppressions),
            "hub's tasks": len(hub._tasks),
            "connections": node.registry.size + len(node.registry.everyone()) + len(node.registry._by_account),
            "deadlines": len(node.registry._deadlines),
            "people": len(directory._people) + len(directory._present),
            "watchers": len(node.stream),
            "unrecorded": len(node.moderation.unrecorded),
            "acts of others": len(node.claims),
            "acts of ours": len(node.others._acts),
            "questions": len(node.others._asking),
            "hints": len(node.bus._urgent) + len(node.bus._ordinary),
            "requests": sum(seat.under_way for seat in node.seats.values()),
        }
        for what, count in left.items():
            if count:
                self.breaks("P11", f"{count} {what} are left after everybody went")
