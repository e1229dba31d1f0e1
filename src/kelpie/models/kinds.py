"""What kinds of providers there are, and how each differs from the wire it speaks: a row names its kind, and this
says the rest.
"""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from kelpie.errors import InvalidInput
from kelpie.models.providers import Provider
from kelpie.models.rows import Credentials, ProviderRow
from umi.wire import Quirks
from umi.wire.quirks import NO_QUIRKS

_AZURE_CHAT = "/openai/deployments/{model}/chat/completions?api-version="
_AZURE_MODELS = "/openai/models?api-version="
_NEWER = Quirks(max_tokens_field="max_completion_tokens")


@dataclass(frozen=True, slots=True)
class Kind:
    """
    base_url  where it is, unless a row says otherwise; None: the row has to
    needs_key False where a server may want none
    """

    base_url: str | None
    wire: Literal["openai", "anthropic", "bedrock"] = "openai"
    auth_header: str = "authorization"
    quirks: Quirks = NO_QUIRKS
    needs_key: bool = True


KINDS = {
    "openai": Kind("https://api.openai.com/v1", quirks=_NEWER, needs_key=False),
    "anthropic": Kind("https://api.anthropic.com", "anthropic", "x-api-key", needs_key=False),
    "azure": Kind(None, auth_header="api-key", quirks=_NEWER),
    "bedrock": Kind("", "bedrock"),
    "google_ai": Kind("https://generativelanguage.googleapis.com/v1beta/openai"),
    "openrouter": Kind("https://openrouter.ai/api/v1"),
    "together": Kind("https://api.together.xyz/v1"),
    "groq": Kind("https://api.groq.com/openai/v1"),
    "mistral": Kind("https://api.mistral.ai/v1"),
    "deepseek": Kind("https://api.deepseek.com/v1"),
    "xai": Kind("https://api.x.ai/v1"),
    "fireworks": Kind("https://api.fireworks.ai/inference/v1"),
    "cerebras": Kind("https://api.cerebras.ai/v1"),
    "baseten": Kind("https://inference.baseten.co/v1"),
    "minimax": Kind("https://api.minimax.io/v1"),
    "hugging-face": Kind("https://router.huggingface.co/v1"),
    "zai": Kind("https://api.z.ai/api/paas/v4"),
    "zai_coding": Kind("https://api.z.ai/api/coding/paas/v4"),
    "ollama": Kind("http://127.0.0.1:11434/v1", needs_key=False),
    "lmstudio_openai": Kind("http://127.0.0.1:1234/v1", needs_key=False),
    "vllm": Kind(None, quirks=Quirks(token_ids=True), needs_key=False),
    "sglang": Kind(None, needs_key=False),
}
# Kinds that Letta has and this server will not, each with what to do instead.
REFUSED = {
    "google_vertex": "Vertex wants tokens of a service account that expire within the hour: use 'google_ai' with a key",
    "chatgpt_oauth": "a person's ChatGPT login is no key of an API: use 'openai' with a key",
    "letta": "these models belong to Letta's cloud",
}


def kind_of(provider_type: str) -> Kind:
    """Raises InvalidInput for a type that there is not, or that is refused, saying why."""
    if provider_type in REFUSED:
        raise InvalidInput(f"providers of the type '{provider_type}' are not served: {REFUSED[provider_type]}")
    if provider_type not in KINDS:
        raise InvalidInput(f"a provider's type is one of {', '.join(KINDS)}, not {provider_type[:40]!r}")
    return KINDS[provider_type]


def provider_of(row: ProviderRow, credentials: Credentials) -> Provider:
    """How to reach what a row describes. Raises InvalidInput for what is missing."""
    kind = kind_of(row.provider_type)
    base_url = row.base_url or kind.base_url
    if base_url is None:
        raise InvalidInput(f"a provider of the type '{row.provider_type}' needs its 'base_url'")
    if kind.needs_key and not credentials.key:
        raise InvalidInput(f"a provider of the type '{row.provider_type}' needs its 'api_key'")
    chat_path, models_path = "/chat/completions", "/models"
    if row.provider_type == "azure":
        base_url, chat_path, models_path = _azure(base_url, row.api_version)
    elif kind.wire == "openai" and not urlsplit(base_url).path.strip("/"):
        base_url = f"{base_url.rstrip('/')}/v1"  # people write http://127.0.0.1:11434
    if kind.wire == "bedrock" and not (row.region and credentials.access_key):
        raise InvalidInput("Bedrock needs a 'region', an 'access_key' (its id) and an 'api_key' (the secret)")
    return Provider(
        row.name,
        kind.wire,
        base_url,
        credentials.key,
        kind.auth_header,
        row.provider_type,
        kind.quirks,
        chat_path=chat_path,
        models_path=models_path,
        region=row.region or "",
        access_key=credentials.access_key,
        is_tenants=True,
    )


def _azure(base_url: str, api_version: str | None) -> tuple[str, str, str]:
    """Base URL, path of a chat, path of the list. With a version a deployment is named in the path, as ever; without
    one the resource's newer address is used, where it is named in the body."""
    bare = base_url.rstrip("/")
    if api_version is not None:
        return bare.removesuffix("/openai"), f"{_AZURE_CHAT}{api_version}", f"{_AZURE_MODELS}{api_version}"
    return (bare if urlsplit(bare).path else f"{bare}/openai/v1"), "/chat/completions", "/models"
