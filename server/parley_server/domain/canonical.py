"""Canonical JSON: one value, one sequence of bytes, so that whoever holds a record can compute its hash.

RFC 8785 without fractions: our records hold none, and how a float is written is the one part of it that is hard to get right.
"""

import json
from collections.abc import Mapping
from typing import Final

INTEGER_MAX: Final = 2**53 - 1
"""Greatest integer that every reader of JSON keeps exact (RFC 8785 §3.2.2.3 writes numbers as IEEE 754 doubles)."""


class NotCanonical(ValueError):
    """The value has no canonical form here."""


def canonical(value: object) -> bytes:
    """Write a value as canonical JSON in UTF-8: no space, keys in the order of their UTF-16 code units.

    Args:
        value: strings, integers up to ``INTEGER_MAX``, booleans, ``None``, and lists and maps of these; keys are strings.

    Raises:
        NotCanonical: anything else, such as a float, or a string with a lone surrogate.

    Source: RFC 8785 §3.2.
    """
    try:
        return _write(value).encode()
    except UnicodeEncodeError as error:
        raise NotCanonical("A string holds a lone surrogate.") from error


def _write(value: object) -> str:
    match value:
        case None | bool() | str():
            # Python escapes what JSON must and nothing more, in the same letters as ECMAScript (RFC 8785 §3.2.2.2).
            return json.dumps(value, ensure_ascii=False)
        case int() if abs(value) <= INTEGER_MAX:
            return str(value)
        case list() | tuple():
            return f"[{','.join(_write(entry) for entry in value)}]"
        case Mapping():
            if not all(isinstance(key, str) for key in value):
                raise NotCanonical("A key is not a string.")
            keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
            return f"{{{','.join(f'{_write(key)}:{_write(value[key])}' for key in keys)}}}"
        case _:
            raise NotCanonical(f"{type(value).__name__} {value!r} has no canonical form.")
