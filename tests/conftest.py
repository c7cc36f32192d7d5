"""What every test may ask for by name."""

from tests.postgres import postgres, postgres_kind, postgres_url
from tests.redis_server import own_redis, shared_redis

__all__ = ["own_redis", "postgres", "postgres_kind", "postgres_url", "shared_redis"]
