"""Providers as rows of data: a wire, an address, a header for the key, and where they differ from their wire."""

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from kelpie.errors import InvalidInput
from kelpie.models.settings import ModelSettings
from umi.wire import Quirks

_OPENAI_URL = "https://api.openai.com/v1"
_ANTHROPIC_URL = "https://api.anthropic.com"
_OPENAI_HOST = "api.openai.com"
_AZURE_HOSTS = (".openai.azure.com", ".services.ai.azure.com")

# What to set to get a provider: for the error about a handle nobody serves.
VARIABLE_OF = {
    "openai": "OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own",
    "openai-proxy": "OPENAI_BASE_URL",
    "anthropic": "ANTHROPIC_API_KEY",
    "ollama": "OLLAMA_BASE_URL",
    "vllm": "VLLM_API_BASE",
}


@dataclass(frozen=True, slots=True)
class Provider:
    """A dataclass, because the key must not show up in a repr.

    name       what its handles begin with; `aliases` are accepted too
    chat_path, models_path  below base_url, for the wire of OpenAI
    region, access_key      of what is signed instead of keyed: `key` is the secret then
    is_tenants a row of one tenant, and nobody else's
    """

    name: str
    wire: Literal["openai", "anthropic", "bedrock"]
    base_url: str
    key: str = field(repr=False)
    auth_header: str
    provider_type: str
    quirks: Quirks
    aliases: tuple[str, ...] = ()
    chat_path: str = "/chat/completions"
    models_path: str = "/models"
    region: str = ""
    access_key: str = field(default="", repr=False)
    is_tenants: bool = False


def configured_providers(settings: ModelSettings) -> list[Provider]:
    """In the order they are listed. Raises InvalidInput if two providers claim the same beginning of a handle."""
    providers: list[Provider] = []
    if settings.openai_api_key or settings.openai_base_url:
        providers.append(_openai(settings))
    if settings.anthropic_api_key or settings.anthropic_base_url:
        url, key = settings.anthropic_base_url or _ANTHROPIC_URL, settings.anthropic_api_key
        providers.append(Provider("anthropic", "anthropic", url, key, "x-api-key", "anthropic", Quirks()))
    if settings.ollama_base_url:
        url = _versioned(settings.ollama_base_url)
        providers.append(Provider("ollama", "openai", url, "", "authorization", "ollama", Quirks()))
    if settings.vllm_base_url:
        providers.append(_vllm(settings))
    _check_names(providers)
    return providers


def _openai(settings: ModelSettings) -> Provider:
    url = _versioned(settings.openai_base_url or _OPENAI_URL)
    hostname = urlsplit(url).hostname or ""
    azure = hostname.endswith(_AZURE_HOSTS)
    own = hostname == _OPENAI_HOST
    return Provider(
        "openai",
        "openai",
        url,
        settings.openai_api_key,
        "api-key" if azure else "authorization",
        "openai",
        Quirks(max_tokens_field="max_completion_tokens" if own or azure else "max_tokens"),
        aliases=() if own else ("openai-proxy",),
    )


def _vllm(settings: ModelSettings) -> Provider:
    name = settings.vllm_handle_base or "vllm"
    url, quirks = _versioned(settings.vllm_base_url), Quirks(token_ids=True)
    aliases = () if name == "vllm" else ("vllm",)
    return Provider(name, "openai", url, "", "authorization", "vllm", quirks, aliases)


def _versioned(url: str) -> str:
    """An address without a path means the usual one: people write http://127.0.0.1:11434."""
    stripped = url.rstrip("/")
    return stripped if urlsplit(stripped).path else f"{stripped}/v1"


def _check_names(providers: list[Provider]) -> None:
    taken: dict[str, Provider] = {}
    for provider in providers:
        for name in (provider.name, *provider.aliases):
            if "/" in name:
                raise InvalidInput(f"VLLM_HANDLE_BASE {name!r} may not hold a slash: handles are provider/model")
            if name in taken:
                raise InvalidInput(
                    f"{taken[name].base_url} and {provider.base_url} both serve handles that begin with '{name}/': "
                    f"set another VLLM_HANDLE_BASE, or unset one of the two providers"
                )
            taken[name] = provider
