"""Models on the wire. Clients check provider types against a fixed list: ours that are not on it go by a near one."""

from typing import Any

from kelpie.models.model import ModelCard

# Our provider type -> Letta's provider type and endpoint type. The name of the provider stays as it is.
_TYPES = {
    "openai": ("openai", "openai"),
    "anthropic": ("anthropic", "anthropic"),
    "ollama": ("ollama", "ollama"),
    "vllm": ("vllm", "vllm"),
    "local": ("hugging-face", "llamacpp"),
    "kelpie": ("letta", "openai"),
}
_OTHER = ("openai", "openai")
# The model settings' union has fewer kinds; the rest takes the fields of OpenAI's.
SETTINGS_TYPES = frozenset({"openai", "anthropic"})


# The field that is ours: on an agent or a step whose model is the fallback for one that nobody serves.
FIELD = "kelpie_model"


def fallback(asked: str, used: str) -> dict[str, Any]:
    why = f"no provider serves {asked!r}; {used!r} answers for it (KELPIE_MODEL_FALLBACK)"
    return {"asked": asked, "used": used, "why": why}


def _types(card: ModelCard) -> tuple[str, str]:
    return _TYPES.get(card.provider_type, _OTHER)


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
        "provider_category": "base",
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
        "provider_category": "base",
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
