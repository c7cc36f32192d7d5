"""Seeds that failed once, with what they found. Each runs in every run of the simulation.

A seed leads elsewhere once the model draws differently; each finding has a test of its own where the part that was wrong is small enough.
"""

from typing import Final

SEEDS: Final[dict[int, str]] = {
    1: "a restoration announced before its retraction read as gone",
    3: "an account that was read before a ban replaced the one that was banned",
    8: "a reader that caught up from the store got an event again with the next flush",
    20: "a restoration whose answer was lost read as gone",
    22: "a heal between a restoration's commit and its announcement made it gone",
    40: "text among the unsent bytes of a connection that had said bye was not looked for",
    61: "an edit made the bytes that followed a text look longer than they were; a watcher was left behind",
    66: "a ban during the waits of a resume bound nobody",
    75: "a watch that the store failed after its answer never came up",
    91: "a suspension during the waits of a resume bound nobody",
    102: "an edit whose answer was lost reached nobody",
    107: "text among the unsent bytes of a reader that was banned was not looked for",
    135: "a deletion that a heal read first reset nobody",
}
