"""Where a provider differs from its wire. A provider is a row of data; this is the row's last column."""

from typing import Literal

import msgspec


class Quirks(msgspec.Struct, frozen=True):
    """max_tokens_field  OpenAI's newer models refuse `max_tokens`; most others know nothing else
    stream_usage      the provider reports usage at the end of a stream when asked (`stream_options`)
    token_ids         it can return prompt and reply token ids (vLLM's `return_token_ids`)
    reasoning_field   the field in which it wants an assistant's earlier reasoning back, or None
    cache_prompt      Anthropic wire: mark the stable prefix for the provider's prompt cache
    """

    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    stream_usage: bool = True
    token_ids: bool = False
    reasoning_field: str | None = None
    cache_prompt: bool = True


NO_QUIRKS = Quirks()
