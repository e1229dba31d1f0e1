"""What a provider says about its models: names always, sizes where it tells."""

from typing import Any

import msgspec

from umi.wire.encoding import UNREADABLE
from umi.wire.exchange import Endpoint, fault_in, read_whole
from umi.wire.faults import odd_answer

# Each server has its own name for the same number.
_WINDOW_FIELDS = (
    "max_model_len",  # vLLM
    "context_length",  # OpenRouter, Together
    "context_window",  # Groq
    "max_context_length",  # Mistral, LM Studio
    "max_input_tokens",  # Anthropic
)
_OUTPUT_FIELDS = ("max_completion_tokens", "max_output_tokens", "max_tokens")


class ListedModel(msgspec.Struct, frozen=True):
    name: str
    context_window_tokens: int | None = None
    output_tokens_max: int | None = None


class _Listing(msgspec.Struct):
    data: list[dict[str, Any]]


async def listed_models(endpoint: Endpoint, path: str) -> list[ListedModel]:
    """In the provider's order. Raises ModelError. There is one page: every provider we know sends all it has, or as
    many as `path` asks for."""
    response = await endpoint.send("GET", path, b"", "application/json")
    try:
        if not 200 <= response.status < 300:
            raise await fault_in(endpoint, response)
        raw = await read_whole(endpoint, response)
    finally:
        await response.aclose()
    try:
        entries = msgspec.json.decode(raw, type=_Listing).data
    except UNREADABLE as error:
        raise odd_answer(endpoint.origin, f"no list of models ({error})", raw, key=endpoint.key) from None
    return [_listed(entry) for entry in entries if isinstance(entry.get("id"), str)]


def _listed(entry: dict[str, Any]) -> ListedModel:
    meta = entry.get("meta")  # llama.cpp
    trained = _first(meta, ("n_ctx", "n_ctx_train")) if isinstance(meta, dict) else None
    return ListedModel(entry["id"], _first(entry, _WINDOW_FIELDS) or trained, _first(entry, _OUTPUT_FIELDS))


def _first(entry: dict[str, Any], fields: tuple[str, ...]) -> int | None:
    values = (entry.get(field) for field in fields)
    return next((value for value in values if isinstance(value, int) and value > 0), None)
