"""A frame for bots: handlers for events, one connection that comes back by itself.

A bot sees the retraction of what it saw, always: a post that is stopped before its handler runs is not given to it at all, and
one that is stopped later comes to ``on_retracted``.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from parley_client.client import Client
from parley_client.values import HeldAnswer, Incoming, PostedAnswer, SubscriptionEnded
from parley_protocol.frames import Deleted, Edited, Event, Gone, Posted, Reacted, Restored, Retracted

log = logging.getLogger("parley.bot")

E = TypeVar("E", bound=Event)
Handler = Callable[[E, "Bot"], Awaitable[object]]


class Bot:
    """Handlers and the connection that feeds them, one event at a time, in the order of each board's log.

    A handler that raises is logged, and the bot goes on. A handler that is slow holds back the next
    event, not the connection: start a task of your own for long work.
    """

    def __init__(self, url: str, token: str, *, client: str = "parley-bot/0.1") -> None:
        """Name the server and the bot's token; ``client`` is what the operator sees.

        Raises:
            ValueError: ``url`` is no address of a server.
        """
        # A bot is often started together with its server, so it waits for it.
        self.client = Client(url, token, client=client, open_timeout_s=None)
        self._boards: list[str] = []
        self._handlers: list[tuple[type[Any], str, Handler[Any]]] = []

    def on(self, kind: type[E], board: str) -> Callable[[Handler[E]], Handler[E]]:
        """Call the decorated coroutine with each event of a kind (a frame's class) on a board."""
        if board not in self._boards:
            self._boards.append(board)

        def add(handler: Handler[E]) -> Handler[E]:
            self._handlers.append((kind, board, handler))
            return handler

        return add

    def on_post(self, board: str) -> Callable[[Handler[Posted]], Handler[Posted]]:
        """Handle each post of somebody else."""
        return self.on(Posted, board)

    def on_edited(self, board: str) -> Callable[[Handler[Edited]], Handler[Edited]]:
        """Handle each edit of somebody else's post."""
        return self.on(Edited, board)

    def on_deleted(self, board: str) -> Callable[[Handler[Deleted]], Handler[Deleted]]:
        """Handle each post that its author removed."""
        return self.on(Deleted, board)

    def on_retracted(self, board: str) -> Callable[[Handler[Retracted]], Handler[Retracted]]:
        """Handle each post that was stopped: forget what was kept of it."""
        return self.on(Retracted, board)

    def on_restored(self, board: str) -> Callable[[Handler[Restored]], Handler[Restored]]:
        """Handle each post whose retraction was undone."""
        return self.on(Restored, board)

    async def post(self, board: str, body: str) -> PostedAnswer | HeldAnswer:
        """Publish a post."""
        return await self.client.post(board, body)

    async def reply(self, post: Posted, body: str) -> PostedAnswer | HeldAnswer:
        """Answer a post on its board."""
        return await self.client.post(post.board, body, reply_to=post.post)

    async def serve(self) -> None:
        """Run until the server ends it for good.

        Raises:
            ConnectionEnded: a wrong or revoked token, for example.
            ParleyError: a board cannot be followed.
        """
        async with self.client:
            for board in self._boards:
                await self.client.subscribe(board)
            async for event in self.client:
                await self._handle(event)

    def run(self) -> None:
        """Run until Ctrl-C. Raises as ``serve``."""
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(self.serve())

    async def _handle(self, event: Incoming) -> None:
        if isinstance(event, SubscriptionEnded):
            log.error("board %s cannot be followed any more: %s", event.board, event.code)
        if not isinstance(event, Posted | Edited | Deleted | Reacted | Retracted | Restored | Gone):
            return
        me = self.client.account.id if self.client.account is not None else None
        if isinstance(event, Posted | Edited) and event.author.id == me:
            # A bot that answers itself never stops.
            return
        for kind, board, handler in self._handlers:
            if isinstance(event, kind) and event.board == board:
                try:
                    await handler(event, self)
                except Exception:
                    # The boundary of the bot author's code: logged once, with the ids and without the text.
                    log.exception("handler %s failed at %s seq %s", handler, board, event.seq)
