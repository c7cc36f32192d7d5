"""inspection/flood.py: rate and repetition of one author in a sliding window."""

from parley_server.domain.bounds import FLOOD_POSTS_MAX
from parley_server.inspection.flood import Act, Recent
from parley_server.inspection.ruleset import Memory, compile_rules
from tests.unit.server.inspection.making import compiled, found, item, rule

FLOOD = {"flood": {"posts_max": 3, "repeats_max": 2, "window_s": 10}}


def test_more_posts_than_allowed_in_the_window_are_a_flood() -> None:
    ruleset = compiled(rule(FLOOD))
    seen = [bool(found(ruleset, item(f"text {n}", at_s=n))) for n in range(5)]
    assert seen == [False, False, False, True, True]


def test_the_window_slides() -> None:
    ruleset = compiled(rule(FLOOD))
    assert not any(found(ruleset, item(f"text {n}", at_s=4 * n)) for n in range(20))


def test_a_post_leaves_the_window_when_it_is_as_old_as_the_window() -> None:
    ruleset = compiled(rule(FLOOD))
    for at_s in (0, 1, 2):
        assert not found(ruleset, item(str(at_s), at_s=at_s))
    assert not found(ruleset, item("x", at_s=10))
    assert found(ruleset, item("y", at_s=10.5))


def test_the_same_text_too_often_is_a_flood_however_it_is_written() -> None:
    ruleset = compiled(rule(FLOOD))
    assert not found(ruleset, item("Buy  now", at_s=0))
    assert not found(ruleset, item("buy now", at_s=1))
    (finding,) = found(ruleset, item("BUY\u200b NOW", at_s=2))
    assert (finding.check, finding.passage, finding.span) == ("flood", "more than 2 times the same in 10 s", None)


def test_an_edit_is_no_repetition_but_counts_as_an_act() -> None:
    ruleset = compiled(rule(FLOOD))
    assert not found(ruleset, item("x", at_s=0))
    assert not found(ruleset, item("x", at_s=1, edit=True))
    assert not found(ruleset, item("x", at_s=2, edit=True))
    (finding,) = found(ruleset, item("x", at_s=3, edit=True))
    assert finding.passage == "more than 3 posts in 10 s"


def test_authors_do_not_share_a_count() -> None:
    ruleset = compiled(rule(FLOOD))
    assert not any(found(ruleset, item("x", author=str(n))) for n in range(10))


def test_only_what_a_rule_covers_is_counted() -> None:
    ruleset = compiled(rule(FLOOD, boards=["here"], fields=["body"]))
    for n in range(5):
        assert not found(ruleset, item(str(n), board="there"))
        assert not found(ruleset, item(str(n), board="here", field="name"))
    assert not found(ruleset, item("x", board="here"))


def test_each_rule_has_its_own_window() -> None:
    short = rule({"flood": {"posts_max": 1, "repeats_max": 1, "window_s": 2}}, id="short")
    long = rule({"flood": {"posts_max": 2, "repeats_max": 2, "window_s": 100}}, id="long")
    ruleset = compiled(short, long)
    seen = [[finding.rule.id for finding in found(ruleset, item(str(n), at_s=5 * n))] for n in range(3)]
    assert seen == [[], [], ["long"]]


def test_a_new_rule_set_remembers_what_was_posted() -> None:
    memory = Memory()
    first = compile_rules(1, [rule(FLOOD)], memory)
    for n in range(3):
        found(first, item(str(n)))
    assert found(compile_rules(2, [rule(FLOOD)], memory), item("x"))


def test_authors_are_forgotten_when_there_are_too_many_the_quietest_first() -> None:
    recent = Recent(authors_max=2)
    act = Act(0, "b", "body", 1)
    for author in ("quiet", "busy", "busy", "quiet", "busy", "new"):
        acts = recent.add(author, act, 0)
    assert len(acts) == 1
    assert len(recent) == 2
    assert len(recent.add("busy", act, 0)) == 4
    assert len(recent.add("quiet", act, 0)) == 1


def test_what_is_remembered_of_one_author_is_bounded_and_enough_for_the_greatest_limit() -> None:
    most = rule({"flood": {"posts_max": FLOOD_POSTS_MAX, "repeats_max": FLOOD_POSTS_MAX, "window_s": 10}})
    recent = Recent()
    ruleset = compile_rules(1, [most], Memory(recent=recent))
    seen = [bool(found(ruleset, item(str(n)))) for n in range(FLOOD_POSTS_MAX + 50)]
    assert seen == [n >= FLOOD_POSTS_MAX for n in range(FLOOD_POSTS_MAX + 50)]
    assert len(recent.add("a", Act(0, "b", "body", 1), 0)) == FLOOD_POSTS_MAX + 1
