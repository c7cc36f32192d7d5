"""A TCP proxy that can fall silent or cut its connections: what a network and a database do on a bad day."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit


class FaultProxy:
    """Listens on ``port`` and passes on to a server, until told otherwise. Runs on the test's loop."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._through = asyncio.Event()
        self._through.set()
        self._refusing = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    def silence(self) -> None:
        """Pass nothing on, in either direction, and lose nothing."""
        self._through.clear()

    def cut(self) -> None:
        """Drop every connection and refuse new ones."""
        self._refusing = True
        for writer in list(self._writers):
            writer.transport.abort()

    def heal(self) -> None:
        """Pass on again what came meanwhile and what comes."""
        self._refusing = False
        self._through.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection(*self._target)
        self._writers |= {writer, back}
        for source, sink in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._pass_on(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65_536):
                await self._through.wait()
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            self._writers.discard(sink)
            with contextlib.suppress(OSError):
                sink.close()


@asynccontextmanager
async def proxying(url: str) -> AsyncIterator[tuple[FaultProxy, str]]:
    """A proxy before a PostgreSQL, and the PostgreSQL's URL through it."""
    parts = urlsplit(url)
    assert parts.hostname is not None and parts.port is not None, "the proxy speaks TCP"
    proxy = FaultProxy(parts.hostname, parts.port)
    listener = await asyncio.start_server(proxy._accept, "127.0.0.1", 0)
    proxy.port = listener.sockets[0].getsockname()[1]
    login = parts.netloc.rpartition("@")[0]
    try:
        yield proxy, urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{proxy.port}"))
    finally:
        listener.close()
        proxy.heal()
        proxy.cut()
        await asyncio.gather(*proxy._tasks, return_exceptions=True)
