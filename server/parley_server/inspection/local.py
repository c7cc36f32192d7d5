"""Asking a check that answers without waiting, from code that cannot wait either."""

from collections.abc import Sequence
from typing import cast

from parley_server.domain.verdict import Finding
from parley_server.ports import Check, Item


class Waited(Exception):
    """A check that calls itself local wanted to wait. It was ended."""


def ask(check: Check, item: Item) -> Sequence[Finding]:
    """Return what a local check sees. Makes no task and never suspends, so nothing that the check does can outlast the call.

    Raises:
        Waited: the check is not local.
        Exception: whatever the check raises.
    """
    answer = check.inspect(item)
    try:
        answer.send(None)
    except StopIteration as done:
        return cast("Sequence[Finding]", done.value)
    answer.close()
    raise Waited(check.name)
