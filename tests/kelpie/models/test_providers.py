"""Which providers settings make, and how handles find their models."""

import asyncio
import json
import logging

import pytest

from kelpie.errors import InvalidInput, ModelError
from kelpie.models import Models, ModelSettings, ScriptedModel, configured_providers, limits
from kelpie.models.scripted import scripted_card
from kelpie.models.windows import window_of
from umi.wire import AnthropicWire, MemoryTransport, OpenAIWire
from umi.wire.memory import canned

KEY = "sk-secret-0123456789"


def only(**settings):
    providers = configured_providers(ModelSettings(**settings))
    assert len(providers) == 1
    return providers[0]


def test_nothing_is_configured_by_default():
    assert configured_providers(ModelSettings()) == []


def test_openai_needs_a_key_or_an_address():
    own = only(openai_api_key=KEY)
    assert (own.name, own.base_url, own.key, own.aliases) == ("openai", "https://api.openai.com/v1", KEY, ())
    assert own.quirks.max_tokens_field == "max_completion_tokens"
    server = only(openai_base_url="http://127.0.0.1:9911/v1/")
    assert (server.base_url, server.key, server.aliases) == ("http://127.0.0.1:9911/v1", "", ("openai-proxy",))
    assert server.quirks.max_tokens_field == "max_tokens"


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({"openai_base_url": "http://127.0.0.1:9911"}, "http://127.0.0.1:9911/v1"),
        ({"openai_base_url": "https://openrouter.ai/api/v1"}, "https://openrouter.ai/api/v1"),
        ({"ollama_base_url": "http://127.0.0.1:11434/"}, "http://127.0.0.1:11434/v1"),
        ({"vllm_base_url": "http://127.0.0.1:8000"}, "http://127.0.0.1:8000/v1"),
        ({"vllm_base_url": "http://127.0.0.1:8000/v1"}, "http://127.0.0.1:8000/v1"),
        ({"anthropic_api_key": KEY}, "https://api.anthropic.com"),
        ({"anthropic_base_url": "http://127.0.0.1:1/v1"}, "http://127.0.0.1:1/v1"),
    ],
)
def test_addresses_as_people_write_them(settings, url):
    assert only(**settings).base_url == url


def test_azure_wants_its_key_elsewhere():
    azure = only(openai_api_key=KEY, openai_base_url="https://ours.openai.azure.com/openai/v1/")
    assert (azure.auth_header, azure.quirks.max_tokens_field) == ("api-key", "max_completion_tokens")


def test_vllm_has_token_ids_and_may_have_another_name():
    assert only(vllm_base_url="http://127.0.0.1:8000").quirks.token_ids
    named = only(vllm_base_url="http://127.0.0.1:8000", vllm_handle_base="openai")
    assert (named.name, named.aliases) == ("openai", ("vllm",))


def test_two_providers_may_not_share_a_name():
    with pytest.raises(InvalidInput, match="both serve handles that begin with 'openai/'"):
        configured_providers(
            ModelSettings(openai_api_key=KEY, vllm_base_url="http://127.0.0.1:8000", vllm_handle_base="openai")
        )
    with pytest.raises(InvalidInput, match="may not hold a slash"):
        configured_providers(ModelSettings(vllm_base_url="http://127.0.0.1:8000", vllm_handle_base="a/b"))


def test_keys_do_not_show():
    settings = ModelSettings(openai_api_key=KEY, anthropic_api_key=KEY)
    assert KEY not in repr(settings) + repr(configured_providers(settings))


# Handles

ALL = ModelSettings(
    openai_api_key=KEY,
    openai_base_url="http://127.0.0.1:1/v1",
    anthropic_api_key=KEY,
    ollama_base_url="http://127.0.0.1:2",
    vllm_base_url="http://127.0.0.1:3",
    vllm_handle_base="farm",
)


@pytest.fixture
def lists():
    """What each provider's /models answers, by port or host; a number is a status, an exception is raised."""
    return {}


@pytest.fixture
def asked():
    return []


@pytest.fixture
def models(host, lists, asked):
    async def answer(sent):
        asked.append(sent.url)
        said = next((said for part, said in lists.items() if part in sent.url), [])
        if callable(said):
            said = await said()
        if isinstance(said, int):
            return canned([b"{}"], status=said)
        return canned([json.dumps({"data": said}).encode()])

    return Models(host, MemoryTransport(answer), configured_providers(ALL))


@pytest.mark.parametrize(
    ("handle", "provider", "name", "wire", "provider_type"),
    [
        ("openai/gpt-4o", "openai", "gpt-4o", OpenAIWire, "openai"),
        ("openai-proxy/meta/llama", "openai", "meta/llama", OpenAIWire, "openai"),
        ("anthropic/claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5", AnthropicWire, "anthropic"),
        ("ollama/qwen3:8b", "ollama", "qwen3:8b", OpenAIWire, "ollama"),
        ("farm/m", "farm", "m", OpenAIWire, "vllm"),
        ("vllm/m", "farm", "m", OpenAIWire, "vllm"),
    ],
)
def test_a_handle_need_not_be_listed(models, handle, provider, name, wire, provider_type):
    card, model = models.resolve(handle)
    assert (card.handle, card.provider, card.name, card.provider_type) == (handle, provider, name, provider_type)
    assert isinstance(model, wire)
    assert card.version == ""


@pytest.mark.parametrize(
    ("handle", "says"),
    [
        ("gpt-4o", "write provider/model"),
        ("openai/", "write provider/model"),
        ("", "write provider/model"),
        ("mistral/large", "configured providers: openai, anthropic, ollama, farm; registered models: none"),
        ("openai/" + "x" * 300, "too long"),
    ],
)
def test_a_handle_nobody_serves_is_refused(models, handle, says):
    with pytest.raises(ModelError, match=says) as caught:
        models.resolve(handle)
    assert caught.value.model_error_kind == "unknown_model"


@pytest.mark.parametrize(
    ("handle", "variable"),
    [
        ("openai/x", "OPENAI_API_KEY"),
        ("openai-proxy/x", "OPENAI_BASE_URL"),
        ("anthropic/x", "ANTHROPIC_API_KEY"),
        ("ollama/x", "OLLAMA_BASE_URL"),
        ("vllm/x", "VLLM_API_BASE"),
    ],
)
def test_the_refusal_says_what_to_set(host, handle, variable):
    with pytest.raises(ModelError, match=f"configured providers: none; .*; set .*{variable}"):
        Models(host, MemoryTransport(None)).resolve(handle)


def test_a_registered_model_goes_before_a_providers(models, host):
    ours = ScriptedModel(host)
    models.register(scripted_card("openai/gpt-4o"), ours)
    assert models.resolve("openai/gpt-4o") == (scripted_card("openai/gpt-4o"), ours)
    assert models.resolve("openai/gpt-4.1")[1] is not ours


# Sizes


@pytest.mark.parametrize(
    ("name", "context", "output", "window"),
    [
        ("gpt-4o-mini", None, None, (128_000, 16_384)),
        ("gpt-4.1-mini-2025", None, None, (1_047_576, 32_768)),
        ("gpt-4-0613", None, None, (8_192, 4_096)),
        ("openai/gpt-4o", None, None, (128_000, 16_384)),
        ("ft:gpt-4o:us", None, None, (128_000, 16_384)),
        ("claude-3-haiku-20240307", None, None, (200_000, 4_096)),
        ("claude-of-tomorrow", None, None, (200_000, 32_000)),
        ("nobody-knows", None, None, (30_000, 16_384)),
        ("nobody-knows", 8_192, None, (8_192, 4_096)),
        ("gpt-4o", 64_000, 8_000, (64_000, 8_000)),
    ],
)
def test_windows(name, context, output, window):
    assert window_of(name, context, output) == window


# Listing


async def test_listing_joins_what_is_registered_and_what_providers_say(models, lists, host):
    lists["127.0.0.1:1"] = [{"id": "a"}, {"id": "text-embedding-3-small", "context_length": 9}]
    lists["api.anthropic.com"] = [{"id": "claude-3-haiku"}]
    lists["127.0.0.1:3"] = [{"id": "m", "max_model_len": 4096}]
    models.register(scripted_card(), ScriptedModel(host))
    cards = {card.handle: card for card in await models.list()}
    assert list(cards) == [
        "kelpie/scripted",
        "openai/a",
        "openai/text-embedding-3-small",  # only OpenAI's own list is known to mix kinds
        "anthropic/claude-3-haiku",
        "farm/m",
    ]
    assert cards["farm/m"].context_window_tokens == 4096
    assert cards["anthropic/claude-3-haiku"].output_tokens_max == 4_096


async def test_resolving_knows_what_was_listed(models, lists):
    lists["127.0.0.1:3"] = [{"id": "m", "max_model_len": 4096}]
    assert models.resolve("vllm/m")[0].context_window_tokens == 30_000
    await models.list()
    assert models.resolve("vllm/m")[0].context_window_tokens == 4_096


async def test_openais_own_list_is_cut_to_chat_models(host):
    async def answer(_):
        return canned(
            [json.dumps({"data": [{"id": "gpt-4o"}, {"id": "whisper-1"}, {"id": "gpt-4o-realtime"}]}).encode()]
        )

    providers = configured_providers(ModelSettings(openai_api_key=KEY))
    cards = await Models(host, MemoryTransport(answer), providers).list()
    assert [card.handle for card in cards] == ["openai/gpt-4o"]


async def test_lists_are_kept_for_a_minute(models, lists, asked, clock):
    lists["127.0.0.1:1"] = [{"id": "a"}]
    first = await models.list()
    assert len(asked) == 4
    clock.advance(limits.MODELS_CACHE_MS - 1)
    assert await models.list() == first
    assert len(asked) == 4
    clock.advance(1)
    lists["127.0.0.1:1"] = [{"id": "b"}]
    assert [card.handle for card in await models.list()] == ["openai/b"]
    assert len(asked) == 8


async def test_a_provider_that_fails_is_logged_and_the_others_are_listed(models, lists, clock, caplog):
    lists["127.0.0.1:1"] = [{"id": "a"}]
    lists["127.0.0.1:2"] = 500
    with caplog.at_level(logging.WARNING, logger="kelpie.models"):
        assert [card.handle for card in await models.list()] == ["openai/a"]
    assert [record.getMessage() for record in caplog.records] == [
        "the models of ollama could not be listed: 127.0.0.1:2 answered 500 without saying why"
    ]
    assert KEY not in caplog.text
    lists["127.0.0.1:2"] = [{"id": "qwen3"}]
    clock.advance(limits.MODELS_FAILED_CACHE_MS)
    assert "ollama/qwen3" in {card.handle for card in await models.list()}
    lists["127.0.0.1:2"] = 500
    clock.advance(limits.MODELS_CACHE_MS)
    assert "ollama/qwen3" in {card.handle for card in await models.list()}, "what it said last is kept"


async def test_a_provider_that_hangs_is_not_waited_for(models, lists, monkeypatch, caplog):
    monkeypatch.setattr(limits, "MODELS_LIST_TIMEOUT_MS", 30)
    lists["127.0.0.1:1"] = [{"id": "a"}]
    lists["127.0.0.1:2"] = asyncio.Event().wait
    assert [card.handle for card in await models.list()] == ["openai/a"]
    assert "the models of ollama could not be listed: no answer within 30 ms" in caplog.text


async def test_simultaneous_listings_share_one_request(models, asked):
    await asyncio.gather(*[models.list() for _ in range(5)])
    assert len(asked) == 4
