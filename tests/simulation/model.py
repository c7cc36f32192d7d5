"""One run: a seed draws what people do, what the store, the network and the bus do to them, and when a node crashes."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, Final

from parley_protocol import frames
from parley_protocol.frames import Post
from parley_protocol.ids import AccountId, BoardId, SessionId
from parley_server.domain.people import AccountState, BoardRole, Level, Person, SiteRole
from parley_server.domain.posts import PostState
from parley_server.domain.takedowns import Case
from parley_server.limits import EVERYWHERE_S, RING_LINGER_S, SUPPRESSED_LINGER_S
from parley_server.pipeline.accounts import token_hash
from parley_server.ports import Session, Unavailable
from tests.fake_world import FakePost, FakeWorld
from tests.samples import a_board
from tests.simulation import loop as virtual
from tests.simulation.client import Client
from tests.simulation.disorder import DisorderedExchange
from tests.simulation.loop import VirtualLoop
from tests.simulation.node import Fate, Node
from tests.simulation.promises import Promises, Text

BOARDS: Final = (BoardId("general"), BoardId("quiet"))
ACTIONS: Final = 200
"""What people do in one run, connecting and crashing included."""

SETTLE_S: Final = 90.0
"""Virtual time after the last action: longer than every wait and every retry."""

WITHHELD, REFUSED, LATER = "grumble", "snarl", "hiss"
"""Terms of three rules; the last one goes live in the middle of a run."""


def rule(name: str, term: str, effect: str) -> dict[str, object]:
    """Write a rule document."""
    return {
        "id": name,
        "policy": "spam",
        "severity": "medium",
        "effect": effect,
        "fail": "hold",
        "fields": ["body"],
        "boards": ["*"],
        "match": {"terms": [term]},
        "examples": {"must": [f"a {term} here"]},
    }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to. ``trace``: what was done, for the one who looks into a failure."""

    seed: int
    broken: tuple[tuple[str, str], ...]
    counts: dict[str, int]
    trace: tuple[str, ...]


def simulate(seed: int, nodes: int = 1, actions: int = ACTIONS) -> Outcome:
    """Run one seed to its end, with one node alone or several that a bus joins; the same seed does the same again."""
    return virtual.run(lambda loop: Run(seed, nodes, loop).play(actions))


def _decision(case: Case, action: frames.Action, n: int) -> frames.Decide:
    return frames.Decide(n, case.case, case.rev, action, "spam", "It advertises.")


@dataclass(slots=True)
class Place:
    """Where one node after the other serves. ``node``: the one that does; ``fate``: what the store does to it."""

    number: int
    fate: Fate
    node: Node | None = None
    lives: int = 0

    @property
    def running(self) -> Node:
        """The node that serves here; between two runs there is none."""
        assert self.node is not None
        return self.node


class Run:
    """The world, the people, and the nodes that serve them at the moment."""

    def __init__(self, seed: int, nodes: int, loop: VirtualLoop) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.loop = loop
        self.stored = FakeWorld()
        self.promises = Promises(self.stored, nodes)
        self.places = [Place(number, Fate(Random(f"{seed}/fate {number}"))) for number in range(1, nodes + 1)]
        self.exchange = DisorderedExchange(Random(f"{seed}/bus")) if nodes > 1 else None
        self.trace: list[str] = []
        self.crashes = 0
        self.wires = 0
        self.marks = 0
        self.resets = 0
        self.store_reads = 0
        self.clients = [
            self._somebody("admin", SiteRole.ADMINISTRATOR, "msgpack", watches=True),
            self._somebody("moderator", SiteRole.MEMBER, "json", watches=False),
            self._somebody("anna", SiteRole.MEMBER, "msgpack"),
            self._somebody("ben", SiteRole.MEMBER, "json"),
            self._somebody("cleo", SiteRole.MEMBER, "msgpack"),
            Client("guest", None, BOARDS, "json", watches=False),
            # The same people again, on another device.
            self._device("anna", "anna's phone"),
            self._device("admin", "admin's phone", watches=True),
        ]
        self.admin, self.moderator = self.clients[0], self.clients[1]
        self.authors = self.clients[2:5]
        for board in BOARDS:
            self.stored.boards[board] = a_board(board)
            self.stored.logs[board] = []
        for name, term, effect in (
            ("r-held", WITHHELD, "withhold"),
            ("r-refused", REFUSED, "refuse"),
            ("r-later", LATER, "withhold"),
        ):
            mode = "draft" if term == LATER else "live"
            self.stored.rules[name] = [(mode, rule(name, term, effect))]
        self.stored.ruleset = 1

    async def play(self, actions: int) -> Outcome:
        """Let people act, then let everything come to rest, and look at what is left."""
        for place in self.places:
            await self._start(place)
        for client in self.clients:
            self._connect(client)
        await self._wait(1.0)
        self._trouble()
        for number in range(actions):
            self._act(number)
            await self._wait(self.random.choice((0.0, 0.001, 0.01, 0.05, 0.3)))
            for place in self.places:
                if place.running.dead:
                    await self._restart(place)
                self.promises.bounded(place.running)
        await self._rest()
        self.promises.settled(self.clients)
        for client in self.clients:
            client.hang_up()
        await self._wait(max(RING_LINGER_S, SUPPRESSED_LINGER_S) + 5.0)
        for place in self.places:
            self.promises.emptied(place.running)
        for place in self.places:
            await self._stop(place)
        for failure in self.loop.failures:
            self.promises.breaks("server", failure)
        counts = {**self.promises.counts, "crashes": self.crashes, "connections": self.wires}
        counts["resets"], counts["store reads"] = self.resets, self.store_reads
        counts["posts"], counts["records"] = len(self.stored.posts), len(self.stored.records)
        counts["lost hints"] = 0 if self.exchange is None else self.exchange.lost
        return Outcome(self.seed, tuple(self.promises.broken), counts, tuple(self.trace))

    # Life of the nodes.

    async def _start(self, place: Place) -> None:
        place.lives += 1
        place.fate.calm, place.fate.down, place.fate.crash_in = True, 0.0, None
        name = f"node-{place.number}.{place.lives}"
        place.node = Node(name, self.loop, self.stored, place.fate, self.promises, self._note, self.exchange)
        await place.node.start()

    async def _stop(self, place: Place) -> None:
        node = place.running
        for task in node.tasks:
            if task.done() and not task.cancelled():
                self.promises.breaks("server", f"a part that must run for ever ended: {task.exception()!r}")
        self.resets += node.hub.counts.resets
        self.store_reads += node.hub.counts.store_reads
        await self.loop.end(node.name)

    async def _restart(self, place: Place) -> None:
        """Start a node where another one crashed; its readers find out by themselves."""
        self.crashes += 1
        await self._stop(place)
        await self._wait(0.1)
        await self._start(place)
        place.fate.calm = False

    def _trouble(self) -> None:
        """From now on the world does what it can."""
        for place in self.places:
            place.fate.calm = False
        if self.exchange is not None:
            self.exchange.calm = False

    def _calm(self) -> None:
        """From now on nothing fails."""
        for place in self.places:
            place.fate.calm, place.fate.crash_in, place.fate.down = True, None, 0.0
        if self.exchange is not None:
            self.exchange.calm = True
            self.exchange.cut.clear()

    async def _rest(self) -> None:
        """Nobody acts, nothing fails; everybody comes back and reads on."""
        self._calm()
        # What is under way ends first, or a ban would come after its end.
        await self._wait(2.0 if self.exchange is None else EVERYWHERE_S + 2.0)
        self._pardon()
        await self._wait(2.0)
        for _ in range(3):
            for client in self.clients:
                if client.wire is None:
                    self._connect(client)
                else:
                    client.wire.drain()
            await self._wait(2.0)
            for client in self.clients:
                for board in client.boards:
                    if client.wire is not None and client.welcomed and board not in client.following:
                        client.subscribe(board)
        await self._wait(SETTLE_S)

    def _somewhere(self) -> Place:
        """Draw a node, where there are several."""
        return self.places[0] if len(self.places) == 1 else self.random.choice(self.places)

    def _note(self, what: str) -> None:
        self.trace.append(f"{self.loop.time():.4f} {what} crashes")

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    # What happens.

    def _act(self, number: int) -> None:
        """Do one thing."""
        weights: list[tuple[int, str, Callable[[], None]]] = [
            (20, "post", self._post),
            (6, "post what is withheld", lambda: self._post(bad=True)),
            (5, "edit", self._edit),
            (3, "edit to what is withheld", lambda: self._edit(bad=True)),
            (3, "delete", self._delete),
            (4, "react", self._react),
            (12, "retract", self._retract),
            (4, "restore", self._restore),
            (5, "release", self._release),
            (3, "refuse", self._refuse),
            (6, "decide", self._decide),
            (2, "ack", self._acknowledge),
            (3, "type", self._type),
            (5, "disconnect", self._disconnect),
            (12, "connect", self._come_back),
            (8, "stall", self._stall),
            (10, "drain", self._drain),
            (2, "the store fails", self._fail),
            (6, "the store works", self._work),
            (1, "a crash is near", self._arm),
            (2, "a rule goes live", self._rule),
            (3, "a ban", self._ban),
            (4, "bans end", self._pardon),
        ]
        if self.exchange is not None:
            weights += [(2, "the bus fails", self._cut), (4, "the bus works", self.exchange.cut.clear)]
        _, name, act = self.random.choices(weights, [weight for weight, _, _ in weights])[0]
        self.trace.append(f"{self.loop.time():.4f} {number} {name}")
        act()

    def _connect(self, client: Client) -> None:
        node = self._somewhere().running
        if client.wire is None and not node.dead:
            self.wires += 1
            client.connect(node, self.wires, Random(f"{self.seed}/wire {self.wires}"))
            assert client.wire is not None
            self.promises.add(client.wire, client)

    def _come_back(self) -> None:
        gone = [client for client in self.clients if client.wire is None]
        if gone:
            self._connect(self.random.choice(gone))
        for client in self.authors:
            if client.welcomed and client.unanswered:
                again = client.unanswered.pop()
                client.ask(partial(Post, board=again.board, nonce=again.nonce, body=again.body))

    def _disconnect(self) -> None:
        self.random.choice(self.clients).hang_up()

    def _stall(self) -> None:
        for _ in range(2):
            client = self.random.choice(self.clients)
            if client.wire is not None:
                client.wire.stall()

    def _drain(self) -> None:
        for client in self.clients:
            if client.wire is not None and self.random.random() < 0.6:
                client.wire.drain()

    def _fail(self) -> None:
        down = self.random.choice((0.1, 0.1, 0.5, 1.0))
        # The database, or the way of one node to it.
        one = self._somewhere() if self.exchange is not None and self.random.random() < 0.5 else None
        for place in self.places:
            if one in (None, place):
                place.fate.down = down

    def _work(self) -> None:
        for place in self.places:
            place.fate.down = 0.0

    def _arm(self) -> None:
        self._somewhere().fate.crash_in = self.random.randint(1, 60)

    def _cut(self) -> None:
        assert self.exchange is not None
        nodes = [place.running.bus.node for place in self.places]
        self.exchange.cut.update(nodes if self.random.random() < 0.5 else [self.random.choice(nodes)])

    def _body(self, author: AccountId, nonce: str, post: FakePost | None, *, bad: bool) -> str:
        self.marks += 1
        term = self.random.choice((WITHHELD, REFUSED)) if bad else self.random.choice(("plain", "plain", LATER))
        about = post.draft.post if post is not None else None
        self.promises.texts[self.marks] = Text(self.marks, author, nonce, about, bad)
        # The length varies more than anything, since what fits where depends on it.
        filler = "x" * self.random.choice((0, 20, 200, 1_500, 6_000))
        return f"{term} ~{self.marks:06d}~ {filler}"

    def _ready(self, clients: list[Client]) -> Client | None:
        ready = [client for client in clients if client.welcomed]
        return self.random.choice(ready) if ready else None

    def _some(self, *states: PostState, by: AccountId | None = None) -> FakePost | None:
        posts = [
            post
            for post in self.stored.posts.values()
            if (post.state in states or (PostState.HELD in states and post.held)) and by in (None, post.draft.author.id)
        ]
        # The latest are where the races are.
        return self.random.choice(posts[-6:]) if posts else None

    def _post(self, *, bad: bool = False) -> None:
        author = self._ready(self.authors)
        if author is None or author.account is None:
            return
        for _ in range(self.random.choice((1, 1, 1, 3, 10))):
            board = self.random.choices(BOARDS, (4, 1))[0]
            nonce = f"nonce-{self.marks + 1}"
            body = self._body(author.account, nonce, None, bad=bad)
            author.ask(partial(Post, board=board, nonce=nonce, body=body))

    def _edit(self, *, bad: bool = False) -> None:
        author = self._ready(self.authors)
        post = self._some(PostState.PUBLISHED, by=author.account) if author is not None else None
        if author is not None and author.account is not None and post is not None:
            body = self._body(author.account, "", post, bad=bad)
            author.ask(lambda n: frames.Edit(n, post.draft.post, post.rev, body))

    def _delete(self) -> None:
        author = self._ready(self.authors)
        post = self._some(PostState.PUBLISHED, by=author.account) if author is not None else None
        if author is not None and post is not None:
            author.ask(lambda n: frames.Delete(n, post.draft.post))

    def _react(self) -> None:
        author, post, on = self._ready(self.authors), self._some(PostState.PUBLISHED), self.random.random() < 0.7
        if author is not None and post is not None:
            author.ask(lambda n: frames.React(n, post.draft.post, "+", on))

    def _retract(self) -> None:
        # Two moderators may take the same post.
        post = self._some(PostState.PUBLISHED)
        for moderator in self.random.sample([self.admin, self.moderator], self.random.choice((1, 1, 2))):
            if moderator.welcomed and post is not None:
                moderator.ask(lambda n: frames.Retract(n, post.draft.post, "spam", "It advertises."))

    def _restore(self) -> None:
        moderator, post = self._ready([self.admin, self.moderator]), self._some(PostState.RETRACTED)
        if moderator is not None and post is not None:
            moderator.ask(lambda n: frames.Restore(n, post.draft.post, "It does not advertise."))
            if self.random.random() < 0.3:
                moderator.ask(lambda n: frames.Retract(n, post.draft.post, "spam", "It does advertise."))

    def _release(self) -> None:
        moderator, post = self._ready([self.admin, self.moderator]), self._some(PostState.HELD)
        if moderator is not None and post is not None:
            moderator.ask(lambda n: frames.Release(n, post.draft.post))

    def _refuse(self) -> None:
        moderator, post = self._ready([self.admin, self.moderator]), self._some(PostState.HELD)
        if moderator is not None and post is not None:
            moderator.ask(lambda n: frames.Refuse(n, post.draft.post, "spam", "It advertises."))

    def _decide(self) -> None:
        cases = [case for case in self.stored.cases.values() if case.state != "decided"][-4:]
        if not cases:
            return
        case = self.random.choice(cases)
        for moderator in self.random.sample([self.admin, self.moderator], self.random.choice((1, 2))):
            if not moderator.welcomed:
                continue
            action: frames.Action = self.random.choice(("release", "refuse", "retract", "dismiss"))
            if self.random.random() < 0.3:
                moderator.ask(lambda n: frames.Claim(n, case.case, case.rev))
            else:
                moderator.ask(partial(_decision, case, action))

    def _acknowledge(self) -> None:
        if self.admin.welcomed and self.admin.alerts:
            alert = self.random.choice(self.admin.alerts)
            self.admin.ask(lambda n: frames.Ack(n, alert))

    def _type(self) -> None:
        author = self._ready(self.authors)
        if author is not None:
            author.tell(frames.Typing(BOARDS[0]))

    def _rule(self) -> None:
        node = self._somewhere().running

        async def activate() -> None:
            await node.rulebook.activate("r-later", self.admin.account)

        self._call(node, activate())

    def _ban(self) -> None:
        author, board = self.random.choice(self.authors), self.random.choice(BOARDS)
        assert author.account is not None and self.moderator.account is not None
        match self.random.choice(("ban", "ban", "suspend", "demote")):
            case "ban":
                self._give(author.account, board, BoardRole.BANNED)
            case "suspend":
                self._set_state(author.account, AccountState.SUSPENDED)
            case _:
                self._give(self.moderator.account, board, BoardRole.MEMBER)

    def _pardon(self) -> None:
        for account in sorted(self.stored.people):
            usual = BoardRole.MODERATOR if account == self.moderator.account else BoardRole.MEMBER
            for board in BOARDS:
                # Also where the store has it so already: an earlier answer may have been lost, and only an answer binds the node.
                if account != self.admin.account:
                    self._give(account, board, usual)
            if account != self.admin.account:
                self._set_state(account, AccountState.ACTIVE)

    def _give(self, account: AccountId, board: BoardId, role: BoardRole) -> None:
        """Give a role as HTTP does; what it forbids is forbidden from the answer on, what it allows from the call on."""
        node, promises = self._somewhere().running, self.promises
        assert self.admin.account is not None
        by = self.stored.people[self.admin.account]
        of = promises.demoted if account == self.moderator.account else promises.barred
        of.discard((account, board))

        async def give() -> None:
            done = await node.accounts.give_role(by, board, account, role)
            takes = role is BoardRole.BANNED or (role is BoardRole.MEMBER and account == self.moderator.account)
            if done is None and takes and self.stored.people[account].boards.get(board, BoardRole.MEMBER) is role:
                of.add((account, board))

        self._call(node, give())

    def _set_state(self, account: AccountId, state: AccountState) -> None:
        node, promises = self._somewhere().running, self.promises
        assert self.admin.account is not None
        by = self.stored.people[self.admin.account]
        promises.suspended.discard(account)

        async def change() -> None:
            await node.accounts.change(by, account, role=None, state=state, level=None)
            if state is not AccountState.ACTIVE and self.stored.people[account].state is state:
                promises.suspended.add(account)

        self._call(node, change())

    def _call(self, node: Node, work: Coroutine[Any, Any, None]) -> None:
        """Make a call of HTTP, which the store may fail."""

        async def called() -> None:
            with suppress(Unavailable):
                await work

        if node.dead:
            work.close()
        else:
            node.spawn(called())

    # People.

    def _somebody(self, name: str, role: SiteRole, form: str, *, watches: bool = False) -> Client:
        account = AccountId(f"acc-{name}")
        boards = dict.fromkeys(BOARDS, BoardRole.MODERATOR) if name == "moderator" else {}
        self.stored.people[account] = Person(account, name, name.capitalize(), role, level=Level.VERIFIED, boards=boards)
        self.stored.sessions[token_hash(f"token-{account}")] = Session(SessionId(f"session-{name}"), account, None)
        return Client(name, account, BOARDS, form, watches=watches)

    def _device(self, of: str, name: str, *, watches: bool = False) -> Client:
        return Client(name, AccountId(f"acc-{of}"), BOARDS, "json", watches=watches)
