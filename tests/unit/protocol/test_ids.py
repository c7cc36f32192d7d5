"""Ids: how one is made, and which text names a board."""

import uuid

import pytest

from parley_protocol.ids import RANDOM_BYTES, is_slug, uuid7


def test_an_id_is_a_uuid_of_version_7_that_holds_its_millisecond() -> None:
    text = uuid7(1_720_000_000_123_999, b"\xff" * RANDOM_BYTES)
    made = uuid.UUID(text)
    assert (made.version, made.variant, str(made)) == (7, uuid.RFC_4122, text)
    assert made.int >> 80 == 1_720_000_000_123


def test_ids_sort_by_the_millisecond_they_were_made_in() -> None:
    assert uuid7(1_000, b"\xff" * RANDOM_BYTES) < uuid7(2_000, b"\x00" * RANDOM_BYTES)


def test_ids_of_one_millisecond_differ_by_74_random_bits() -> None:
    made = uuid.UUID(uuid7(0, b"\xff" * RANDOM_BYTES)).int
    assert made.bit_count() == 74 + 3 + 1


@pytest.mark.parametrize("text", ["a", "0", "lobby", "tea-room", "a--b", "x" * 64])
def test_a_slug_is_lower_case_letters_digits_and_inner_hyphens(text: str) -> None:
    assert is_slug(text)


@pytest.mark.parametrize("text", ["", "-", "-a", "a-", "Lobby", "a b", "a_b", "a/b", "é", "²", "x" * 65, "a\n"])
def test_anything_else_is_no_slug(text: str) -> None:
    assert not is_slug(text)
