"""Frames: each is a value with a bound on everything, and the two tables are whole."""

import dataclasses
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest

from parley_protocol import frames
from parley_protocol.fields import BadField, Int, Text, build, plan, to_map
from parley_protocol.frames import CLIENT_FRAMES, SERVER_FRAMES, ClientFrame, ServerFrame
from tests.unit.protocol.test_vectors import read

EVERY: list[Any] = [*CLIENT_FRAMES.values(), *SERVER_FRAMES.values()]
WHOLE = [entry for entry in read("frames.json") if not entry["name"].endswith("least")]
EDGES = [(entry, name) for entry in WHOLE for name in entry["frame"] if name != "type"]


def bound(cls: Any, name: str) -> list[object]:
    """Return the bounds that a field's annotation carries."""
    hint = get_type_hints(cls, include_extras=True)[name]
    kinds = [hint] if get_origin(hint) is Annotated else list(get_args(hint))
    return [get_args(kind)[1] for kind in kinds if get_origin(kind) is Annotated]


def test_the_tables_hold_every_member_of_the_unions() -> None:
    assert set(CLIENT_FRAMES.values()) == set(get_args(ClientFrame))
    assert set(SERVER_FRAMES.values()) == set(get_args(ServerFrame))


@pytest.mark.parametrize("cls", EVERY)
def test_every_frame_is_a_frozen_slotted_value_with_a_bound_on_each_field(cls: Any) -> None:
    # Frozen to type checkers, which test_values.py shows; at run time a value, that is with a hash.
    assert cls.__dataclass_params__.unsafe_hash
    assert "__slots__" in vars(cls)
    assert [field.name for field in plan(cls)] == [field.name for field in dataclasses.fields(cls)]


def test_only_typing_goes_both_ways() -> None:
    assert CLIENT_FRAMES.keys() & SERVER_FRAMES.keys() == {"typing"}
    assert CLIENT_FRAMES["typing"] is SERVER_FRAMES["typing"] is frames.Typing


@pytest.mark.parametrize(("entry", "name"), EDGES, ids=[f"{entry['side']}-{entry['name']}-{name}" for entry, name in EDGES])
def test_a_field_takes_its_greatest_and_least_value_and_nothing_beyond(entry: Any, name: str) -> None:
    cls: Any = (CLIENT_FRAMES if entry["side"] == "client" else SERVER_FRAMES)[entry["frame"]["type"]]
    for held in bound(cls, name):
        match held:
            case Text(most, least):
                inside: list[object] = ["x" * most, "x" * least]
                outside: list[object] = ["x" * (most + 1), "x" * (least - 1) if least else 0.5]
            case Int(least, most):
                inside, outside = [least, most], [least - 1, most + 1]
            case _:
                continue
        for value in inside:
            assert getattr(build(cls, {**entry["frame"], name: value}), name) == value
        for value in outside:
            with pytest.raises(BadField):
                build(cls, {**entry["frame"], name: value})


@pytest.mark.parametrize("entry", WHOLE, ids=lambda entry: entry["name"])
def test_a_frame_lacks_a_required_field_or_is_whole_without_an_optional_one(entry: Any) -> None:
    cls: Any = (CLIENT_FRAMES if entry["side"] == "client" else SERVER_FRAMES)[entry["frame"]["type"]]
    for field in plan(cls):
        without = {name: value for name, value in entry["frame"].items() if name != field.name}
        if field.required:
            with pytest.raises(BadField):
                build(cls, without)
        else:
            assert to_map(build(cls, without)) == without
