"""SPEC.md against the code: every frame, field, bound, code and limit stands in it, and nothing that does not exist."""

import re
import types
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import pytest

from parley_protocol import frames, limits
from parley_protocol.codec import SUBPROTOCOLS
from parley_protocol.codes import CODES
from parley_protocol.fields import COUNTS_MAX, Int, Many, Text, plan
from parley_protocol.frames import CLIENT_FRAMES, SERVER_FRAMES

SPEC: Final = (Path(__file__).parents[3] / "protocol" / "SPEC.md").read_text(encoding="utf-8")
PARTS: Final = (frames.Author, frames.Self, frames.Cursor, frames.Gap, frames.BoardState, frames.Standing)
LIMITS: Final[dict[str, int]] = {name: value for name, value in vars(limits).items() if name.isupper()}
SHAPES: Final[dict[str, Any]] = {
    **{f"`{name}` (client)": cls for name, cls in CLIENT_FRAMES.items()},
    **{f"`{name}` (server)": cls for name, cls in SERVER_FRAMES.items()},
    **{cls.__name__: cls for cls in PARTS},
}


def rows(title: str) -> list[list[str]]:
    """Return the cells of the first table below the heading ``title``, without its head."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", SPEC, re.DOTALL | re.MULTILINE)
    assert found is not None, f"no heading {title!r}"
    lines = [line for line in found[1].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def describe(hint: Any) -> tuple[str, str]:
    """Return how SPEC.md writes the type and the bound of an annotation."""
    bound: object = None
    if get_origin(hint) is Annotated:
        hint, bound = get_args(hint)[:2]
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        each = [describe(kind) for kind in get_args(hint) if kind is not type(None)]
        return " or ".join(kind for kind, _ in each), " or ".join(held for _, held in each)
    if origin is Literal:
        return "string", " ".join(f"`{name}`" for name in get_args(hint))
    if isinstance(bound, Many):
        kind, held = describe(get_args(hint)[0])
        return f"list of {kind}", f"at most {bound.count_max}" + (f", each {held}" if held else "")
    if origin is dict:
        return "map of integers", f"at most {COUNTS_MAX} entries"
    if isinstance(bound, Text):
        return "string", f"{bound.bytes_min} to {bound.bytes_max} bytes"
    if isinstance(bound, Int):
        return "integer", f"{bound.least} to {'2^53−1' if bound.most == limits.SEQ_MAX else bound.most}"
    if hint is bool:
        return "boolean", ""
    return hint.__name__, ""


def fields_of(cls: Any) -> list[list[str]]:
    """Return the first four cells of each row that a frame's table must have."""
    hints = get_type_hints(cls, include_extras=True)
    return [
        [f"`{field.name}`", *describe(hints[field.name]), "required" if field.required else "optional"] for field in plan(cls)
    ]


@pytest.mark.parametrize("title", SHAPES)
def test_the_table_of_every_frame_names_its_fields_types_bounds_and_presence(title: str) -> None:
    assert [row[:4] for row in rows(title)] == fields_of(SHAPES[title])
    assert all(row[4] for row in rows(title)), "a field without a meaning"


def test_no_table_is_there_of_a_frame_that_does_not_exist() -> None:
    assert set(re.findall(r"^#+ (`\w+` \((?:client|server)\))$", SPEC, re.MULTILINE)) == {
        title for title in SHAPES if title.startswith("`")
    }


def test_every_code_stands_in_the_table_of_codes_with_what_it_means() -> None:
    expected = {
        f"`{code.name}`": [str(code.close or ""), str(code.http), "yes" if code.retry else "no", code.says]
        for code in CODES.values()
    }
    assert {row[0]: row[1:] for row in rows("Codes")} == expected


def test_every_limit_stands_in_the_table_of_limits_with_its_value() -> None:
    expected = {f"`{name.lower()}`": "2^53−1" if value == limits.SEQ_MAX else str(value) for name, value in LIMITS.items()}
    assert {row[0]: row[1] for row in rows("Limits")} == expected


def test_every_subprotocol_is_named() -> None:
    assert all(f"`{name}`" in SPEC for name in SUBPROTOCOLS)


def test_every_file_of_vectors_is_named() -> None:
    names = {path.name for path in (Path(__file__).parents[3] / "protocol" / "vectors").glob("*.json")}
    assert names == set(re.findall(r"`(\w+\.json)`", SPEC))
