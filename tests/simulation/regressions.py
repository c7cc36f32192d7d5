"""Seeds that failed once, with what they found. Each runs in every run of the simulation."""

from typing import Final

SEEDS: Final[dict[int, str]] = {}
