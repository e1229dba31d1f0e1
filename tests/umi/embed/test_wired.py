"""Embeddings over the wire: what is sent, what is believed, and that the key shows nowhere."""

import json
import logging

import numpy as np
import pytest

from umi import limits
from umi.embed import WireEmbedder, embedded
from umi.errors import InvalidInput, ModelError
from umi.wire import MemoryTransport
from umi.wire.memory import canned

KEY = "sk-secret-0123456789"
URL = "https://models.example/v1"


def entries(vectors):
    return {"object": "list", "data": [{"index": n, "embedding": vector} for n, vector in enumerate(vectors)]}


def answering(*answers):
    """A transport that gives each answer once and the last one for ever; a dict is JSON."""
    left = list(answers)

    async def answer(sent):
        given = left.pop(0) if len(left) > 1 else left[0]
        if callable(given):
            given = given(json.loads(sent.body))
        return given if not isinstance(given, dict) else canned([json.dumps(given).encode()])

    return MemoryTransport(answer)


def wired(host, *answers, dimensions=2, **options):
    transport = answering(*answers)
    return WireEmbedder(transport, URL, KEY, host, model="small", dimensions=dimensions, **options), transport


def numbered(body):
    """Vectors that say which text they are of."""
    return entries([[int(text) / 1_000, 1] for text in body["input"]])


async def test_what_is_sent_and_what_comes_back(host):
    embedder, transport = wired(host, entries([[3, 4], [1, 0]]))
    rows = await embedded(embedder, ["one", "zwei ü"], host)
    (sent,) = transport.sent
    assert (sent.method, sent.url) == ("POST", f"{URL}/embeddings")
    assert json.loads(sent.body) == {"model": "small", "encoding_format": "float", "input": ["one", "zwei ü"]}
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.timeouts.read_ms == limits.EMBED_TIMEOUT_MS
    assert np.allclose(rows, [[0.6, 0.8], [1, 0]])
    assert (embedder.name, embedder.dimensions) == ("small-2", 2)


async def test_dimensions_are_asked_for_where_a_model_can_choose(host):
    embedder, transport = wired(host, entries([[1, 0]]), asks_dimensions=True, name="mine")
    await embedder.embed(["one"])
    assert json.loads(transport.sent[0].body)["dimensions"] == 2
    assert embedder.name == "mine"


@pytest.mark.parametrize("count", [limits.EMBEDDING_BATCH_SIZE_MAX + n for n in (-1, 0, 1)])
async def test_at_most_so_many_texts_go_in_one_request(host, count):
    embedder, transport = wired(host, numbered)
    rows = await embedder.embed([str(n) for n in range(count)])
    assert np.allclose(rows[:, 0] / rows[:, 1] * 1_000, range(count), atol=1e-3)
    sizes = [len(json.loads(sent.body)["input"]) for sent in transport.sent]
    assert max(sizes) <= 100
    assert len(sizes) == 1 + (count > 100)


async def test_vectors_are_put_into_the_order_of_the_texts(host):
    shuffled = {"data": [{"index": 1, "embedding": [0, 2]}, {"index": 0, "embedding": [1, 0]}]}
    rows = await wired(host, shuffled)[0].embed(["a", "b"])
    assert rows.tolist() == [[1, 0], [0, 1]]
    plain = {"data": [{"embedding": [1, 0]}, {"embedding": [0, 2]}]}
    rows = await wired(host, plain)[0].embed(["a", "b"])
    assert rows.tolist() == [[1, 0], [0, 1]]


async def test_no_texts_are_no_request(host):
    embedder, transport = wired(host, entries([]))
    assert (await embedder.embed([])).shape == (0, 2)
    assert transport.sent == []


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (entries([[1, 0]]), "1 vectors for 2 texts"),
        (entries([[1, 0]] * 3), "3 vectors for 2 texts"),
        (entries([[1, 0], [1, 0, 0]]), "vectors of 3 dimensions instead of 2"),
        (entries([[1, 0], []]), "vectors of 0 dimensions instead of 2"),
        ({"data": [{"index": 0, "embedding": [1, 0]}] * 2}, "vectors whose places are not those of the texts"),
        ({"data": [{"index": n, "embedding": [1, 0]} for n in (0, 2)]}, "vectors whose places"),
        ({"data": [{"index": n, "embedding": [1, 0]} for n in (0, -1)]}, "vectors whose places"),
        ({"data": [{"index": n, "embedding": ["1", 0]} for n in (0, 1)]}, "no embeddings"),
        ({"error": "what?"}, "no embeddings"),
        (lambda _: canned([b'{"data": [{"index": 0, "embedding": [NaN, 0]}]}']), "no embeddings"),
        (lambda _: canned([b"<html>log in</html>"]), "no embeddings"),
        (lambda _: canned([b"\xff\xfe"]), "no embeddings"),
    ],
)
async def test_an_answer_that_cannot_be_right_is_an_invalid_response(host, answer, says):
    with pytest.raises(ModelError, match=f"models.example sent {says}") as raised:
        await wired(host, answer)[0].embed(["a", "b"])
    assert raised.value.model_error_kind == "invalid_response"


async def test_zeros_are_caught_and_numbers_beyond_32_bits_are_not(host):
    with pytest.raises(ModelError, match="answered a vector of nothing but zeros"):
        await wired(host, entries([[0, 0]]))[0].embed(["a"])
    assert (await wired(host, entries([[1e308, 0]]))[0].embed(["a"])).tolist() == [[1, 0]]


async def test_an_overloaded_provider_is_tried_again_and_a_refusal_is_not(host):
    busy = canned([b'{"error": {"message": "busy"}}'], status=503)
    embedder, transport = wired(host, lambda _: busy, entries([[1, 0]]))
    await embedder.embed(["a"])
    assert len(transport.sent) == 2
    denied = canned([json.dumps({"error": {"message": f"{KEY} is no key"}}).encode()], status=401)
    embedder, transport = wired(host, lambda _: denied)
    with pytest.raises(ModelError, match=r"\[key\] is no key") as raised:
        await embedder.embed(["a"])
    assert raised.value.model_error_kind == "authentication"
    assert len(transport.sent) == 1


async def test_a_lost_connection_is_tried_again_so_many_times_and_no_more(host):
    lost = ModelError("connection", "models.example closed the connection")
    transport = MemoryTransport(None)

    async def lose(sent):
        raise lost

    transport._answer = lose
    embedder = WireEmbedder(transport, URL, KEY, host, model="small", dimensions=2)
    with pytest.raises(ModelError, match="closed the connection"):
        await embedder.embed(["a"])
    assert len(transport.sent) == 1 + limits.WIRE_RETRIES_MAX


async def test_the_key_shows_neither_in_its_name_nor_in_an_error_nor_in_a_log(host, caplog):
    caplog.set_level(logging.DEBUG)
    echo = canned([f'{{"you sent": "{KEY}"}}'.encode()])
    embedder, _ = wired(host, lambda _: echo)
    with pytest.raises(ModelError) as raised:
        await embedder.embed(["a"])
    shown = f"{embedder!r} {embedder.name} {raised.value} {raised.value.raw_response} {caplog.text}"
    assert "secret" not in shown


async def test_what_is_no_text_is_refused_before_anything_is_sent(host):
    embedder, transport = wired(host, entries([[1, 0]]))
    for wrong in ("a\x00b", "half \ud800"):
        with pytest.raises(InvalidInput):
            await embedder.embed([wrong])
    assert transport.sent == []


def test_what_cannot_be_is_refused_at_once(host):
    transport = MemoryTransport(None)
    for options in (
        {"model": "", "dimensions": 2},
        {"model": "m", "dimensions": 0},
        {"model": "m" * 200, "dimensions": 2},
    ):
        with pytest.raises(InvalidInput):
            WireEmbedder(transport, URL, KEY, host, **options)
    with pytest.raises(InvalidInput, match="no http"):
        WireEmbedder(transport, "models.example", KEY, host, model="m", dimensions=2)
