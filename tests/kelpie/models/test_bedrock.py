"""Anthropic's models on Amazon Bedrock: signed by a library, in front of a server that checks the signature's form."""

import importlib.util
import json
import sys

import pytest

from kelpie.errors import ModelError
from kelpie.models import Models
from kelpie.models.kinds import provider_of
from kelpie.models.rows import Credentials, ProviderRow
from umi.wire import MemoryTransport
from umi.wire.memory import canned
from umi.wire.types import Message, Request

MODEL = "anthropic.claude-sonnet-4-20250514-v1:0"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
ROW = ProviderRow(tenant="t", id="", name="aws", provider_type="bedrock", region="eu-west-1")
ANSWER = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 1},
}


@pytest.fixture
def sent():
    return []


@pytest.fixture
def models(host, sent):
    async def answer(one):
        sent.append(one)
        if one.method == "GET":
            return canned([json.dumps({"modelSummaries": [{"modelId": MODEL}]}).encode()])
        return canned([json.dumps(ANSWER).encode()])

    made = Models(host, MemoryTransport(answer))
    made.giving("t", provider_of(ROW, Credentials(SECRET, "AKIDEXAMPLE")))()
    return made


def request():
    return Request(model=MODEL, messages=[Message(role="user", content="hi")], max_output_tokens=10)


async def test_a_message_is_signed_and_names_its_model_in_the_path(needs, models, sent):
    needs("bedrock", importlib.util.find_spec("botocore") is not None, "botocore is not installed: pip install it")
    pieces = []
    _, model = models.resolve(f"aws/{MODEL}", "t")
    for on_delta in (None, pieces.append):
        assert (await model.reply(request(), on_delta)).text == "hello"
    assert [piece.text for piece in pieces] == ["hello"]
    one = sent[0]
    assert one.url == f"https://bedrock-runtime.eu-west-1.amazonaws.com/model/{MODEL.replace(':', '%3A')}/invoke"
    body = json.loads(one.body)
    assert body["anthropic_version"] == "bedrock-2023-05-31"
    assert not {"model", "stream"} & body.keys()
    headers = {name.lower(): value for name, value in one.headers.items()}
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "/eu-west-1/bedrock/aws4_request" in headers["authorization"]
    assert "x-amz-date" in headers
    assert SECRET not in repr(sent)


async def test_its_models_are_listed(needs, models, sent):
    needs("bedrock", importlib.util.find_spec("botocore") is not None, "botocore is not installed: pip install it")
    assert [card.handle for card in await models.list("t")] == [f"aws/{MODEL}"]
    assert sent[0].url.startswith("https://bedrock.eu-west-1.amazonaws.com/foundation-models?")


async def test_without_the_library_a_call_says_what_to_install(models, monkeypatch):
    monkeypatch.setitem(sys.modules, "botocore.auth", None)
    _, model = models.resolve(f"aws/{MODEL}", "t")
    with pytest.raises(ModelError, match=r"kelpie\[bedrock\]"):
        await model.reply(request())
