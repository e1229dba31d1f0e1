"""Server-sent events: the grammar, and that it doesn't matter how the network cuts it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umi import limits
from umi.errors import ModelError
from umi.wire.sse import SseEvent, SseParser


def parse(*chunks):
    parser = SseParser("here")
    return [event for chunk in chunks for event in parser.feed(chunk)]


@pytest.mark.parametrize(
    ("text", "events"),
    [
        (b"data: a\n\n", [("message", b"a")]),
        (b"data:a\n\n", [("message", b"a")]),
        (b"data:  a\n\n", [("message", b" a")]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [("message", b"a"), ("message", b"b")]),
        (b"data: a\r\rdata: b\n\n", [("message", b"a"), ("message", b"b")]),
        (b"data: a\ndata: b\ndata:\n\n", [("message", b"a\nb\n")]),
        (b"event: ping\ndata: {}\n\ndata: x\n\n", [("ping", b"{}"), ("message", b"x")]),
        (b": comment\n\n:\n\ndata: a\n: inside\n\n", [("message", b"a")]),
        (b"id: 7\nretry: 10\nunknown\ndata: a\n\n", [("message", b"a")]),
        (b"event: lonely\n\ndata: a\n\n", [("message", b"a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [("message", b"a")]),
        (b"data: a: b\n\n", [("message", b"a: b")]),
        (b"data: not ended\n", []),
        (b"data: not ended", []),
        (b"", []),
    ],
)
def test_the_grammar_of_events(text, events):
    assert parse(text) == [SseEvent(*event) for event in events]
    assert parse(*(bytes([byte]) for byte in text)) == [SseEvent(*event) for event in events]


LINES = st.sampled_from(
    [
        b"data: x",
        b"data: \xc3\xa9\xe2\x82\xac",
        b"data:",
        b"data: a b",
        b"event: e",
        b":c",
        b"",
        b"",
        b"id: 1",
        b"nonsense",
    ]
)


@given(st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r\n", b"\r"]))), st.data())
def test_events_do_not_depend_on_where_chunks_end(lines, data):
    text = b"".join(line + end for line, end in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)))))
    chunks = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert parse(*chunks) == parse(text)


@given(st.lists(st.binary(max_size=20)))
def test_any_bytes_are_survived(chunks):
    assert parse(*chunks) == parse(b"".join(chunks))


@pytest.mark.parametrize("line", [b"data: " + b"x" * 60, b"data: xxxxxxxxxxxxxx\n"], ids=["one line", "many lines"])
def test_an_endless_event_is_refused(line, monkeypatch):
    monkeypatch.setattr(limits, "WIRE_EVENT_BYTES_MAX", 1_000)
    parser = SseParser("provider.example")
    with pytest.raises(ModelError, match=r"^provider\.example streamed an event of more than 1,000 bytes$") as caught:
        [parser.feed(line) for _ in range(1_000)]
    assert caught.value.model_error_kind == "invalid_response"


def test_many_small_events_are_no_large_one(monkeypatch):
    monkeypatch.setattr(limits, "WIRE_EVENT_BYTES_MAX", 1_000)
    assert len(parse(*[b"data: " + b"x" * 90 + b"\n\n"] * 100)) == 100
    assert len(parse(b"data: xxxxxxxxx\n\n" * 500)) == 500
