"""The tree against its definition, written down as RFC 9162 §2.1.1 has it, and against published roots."""

import hashlib

import pytest

from parley_server.domain.merkle import EMPTY_ROOT, Frontier, leaf_hash, root_of

# The leaves that implementations of RFC 6962 test each other with, and the roots over the first 0 to 8 of them
# (github.com/transparency-dev/merkle, testonly).
LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def defined_root(data: list[bytes]) -> bytes:
    """MTH(D[n]), by the words of the RFC."""
    match data:
        case []:
            return hashlib.sha256(b"").digest()
        case [one]:
            return hashlib.sha256(b"\x00" + one).digest()
        case _:
            split = 1
            while split * 2 < len(data):
                split *= 2
            return hashlib.sha256(b"\x01" + defined_root(data[:split]) + defined_root(data[split:])).digest()


@pytest.mark.parametrize("size", range(len(ROOTS)))
def test_the_roots_are_the_published_ones(size: int) -> None:
    assert root_of(leaf_hash(data) for data in LEAVES[:size]).hex() == ROOTS[size]


def test_a_tree_of_any_size_has_the_root_of_the_definition_after_each_leaf() -> None:
    data = [f"leaf {n}".encode() for n in range(200)]
    frontier = Frontier()
    assert frontier.root() == EMPTY_ROOT
    for size, one in enumerate(data, 1):
        frontier.append(leaf_hash(one))
        assert (frontier.size, frontier.root()) == (size, defined_root(data[:size]))


def test_order_number_and_content_of_leaves_all_change_the_root() -> None:
    one, two = leaf_hash(b"one"), leaf_hash(b"two")
    roots = [root_of(leaves) for leaves in ([one, two], [two, one], [one], [one, two, two], [one, leaf_hash(b"Two")])]
    assert len({*roots}) == len(roots)


def test_a_node_cannot_be_passed_off_as_a_leaf() -> None:
    one, two = leaf_hash(b"one"), leaf_hash(b"two")
    assert root_of([one, two]) != leaf_hash(one + two)
