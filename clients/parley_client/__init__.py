"""Parley's Python SDK: an async client that reconnects and resumes, a small HTTP client, and a frame for bots."""

from parley_client.bot import Bot
from parley_client.client import Client
from parley_client.errors import ConnectionEnded, Interrupted, ParleyError
from parley_client.http import EventsPage, Http
from parley_client.values import (
    CaseAnswer,
    Connected,
    Disconnected,
    EditedAnswer,
    GapEvent,
    HeldAnswer,
    Incoming,
    PostedAnswer,
    StoppedAnswer,
    SubscriptionEnded,
    SubscriptionStarted,
)

__all__ = [
    "Bot",
    "CaseAnswer",
    "Client",
    "Connected",
    "ConnectionEnded",
    "Disconnected",
    "EditedAnswer",
    "EventsPage",
    "GapEvent",
    "HeldAnswer",
    "Http",
    "Incoming",
    "Interrupted",
    "ParleyError",
    "PostedAnswer",
    "StoppedAnswer",
    "SubscriptionEnded",
    "SubscriptionStarted",
]
