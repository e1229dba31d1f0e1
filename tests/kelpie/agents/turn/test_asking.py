"""What is asked of a model besides its context, where no preview shows it: other wires, other arguments."""

import pytest

from kelpie.agents.agent import Agent
from kelpie.agents.turn import asking
from kelpie.agents.turn.calls import Prepared
from kelpie.models.model import ModelCard
from kelpie.tools.tool import Outcome, Tool
from kelpie.trajectories.records import RunOptions
from umi.wire.types import Message, Reply, Request, SampledToken, ToolCall, ToolSpec, Usage

SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
CLAUDE = ModelCard("anthropic/claude", "anthropic", "claude", "anthropic")
GPT = ModelCard("openai/gpt", "openai", "gpt", "openai")
PLAIN, SPEAKER = (
    Agent(tenant="t", id="agent-1", name="a", model="m/m", agent_type=kind)
    for kind in ("letta_v1_agent", "memgpt_agent")
)


def request(**fields):
    return Request("m", [Message("system", "Be kind."), Message("user", "x")], **fields)


def completed(card, agent=PLAIN, asked=None, **options):
    return asking.completed(asked or request(), agent, card, RunOptions(**options))


def test_a_json_object_is_asked_for_in_words_where_the_wire_has_none_for_it():
    made = completed(CLAUDE, response_format={"type": "json_object"})
    assert made.response_format is None
    assert made.messages[0].text == "Be kind.\n\nAnswer with one JSON object and nothing else."
    assert completed(GPT, response_format={"type": "json_object"}).response_format == {"type": "json_object"}
    assert completed(CLAUDE, response_format=SCHEMA).response_format == SCHEMA


def test_a_plain_request_is_left_as_it_is():
    asked = request()
    assert completed(GPT, asked=asked) is asked
    assert asking.rewriting(RunOptions()) is None


def test_a_speaker_has_to_call_unless_a_rule_named_the_tool_or_there_is_none():
    tools = [ToolSpec("send_message", "", {"type": "object", "properties": {}})]
    assert completed(GPT, SPEAKER, request(tools=tools)).tool_choice == "required"
    assert completed(GPT, SPEAKER, request(tools=tools, tool_choice="send_message")).tool_choice == "send_message"
    assert completed(GPT, SPEAKER).tool_choice == "auto"
    assert completed(GPT, PLAIN, request(tools=tools)).tool_choice == "auto"


def test_probabilities_are_asked_for_and_kept():
    made = completed(GPT, logprobs=True, top_logprobs=3, token_ids=True)
    assert (made.logprobs, made.token_ids, made.extra) == (True, True, {"top_logprobs": 3})
    assert completed(CLAUDE, logprobs=True, top_logprobs=3).extra == {}
    token = SampledToken(token="a", logprob=-1.0, id=7)
    reply = Reply("a", [], "stop", Usage(), "m", prompt_token_ids=[1], token_ids=[7], sampled=[token])
    assert asking.tokens_of(reply, RunOptions()) is None
    kept = asking.tokens_of(reply, RunOptions(token_ids=True))
    assert (kept.prompt_ids, kept.ids, kept.sampled) == ([1], [7], [token])


async def ring(_context, _arguments):
    return Outcome("rang")


def prepared(arguments, *, own=(), agent=SPEAKER):
    spec = ToolSpec("ring", "", {"type": "object", "properties": {name: {} for name in own}})
    return asking.prepared(
        Prepared(0, ToolCall("1", "ring", "{}"), Tool(spec, ring, "store"), arguments), agent, RunOptions()
    )


@pytest.mark.parametrize("asks", [True, "true", "True"])
def test_what_a_kind_added_is_taken_from_the_arguments(asks):
    made = prepared({"thinking": "hm", "times": 2, "request_heartbeat": asks})
    assert (made.arguments, made.asks_on) == ({"times": 2}, True)


def test_arguments_that_are_the_tools_own_stay():
    made = prepared({"thinking": "hm", "request_heartbeat": True}, own=["thinking", "request_heartbeat"])
    assert (made.arguments, made.asks_on) == ({"thinking": "hm", "request_heartbeat": True}, False)
    plain = prepared({"thinking": "hm"}, agent=PLAIN)
    assert plain.arguments == {"thinking": "hm"}
    spec = ToolSpec("ring", "", {"type": "object", "properties": {"thinking": {"type": "integer"}}})
    (shown,) = asking.specs(SPEAKER, [spec], RunOptions())
    assert shown.parameters["properties"]["thinking"] == {"type": "integer"}
