"""domain/toml_places.py: each value's line and column."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley_server.domain.toml_places import Place, place_of

DOCUMENT = '''# what casinos write
id = "casino"
boards = [ "*", # all
  'lobby' ]
"policy" = """
spam"""
site.name = "dotted"

[match]
terms = [
    "free, \\" casino",
    "] = [",
]
links = { domains = ["a.example", "b.example"], others = true }

[[match.all]]
patterns = ['x{1,3}']

[[match.all]]
flood.posts_max = 3

[match.all.author]
younger = "1d"
'''


@pytest.mark.parametrize(
    ("where", "line", "column"),
    [
        ("", 1, 1),
        ("id", 2, 1),
        ("boards", 3, 1),
        ("boards[0]", 3, 12),
        ("boards[1]", 4, 3),
        ("policy", 5, 1),
        ("match.terms", 10, 1),
        ("match.terms[0]", 11, 5),
        ("match.terms[1]", 12, 5),
        ("match.links.domains[1]", 14, 35),
        ("match.links.others", 14, 49),
        ("match.all", 16, 1),
        ("match.all[0]", 16, 1),
        ("match.all[0].patterns[0]", 17, 13),
        ("match.all[1].flood.posts_max", 20, 1),
        ("match.all[1].author.younger", 23, 1),
        ("match.any", 9, 1),
        ("site.name", 7, 1),
        ("examples.must[0]", 1, 1),
        ("match.terms[7]", 10, 1),
    ],
)
def test_a_path_has_a_place(where: str, line: int, column: int) -> None:
    assert place_of(DOCUMENT, where) == Place(line, column)


@given(st.lists(st.text(st.sampled_from("a\"'\\#[]{},=. \n"), max_size=8), min_size=1, max_size=6))
def test_every_entry_of_a_list_is_found_whatever_it_holds(entries: list[str]) -> None:
    quoted = [f'"{entry.translate(ESCAPES)}"' for entry in entries]
    text = "terms = [\n" + "".join(f"  {entry}, # ]\n" for entry in quoted) + "]\n"
    assert tomllib.loads(text)["terms"] == entries
    assert [place_of(text, f"terms[{n}]") for n in range(len(entries))] == [Place(n + 2, 3) for n in range(len(entries))]


ESCAPES = {ord('"'): '\\"', ord("\\"): "\\\\", ord("\n"): "\\n"}
