"""Hypothesis strategies made from the frames' own annotations, so that a new field is fuzzed without a word."""

import dataclasses
import types
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from parley_protocol.fields import Int, Many, Text
from parley_protocol.frames import CLIENT_FRAMES, SERVER_FRAMES, ClientFrame, ServerFrame

TEXT_MAX: Final = 24
"""Characters of a generated string; the edges of the bounds are tested by name (test_frames.py)."""


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Return what a field with this annotation may hold."""
    bound: object = None
    if get_origin(hint) is Annotated:
        hint, bound = get_args(hint)[:2]
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return st.one_of([st.none() if kind is type(None) else values(kind) for kind in get_args(hint)])
    if origin is Literal:
        return st.sampled_from(get_args(hint))
    match bound:
        case Many(count_max):
            return st.lists(values(get_args(hint)[0]), max_size=min(count_max, 3)).map(tuple)
        case Text(bytes_max, bytes_min):
            return st.text(
                st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
                min_size=bytes_min,
                max_size=min(TEXT_MAX, bytes_max // 4),
            )
        case Int(least, most):
            return st.integers(least, most)
        case _:
            pass
    if origin is dict:
        return st.dictionaries(values(Annotated[str, Text(64)]), values(Annotated[int, Int()]))
    return st.booleans() if hint is bool else frames_of(hint)


def frames_of(cls: Any) -> st.SearchStrategy[Any]:
    """Return frames of one class, with and without their optional fields."""
    hints = get_type_hints(cls, include_extras=True)
    return st.builds(cls, **{field.name: values(hints[field.name]) for field in dataclasses.fields(cls)})


CLIENT: Final[st.SearchStrategy[ClientFrame]] = st.one_of([frames_of(cls) for cls in CLIENT_FRAMES.values()])
SERVER: Final[st.SearchStrategy[ServerFrame]] = st.one_of([frames_of(cls) for cls in SERVER_FRAMES.values()])
