"""The model in this process. What needs the real one is skipped where its library or its weights are missing."""

import asyncio
import importlib.util
import os

import msgspec
import pytest

from kelpie.errors import MissingExtra, ModelError, NotFound
from kelpie.models import local
from kelpie.models.local import LOCAL_CARD, LocalModel
from kelpie.models.weights import SMOLLM2, weights_path
from umi.dst import Host
from umi.wire.types import Message, Request, ToolCall, ToolSpec

WEIGHTS = os.environ.get("KELPIE_WEIGHTS", "")  # a folder that `kelpie models get smollm2` filled
HAS_LIBRARY = importlib.util.find_spec("xllamacpp") is not None
AVAILABLE = HAS_LIBRARY and bool(WEIGHTS) and os.path.exists(weights_path(SMOLLM2, WEIGHTS))


def ask(text, **options):
    return Request("smollm2", [Message("system", "You are helpful."), Message("user", text)], **options)


def test_the_card_says_how_weak_it_is():
    assert "weak" in LOCAL_CARD.description
    assert "no tools" in LOCAL_CARD.description
    assert LOCAL_CARD.version == SMOLLM2.sha256[:12]


def test_a_missing_library_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(local.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"pip install 'kelpie\[local\]'"):
        LocalModel(Host(), str(tmp_path))


def test_missing_weights_are_named_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(local.importlib.util, "find_spec", lambda _: object())
    with pytest.raises(NotFound, match="run `kelpie models get smollm2`"):
        LocalModel(Host(), str(tmp_path))


def test_its_template_sees_only_who_said_what():
    messages = [
        Message("system", "s"),
        Message("user", "u"),
        Message("assistant", tool_calls=[ToolCall("a", "look", "{}")]),
        Message("tool", "found", tool_call_id="a"),
        Message("assistant", "said", tool_calls=[ToolCall("b", "look", "{}")]),
    ]
    request = local._chat_only(Request("x", messages, [ToolSpec("look", "", {})], max_output_tokens=10**6))
    assert [(message.role, message.text) for message in request.messages] == [
        ("system", "s"),
        ("user", "u"),
        ("assistant", "said"),
    ]
    assert not request.tools
    assert request.max_output_tokens == 512


# With the real model


@pytest.fixture
async def smollm2(needs, anyio_backend):
    needs("local-model", AVAILABLE, "the extra `local`, and KELPIE_WEIGHTS naming a folder with smollm2")
    model = LocalModel(Host(), WEIGHTS)
    yield model
    await model.close()


async def test_the_real_model_chats_and_streams_what_it_says(smollm2):
    deltas = []
    question = ask("What is the capital of France?", temperature=0.0, max_output_tokens=16)
    reply = await smollm2.reply(question, deltas.append)
    # What it says depends on the processor's kernels and is often wrong; that it speaks at all is the promise.
    assert len(reply.text.split()) > 2
    assert "".join(delta.text for delta in deltas) == reply.text
    assert len(deltas) > 2
    assert (reply.finish in ("stop", "length"), reply.model) == (True, "smollm2")
    assert reply.usage.prompt_tokens > 10
    assert b"capital of France" in b"".join(reply.raw_request)
    whole = await smollm2.reply(msgspec.structs.replace(question, token_ids=True))
    assert whole.text == reply.text
    assert len(whole.token_ids) == len(whole.logprobs) > 3


async def test_the_real_model_stops_when_it_is_cancelled_and_goes_on(smollm2):
    deltas = []
    first = asyncio.Event()

    def listen(delta):
        deltas.append(delta)
        first.set()

    host = Host()
    task = host.spawn(smollm2.reply(ask("Tell a long story.", temperature=1.0), listen), "story")
    await first.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    heard = len(deltas)
    replies = await asyncio.gather(*[smollm2.reply(ask("Hi", max_output_tokens=4)) for _ in range(3)])
    assert all(reply.finish == "length" and reply.text for reply in replies)
    assert len(deltas) == heard < 1_000


async def test_the_real_model_tells_a_full_context(smollm2):
    with pytest.raises(ModelError, match="8192 tokens") as caught:
        await smollm2.reply(ask("x " * 9_000))
    assert caught.value.model_error_kind == "context_overflow"


async def test_the_real_model_refuses_to_be_forced_to_a_tool(smollm2):
    with pytest.raises(ModelError, match="calls no tools"):
        await smollm2.reply(ask("x", tools=[ToolSpec("look", "", {})], tool_choice="required"))
