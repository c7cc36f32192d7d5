"""PostgreSQL behind the ports: the only SQL of the project."""
