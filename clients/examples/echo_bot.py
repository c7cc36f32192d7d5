"""Echo the posts of a board, and forget what is retracted. PARLEY_TOKEN names the bot."""

import os

from parley_client import Bot
from parley_protocol.frames import Posted, Retracted

bot = Bot(os.environ.get("PARLEY_URL", "ws://127.0.0.1:8080"), os.environ["PARLEY_TOKEN"])
heard: dict[str, str] = {}


@bot.on_post("lobby")
async def echo(post: Posted, bot: Bot) -> None:
    """Say it again."""
    heard[post.post] = post.body
    await bot.reply(post, f"{post.author.name} said: {post.body}")


@bot.on_retracted("lobby")
async def forget(event: Retracted, bot: Bot) -> None:
    """Keep nothing of a post that was stopped."""
    heard.pop(event.post, None)


if __name__ == "__main__":
    bot.run()
