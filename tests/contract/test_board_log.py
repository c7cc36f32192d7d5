"""``ports.BoardLog``: what holds on the fake and on PostgreSQL."""

import asyncio

from parley_protocol import codes
from parley_protocol.frames import Deleted, Edited, Gone, Posted, Reacted
from parley_protocol.ids import BoardId, PostId
from parley_server.domain.answers import Refused
from parley_server.domain.posts import PostInfo, PostState, Reaction, Repeat
from tests.samples import AUTHOR, GENERAL, MODERATOR, OTHER, QUIET, a_board, a_draft, an_edit
from tests.stores import Store


async def test_a_post_is_read_back_as_it_was_answered(store: Store) -> None:
    first = a_draft("hello")
    reply = a_draft("hello yourself", author=OTHER, reply_to=first.post, at_us=1_001)
    answers = [await store.log.append(first), await store.log.append(reply)]
    assert answers == [
        Posted(GENERAL, 1, first.post, AUTHOR, "hello", 1_000, 1, None),
        Posted(GENERAL, 2, reply.post, OTHER, "hello yourself", 1_001, 1, first.post),
    ]
    assert await store.log.read(GENERAL, 0, 10) == answers
    assert await store.log.head(GENERAL) == ("epoch-general", 2)


async def test_head_of_a_new_board_is_zero_and_of_no_board_is_none(store: Store) -> None:
    assert await store.log.head(QUIET) == ("epoch-quiet", 0)
    assert await store.log.head(BoardId("nowhere")) is None
    assert await store.log.read(BoardId("nowhere"), 0, 10) == []


async def test_a_post_to_no_board_is_refused_and_uses_no_nonce(store: Store) -> None:
    assert await store.log.append(a_draft(board="nowhere", nonce="n")) == Refused(codes.NO_BOARD)
    assert isinstance(await store.log.append(a_draft(nonce="n")), Posted)


async def test_the_same_nonce_is_answered_with_the_first_post(store: Store) -> None:
    first = a_draft("hello", nonce="n")
    posted = await store.log.append(first)
    assert isinstance(posted, Posted)
    again = await store.other_log.append(a_draft("hello", nonce="n", at_us=9_000))
    assert again == Repeat(first.post, PostState.PUBLISHED, posted.seq, 1_000)
    assert await store.log.head(GENERAL) == ("epoch-general", 1)


async def test_the_same_nonce_with_another_body_is_refused(store: Store) -> None:
    await store.log.append(a_draft("hello", nonce="n"))
    assert await store.log.append(a_draft("goodbye", nonce="n")) == Refused(codes.NONCE_REUSED)
    assert isinstance(await store.log.append(a_draft("goodbye", nonce="n", author=OTHER)), Posted)


async def test_the_same_nonce_many_times_at_once_makes_one_post(store: Store) -> None:
    drafts = [a_draft("hello", nonce="n") for _ in range(20)] + [a_draft("goodbye", nonce="n")]
    answers = await asyncio.gather(*(log.append(draft) for draft in drafts for log in (store.log, store.other_log)))
    [posted] = [answer for answer in answers if isinstance(answer, Posted)]
    repeats = [answer for answer in answers if answer == Repeat(posted.post, PostState.PUBLISHED, posted.seq, posted.at)]
    assert len(repeats) + answers.count(Refused(codes.NONCE_REUSED)) == len(answers) - 1
    assert await store.log.head(GENERAL) == ("epoch-general", 1)


async def test_p5_two_nodes_number_ten_boards_without_gap_or_repeat(store: Store) -> None:
    boards = [BoardId(f"board-{n}") for n in range(10)]
    for board in boards:
        assert await store.people.create_board(a_board(board), MODERATOR) is None
    # Each at a time of its own: no key of the table may hide that two have one seq.
    drafts = [a_draft(f"{n}", board=boards[n % 10], at_us=n) for n in range(400)]
    async with asyncio.TaskGroup() as group:
        for n, draft in enumerate(drafts):
            group.create_task((store.log, store.other_log)[n // 10 % 2].append(draft))
            if n % 40 == 0:
                await asyncio.sleep(0.001)
    for board in boards:
        events = await store.log.read(board, 0, 100)
        assert [event.seq for event in events] == list(range(1, 41))
        assert await store.log.head(board) == (f"epoch-{board}", 40)


async def test_p5_posts_of_one_node_get_their_seqs_in_order_of_arrival(store: Store) -> None:
    drafts = [a_draft(f"{n}") for n in range(50)]
    answers = await asyncio.gather(*(store.log.append(draft) for draft in drafts))
    assert [answer.seq for answer in answers if isinstance(answer, Posted)] == list(range(1, 51))


async def test_a_cancelled_author_disturbs_nobody_and_can_ask_again(store: Store) -> None:
    left, stays = a_draft("left", nonce="left"), a_draft("stays")
    leaving = asyncio.create_task(store.log.append(left))
    staying = asyncio.create_task(store.log.append(stays))
    await asyncio.sleep(0)
    leaving.cancel()
    assert isinstance(await staying, Posted)
    again = await store.log.append(a_draft("left", nonce="left"))
    assert isinstance(again, Repeat | Posted)
    head = await store.log.head(GENERAL)
    assert head == ("epoch-general", 2)


async def test_an_edit_shows_its_text_at_every_place_of_the_post(store: Store) -> None:
    draft = a_draft("first")
    await store.log.append(draft)
    assert await store.log.edit(an_edit(draft, "second")) == Edited(GENERAL, 2, draft.post, AUTHOR, "second", 2_000, 2)
    assert await store.log.read(GENERAL, 0, 10) == [
        Posted(GENERAL, 1, draft.post, AUTHOR, "second", 1_000, 2),
        Edited(GENERAL, 2, draft.post, AUTHOR, "second", 2_000, 2),
    ]


async def test_an_edit_of_an_old_revision_conflicts(store: Store) -> None:
    draft = a_draft()
    await store.log.append(draft)
    edits = [store.log.edit(an_edit(draft, f"edit {n}")) for n in range(5)]
    answers = await asyncio.gather(*edits)
    assert sum(isinstance(answer, Edited) for answer in answers) == 1
    assert answers.count(Refused(codes.CONFLICT)) == 4


async def test_an_edit_is_refused_for_no_post_another_board_and_another_author(store: Store) -> None:
    draft = a_draft()
    assert await store.log.edit(an_edit(draft, "new")) == Refused(codes.NO_POST)
    await store.log.append(draft)
    elsewhere = a_draft(board=QUIET)
    edit = an_edit(elsewhere, "new")
    assert await store.log.edit(type(edit)(draft.post, QUIET, AUTHOR, 1, "new", 2_000, 0)) == Refused(codes.NO_POST)
    assert await store.log.edit(an_edit(draft, "new", author=OTHER)) == Refused(codes.NOT_YOURS)


async def test_a_deleted_post_is_gone_at_its_place_and_stays_so(store: Store) -> None:
    draft = a_draft("secret words")
    await store.log.append(draft)
    await store.log.edit(an_edit(draft, "other secret words"))
    assert await store.log.delete(draft.post, OTHER.id, 3_000) == Refused(codes.NOT_YOURS)
    deleted = await store.log.delete(draft.post, AUTHOR.id, 3_000)
    assert deleted == Deleted(GENERAL, 3, draft.post, 3_000)
    assert await store.log.read(GENERAL, 0, 10) == [Gone(GENERAL, 1, draft.post), Gone(GENERAL, 2, draft.post), deleted]
    assert await store.log.search(["secret"], [GENERAL], 10) == []
    assert await store.log.delete(draft.post, AUTHOR.id, 4_000) == Refused(codes.POST_STOPPED)
    assert await store.log.edit(an_edit(draft, "back", base_rev=2)) == Refused(codes.POST_STOPPED)
    assert await store.log.delete(PostId("none"), AUTHOR.id, 4_000) == Refused(codes.NO_POST)


async def test_a_reaction_counts_once_and_can_be_taken_back(store: Store) -> None:
    draft = a_draft()
    await store.log.append(draft)
    on, off = (Reaction(draft.post, GENERAL, OTHER.id, "👍", on, 5) for on in (True, False))
    assert await store.log.react(off) is None
    assert await store.log.react(on) == Reacted(GENERAL, 2, draft.post, OTHER.id, "👍", True, 5)
    assert await store.log.react(on) is None
    assert await store.log.react(off) == Reacted(GENERAL, 3, draft.post, OTHER.id, "👍", False, 5)
    assert [type(event).__name__ for event in await store.log.read(GENERAL, 0, 10)] == ["Posted", "Reacted", "Reacted"]
    assert await store.log.react(Reaction(draft.post, QUIET, OTHER.id, "👍", True, 5)) == Refused(codes.NO_POST)
    await store.log.delete(draft.post, AUTHOR.id, 6)
    assert await store.log.react(on) == Refused(codes.POST_STOPPED)


async def test_reading_begins_after_the_cursor_and_ends_at_the_limit(store: Store) -> None:
    for n in range(5):
        await store.log.append(a_draft(f"{n}"))
    assert [event.seq for event in await store.log.read(GENERAL, 1, 2)] == [2, 3]
    assert await store.log.read(GENERAL, 5, 2) == []


async def test_info_tells_all_but_the_text(store: Store) -> None:
    draft = a_draft(reply_to=PostId("earlier"))
    await store.log.append(draft)
    await store.log.edit(an_edit(draft, "new"))
    assert await store.log.info(draft.post) == PostInfo(
        draft.post, GENERAL, AUTHOR, PostState.PUBLISHED, 2, 1, 1_000, PostId("earlier"), edit_held=False
    )
    assert await store.log.info(PostId("none")) is None


async def test_search_finds_posts_that_hold_every_word_newest_first(store: Store) -> None:
    old = a_draft("the Quick brown fox", at_us=1)
    new = a_draft("a quick fox, it's 'here' & there", at_us=2)
    other = a_draft("quick fox elsewhere", board=QUIET, at_us=3)
    han = a_draft("我们在北京见面", at_us=4)
    for draft in (old, new, other, han):
        await store.log.append(draft)
    found = await store.log.search(["quick", "fox"], [GENERAL], 10)
    assert [post.post for post in found] == [new.post, old.post]
    assert found[0].seq == 2
    assert [post.post for post in await store.log.search(["fox"], [GENERAL, QUIET], 1)] == [other.post]
    assert [post.post for post in await store.log.search(["北京"], [GENERAL], 10)] == [han.post]
    assert [post.post for post in await store.log.search(["见"], [GENERAL], 10)] == [han.post]
    assert await store.log.search(["京北"], [GENERAL], 10) == []
    assert await store.log.search([], [GENERAL], 10) == []
    assert await store.log.search(["fox' | 'brown"], [GENERAL], 10) == []
    assert await store.log.search(["\\", "'"], [GENERAL], 10) == []


async def test_search_finds_an_edited_post_by_its_latest_text_alone(store: Store) -> None:
    draft = a_draft("apples")
    await store.log.append(draft)
    await store.log.edit(an_edit(draft, "pears"))
    assert await store.log.search(["apples"], [GENERAL], 10) == []
    assert [post.body for post in await store.log.search(["pears"], [GENERAL], 10)] == ["pears"]
