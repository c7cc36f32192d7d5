"""The command's list of commands."""

import typer

from parley_client.commands import chat, people, records, replay, rules, serve, watch

app = typer.Typer(
    name="parley", no_args_is_help=True, pretty_exceptions_show_locals=False, help="Talk on Parley, moderate it, run it."
)

app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(serve.serve)
app.command()(people.signup)
app.command()(people.login)
app.command()(people.logout)
app.command()(people.me)
app.command()(chat.chat)
app.command()(watch.watch)
app.command()(records.cases)
app.command()(records.decide)
app.command()(records.takedowns)
app.command()(records.evidence)
app.command()(records.report)
app.command()(records.appeal)
app.command()(records.search)
app.command()(records.export)
app.command()(replay.replay)
app.add_typer(rules.rules, name="rules")
app.add_typer(people.users, name="users")
app.add_typer(people.boards, name="boards")
