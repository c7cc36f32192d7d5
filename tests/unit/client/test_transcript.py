"""Transcripts in the shapes in which people have them."""

import pytest

from parley_client.commands.transcript import BadTranscript, Entry, Shape, due_s, entries, handle_of


@pytest.mark.parametrize(
    ("shape", "text", "said"),
    [
        (
            "text",
            "ann: hello\n<bob> hi: there\n\njust a line\n",
            [Entry("ann", "hello"), Entry("bob", "hi: there"), Entry(None, "just a line")],
        ),
        ("text", "see http://x.example/a: b\n", [Entry(None, "see http://x.example/a: b")]),
        (
            "csv",
            'author,text,at\nann,"one, two",10\nbob,"a\nb",12.5\n',
            [Entry("ann", "one, two", 10.0), Entry("bob", "a\nb", 12.5)],
        ),
        ("tsv", "nick\tmessage\nann\thello\n", [Entry("ann", "hello")]),
        ("csv", "case_id,test_case,label\n1,some words,x\n", [Entry(None, "some words")]),
        ("jsonl", '{"author": "ann", "body": "hi", "at": "1970-01-01T00:00:05Z"}\n', [Entry("ann", "hi", 5.0)]),
        (
            "jsonl",
            '{"type": "posted", "author": {"id": "a", "name": "ann"}, "body": "hi", "at": 5000000}\n{"type": "gone", "seq": 2}\n',
            [Entry("ann", "hi", 5.0)],
        ),
    ],
)
def test_a_transcript_is_read(shape: Shape, text: str, said: list[Entry]) -> None:
    assert list(entries(text.splitlines(keepends=True), shape)) == said


def test_columns_of_other_names_can_be_named() -> None:
    lines = ["who,what\n", "ann,hello\n"]
    assert list(entries(lines, "csv", author="who", body="what")) == [Entry("ann", "hello")]


@pytest.mark.parametrize(
    ("shape", "text", "says"),
    [
        ("jsonl", "{}\nnot json", "line 1 has no text"),
        ("jsonl", "not json", "line 1 is no JSON"),
        ("jsonl", "[1]", "line 1 is no JSON object"),
        ("jsonl", '{"body": "x", "at": "soon"}', "'soon' is no time"),
        ("csv", "a,b\n1,2\n", "--body-column"),
        ("csv", "", "--body-column"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(shape: Shape, text: str, says: str) -> None:
    with pytest.raises(BadTranscript, match=says):
        list(entries(text.splitlines(keepends=True), shape))


@pytest.mark.parametrize(
    ("author", "handle"), [("Ann Lee", "ann-lee"), ("x", "x-author"), ("赌场", "u8d4cu573a"), ("!!", "x-author")]
)
def test_an_author_gets_a_handle(author: str, handle: str) -> None:
    assert handle_of(author) == handle


def test_names_that_differ_in_script_get_handles_that_differ() -> None:
    assert handle_of("赌场客") != handle_of("优惠客")


@pytest.mark.parametrize("author", ["a" * 100, "-" * 50, "é" * 40, "a" * 31 + "-b"])
def test_a_handle_is_short_and_never_ends_in_a_hyphen(author: str) -> None:
    handle = handle_of(author)
    assert 3 <= len(handle) <= 32
    assert handle.strip("-") == handle


def test_pace_is_the_rate_the_transcripts_own_or_none() -> None:
    assert due_s(None, None, 10, rate=5, speed=None) == 2.0
    assert due_s(100.0, 160.0, 3, rate=None, speed=6) == 10.0
    assert due_s(100.0, None, 3, rate=None, speed=6) == 0.0
    assert due_s(100.0, 160.0, 3, rate=None, speed=None) == 0.0
