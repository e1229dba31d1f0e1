"""Providers of a tenant as rows, and what a row's kind makes of it."""

import msgspec
import pytest

from kelpie import sealing
from kelpie.errors import Conflict, GuardFailed, InvalidInput, LimitExceeded, ModelError, NotFound
from kelpie.models import Models, limits, rows
from kelpie.models.kinds import KINDS, REFUSED, provider_of
from kelpie.models.rows import Credentials, ProviderRow
from kelpie.models.scripted_wire import ScriptedProvider
from umi.dst import Rng
from umi.storage import Page, SqliteDatabase
from umi.wire import AnthropicWire, MemoryTransport, OpenAIWire
from umi.wire.types import Message, Request

KEY = "sk-secret-0123456789"
SEAL = sealing.of_text("a key of thirty-two characters, or more", Rng(1))


def row(provider_type="openai", name="mine", tenant="t", **more):
    return ProviderRow(tenant=tenant, id="", name=name, provider_type=provider_type, **more)


@pytest.fixture
async def store(tmp_path, host):
    database = await SqliteDatabase.open(str(tmp_path / "t.db"), rows.MIGRATIONS, host=host)
    yield database
    await database.close()


async def make(store, host, given=None, key=KEY, access_key=""):
    made, changes = await rows.plan_create(store.view(), host, SEAL, given or row(), Credentials(key, access_key))
    await store.commit(changes)
    return made


async def test_keys_lie_sealed_and_belong_to_their_row(store, host):
    first, second = await make(store, host, row(name="one")), await make(store, host, row(name="two"), access_key="AK1")
    kept = await store.view().fetch("SELECT * FROM provider")
    assert KEY not in repr(kept)
    assert "AK1" not in repr(kept)
    assert await rows.credentials_of(store.view(), SEAL, second) == Credentials(KEY, "AK1")
    assert [one for one, _ in await rows.every(store.view(), SEAL)] == [first, second]
    assert KEY not in repr(await rows.every(store.view(), SEAL))


async def test_a_row_whose_key_does_not_open_is_left_out_and_said(store, host, caplog):
    await make(store, host)
    other = sealing.of_text("another key of thirty-two characters", Rng(1))
    assert await rows.every(store.view(), other) == []
    assert "the provider 'mine' of tenant 't' is left out" in caplog.text


async def test_a_change_replaces_what_is_given_and_two_do_not_overwrite_each_other(store, host):
    made = await make(store, host)
    new = msgspec.structs.replace(made, base_url="https://new/v1")
    changed, changes = rows.plan_update(host, SEAL, made, new, Credentials("sk-new"))
    await store.commit(changes)
    assert await rows.get(store.view(), "t", made.id) == changed
    assert (await rows.credentials_of(store.view(), SEAL, changed)).key == "sk-new"
    with pytest.raises(GuardFailed):
        await store.commit(rows.plan_update(host, SEAL, made, made, Credentials("sk-late"))[1])
    with pytest.raises(GuardFailed):
        await store.commit(rows.plan_listed(made, 1)[1])
    listed, changes = rows.plan_listed(changed, 5)
    await store.commit(changes)
    assert (await rows.get(store.view(), "t", made.id)).listed_at_ms == listed.listed_at_ms == 5
    await store.commit(rows.plan_delete(changed))
    with pytest.raises(NotFound):
        await rows.get(store.view(), "t", made.id)
    with pytest.raises(NotFound):
        await rows.credentials_of(store.view(), SEAL, made)


async def test_rows_are_paged_filtered_and_a_tenants_own(store, host):
    one, two = await make(store, host, row(name="one")), await make(store, host, row("groq", "two"))
    await make(store, host, row(name="one", tenant="other"))
    assert await rows.list_rows(store.view(), "t", Page()) == [one, two]
    assert await rows.list_rows(store.view(), "t", Page(after=one.id)) == [two]
    assert await rows.list_rows(store.view(), "t", Page(), provider_type="groq") == [two]
    assert await rows.list_rows(store.view(), "t", Page(), name="one") == [one]
    with pytest.raises(NotFound):
        await rows.get(store.view(), "other", one.id)


@pytest.mark.parametrize(
    ("given", "key"),
    [
        (row(name="a/b"), KEY),
        (row(name=""), KEY),
        (row(name="x" * 65), KEY),
        (row(name="kelpie"), KEY),
        (row(), "two words"),
        (row(), "sk-\nx"),
        (row(), "k" * 5_000),
        (row(base_url="http://a b"), KEY),
        (row("bedrock", region="@169.254.169.254/"), KEY),
        (row("bedrock", region="evil.example"), KEY),
    ],
)
async def test_what_can_be_no_row_is_refused_and_no_key_repeated(store, host, given, key):
    with pytest.raises(InvalidInput) as refused:
        await make(store, host, given, key)
    assert key not in str(refused.value)


async def test_names_are_one_each_and_rows_so_many(store, host, monkeypatch):
    await make(store, host)
    with pytest.raises(Conflict):
        await make(store, host)
    monkeypatch.setattr(limits, "PROVIDERS_PER_TENANT_MAX", 1)
    with pytest.raises(LimitExceeded):
        await make(store, host, row(name="more"))


# Kinds


@pytest.mark.parametrize("provider_type", sorted(set(KINDS) - {"azure", "bedrock", "vllm", "sglang"}))
def test_most_kinds_need_a_key_and_nothing_else(provider_type):
    provider = provider_of(row(provider_type), Credentials(KEY))
    assert provider.base_url.startswith("http")
    assert (provider.name, provider.provider_type, provider.is_tenants) == ("mine", provider_type, True)
    assert KEY not in repr(provider)


@pytest.mark.parametrize(
    ("given", "key", "says"),
    [
        (row("azure"), KEY, "needs its 'base_url'"),
        (row("vllm"), "", "needs its 'base_url'"),
        (row("groq"), "", "needs its 'api_key'"),
        (row("bedrock"), KEY, "'region'"),
        (row("llama"), KEY, "type is one of openai"),
        *((row(refused), KEY, "are not served") for refused in REFUSED),
    ],
)
def test_what_a_kind_lacks_is_named(given, key, says):
    with pytest.raises(InvalidInput, match=says):
        provider_of(given, Credentials(key))


@pytest.mark.parametrize(
    ("given", "chat", "listing"),
    [
        (row("groq"), "https://api.groq.com/openai/v1/chat/completions", "https://api.groq.com/openai/v1/models"),
        (row("vllm", base_url="http://gpu:8000"), "http://gpu:8000/v1/chat/completions", "http://gpu:8000/v1/models"),
        (
            row("azure", base_url="https://us.openai.azure.com/", api_version="2024-10-21"),
            "https://us.openai.azure.com/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21",
            "https://us.openai.azure.com/openai/models?api-version=2024-10-21",
        ),
        (
            row("azure", base_url="https://us.openai.azure.com"),
            "https://us.openai.azure.com/openai/v1/chat/completions",
            "https://us.openai.azure.com/openai/v1/models",
        ),
        (row("anthropic"), "https://api.anthropic.com/v1/messages", "https://api.anthropic.com/v1/models?limit=1000"),
    ],
)
async def test_each_kind_is_called_where_it_is_with_the_header_it_wants(host, given, chat, listing):
    sent = []
    scripted = ScriptedProvider(host)

    async def answer(one):
        sent.append(one)
        return await scripted.answer(one)

    models = Models(host, MemoryTransport(answer))
    provider = provider_of(given, Credentials(KEY))
    await models.check(provider)
    models.giving("t", provider)()
    _, model = models.resolve("mine/my gpt", "t")
    reply = await model.reply(Request(model="my gpt", messages=[Message(role="user", content="[[say:hi]]")]))
    assert reply.text == "hi"
    assert [one.url for one in sent] == [listing, chat]
    header = {"anthropic": "x-api-key", "azure": "api-key"}.get(given.provider_type, "authorization")
    assert sent[0].headers[header].removeprefix("Bearer ") == KEY


# In the registry


async def test_a_tenants_provider_is_nobody_elses_and_goes_before_the_configured_one(host):
    from kelpie.models import ModelSettings, configured_providers

    settings = ModelSettings(openai_base_url="http://configured/v1")
    models = Models(host, MemoryTransport(ScriptedProvider(host).answer), configured_providers(settings))
    models.giving("t", provider_of(row(name="openai"), Credentials(KEY)))()
    models.giving("t", provider_of(row("anthropic"), Credentials(KEY)))()
    card, model = models.resolve("mine/gpt-4o", "t")
    assert (card.is_tenants, card.provider_type, type(model)) == (True, "anthropic", AnthropicWire)
    assert isinstance(models.resolve("openai/gpt-4o", "t")[1], OpenAIWire)
    assert "api.openai.com" in repr(models.resolve("openai/gpt-4o", "t")[1])
    assert "configured" in repr(models.resolve("openai/gpt-4o", "u")[1])
    for tenant in ("u", ""):
        with pytest.raises(ModelError, match="no provider serves 'mine/gpt-4o'") as refused:
            models.resolve("mine/gpt-4o", tenant)
        assert "mine," not in str(refused.value)
        assert not [one for one in await models.list(tenant) if one.is_tenants]
    assert {one.handle for one in await models.list("t") if one.is_tenants} >= {"mine/gpt-4o-mini"}
    models.take_away("t", "mine")
    with pytest.raises(ModelError):
        models.resolve("mine/gpt-4o", "t")


async def test_a_provider_says_anew_what_it_has_when_asked_to(host):
    asked = []

    async def answer(sent):
        asked.append(sent.url)
        return await ScriptedProvider(host).answer(sent)

    models = Models(host, MemoryTransport(answer))
    models.giving("t", provider_of(row(), Credentials(KEY)))()
    await models.list("t")
    await models.list("t")
    assert len(asked) == 1
    await models.refresh("t", "mine")
    assert len(asked) == 2
    with pytest.raises(NotFound):
        await models.refresh("u", "mine")


def test_an_address_that_is_none_is_refused_before_it_is_stored(host):
    models = Models(host, MemoryTransport(ScriptedProvider(host).answer))
    with pytest.raises(InvalidInput, match="no http"):
        models.giving("t", provider_of(row(base_url="ftp://x/v1"), Credentials(KEY)))
    with pytest.raises(InvalidInput, match="holds credentials"):
        models.giving("t", provider_of(row(base_url="https://me:pw@x/v1"), Credentials(KEY)))
