"""Parley's Python SDK and the `parley` command."""
