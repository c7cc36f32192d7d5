"""The alert stream: what a watcher is told, and in which order."""

import asyncio

from parley_protocol.frames import Alert, CaseChanged, ServerFrame
from parley_protocol.ids import BoardId, CaseId, PostId
from parley_server.domain.rules import Severity
from parley_server.domain.takedowns import Case
from parley_server.moderation.alerts import AlertStream, Watcher
from tests.fakes import FakeAlerts, FakeWorld

CASE = CaseId("case-1")


async def test_a_case_is_told_after_the_alert_that_was_raised_with_it() -> None:
    stored = FakeWorld()
    stream = AlertStream(FakeAlerts(stored))
    said: list[ServerFrame] = []
    await stream.watch(Watcher(lambda: None, said.append, lambda: True), after=0)
    running = asyncio.create_task(stream.run())

    case = stored.cases[CASE] = Case(CASE, 2, "decided", BoardId("lobby"), PostId("p"), "spam", Severity.LOW, 1)
    stored.alerts.append(Alert(1, CASE, "low", "spam", "inline", "", 1, 1, board=BoardId("lobby")))
    stream.raised()
    stream.changed(case)
    while len(said) < 2:
        await asyncio.sleep(0)
    running.cancel()
    assert [type(frame) for frame in said] == [Alert, CaseChanged]
