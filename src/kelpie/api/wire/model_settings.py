"""An agent's model settings: which of Letta's we act on, in our words, and which are kept and given back.

Letta has a type per provider with names of its own. They are read by what they are called, whatever the provider is: an
agent may be given another model, and its settings stay.
"""

from collections.abc import Mapping
from typing import Any

from kelpie.agents.agent import Agent
from kelpie.agents.turn import structured
from kelpie.api.wire import models
from kelpie.errors import InvalidInput
from kelpie.models.model import ModelCard
from kelpie.models.thinking import Thinking

_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_VERBOSITIES = ("low", "medium", "high")
_TOKENS_MAX = 10_000_000
_ACTED = ("provider_type", "max_output_tokens", "temperature", "parallel_tool_calls")


def fields(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings we act on, as fields of an agent. Raises InvalidInput, LimitExceeded."""
    found: dict[str, Any] = {}
    if (most := _whole(settings, "max_output_tokens")) is not None:
        found["output_tokens_max"] = most
    if (temperature := settings.get("temperature")) is not None:
        if not isinstance(temperature, int | float) or isinstance(temperature, bool) or not 0 <= temperature <= 2:
            raise InvalidInput(f"model_settings.temperature must be a number from 0 to 2, not {temperature!r}")
        found["temperature"] = temperature
    if (parallel := settings.get("parallel_tool_calls")) is not None:
        if not isinstance(parallel, bool):
            raise InvalidInput(f"model_settings.parallel_tool_calls must be true or false, not {parallel!r}")
        found["parallel_tool_calls"] = parallel
    for name in ("response_format", "response_schema"):
        if settings.get(name) is not None:
            found["response_format"] = structured.checked_format(_object(settings, name))
    return found | {"thinking": _thinking(settings)}


def _thinking(settings: Mapping[str, Any]) -> Thinking:
    reasoning, thinking = _object(settings, "reasoning"), _object(settings, "thinking")
    effort = _one_of(reasoning, "reasoning_effort", _EFFORTS, "reasoning.") or _one_of(settings, "effort", _EFFORTS)
    budget = _whole(thinking, "budget_tokens", "thinking.")
    return Thinking(
        effort=effort,
        budget_tokens=budget if thinking.get("type") == "enabled" else None,
        verbosity=_one_of(settings, "verbosity", _VERBOSITIES),
    )


def _object(settings: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = settings.get(name)
    if value is not None and not isinstance(value, Mapping):
        raise InvalidInput(f"model_settings.{name} must be an object, not {type(value).__name__}")
    return value or {}


def _one_of(settings: Mapping[str, Any], name: str, known: tuple[str, ...], within: str = "") -> str | None:
    value = settings.get(name)
    if value is not None and value not in known:
        raise InvalidInput(f"model_settings.{within}{name} must be one of {', '.join(known)}, not {str(value)[:100]!r}")
    return value


def _whole(settings: Mapping[str, Any], name: str, within: str = "") -> int | None:
    value = settings.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _TOKENS_MAX):
        what = f"model_settings.{within}{name}"
        raise InvalidInput(f"{what} must be a whole number from 1 to {_TOKENS_MAX:,}, not {value!r}")
    return value


def kept(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What is given back as it came."""
    return {name: value for name, value in settings.items() if name not in _ACTED}


def shown(agent: Agent, card: ModelCard) -> dict[str, Any]:
    """The settings of an agent as clients know them."""
    found: dict[str, Any] = {
        "provider_type": models.settings_type(card),
        "max_output_tokens": agent.output_tokens_max or card.output_tokens_max,
        "parallel_tool_calls": agent.parallel_tool_calls,
    }
    if agent.temperature is not None:
        found["temperature"] = agent.temperature
    found.update(agent.extras.get("model_settings", {}))
    if "response_format" in found:
        found["response_format"] = agent.response_format  # the agent's own field may have been changed since
    return found
