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


def uuid7(at_us: int, random: bytes) -> str:
    """Make a UUID version 7 (RFC 9562 §5.7): sorts by time, no two alike.

    Args:
        at_us: microseconds since the epoch; only the milliseconds enter the id.
        random: ``RANDOM_BYTES`` random bytes.

    Returns:
        36 characters, lower case, with hyphens.
    """
    value = (at_us // 1000 & (1 << 48) - 1) << 80 | int.from_bytes(random)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


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
