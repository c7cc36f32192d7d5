"""Decisions as plain functions over values: no I/O, no clock, no randomness, no logging."""
