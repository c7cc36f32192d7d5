"""Bounds of rules and of their inspection, each with its answer to "full".

Sizes of rule documents are checked in ``rule_document.parse`` before anything is compiled, so that one document can neither fill
the memory nor hold up an activation. What is in force at once is checked when a rule is activated.
"""

from typing import Final

from parley_protocol import limits

TERMS_MAX: Final = 100_000
"""Terms of one rule. Full: ``bad_rule`` at ``match.terms``; split the rule."""

TERM_BYTES_MAX: Final = 256
"""UTF-8 bytes of one term. Full: ``bad_rule`` at that term."""

EXCEPTIONS_MAX: Final = 1_000
"""Exception phrases of one rule. Full: ``bad_rule`` at ``match.except``; split the rule."""

DOMAINS_MAX: Final = 10_000
"""Domains of one rule. Full: ``bad_rule`` at ``match.links.domains``; split the rule."""

DOMAIN_BYTES_MAX: Final = 253
"""UTF-8 bytes of one domain (RFC 1035 §2.3.4). Full: ``bad_rule`` at that domain."""

PATTERNS_MAX: Final = 100
"""Patterns of one rule. Full: ``bad_rule`` at ``match.patterns``; split the rule."""

PATTERN_BYTES_MAX: Final = 512
"""UTF-8 bytes of one pattern. Full: ``bad_rule`` at that pattern."""

PATTERN_MEMORY_BYTES: Final = 1 << 20
"""Memory that RE2 may take for one pattern. Full while compiling: ``bad_rule``; while searching: RE2 goes on without its cache."""

BOARDS_MAX: Final = 1_000
"""Boards that one rule names. Full: ``bad_rule`` at ``boards``; use ``*`` or split the rule."""

EXAMPLES_MAX: Final = 1_000
"""Entries of ``examples.must`` and of ``examples.must_not``. Full: ``bad_rule`` there."""

EXAMPLE_BYTES_MAX: Final = limits.BODY_BYTES_MAX
"""UTF-8 bytes of one example: as long as a body. Full: ``bad_rule`` at that example."""

FLOOD_POSTS_MAX: Final = 100
"""Greatest ``posts_max`` and ``repeats_max``; it bounds what is remembered of one author. Above: ``bad_rule``."""

FLOOD_WINDOW_S_MAX: Final = 3_600
"""Greatest ``window_s``. Above: ``bad_rule``."""

FLOOD_AUTHORS_MAX: Final = 10_000
"""Authors whose recent posts are remembered. Full: the one who was silent for longest is forgotten, and counts from zero."""

RULES_LIVE_MAX: Final = 1_000
"""Rules in force at once. Full: ``bad_rule`` at ``id`` on activation; retire one."""

TERMS_LIVE_MAX: Final = 500_000
"""Terms in force at once, over all rules. Full: ``bad_rule`` at ``match.terms`` on activation."""

PATTERNS_LIVE_MAX: Final = 1_000
"""Patterns in force at once, over all rules. Full: ``bad_rule`` at ``match.patterns`` on activation."""

DECODE_ROUNDS_MAX: Final = 4
"""Passes over codes inside codes (``&#37;41`` is ``%41`` is ``A``). Full: what is still a code is read as spaces."""

READINGS_MAX: Final = 16
"""Ways to sound one term whose letters have several readings. Full: the rarer ones are not looked for."""

INSPECTION_BUDGET_MS: Final = 250
"""Time for one inspection. Full: every check that has not answered counts as failed, and each of its rules meets its fail mode."""

STRAYS_MAX: Final = 64
"""Runs of one check that were cut off and have not ended yet. Full: the check counts as failed at once, and is not started."""
