"""What the scenarios share: processes under test, readers, authors, the machine's own counters, tables."""
