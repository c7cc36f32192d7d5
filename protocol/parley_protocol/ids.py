"""Names of things: typed ids, and how a new one is made."""

from typing import Final, NewType

AccountId = NewType("AccountId", str)
BoardId = NewType("BoardId", str)
PostId = NewType("PostId", str)
TakedownId = NewType("TakedownId", str)
CaseId = NewType("CaseId", str)
SessionId = NewType("SessionId", str)

RequestId = int | str
RANDOM_BYTES: Final = 10
"""Random bytes that ``uuid7`` takes."""

# The first digit of the fourth group: its two upper bits are the variant, 10, its two lower ones are random.
_VARIANT: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def uuid7(at_us: int, random: bytes) -> str:
    """Make a UUID version 7 (RFC 9562 §5.7): sorts by time, no two alike.

    Args:
        at_us: microseconds since the epoch; only the milliseconds enter the id.
        random: ``RANDOM_BYTES`` random bytes.

    Returns:
        36 characters, lower case, with hyphens.
    """
    text = ((at_us // 1000 & (1 << 48) - 1).to_bytes(6) + random).hex()
    return f"{text[:8]}-{text[8:12]}-7{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:]}"


def is_slug(text: str) -> bool:
    """Say whether ``text`` can name a board: 1 to 64 of a-z, 0-9 and inner hyphens."""
    return (
        1 <= len(text) <= 64
        and text.isascii()
        and text == text.lower()
        and text.replace("-", "a").isalnum()
        and text[0] != "-"
        and text[-1] != "-"
    )
