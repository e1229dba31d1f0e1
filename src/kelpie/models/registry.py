"""Handles to models: what is registered in this process, and whatever a configured provider serves."""

import asyncio
import builtins
import logging
from collections.abc import Callable, Mapping, Sequence

import msgspec

from kelpie.errors import ModelError, NotFound
from kelpie.models import limits
from kelpie.models.bedrock import BedrockTransport
from kelpie.models.model import Model, ModelCard
from kelpie.models.providers import VARIABLE_OF, Provider
from kelpie.models.vectors import dimensions_of
from kelpie.models.windows import window_of
from umi.dst import Host
from umi.wire import AnthropicWire, OpenAIWire, Transport
from umi.wire.listing import ListedModel

_log = logging.getLogger("kelpie.models")


Wire = OpenAIWire | AnthropicWire


def wire_to(provider: Provider, transport: Transport, host: Host) -> Wire:
    """Raises InvalidInput for an address or a key that can't be."""
    if provider.wire == "bedrock":
        signing = BedrockTransport(transport, provider.region, provider.access_key, provider.key, provider.base_url)
        return AnthropicWire(signing, f"https://bedrock.{provider.region}.amazonaws.com", "", host)
    if provider.wire == "anthropic":
        return AnthropicWire(
            transport,
            provider.base_url,
            provider.key,
            host,
            auth_header=provider.auth_header,
            quirks=provider.quirks,
        )
    return OpenAIWire(
        transport,
        provider.base_url,
        provider.key,
        host,
        auth_header=provider.auth_header,
        quirks=provider.quirks,
        chat_path=provider.chat_path,
        models_path=provider.models_path,
    )


class _Served:
    """A provider, the wire to it, and what it last said about its models."""

    def __init__(self, provider: Provider, wire: Wire) -> None:
        self.provider, self.wire = provider, wire
        self.listed: dict[str, ListedModel] = {}
        self.vectors: list[str] = []
        self.fresh_until_ms = float("-inf")
        # One request for the list at a time; whoever waited finds the list fresh.
        self.lock = asyncio.Lock()

    def card(self, handle: str, name: str) -> ModelCard:
        said = self.listed.get(name) or ListedModel(name)
        window = window_of(name, said.context_window_tokens, said.output_tokens_max)
        return ModelCard(
            handle=handle,
            provider=self.provider.name,
            name=name,
            provider_type=self.provider.provider_type,
            context_window_tokens=window.context_tokens,
            output_tokens_max=window.output_tokens,
            is_tenants=self.provider.is_tenants,
        )


class Models:
    """Models by handle. A tenant's own providers go before the configured ones, and are nobody else's.

    fallback  the handle of what answers for agents whose own model nobody serves (`resolve_or_fall_back`)
    """

    def __init__(
        self, host: Host, transport: Transport, providers: Sequence[Provider] = (), *, fallback: str | None = None
    ) -> None:
        self._host, self._transport = host, transport
        self._fallback = fallback
        self._of_tenant: dict[str, dict[str, _Served]] = {}
        self._registered: dict[str, tuple[ModelCard, Model]] = {}
        self._served: list[_Served] = []
        self._by_name: dict[str, _Served] = {}
        for provider in providers:
            served = _Served(provider, wire_to(provider, transport, host))
            self._served.append(served)
            self._by_name |= dict.fromkeys((provider.name, *provider.aliases), served)

    def register(self, card: ModelCard, model: Model) -> None:
        """A model in this process. Its handle goes before a provider's; registering it again replaces it."""
        self._registered[card.handle] = (card, model)

    def giving(self, tenant: str, provider: Provider) -> Callable[[], None]:
        """What makes a provider a tenant's own, in place of what had its name: for the hook of the commit that says
        so. Raises InvalidInput for an address or a key that can't be."""
        served = _Served(provider, wire_to(provider, self._transport, self._host))

        def give() -> None:
            self._of_tenant.setdefault(tenant, {})[provider.name] = served

        return give

    async def check(self, provider: Provider) -> None:
        """Ask it once what it has. Raises InvalidInput, and ModelError for what it answers, or does not."""
        await self._listed(wire_to(provider, self._transport, self._host))

    def take_away(self, tenant: str, name: str) -> None:
        """It is gone; turns that hold its wire go on."""
        self._of_tenant.get(tenant, {}).pop(name, None)

    def resolve(self, handle: str, tenant: str = "") -> tuple[ModelCard, Model]:
        """The model behind `provider/name`, for a tenant. A name needn't be listed: the provider knows best what it
        serves. Sizes are the provider's own once `list` has been called, and guessed from the name before.

        Raises ModelError("unknown_model"), saying what is configured and what to set.
        """
        if handle in self._registered:
            return self._registered[handle]
        prefix, _, name = handle.partition("/")
        own = self._of_tenant.get(tenant, {})
        served = own.get(prefix) or self._by_name.get(prefix)
        if served is None or not name or len(handle) > limits.HANDLE_CHARS_MAX:
            raise self._unknown(handle[: limits.HANDLE_CHARS_MAX], prefix, name, own)
        return served.card(handle, name), served.wire

    def resolve_or_fall_back(self, handle: str, tenant: str = "") -> tuple[ModelCard, Model]:
        """As `resolve`, for a handle that an agent brought along: where nobody serves it, the configured fallback,
        whose card then says what it stands in for. Raises ModelError("unknown_model")."""
        try:
            return self.resolve(handle, tenant)
        except ModelError as error:
            if self._fallback is None or error.model_error_kind != "unknown_model":
                raise
            try:
                card, model = self.resolve(self._fallback, tenant)
            except ModelError as second:
                raise ModelError("unknown_model", f"{error}; and the fallback: {second}") from None
            return msgspec.structs.replace(card, instead_of=handle), model

    async def list(self, tenant: str = "") -> list[ModelCard]:
        """Registered models, then what each provider of the tenant and each configured one lists. A provider that
        fails is logged and contributes what it said last; all are asked at once, and none is waited for longer than
        MODELS_LIST_TIMEOUT_MS."""
        all_served = await self._asked(tenant)
        cards = {handle: card for handle, (card, _) in self._registered.items()}
        for served in all_served:
            for name in served.listed:
                handle = f"{served.provider.name}/{name}"
                cards.setdefault(handle, served.card(handle, name))
        return list(cards.values())

    async def vectors(self, tenant: str = "") -> builtins.list[ModelCard]:
        """The same of models that make vectors, as far as we know how long theirs are."""
        found = [(served, name) for served in await self._asked(tenant) for name in served.vectors]
        return [served.card(f"{served.provider.name}/{name}", name) for served, name in found]

    async def refresh(self, tenant: str, name: str) -> None:
        """Have a tenant's own provider say anew what it has. Raises NotFound, ModelError."""
        served = self._of_tenant.get(tenant, {}).get(name)
        if served is None:
            raise NotFound(f"the provider '{name}' is not in use: its key may not open")
        self._keep(served, await self._listed(served.wire))

    async def _listed(self, wire: Wire) -> builtins.list[ListedModel]:
        try:
            async with self._host.clock.timeout(limits.PROVIDER_CHECK_TIMEOUT_MS):
                return await wire.models()
        except TimeoutError:
            raise ModelError("timeout", f"no answer within {limits.PROVIDER_CHECK_TIMEOUT_MS} ms") from None

    async def _asked(self, tenant: str) -> builtins.list[_Served]:
        """What may serve a tenant, each having said lately what it has."""
        own = self._of_tenant.get(tenant, {})
        all_served = [*own.values(), *(one for one in self._served if one.provider.name not in own)]
        work = [self._host.spawn(self._refresh(served), f"models of {served.provider.name}") for served in all_served]
        await asyncio.gather(*work)
        return all_served

    async def _refresh(self, served: _Served) -> None:
        clock = self._host.clock
        async with served.lock:
            if clock.monotonic_ms() < served.fresh_until_ms:
                return
            try:
                async with clock.timeout(limits.MODELS_LIST_TIMEOUT_MS):
                    listed = await served.wire.models()
            except (ModelError, TimeoutError) as error:
                why = str(error) or f"no answer within {limits.MODELS_LIST_TIMEOUT_MS} ms"
                _log.warning("the models of %s could not be listed: %s", served.provider.name, why)
                served.fresh_until_ms = clock.monotonic_ms() + limits.MODELS_FAILED_CACHE_MS
                return
            self._keep(served, listed)

    def _keep(self, served: _Served, listed: Sequence[ListedModel]) -> None:
        chat = [model for model in listed if _is_chat(served.provider, model.name)]
        served.listed = {model.name: model for model in chat[: limits.MODELS_PER_PROVIDER_MAX]}
        vectors = [model.name for model in listed if dimensions_of(model.name) is not None]
        served.vectors = vectors[: limits.MODELS_PER_PROVIDER_MAX]
        served.fresh_until_ms = self._host.clock.monotonic_ms() + limits.MODELS_CACHE_MS

    def _unknown(self, handle: str, prefix: str, name: str, own: Mapping[str, _Served]) -> ModelError:
        if not name:
            return ModelError("unknown_model", f"{handle!r} is no model handle: write provider/model")
        if prefix in own or prefix in self._by_name:
            return ModelError("unknown_model", f"the handle {handle!r}… is too long")
        offered = ", ".join(dict.fromkeys([*own, *(served.provider.name for served in self._served)])) or "none"
        registered = ", ".join(sorted(self._registered)) or "none"
        have = f"configured providers: {offered}; registered models: {registered}"
        hint = f"; set {VARIABLE_OF[prefix]}" if prefix in VARIABLE_OF else ""
        return ModelError("unknown_model", f"no provider serves {handle!r} ({have}){hint}")


# OpenAI lists everything it sells; only chat models can be agents' models.
_NOT_CHAT = (
    *("embedding", "whisper", "tts", "dall-e", "moderation", "realtime", "audio", "image"),
    *("transcribe", "sora", "babbage", "davinci", "instruct"),
)


def _is_chat(provider: Provider, name: str) -> bool:
    return "://api.openai.com" not in provider.base_url or not any(word in name for word in _NOT_CHAT)
