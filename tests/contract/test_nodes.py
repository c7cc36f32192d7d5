"""``ports.Nodes``: what holds on the fake and on PostgreSQL."""

import asyncio

import pytest

from parley_protocol.frames import Deleted, Posted
from parley_protocol.ids import AccountId, BoardId, SessionId
from parley_server.domain.hints import NodeId
from parley_server.domain.people import AccountState, BoardRole
from parley_server.domain.rules import Ground, Policy
from parley_server.domain.takedowns import Filed, Kind
from parley_server.ports import Change, NodeState, Seen
from parley_server.store.bounds import NODE_LEASE_S
from tests.samples import AUTHOR, GENERAL, MODERATOR, OTHER, QUIET, a_board, a_draft, a_restriction
from tests.stores import Store

ANN, BEA = NodeId("ann"), NodeId("bea")


def state(node: NodeId, heard: int = 0, ruleset: int = 0) -> NodeState:
    return NodeState(node, heard, ruleset, 5)


async def heard_of(store: Store, after: int) -> list[tuple[str, str]]:
    """The changes since, as kind and subject."""
    return [(change.kind, change.subject) for change in await store.nodes.changes(after, 100)]


async def test_a_node_sees_the_others_that_live_and_not_itself(store: Store) -> None:
    now = (await store.nodes.look(ANN)).changes
    assert await store.nodes.beat(state(ANN)) == Seen(now, ())
    assert await store.nodes.beat(state(BEA, 3, 4)) == Seen(now, (state(ANN),))
    assert await store.nodes.look(ANN) == Seen(now, (state(BEA, 3, 4),))


async def test_each_beat_says_how_far_the_node_is_now(store: Store) -> None:
    await store.nodes.beat(state(ANN, 3))
    await store.nodes.beat(state(ANN, 7, 2))
    assert (await store.nodes.look(BEA)).others == (state(ANN, 7, 2),)


async def test_a_node_that_leaves_is_not_waited_for(store: Store) -> None:
    await store.nodes.beat(state(ANN))
    await store.nodes.leave(ANN)
    await store.nodes.leave(BEA)
    assert (await store.nodes.look(BEA)).others == ()


async def test_a_node_lives_as_long_as_its_lease(store: Store) -> None:
    await store.nodes.beat(state(ANN))
    await store.age(ANN, NODE_LEASE_S - 2)
    assert (await store.nodes.look(BEA)).others == (state(ANN),)
    await store.age(ANN, 2.1)
    assert (await store.nodes.look(BEA)).others == ()
    assert (await store.nodes.beat(state(BEA))).others == ()
    await store.nodes.beat(state(ANN, 9))
    assert (await store.nodes.look(BEA)).others == (state(ANN, 9),)


async def test_changes_are_numbered_without_gap_in_the_order_of_commit(store: Store) -> None:
    before = (await store.nodes.look(ANN)).changes
    await asyncio.gather(
        *(
            store.people.set_role(board, account, BoardRole.MUTED, MODERATOR, 5)
            for board in (GENERAL, QUIET)
            for account in (AUTHOR.id, OTHER.id)
        )
    )
    changes = await store.nodes.changes(before, 100)
    assert [change.n for change in changes] == [before + 1, before + 2, before + 3, before + 4]
    assert (await store.nodes.look(ANN)).changes == before + 4
    assert await store.nodes.changes(before + 1, 2) == changes[1:3]
    assert await store.nodes.changes(before + 4, 100) == []


async def test_everything_that_nodes_keep_in_memory_is_a_change(store: Store) -> None:
    before = (await store.nodes.look(ANN)).changes
    new = BoardId("new")
    await store.people.set_account(OTHER.id, state=AccountState.SUSPENDED)
    await store.people.close_session(SessionId("session"))
    await store.people.create_board(a_board(new), AUTHOR.id)
    await store.people.set_board(a_board(new))
    await store.people.set_role(GENERAL, OTHER.id, BoardRole.BANNED, MODERATOR, 5)
    await store.rules.put_policy(Policy("p", 0, "P", Ground.TERMS, "T", "E"), None, 5)
    version = await store.rules.add({"id": "r"}, "r", None, 5)
    await store.rules.activate("r", version, None, 5)
    await store.rules.retire("r", None, 5)
    assert await heard_of(store, before) == [
        ("person", OTHER.id),
        ("session", "session"),
        ("person", AUTHOR.id),
        ("board", new),
        ("board", new),
        ("person", OTHER.id),
        ("policies", "p"),
        ("rules", "r"),
        ("rules", "r"),
    ]


async def test_what_led_to_nothing_is_no_change(store: Store) -> None:
    before = (await store.nodes.look(ANN)).changes
    nobody = AccountId("nobody")
    assert await store.people.set_account(nobody, state=AccountState.CLOSED) is not None
    assert await store.people.set_board(a_board("nowhere")) is not None
    assert await store.people.set_role(GENERAL, nobody, BoardRole.BANNED, MODERATOR, 5) is not None
    assert await store.people.create_board(a_board(GENERAL), AUTHOR.id) is not None
    assert await store.rules.retire("r", None, 5) is None
    assert await heard_of(store, before) == []


async def test_a_post_that_is_stopped_is_a_change_with_its_place(store: Store) -> None:
    before = (await store.nodes.look(ANN)).changes
    first, second = a_draft(), a_draft()
    for draft in (first, second):
        assert isinstance(await store.log.append(draft), Posted)
    assert await heard_of(store, before) == []
    assert isinstance(await store.takedowns.retract(first.post, a_restriction(Kind.RETRACT, by=MODERATOR)), Filed)
    assert isinstance(await store.log.delete(second.post, AUTHOR.id, 9), Deleted)
    assert not isinstance(await store.log.delete(second.post, AUTHOR.id, 9), Deleted)
    assert await store.nodes.changes(before, 100) == [
        Change(before + 1, "retracted", first.post, GENERAL, 3),
        Change(before + 2, "deleted", second.post, GENERAL, 4),
    ]


@pytest.mark.parametrize("boards", [(), (GENERAL,), (GENERAL, QUIET, BoardId("nowhere"))])
async def test_the_heads_of_boards_are_read_at_once(store: Store, boards: tuple[BoardId, ...]) -> None:
    await store.log.append(a_draft())
    heads = {GENERAL: 1, QUIET: 0}
    assert await store.log.heads(boards) == {board: heads[board] for board in boards if board in heads}
