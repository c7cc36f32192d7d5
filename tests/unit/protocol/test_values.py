"""Values that are frozen for type checkers, and what they still are at run time."""

from parley_protocol.frames import Ok, Pong


def test_a_value_equals_its_like_and_hashes_as_it() -> None:
    assert Ok(1, seq=2) == Ok(1, seq=2) != Ok(1, seq=3)
    assert len({Ok(1, seq=2), Ok(1, seq=2), Ok(1)}) == 2
    assert Pong(1, 2).__eq__(Ok(1)) is NotImplemented


def test_a_value_has_no_room_for_other_fields() -> None:
    assert not hasattr(Ok(1), "__dict__")


def test_type_checkers_forbid_assignment() -> None:
    ok = Ok(1)
    # Proved by mypy's ignore: one that nothing needs is an error of its own.
    ok.re = 2  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    assert ok == Ok(2)
