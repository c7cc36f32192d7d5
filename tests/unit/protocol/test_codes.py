"""Codes: unique, in their ranges, and honest about trying again."""

from parley_protocol import codes
from parley_protocol.codes import CODES, Code
from parley_protocol.limits import ID_BYTES_MAX

MADE = [value for value in vars(codes).values() if isinstance(value, Code)]


def test_every_code_stands_in_the_table_once() -> None:
    assert len(CODES) == len(MADE)
    assert all(CODES[code.name] is code for code in MADE)


def test_a_code_is_named_as_its_constant_and_fits_the_frame() -> None:
    assert all(getattr(codes, code.name.upper()) is code and len(code.name) <= ID_BYTES_MAX for code in MADE)


def test_close_numbers_are_unique() -> None:
    numbers = [code.close for code in MADE if code.close is not None]
    assert len(numbers) == len(set(numbers))


def test_a_close_below_4500_asks_to_come_back_and_one_above_does_not() -> None:
    for code in MADE:
        if code.close is not None:
            assert 4000 <= code.close <= 4999
            assert code.retry == (code.close < 4500)


def test_every_code_says_one_sentence_and_has_the_status_of_an_error() -> None:
    assert all(code.says.endswith(".") and 400 <= code.http <= 599 for code in MADE)
