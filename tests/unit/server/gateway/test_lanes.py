"""What leaves one connection, and what is remembered of it."""

from parley_protocol.ids import PostId
from parley_server.gateway.lanes import TAIL_BYTES, Lanes, Progress, Tail
from parley_server.limits import CONTROL_BYTES_MAX


class Bucket:
    """A sink that takes everything."""

    def __init__(self) -> None:
        self.data: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.data.append(data)

    def unsent(self) -> int:
        return 0

    def progress(self) -> Progress | None:
        return None

    def all_acknowledged(self) -> bool:
        return True

    def reset(self) -> None:
        self.data.clear()


def test_a_control_frame_leaves_at_once_where_there_is_room() -> None:
    bucket = Bucket()
    lanes = Lanes(0, bucket)
    assert lanes.control(b"a") and bucket.data == [b"a"] and lanes.lag is None


def test_control_frames_of_a_full_connection_wait_in_order_and_leave_as_one_write() -> None:
    bucket = Bucket()
    lanes = Lanes(0, bucket)
    lanes.paused = True
    assert lanes.control(b"a") and lanes.control(b"b") and bucket.data == []
    lanes.paused = False
    lanes.flush_control()
    lanes.flush_control()
    assert bucket.data == [b"ab"] and lanes.lag is not None and lanes.lag.control_bytes == 0


def test_the_control_lane_takes_exactly_its_bound() -> None:
    lanes = Lanes(0, Bucket())
    lanes.paused = True
    assert lanes.control(b"x" * CONTROL_BYTES_MAX)
    assert not lanes.control(b"x")
    assert lanes.lag is not None and lanes.lag.control_bytes == CONTROL_BYTES_MAX


def test_a_closed_connection_takes_no_control_frame_and_complains_of_none() -> None:
    bucket = Bucket()
    lanes = Lanes(0, bucket)
    lanes.closed = True
    assert lanes.control(b"a") and bucket.data == []


def test_the_tail_says_how_much_followed_the_last_body_of_a_post() -> None:
    tail = Tail()
    tail.wrote(PostId("a"), 100)
    tail.wrote(None, 10)
    tail.wrote(PostId("b"), 1_000)
    assert (tail.followed_by(PostId("a")), tail.followed_by(PostId("b")), tail.followed_by(PostId("c"))) == (1_010, 0, None)
    tail.wrote(PostId("a"), 5)
    assert tail.followed_by(PostId("a")) == 0


def test_the_tail_forgets_what_lies_further_back_than_anything_can_be_unsent() -> None:
    tail = Tail()
    tail.wrote(PostId("a"), 100)
    tail.wrote(None, TAIL_BYTES)
    assert tail.followed_by(PostId("a")) == TAIL_BYTES
    tail.wrote(None, 1)
    assert tail.followed_by(PostId("a")) is None
    for number in range(100_000):
        tail.wrote(PostId(str(number)), 200)
    assert len(tail._posts) <= TAIL_BYTES // 200 + 1
