"""The edge: front door, WebSocket connections, hub and hot log, HTTP routes."""
