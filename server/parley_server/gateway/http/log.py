"""Calls about the record log, for whoever wants to hold the operator to it."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from parley_server.gateway.http.calls import Asked, Call, Calls, Micros, Nothing, Who
from parley_server.gateway.http.services import Services


class CheckpointView(Struct, frozen=True):
    """The log as it stood: a size and the root over all leaves up to it, signed."""

    origin: Annotated[str, Meta(description="The log's name: first line of the checkpoint, and name of the key.")]
    size: Annotated[int, Meta(ge=0, description="How many records it has.")]
    root: Annotated[str, Meta(description="RFC 9162 root over its leaves, with SHA-256; base64.")]
    at: Micros
    checkpoint: Annotated[str, Meta(description="C2SP tlog-checkpoint, as a signed note.")]
    key: Annotated[str, Meta(description="The Ed25519 key that verifies it, as C2SP signed-note writes keys.")]


async def checkpoint(services: Services, _: Asked[Nothing, Nothing]) -> CheckpointView:
    """Sign the log as it stands."""
    made = await services.checkpoints.latest()
    return CheckpointView(made.origin, made.size, made.root, made.at_us, made.note, services.checkpoints.key)


CALLS: Final[Calls] = (
    Call(
        "GET", "/v1/log/checkpoint", "Size and root of the record log, signed.", checkpoint, Nothing, Nothing, CheckpointView,
        who=Who.PUBLIC,
    ),
)  # fmt: skip
