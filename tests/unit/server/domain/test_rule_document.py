"""domain/rule_document.py: a document is a rule, or the key that is wrong."""

from collections.abc import Mapping

import pytest

from parley_server.domain import bounds
from parley_server.domain.rule_document import parse, read_files, read_toml
from parley_server.domain.rules import BadRule, Effect, FailMode, Flood, Links, Rule, RuleHead, Severity

TOML = """
id = "casino-spam"
policy = "spam"
severity = "medium"
effect = "withhold"
fail = "hold"
fields = ["body", "name"]
boards = ["*"]
[match]
terms = ["free casino", "赌场 优惠"]
[examples]
must = ["FREE  CASINO here"]
must_not = ["the casino scene in that film"]
"""


def document(**changed: object) -> dict[str, object]:
    """Return the document of design §7, with keys changed; ``None`` takes a key out."""
    held = dict(read(TOML)) | changed
    return {key: value for key, value in held.items() if value is not None}


def read(text: str) -> Mapping[str, object]:
    held = read_toml(text)
    assert not isinstance(held, BadRule), held
    return held


def test_the_document_of_the_design_is_a_rule() -> None:
    rule = parse(read(TOML), 3)
    assert isinstance(rule, Rule)
    assert rule.head == RuleHead("casino-spam", 3, "spam", Severity.MEDIUM, Effect.WITHHOLD, FailMode.HOLD)
    assert rule.match.terms == ("free casino", "赌场 优惠")
    assert (rule.match.links, rule.match.flood, rule.match.patterns) == (None, None, ())
    assert (rule.fields, rule.boards) == (frozenset({"body", "name"}), frozenset({"*"}))
    assert rule.must == ("FREE  CASINO here",)
    assert rule.must_not == ("the casino scene in that film",)
    assert rule.document == read(TOML)


def test_every_part_of_a_match_is_read() -> None:
    links = {"domains": ["a.example", "b.example"], "others": True}
    flood = {"posts_max": 5, "repeats_max": 2, "window_s": 60}
    rule = parse(document(match={"links": links, "flood": flood, "patterns": ["a+"]}), 1)
    assert isinstance(rule, Rule)
    assert rule.match.links == Links(("a.example", "b.example"), True)
    assert rule.match.flood == Flood(5, 2, 60)
    assert rule.match.patterns == ("a+",)


def test_flood_limits_alone_need_no_examples() -> None:
    rule = parse(document(match={"flood": {"posts_max": 5, "repeats_max": 2, "window_s": 60}}, examples=None), 1)
    assert isinstance(rule, Rule)
    assert rule.must == ()


def test_entries_that_stand_twice_are_folded() -> None:
    rule = parse(document(match={"terms": ["b", "a", "b"]}, boards=["x", "x"], fields=["body", "body"]), 1)
    assert isinstance(rule, Rule)
    assert rule.match.terms == ("b", "a")
    assert rule.boards == {"x"}


_FLOOD = {"posts_max": 5, "repeats_max": 2, "window_s": 60}


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"id": None}, "id"),
        ({"id": "Casino"}, "id"),
        ({"id": "a b"}, "id"),
        ({"id": ""}, "id"),
        ({"id": "a" * 65}, "id"),
        ({"id": 7}, "id"),
        ({"policy": None}, "policy"),
        ({"policy": "../spam"}, "policy"),
        ({"severity": "grave"}, "severity"),
        ({"severity": ["low"]}, "severity"),
        ({"effect": "delete"}, "effect"),
        ({"fail": None}, "fail"),
        ({"fail": "allow"}, "fail"),
        ({"fields": []}, "fields"),
        ({"fields": "body"}, "fields"),
        ({"fields": ["title"]}, "fields[0]"),
        ({"fields": ["body", "name", "body"]}, "fields"),
        ({"boards": []}, "boards"),
        ({"boards": ["ok", "Not Ok"]}, "boards[1]"),
        ({"boards": ["x"] * (bounds.BOARDS_MAX + 1)}, "boards"),
        ({"efect": "flag"}, "efect"),
        ({"match": None}, "match"),
        ({"match": {}}, "match"),
        ({"match": []}, "match"),
        ({"match": {"term": ["x"]}}, "match.term"),
        ({"match": {"terms": []}}, "match.terms"),
        ({"match": {"terms": "x"}}, "match.terms"),
        ({"match": {"terms": ["x", ""]}}, "match.terms[1]"),
        ({"match": {"terms": ["x", " \t"]}}, "match.terms[1]"),
        ({"match": {"terms": ["x", 7]}}, "match.terms[1]"),
        ({"match": {"terms": ["x\ud800"]}}, "match.terms[0]"),
        ({"match": {"terms": ["é" * 129]}}, "match.terms[0]"),
        ({"match": {"terms": ["x"] * (bounds.TERMS_MAX + 1)}}, "match.terms"),
        ({"match": {"patterns": ["x"] * (bounds.PATTERNS_MAX + 1)}}, "match.patterns"),
        ({"match": {"patterns": ["x" * 513]}}, "match.patterns[0]"),
        ({"match": {"links": {}}}, "match.links.domains"),
        ({"match": {"links": {"domains": []}}}, "match.links.domains"),
        ({"match": {"links": {"domains": ["https://a.example"]}}}, "match.links.domains[0]"),
        ({"match": {"links": {"domains": ["*.a.example"]}}}, "match.links.domains[0]"),
        ({"match": {"links": {"domains": ["a b"]}}}, "match.links.domains[0]"),
        ({"match": {"links": {"domains": ["."]}}}, "match.links.domains[0]"),
        ({"match": {"links": {"domains": ["a.example"], "others": 1}}}, "match.links.others"),
        ({"match": {"links": {"domains": ["a.example"], "other": True}}}, "match.links.other"),
        ({"match": {"flood": {**_FLOOD, "posts_max": 0}}}, "match.flood.posts_max"),
        ({"match": {"flood": {**_FLOOD, "repeats_max": True}}}, "match.flood.repeats_max"),
        ({"match": {"flood": {**_FLOOD, "window_s": 1.5}}}, "match.flood.window_s"),
        ({"match": {"flood": {**_FLOOD, "window_s": bounds.FLOOD_WINDOW_S_MAX + 1}}}, "match.flood.window_s"),
        ({"match": {"flood": {"posts_max": 1, "repeats_max": 1}}}, "match.flood.window_s"),
        ({"examples": None}, "examples.must"),
        ({"examples": {"must": []}}, "examples.must"),
        ({"examples": {"must": ["x"], "must-not": []}}, "examples.must-not"),
        ({"examples": {"must": ["x" * 8_193]}}, "examples.must[0]"),
        ({"examples": {"must": ["x"] * (bounds.EXAMPLES_MAX + 1)}}, "examples.must"),
        ({"examples": {"must": ["x"], "must_not": [None]}}, "examples.must_not[0]"),
    ],
)
def test_a_bad_document_names_the_key_that_is_wrong(changed: dict[str, object], where: str) -> None:
    bad = parse(document(**changed), 1)
    assert isinstance(bad, BadRule), bad
    assert bad.where == where
    assert bad.says.endswith(".")


@pytest.mark.parametrize("value", [None, [], "text", 7])
def test_what_is_no_map_is_no_rule(value: object) -> None:
    assert parse(value, 1) == BadRule("", "It is not a table.")  # type: ignore[arg-type]  # JSON over HTTP may be anything.


def test_a_key_that_is_no_string_is_refused() -> None:
    assert isinstance(parse({**document(), 7: "x"}, 1), BadRule)  # type: ignore[dict-item]  # msgpack knows such maps.


def test_a_syntax_error_has_its_place() -> None:
    assert read_toml('id = "x"\npolicy = \n') == BadRule("line 2, column 10", "Invalid value.")


@pytest.mark.parametrize("text", ["a = 1\na = 2", "[", "a = [" + "[" * 10_000])
def test_what_is_no_toml_is_a_value_too(text: str) -> None:
    assert isinstance(read_toml(text), BadRule)


def test_the_files_of_a_folder_are_read_in_order() -> None:
    rules = read_files({"b.toml": TOML, "a.toml": TOML.replace("casino-spam", "other")})
    assert isinstance(rules, tuple)
    assert [rule.head.id for rule in rules] == ["other", "casino-spam"]


@pytest.mark.parametrize(
    ("files", "where"),
    [
        ({"a.toml": TOML, "b.toml": TOML}, "b.toml: id"),
        ({"a.toml": TOML, "b.toml": "id = \n"}, "b.toml: line 1, column 6"),
        ({"a.toml": TOML.replace("effect", "efect")}, "a.toml: efect"),
    ],
)
def test_a_bad_file_is_named(files: dict[str, str], where: str) -> None:
    bad = read_files(files)
    assert isinstance(bad, BadRule)
    assert bad.where == where
