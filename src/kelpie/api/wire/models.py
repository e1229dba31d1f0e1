"""Models on the wire. Clients check provider types against a fixed list: ours that are not on it go by a near one."""

from typing import Any

from kelpie.models.kinds import KINDS
from kelpie.models.model import ModelCard

# Our provider type -> Letta's provider type and endpoint type, where they are not both the same word. The name of the
# provider stays as it is.
_TYPES = {
    "local": ("hugging-face", "llamacpp"),
    "kelpie": ("letta", "openai"),
    "lmstudio_openai": ("lmstudio_openai", "lmstudio"),
    "fireworks": ("fireworks", "openai"),
    "cerebras": ("cerebras", "openai"),
    "sglang": ("sglang", "openai"),
}
_SAME = frozenset(KINDS).difference(_TYPES)
# Fewer words are known where vectors are made.
_EMBEDDING_ENDPOINTS = frozenset({"azure", "google_ai", "groq", "ollama", "vllm", "mistral", "together"})
_OTHER = ("openai", "openai")
# The model settings' union has fewer kinds; the rest takes the fields of OpenAI's.
SETTINGS_TYPES = frozenset({"openai", "anthropic"})


# The field that is ours: on an agent or a step whose model is the fallback for one that nobody serves.
FIELD = "kelpie_model"


def fallback(asked: str, used: str) -> dict[str, Any]:
    why = f"no provider serves {asked!r}; {used!r} answers for it (KELPIE_MODEL_FALLBACK)"
    return {"asked": asked, "used": used, "why": why}


def _types(card: ModelCard) -> tuple[str, str]:
    if card.provider_type in _SAME:
        return card.provider_type, card.provider_type
    return _TYPES.get(card.provider_type, _OTHER)


def category(card: ModelCard) -> str:
    return "byok" if card.is_tenants else "base"


def settings_type(card: ModelCard) -> str:
    provider_type = _types(card)[0]
    return provider_type if provider_type in SETTINGS_TYPES else "openai"


def model(card: ModelCard) -> dict[str, Any]:
    provider_type, endpoint_type = _types(card)
    return {
        "handle": card.handle,
        "name": card.name,
        "display_name": card.name,
        "provider_type": provider_type,
        "provider_name": card.provider,
        "provider_category": category(card),
        "model_type": "llm",
        "model": card.name,
        "model_endpoint_type": endpoint_type,
        "model_endpoint": None,
        "model_wrapper": None,
        "context_window": card.context_window_tokens,
        "max_context_window": card.context_window_tokens,
        "max_tokens": card.output_tokens_max,
        "put_inner_thoughts_in_kwargs": False,
        "temperature": 1.0,
        "enable_reasoner": False,
        "reasoning_effort": None,
        "max_reasoning_tokens": 0,
        "frequency_penalty": None,
        "parallel_tool_calls": True,
        "strict": False,
    }


def llm_config(
    card: ModelCard, context_window_tokens: int | None, output_tokens_max: int | None, temperature: float | None
) -> dict[str, Any]:
    """The older description of an agent's model; clients still require it."""
    return {
        "handle": card.handle,
        "model": card.name,
        "display_name": card.name,
        "model_endpoint_type": _types(card)[1],
        "model_endpoint": None,
        "model_wrapper": None,
        "provider_name": card.provider,
        "provider_category": category(card),
        "context_window": context_window_tokens or card.context_window_tokens,
        "max_tokens": output_tokens_max or card.output_tokens_max,
        "temperature": 1.0 if temperature is None else temperature,
        "put_inner_thoughts_in_kwargs": False,
        "enable_reasoner": False,
        "reasoning_effort": None,
        "max_reasoning_tokens": 0,
        "frequency_penalty": None,
        "parallel_tool_calls": True,
        "strict": False,
    }


def embedding(card: ModelCard, dimensions: int) -> dict[str, Any]:
    endpoint = card.provider_type if card.provider_type in _EMBEDDING_ENDPOINTS else "openai"
    return _embedding(card.handle, card.name, card.provider, _types(card)[0], endpoint, dimensions)


def own_embedding(name: str, dimensions: int) -> dict[str, Any]:
    """The model of this server."""
    return _embedding(f"kelpie/{name}", name, "kelpie", "letta", "hugging-face", dimensions)


def _embedding(
    handle: str, name: str, provider: str, provider_type: str, endpoint: str, dimensions: int
) -> dict[str, Any]:
    return {
        "handle": handle,
        "name": name,
        "display_name": name,
        "provider_type": provider_type,
        "provider_name": provider,
        "model_type": "embedding",
        "embedding_endpoint_type": endpoint,
        "embedding_endpoint": None,
        "embedding_model": name,
        "embedding_dim": dimensions,
        "embedding_chunk_size": 300,
        "batch_size": 32,
    }
