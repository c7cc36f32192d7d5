"""What a field of a frame may hold, and how a map becomes a frame.

A frame is a frozen dataclass. Its annotations are the schema: ``str`` carries a ``Text``, ``int`` an ``Int``, a tuple a
``Many``. ``plan`` reads them once per class; ``build`` and ``to_map`` then run without reflection.
"""

import dataclasses
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from operator import attrgetter
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from parley_protocol import codes
from parley_protocol.codes import Code
from parley_protocol.limits import SEQ_MAX

_SCALARS: Final = frozenset({str, int, bool})

F = TypeVar("F")
Read = Callable[[object], Any]
"""Checks a decoded value; returns what the frame holds or raises ``BadField``."""


class BadField(Exception):
    """A value that its field cannot hold. ``path`` names the field from the outside in."""

    def __init__(self, says: str, *, code: Code = codes.BAD_FIELD) -> None:
        super().__init__(says)
        self.code = code
        self.path = ""

    def inside(self, name: str) -> "BadField":
        """Return this error with ``name`` in front of its path."""
        self.path = f"{name}.{self.path}" if self.path else name
        return self


@dataclass(frozen=True, slots=True)
class Text:
    """A string of ``bytes_min`` to ``bytes_max`` bytes of UTF-8, without U+0000 unless ``nul`` lets it pass."""

    bytes_max: int
    bytes_min: int = 1
    nul: bool = False


@dataclass(frozen=True, slots=True)
class Int:
    """An integer in ``least`` … ``most``, both included."""

    least: int = 0
    most: int = SEQ_MAX


@dataclass(frozen=True, slots=True)
class Many:
    """At most ``count_max`` entries."""

    count_max: int


class Field(NamedTuple):
    """One field of a frame, ready to read. ``required`` is false where the frame has a default."""

    name: str
    read: Read
    required: bool


def build(cls: type[F], value: object) -> F:
    """Make a ``cls`` from a decoded map; keys that the frame does not know are ignored.

    Raises:
        BadField: a required field is missing, or a value does not fit; the first one found.
    """
    # Codecs give dicts; asking whether a dict is a mapping costs as much as reading a field.
    if type(value) is not dict and not isinstance(value, Mapping):
        raise BadField("is not a map")
    shape: Any = cls
    given: dict[str, Any] = {}
    for name, read, required in plan(shape):
        held = value.get(name)
        if held is None:
            if required:
                raise BadField("is missing").inside(name)
            continue
        try:
            given[name] = read(held)
        except BadField as error:
            raise error.inside(name) from None
    return cls(**given)


def to_map(frame: object) -> dict[str, object]:
    """Turn a frame into the map that a codec writes; fields that are ``None`` or empty by default are left out."""
    cls: Any = type(frame)
    kind, shape = _shape(cls)
    held: dict[str, object] = {} if kind is None else {"type": kind}
    for name, required, default, read in shape:
        value = read(frame)
        if value is None or (not required and value == default):
            continue
        held[name] = value if type(value) in _SCALARS else _plain(value)
    return held


@cache
def plan(cls: type[Any]) -> tuple[Field, ...]:
    """Read the schema of a frame class from its annotations."""
    hints = get_type_hints(cls, include_extras=True)
    return tuple(
        Field(
            field.name,
            _reader(hints[field.name]),
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
        )
        for field in dataclasses.fields(cls)
    )


@cache
def _shape(cls: type[Any]) -> tuple[str | None, tuple[tuple[str, bool, object, Callable[[object], object]], ...]]:
    """Return a class's ``type``, and of each field, in order: name, whether it has no default, the default, what reads it."""
    fields = dataclasses.fields(cls)
    return getattr(cls, "type", None), tuple(
        (
            field.name,
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
            field.default if field.default_factory is dataclasses.MISSING else field.default_factory(),
            attrgetter(field.name),
        )
        for field in fields
    )


def _plain(value: object) -> object:
    """Turn what a field holds into maps, lists and scalars."""
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    if dataclasses.is_dataclass(value):
        return to_map(value)
    return value


def _reader(hint: Any) -> Read:
    """Choose the check of one annotation.

    Raises:
        TypeError: the annotation carries no bound; every string, integer and tuple on the wire has one.
    """
    bound: object = None
    if get_origin(hint) is Annotated:
        hint, bound = get_args(hint)[:2]
    origin = get_origin(hint)
    if origin is Union or origin is types.UnionType:
        kinds = [kind for kind in get_args(hint) if kind is not type(None)]
        return _reader(kinds[0]) if len(kinds) == 1 else _either([_reader(kind) for kind in kinds])
    if origin is Literal:
        return _one_of(frozenset(get_args(hint)))
    if origin is tuple and isinstance(bound, Many):
        return _many(_reader(get_args(hint)[0]), bound.count_max)
    if origin is dict:
        return _counts
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return partial(build, hint)
    if isinstance(bound, Text):
        return _text(bound)
    if isinstance(bound, Int):
        return _int(bound)
    if hint is bool:
        return _bool
    raise TypeError(f"no bound on {hint!r}")


def _text(bound: Text) -> Read:
    low, high, nul = bound.bytes_min, bound.bytes_max, bound.nul

    def read(value: object) -> str:
        if not isinstance(value, str):
            raise BadField("is not a string")
        if value.isascii():
            size = len(value)
        else:
            try:
                size = len(value.encode())
            except UnicodeEncodeError:
                raise BadField("holds a lone surrogate", code=codes.NOT_TEXT) from None
        if not low <= size <= high:
            raise BadField(f"is {size} bytes, not {low} to {high}")
        if not nul and "\0" in value:
            # No store of ours can hold it, and no reader can show it.
            raise BadField("holds U+0000", code=codes.NOT_TEXT)
        return value

    return read


def _int(bound: Int) -> Read:
    low, high = bound.least, bound.most

    def read(value: object) -> int:
        if type(value) is not int:
            raise BadField("is not an integer")
        if not low <= value <= high:
            raise BadField(f"is not in {low} to {high}")
        return value

    return read


def _bool(value: object) -> bool:
    if type(value) is not bool:
        raise BadField("is not true or false")
    return value


def _one_of(names: frozenset[str]) -> Read:
    def read(value: object) -> str:
        if not isinstance(value, str) or value not in names:
            raise BadField(f"is none of {', '.join(sorted(names))}")
        return value

    return read


def _many(entry: Read, count_max: int) -> Read:
    def read(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise BadField("is not a list")
        if len(value) > count_max:
            raise BadField(f"has more than {count_max} entries")
        return tuple(entry(held) for held in value)

    return read


def _either(readers: list[Read]) -> Read:
    def read(value: object) -> Any:
        for reader in readers[:-1]:
            try:
                return reader(value)
            except BadField:
                continue
        return readers[-1](value)

    return read


COUNTS_MAX: Final = 1_024
"""Entries in a map of names to integers (limits, heads). Full: ``bad_field``."""


def _counts(value: object) -> dict[str, int]:
    """Read a map of names to integers, as ``welcome.limits`` and ``beat.heads`` are."""
    if not isinstance(value, Mapping) or len(value) > COUNTS_MAX:
        raise BadField(f"is not a map of at most {COUNTS_MAX} entries")
    return {_name(key): _count(held) for key, held in value.items()}


_name: Final = _text(Text(256))
_count: Final = _int(Int())
