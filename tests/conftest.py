"""What every test may ask for by name."""

from tests.postgres import postgres, postgres_kind, postgres_url

__all__ = ["postgres", "postgres_kind", "postgres_url"]
