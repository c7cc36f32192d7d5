"""Frames to WebSocket messages: what any client library reads out of them."""

import pytest
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from parley_protocol import codec as pure
from parley_protocol.codes import MALFORMED
from parley_protocol.errors import ProtocolError
from parley_server.gateway.wire import FORMATS, framed, message
from tests.unit.server.gateway.room import JSON, MSGPACK, edited, posted, retracted


def parsed(data: bytes) -> Frame:
    """Read one frame as a client does."""
    reader = StreamReader()
    reader.feed_data(data)
    parsing = Frame.parse(reader.read_exact, mask=False)
    try:
        next(parsing)
    except StopIteration as done:
        frame: Frame = done.value
        return frame
    raise AssertionError("the frame is not whole")


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 100_000])
@pytest.mark.parametrize(("form", "opcode"), [(MSGPACK, Opcode.BINARY), (JSON, Opcode.TEXT)])
def test_a_message_of_any_size_is_one_whole_unmasked_frame(size: int, form: int, opcode: Opcode) -> None:
    frame = parsed(framed(b"x" * size, form))
    assert (frame.opcode, frame.fin, len(frame.data)) == (opcode, True, size)


@pytest.mark.parametrize("event", [posted(1, "héllo 你好 \0 \U0001f600"), edited(2, "p1", ""), retracted(3, "p1")])
def test_what_the_server_writes_is_what_the_reference_codec_reads(event: object) -> None:
    for form, codec in ((MSGPACK, pure.MSGPACK), (JSON, pure.JSON)):
        data = message(event, form)  # type: ignore[arg-type]  # parametrised over frames
        assert pure.decode_server(codec, bytes(parsed(data).data)) == event


@pytest.mark.parametrize("form", [MSGPACK, JSON])
@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"\xc1", b"[" * 50_000, b'"\xed\xa0\x80"', b"NaN", b"\x91\x01"])
def test_what_cannot_be_read_ends_in_a_protocol_error(form: int, data: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        pure.decode_client(FORMATS[form], data)
    assert caught.value.code is MALFORMED
