"""How much a model is to think before it answers, in the words of each provider that has some for it."""

from typing import Any

import msgspec

from kelpie.models.model import ModelCard
from umi.limits import WIRE_OUTPUT_TOKENS_DEFAULT
from umi.wire.types import Request

# Models that take an effort; others of their provider refuse a request that names one.
_EFFORT = ("o1", "o3", "o4", "gpt-5", "gpt-oss")
_VERBOSITY = ("gpt-5",)
_BUDGET = ("claude-3-7-sonnet", "claude-sonnet-4", "claude-opus-4", "claude-haiku-4")


class Thinking(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an agent's settings say. A model that has no word for it is not told.

    effort         of OpenAI's reasoning models, and of Anthropic's that know it: "minimal" to "max"
    budget_tokens  Anthropic: think at most so many tokens, of those that a reply may have
    verbosity      how long answers are to be: "low", "medium", "high"
    """

    effort: str | None = None
    budget_tokens: int | None = None
    verbosity: str | None = None


NO_THINKING = Thinking()


def asked(request: Request, card: ModelCard, thinking: Thinking, *, is_on: bool) -> Request:
    """The request with what the model is told of this.

    is_on  whether it may think at all: a sender can turn it off for one request
    """
    if thinking == NO_THINKING:
        return request
    name = card.name.rsplit("/", 1)[-1]
    if card.provider_type == "anthropic":
        return _of_anthropic(request, name, thinking, is_on=is_on)
    extra: dict[str, Any] = {}
    if thinking.effort is not None and is_on and name.startswith(_EFFORT):
        extra["reasoning_effort"] = thinking.effort
    if thinking.verbosity is not None and name.startswith(_VERBOSITY):
        extra["verbosity"] = thinking.verbosity
    return msgspec.structs.replace(request, extra={**request.extra, **extra}) if extra else request


def _of_anthropic(request: Request, name: str, thinking: Thinking, *, is_on: bool) -> Request:
    extra = dict(request.extra)
    if thinking.effort is not None:
        extra["output_config"] = {"effort": thinking.effort}
    budget = thinking.budget_tokens
    if budget is None or not is_on or not name.startswith(_BUDGET) or request.tool_choice not in ("auto", "none"):
        return msgspec.structs.replace(request, extra=extra)
    # This API refuses a temperature beside thinking, a forced call, and a budget that leaves nothing for the reply.
    most = request.max_output_tokens or budget + WIRE_OUTPUT_TOKENS_DEFAULT
    extra["thinking"] = {"type": "enabled", "budget_tokens": budget}
    most = max(most, budget + 1)
    return msgspec.structs.replace(request, extra=extra, max_output_tokens=most, temperature=None)
