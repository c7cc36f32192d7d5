"""A text beside the one that it was made from: where each letter of it comes from.

Readings are made twice: once as plain strings, which is all that a text without findings costs, and again as ``Mapped`` when something was
found and its place is asked for. Both must give the same text; the tests hold them to it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from parley_server.inspection.normalise import normalise, origin

Span = tuple[int, int]
Cut = Callable[[str], Iterable[tuple[str, int, int]]]


@dataclass(frozen=True, slots=True)
class Mapped:
    """A reading of an original. ``spans``: for each of its letters ``first`` and ``end`` (excluded) in the original."""

    text: str
    spans: tuple[Span, ...]

    def span(self, first: int, end: int) -> Span:
        """Return the original's span of ``first`` … ``end`` (excluded, not empty) of this reading."""
        spans = self.spans[first:end]
        return min(span[0] for span in spans), max(span[1] for span in spans)

    def normalised(self) -> "Mapped":
        """Fold this reading (inspection/normalise.py)."""
        return self._over(normalise(self.text), origin(self.text).spans)

    def translated(self, table: Mapping[int, str]) -> "Mapped":
        """Replace letters by ``table``, as ``str.translate`` does."""
        return self.replaced(lambda text: [(_of(table, letter), n, n + 1) for n, letter in enumerate(text)])

    def replaced(self, cut: Cut) -> "Mapped":
        """Replace parts: ``cut`` returns what stands for which span of the text, in order."""
        made: list[str] = []
        spans: list[Span] = []
        for letters, first, end in cut(self.text):
            made.append(letters)
            spans += [(first, end)] * len(letters)
        return self._over("".join(made), spans)

    def _over(self, text: str, spans: Sequence[Span]) -> "Mapped":
        """Put a reading of this reading on the original."""
        of = self.spans
        assert len(text) == len(spans), "every letter has a place"
        return Mapped(text, tuple((of[first][0], of[end - 1][1]) for first, end in spans))


def whole(text: str) -> Mapped:
    """Return the original as a reading of itself."""
    return Mapped(text, tuple((n, n + 1) for n in range(len(text))))


def _of(table: Mapping[int, str], letter: str) -> str:
    try:
        found = table[ord(letter)]
    except KeyError:
        return letter
    return found
