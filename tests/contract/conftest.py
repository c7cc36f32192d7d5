"""The store under test; see tests/stores.py."""

from tests.stores import database, database_url, migrated_url, pg, store

__all__ = ["database", "database_url", "migrated_url", "pg", "store"]
