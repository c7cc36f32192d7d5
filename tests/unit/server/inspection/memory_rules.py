"""Rules in memory, by the contract of ``ports.Rules``."""

from collections.abc import Mapping

from parley_protocol.ids import AccountId
from parley_server.domain.rules import Ground, Mode, Policy

Document = Mapping[str, object]
SPAM = Policy("spam", 1, "Spam", Ground.TERMS, "Terms, 3", "No bulk advertising.")


class MemoryRules:
    """Keeps every version; ``calls`` names what changed it, in order."""

    def __init__(self) -> None:
        self.version = 0
        self.calls: list[str] = []
        self._versions: dict[str, list[Document]] = {}
        self._live: dict[str, int] = {}
        self._retired: set[str] = set()

    async def policies(self) -> list[Policy]:
        return [SPAM]

    async def put_policy(self, policy: Policy, by: AccountId | None, at_us: int) -> Policy:
        return policy

    async def add(self, document: Document, rule_id: str, by: AccountId | None, at_us: int) -> int:
        self.calls.append(f"add {rule_id}")
        versions = self._versions.setdefault(rule_id, [])
        versions.append(document)
        return len(versions)

    async def get(self, rule_id: str) -> tuple[int, str, Document] | None:
        versions = self._versions.get(rule_id)
        if versions is None:
            return None
        live = self._live.get(rule_id) == len(versions)
        mode = Mode.LIVE if live else Mode.RETIRED if rule_id in self._retired else Mode.DRAFT
        return len(versions), mode, versions[-1]

    async def all(self) -> list[tuple[str, int, str, Document]]:
        found = [(rule_id, await self.get(rule_id)) for rule_id in self._versions]
        return [(rule_id, *held) for rule_id, held in found if held is not None]

    async def live(self) -> tuple[int, list[tuple[int, Document]]]:
        return self.version, [(version, self._versions[rule_id][version - 1]) for rule_id, version in self._live.items()]

    async def activate(self, rule_id: str, version: int, by: AccountId | None, at_us: int) -> int:
        self.calls.append(f"activate {rule_id} {version}")
        self._live[rule_id] = version
        self._retired.discard(rule_id)
        self.version += 1
        return self.version

    async def retire(self, rule_id: str, by: AccountId | None, at_us: int) -> int | None:
        if self._live.pop(rule_id, None) is None:
            return None
        self.calls.append(f"retire {rule_id}")
        self._retired.add(rule_id)
        self.version += 1
        return self.version
