"""The least a Python process can do to make posts durable: INSERT them with asyncpg, a batch in each transaction, over one connection.

Usage: bare_insert.py DATABASE_URL, then lines on stdin: ``insert POSTS BATCH BODY_BYTES BOARDS`` -> ``inserted POSTS``.

Nothing is received, inspected, numbered or delivered: what a server needs beyond this is its own work.
"""

import asyncio
import sys

import asyncpg
import uvloop

TABLE = "CREATE TABLE IF NOT EXISTS bare_posts (board int NOT NULL, n bigint GENERATED ALWAYS AS IDENTITY, body text NOT NULL)"
INSERT = "INSERT INTO bare_posts (board, body) SELECT * FROM unnest($1::int[], $2::text[])"


async def main(url: str) -> None:
    """Obey stdin until it ends."""
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    connection = await asyncpg.connect(url, ssl=False)
    await connection.execute(TABLE)
    await connection.execute("SET synchronous_commit = on")
    print("ready", flush=True)
    while line := await commands.readline():
        posts, batch, body_bytes, boards = map(int, line.split()[1:])
        for first in range(0, posts, batch):
            numbers = range(first, min(posts, first + batch))
            bodies = [f"{number} ".ljust(body_bytes, "x") for number in numbers]
            await connection.execute(INSERT, [number % boards for number in numbers], bodies)
        print("inserted", posts, flush=True)
    await connection.close()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
