"""The way between the nodes of a site: Redis, or this process's memory. It carries hints; PostgreSQL carries the truth (decision 0021)."""
