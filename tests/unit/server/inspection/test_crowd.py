"""inspection/crowd.py: how many accounts did the same, and no more than is remembered."""

from dataclasses import replace

from parley_server.domain.bounds import CROWD_ACCOUNTS_MAX
from parley_server.domain.rules import CrowdOf
from parley_server.inspection.crowd import Crowds
from parley_server.inspection.ruleset import Memory, compile_rules
from tests.unit.server.inspection.making import compiled, found, item, rule

TEXT = {"crowd": {"same": "text", "accounts": 3, "window_s": 10}}
LINK = {"crowd": {"same": "link", "accounts": 3, "window_s": 10}}
JOIN = {"crowd": {"same": "join", "accounts": 3, "window_s": 10}}


def test_the_same_text_from_enough_accounts_is_a_crowd() -> None:
    ruleset = compiled(rule(TEXT))
    said = [found(ruleset, item(text, author=author)) for author, text in (("a", "Join us"), ("b", "join  US"), ("c", "join us"))]
    assert [len(findings) for findings in said] == [0, 0, 1]


def test_one_account_is_no_crowd_however_often_it_says_it() -> None:
    ruleset = compiled(rule(TEXT))
    assert not any(found(ruleset, item("join us", author="a", at_s=n)) for n in range(9))


def test_other_texts_and_other_boards_do_not_count() -> None:
    ruleset = compiled(rule(TEXT))
    for author, text, board in (("a", "hello", "b"), ("b", "hello there", "b"), ("c", "hello", "elsewhere")):
        assert not found(ruleset, item(text, author=author, board=board))


def test_what_is_older_than_the_window_does_not_count() -> None:
    ruleset = compiled(rule(TEXT))
    assert not found(ruleset, item("x", author="a", at_s=0))
    assert not found(ruleset, item("x", author="b", at_s=5))
    assert not found(ruleset, item("x", author="c", at_s=10))
    assert found(ruleset, item("x", author="d", at_s=14.9))


def test_one_link_in_different_texts_is_a_crowd_across_boards() -> None:
    ruleset = compiled(rule(LINK))
    texts = ("see https://raid.example.com/1", "look: raid.example.com/2 now", "https://RAID.example.com")
    assert [len(found(ruleset, item(text, author=text, board=text[:3]))) for text in texts] == [0, 0, 1]


def test_accounts_that_join_are_a_crowd_and_their_names_alone_are_not() -> None:
    ruleset = compiled(rule(JOIN))
    for n in range(5):
        assert not found(ruleset, item(f"name-{n}", field="name", author=f"old-{n}"))
    joining = [replace(item(f"name-{n}", field="name", author=f"new-{n}"), join=True) for n in range(3)]
    assert [len(found(ruleset, one)) for one in joining] == [0, 0, 1]


def test_a_new_rule_set_remembers() -> None:
    memory = Memory()
    for author in "ab":
        assert not found(compile_rules(1, [rule(TEXT)], memory), item("x", author=author))
    assert found(compile_rules(2, [rule(TEXT)], memory), item("x", author="c"))


def test_what_is_remembered_is_bounded() -> None:
    crowds = Crowds(things_max=2)
    for thing in range(9):
        crowds.add((CrowdOf.TEXT, "b", thing), "a", 0, 0)
    assert len(crowds) == 2
    for n in range(CROWD_ACCOUNTS_MAX + 9):
        crowds.add((CrowdOf.TEXT, "b", 8), f"author-{n}", 1, 0)
    assert len(crowds.add((CrowdOf.TEXT, "b", 8), "the last", 1, 0)) == CROWD_ACCOUNTS_MAX
