"""What a model is told of how much to think: only what it takes, in its provider's words."""

import pytest

from kelpie.models.model import ModelCard
from kelpie.models.thinking import Thinking, asked
from umi.wire.anthropic_request import anthropic_segments
from umi.wire.quirks import NO_QUIRKS
from umi.wire.types import Message, Request, ToolSpec

ALL = Thinking(effort="low", budget_tokens=2_000, verbosity="high")


def card(name, provider_type="openai"):
    return ModelCard(handle=f"p/{name}", provider="p", name=name, provider_type=provider_type)


def told(name, provider_type="openai", *, thinking=ALL, is_on=True, **fields):
    request = Request(name, [Message("user", "x")], **fields)
    return asked(request, card(name, provider_type), thinking, is_on=is_on)


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("gpt-5-mini", {"reasoning_effort": "low", "verbosity": "high"}),
        ("openai/gpt-5", {"reasoning_effort": "low", "verbosity": "high"}),
        ("o3", {"reasoning_effort": "low"}),
        ("gpt-oss-20b", {"reasoning_effort": "low"}),
        ("gpt-4o-mini", {}),
        ("llama-3", {}),
    ],
)
def test_a_model_is_told_what_it_takes(name, extra):
    assert told(name).extra == extra


def test_nothing_is_said_where_nothing_was_set_and_thinking_can_be_turned_off():
    assert told("gpt-5", thinking=Thinking()).extra == {}
    assert told("gpt-5", is_on=False).extra == {"verbosity": "high"}
    assert told("gpt-5", extra={"seed": 1}).extra == {"seed": 1, "reasoning_effort": "low", "verbosity": "high"}


def test_anthropic_thinks_within_a_budget_that_leaves_room_for_the_reply():
    budget = Thinking(budget_tokens=2_000)
    made = told("claude-sonnet-4-5", "anthropic", thinking=budget, temperature=0.5, max_output_tokens=1_000)
    assert made.extra == {"thinking": {"type": "enabled", "budget_tokens": 2_000}}
    assert (made.temperature, made.max_output_tokens) == (None, 2_001)
    assert told("claude-sonnet-4-5", "anthropic", thinking=budget).max_output_tokens > 10_000
    for name, fields in (
        ("claude-3-haiku", {}),
        ("claude-sonnet-4-5", {"is_on": False}),
        ("claude-sonnet-4-5", {"tool_choice": "required", "tools": [ToolSpec("t", "", {})]}),
    ):
        assert told(name, "anthropic", thinking=budget, temperature=0.5, **fields).temperature == 0.5


def test_an_effort_and_a_format_stand_side_by_side_on_anthropics_wire():
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    made = told("claude-opus-4-5", "anthropic", thinking=Thinking(effort="low"), response_format=schema)
    body = b"".join(anthropic_segments(made, NO_QUIRKS, streamed=False))
    assert b'"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}},"effort":"low"}' in body
