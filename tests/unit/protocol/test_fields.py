"""Fields: the schema that annotations are, and what each bound lets through."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest

from parley_protocol import codes
from parley_protocol.fields import COUNTS_MAX, BadField, Int, Many, Text, build, plan, to_map


@dataclass(frozen=True, slots=True)
class Inner:
    name: Annotated[str, Text(4)]


@dataclass(frozen=True, slots=True)
class Sample:
    text: Annotated[str, Text(4, bytes_min=0)]
    number: Annotated[int, Int(1, 9)] = 5
    flag: bool = True
    word: Literal["a", "b"] = "a"
    many: Annotated[tuple[Inner, ...], Many(2)] = ()
    either: Annotated[int, Int()] | Annotated[str, Text(4)] | None = None
    counts: dict[str, int] | None = None


def read(**held: Any) -> Sample:
    return build(Sample, {"text": "x", **held})


@pytest.mark.parametrize(
    ("field", "held"),
    [
        ("text", "éé"),
        ("text", ""),
        ("number", 1),
        ("number", 9),
        ("flag", False),
        ("word", "b"),
        ("either", 0),
        ("either", "x"),
        ("counts", {"x": 0}),
    ],
)
def test_a_value_within_its_bound_is_held(field: str, held: object) -> None:
    assert getattr(read(**{field: held}), field) == held


@pytest.mark.parametrize(
    ("field", "held"),
    [
        ("text", "ééé"),
        ("text", 1),
        ("text", b"x"),
        ("number", 0),
        ("number", 10),
        ("number", 5.0),
        ("number", True),
        ("number", "5"),
        ("flag", 1),
        ("word", "c"),
        ("word", ["a"]),
        ("many", {"name": "x"}),
        ("many", [{"name": "x"}] * 3),
        ("either", -1),
        ("either", []),
        ("either", "xxxxx"),
        ("counts", {"x": -1}),
        ("counts", {"": 1}),
        ("counts", {1: 1}),
        ("counts", {str(n): n for n in range(COUNTS_MAX + 1)}),
        ("counts", []),
    ],
)
def test_a_value_beyond_its_bound_is_refused_and_its_field_named(field: str, held: object) -> None:
    with pytest.raises(BadField) as caught:
        read(**{field: held})
    assert (caught.value.path, caught.value.code) == (field, codes.BAD_FIELD)


def test_a_bad_field_inside_a_list_is_named_from_the_outside_in() -> None:
    with pytest.raises(BadField) as caught:
        read(many=[{"name": "x"}, {"name": 1}])
    assert caught.value.path == "many.name"


def test_a_lone_surrogate_is_not_text_in_a_string_in_an_either_and_in_a_key() -> None:
    for held in ({"text": "\ud800"}, {"either": "\udfff"}, {"counts": {"\ud800": 1}}):
        with pytest.raises(BadField) as caught:
            read(**held)
        assert caught.value.code is codes.NOT_TEXT


def test_a_missing_field_takes_its_default_or_is_refused() -> None:
    assert build(Sample, {"text": "x", "number": None, "later": object()}) == Sample("x")
    values: list[object] = [{}, {"text": None}, [], "text", None]
    for value in values:
        with pytest.raises(BadField):
            build(Sample, value)


def test_a_map_leaves_out_what_is_absent_or_as_by_default_and_keeps_what_is_required() -> None:
    assert to_map(Sample("")) == {"text": ""}
    assert to_map(Sample("x", flag=False, many=(Inner("y"),))) == {"text": "x", "flag": False, "many": [{"name": "y"}]}


def test_an_annotation_without_a_bound_is_a_mistake_that_shows_at_once() -> None:
    @dataclass(frozen=True)
    class Unbounded:
        text: str

    with pytest.raises(TypeError):
        plan(Unbounded)


def test_a_nul_is_text_only_where_the_field_judges_it_later() -> None:
    @dataclass(frozen=True, slots=True)
    class Held:
        body: Annotated[str, Text(4, nul=True)] = ""
        name: Annotated[str, Text(4)] = ""

    assert build(Held, {"body": "a\0"}).body == "a\0"
    with pytest.raises(BadField) as caught:
        build(Held, {"name": "a\0"})
    assert caught.value.code is codes.NOT_TEXT
