"""The fake rules of tests/fake_people.py, with a note of what changed them."""

from collections.abc import Mapping

from parley_protocol.ids import AccountId
from tests.fake_people import FakeRules
from tests.fake_world import FakeWorld

Document = Mapping[str, object]


class MemoryRules(FakeRules):
    """Rules in memory; ``calls`` names what changed them, in order."""

    def __init__(self) -> None:
        super().__init__(FakeWorld())
        self.calls: list[str] = []

    async def add(self, document: Document, rule_id: str, by: AccountId | None, at_us: int) -> int:
        self.calls.append(f"add {rule_id}")
        return await super().add(document, rule_id, by, at_us)

    async def activate(self, rule_id: str, version: int, by: AccountId | None, at_us: int, *, shadow: bool = False) -> int:
        self.calls.append(f"{'shadow' if shadow else 'activate'} {rule_id} {version}")
        return await super().activate(rule_id, version, by, at_us, shadow=shadow)
