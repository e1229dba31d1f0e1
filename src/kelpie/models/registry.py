"""Handles to models: what is registered in this process, and whatever a configured provider serves."""

import asyncio
import logging
from collections.abc import Sequence

import msgspec

from kelpie.errors import ModelError
from kelpie.models import limits
from kelpie.models.model import Model, ModelCard
from kelpie.models.providers import VARIABLE_OF, Provider
from kelpie.models.windows import window_of
from umi.dst import Host
from umi.wire import AnthropicWire, OpenAIWire, Transport
from umi.wire.listing import ListedModel

_log = logging.getLogger("kelpie.models")


class _Served:
    """A provider, the wire to it, and what it last said about its models."""

    def __init__(self, provider: Provider, wire: OpenAIWire | AnthropicWire) -> None:
        self.provider, self.wire = provider, wire
        self.listed: dict[str, ListedModel] = {}
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
        )


class Models:
    """Models by handle.

    fallback  the handle of what answers for agents whose own model nobody serves (`resolve_or_fall_back`)
    """

    def __init__(
        self, host: Host, transport: Transport, providers: Sequence[Provider] = (), *, fallback: str | None = None
    ) -> None:
        self._host = host
        self._fallback = fallback
        self._registered: dict[str, tuple[ModelCard, Model]] = {}
        self._served: list[_Served] = []
        self._by_name: dict[str, _Served] = {}
        for provider in providers:
            wire_of = OpenAIWire if provider.wire == "openai" else AnthropicWire
            wire = wire_of(
                transport,
                provider.base_url,
                provider.key,
                host,
                auth_header=provider.auth_header,
                quirks=provider.quirks,
            )
            served = _Served(provider, wire)
            self._served.append(served)
            self._by_name |= dict.fromkeys((provider.name, *provider.aliases), served)

    def register(self, card: ModelCard, model: Model) -> None:
        """A model in this process. Its handle goes before a provider's; registering it again replaces it."""
        self._registered[card.handle] = (card, model)

    def resolve(self, handle: str) -> tuple[ModelCard, Model]:
        """The model behind `provider/name`. A name needn't be listed: the provider knows best what it serves. Sizes
        are the provider's own once `list` has been called, and guessed from the name before.

        Raises ModelError("unknown_model"), saying what is configured and what to set.
        """
        if handle in self._registered:
            return self._registered[handle]
        prefix, _, name = handle.partition("/")
        served = self._by_name.get(prefix)
        if served is None or not name or len(handle) > limits.HANDLE_CHARS_MAX:
            raise self._unknown(handle[: limits.HANDLE_CHARS_MAX], prefix, name)
        return served.card(handle, name), served.wire

    def resolve_or_fall_back(self, handle: str) -> tuple[ModelCard, Model]:
        """As `resolve`, for a handle that an agent brought along: where nobody serves it, the configured fallback,
        whose card then says what it stands in for. Raises ModelError("unknown_model")."""
        try:
            return self.resolve(handle)
        except ModelError as error:
            if self._fallback is None or error.model_error_kind != "unknown_model":
                raise
            try:
                card, model = self.resolve(self._fallback)
            except ModelError as second:
                raise ModelError("unknown_model", f"{error}; and the fallback: {second}") from None
            return msgspec.structs.replace(card, instead_of=handle), model

    async def list(self) -> list[ModelCard]:
        """Registered models, then what each provider lists. A provider that fails is logged and contributes what it
        said last; all are asked at once, and none is waited for longer than MODELS_LIST_TIMEOUT_MS."""
        work = [self._host.spawn(self._refresh(served), f"models of {served.provider.name}") for served in self._served]
        await asyncio.gather(*work)
        cards = {handle: card for handle, (card, _) in self._registered.items()}
        for served in self._served:
            for name in served.listed:
                handle = f"{served.provider.name}/{name}"
                cards.setdefault(handle, served.card(handle, name))
        return list(cards.values())

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
            chat = [model for model in listed if _is_chat(served.provider, model.name)]
            served.listed = {model.name: model for model in chat[: limits.MODELS_PER_PROVIDER_MAX]}
            served.fresh_until_ms = clock.monotonic_ms() + limits.MODELS_CACHE_MS

    def _unknown(self, handle: str, prefix: str, name: str) -> ModelError:
        if not name:
            return ModelError("unknown_model", f"{handle!r} is no model handle: write provider/model")
        if prefix in self._by_name:
            return ModelError("unknown_model", f"the handle {handle!r}… is too long")
        offered = ", ".join(served.provider.name for served in self._served) or "none"
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
