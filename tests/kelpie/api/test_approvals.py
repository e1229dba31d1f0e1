"""Tool rules, approvals and client-side tools as Letta's own client asks for them, every answer checked against its
types."""

import importlib.util
import json

import pytest

MODEL = "openai/gpt-4o-mini"
INSERT = "archival_memory_insert"
ASK = [{"type": "requires_approval", "tool_name": INSERT}]
GO = '[[tool:archival_memory_insert {"content": "the cat is called Miso"}]] [[say:done]]'
EDITOR = {"name": "open_editor", "description": "Opens it.", "parameters": {"type": "object", "properties": {}}}
RULES = [
    {"type": "run_first", "tool_name": INSERT, "args": {"content": "x"}},
    {"type": "exit_loop", "tool_name": INSERT},
    {"type": "continue_loop", "tool_name": INSERT},
    {
        "type": "constrain_child_tools",
        "tool_name": INSERT,
        "children": ["memory_insert"],
        "child_arg_nodes": [{"name": "memory_insert", "args": {"label": "human"}}],
    },
    {"type": "parent_last_tool", "tool_name": INSERT, "children": ["memory_insert"]},
    {
        "type": "conditional",
        "tool_name": INSERT,
        "child_output_mapping": {"yes": "memory_insert"},
        "default_child": None,
        "require_output_mapping": True,
    },
    {"type": "max_count_per_step", "tool_name": INSERT, "max_count_limit": 2},
    {"type": "required_before_exit", "tool_name": INSERT},
    {"type": "requires_approval", "tool_name": INSERT},
]


@pytest.fixture(scope="module")
def letta(live, needs):
    needs("letta-client", importlib.util.find_spec("letta_client") is not None, "pip install letta-client")
    from letta_client import Letta

    with Letta(base_url=live.url, _strict_response_validation=True, max_retries=0) as client:
        yield client


@pytest.fixture
def agent(letta):
    return letta.agents.create(
        model=MODEL, embedding="openai/text-embedding-3-small", tools=[INSERT], tool_rules=ASK, include_base_tools=False
    )


def types(response):
    return [message.message_type for message in response.messages]


def asked(letta, agent, text=GO, **options):
    """What the answer to a message asks about: the part of it that does."""
    response = letta.agents.messages.create(agent.id, messages=[{"role": "user", "content": text}], **options)
    assert response.stop_reason.stop_reason == "requires_approval"
    return response.messages[-1]


def answered(letta, agent, *approvals, **options):
    messages = [{"type": "approval", "approvals": list(approvals)}]
    return letta.agents.messages.create(agent.id, messages=messages, **options)


def test_an_approved_call_is_made_and_the_agent_goes_on(letta, agent):
    request = asked(letta, agent)
    assert request.message_type == "approval_request_message"
    (call,) = request.tool_calls
    assert (call.name, json.loads(call.arguments)["content"]) == (INSERT, "the cat is called Miso")
    pending = letta.agents.retrieve(agent.id).pending_approval
    assert (pending.id, pending.tool_calls[0].tool_call_id) == (request.id, call.tool_call_id)

    response = answered(letta, agent, {"type": "approval", "tool_call_id": call.tool_call_id, "approve": True})
    assert types(response) == ["tool_return_message", "assistant_message"]
    assert response.stop_reason.stop_reason == "end_turn"
    assert (response.messages[0].status, response.messages[0].tool_call_id) == ("success", call.tool_call_id)
    assert letta.agents.retrieve(agent.id).pending_approval is None
    listed = [message.message_type for message in letta.agents.messages.list(agent.id, order="asc")]
    assert listed[1:] == [
        "user_message",
        "approval_request_message",
        "tool_return_message",
        "assistant_message",
    ]


def test_a_denied_call_is_not_made_and_the_model_reads_the_reason(letta, agent):
    (call,) = asked(letta, agent).tool_calls
    word = {"type": "approval", "tool_call_id": call.tool_call_id, "approve": False, "reason": "not that cat"}
    response = answered(letta, agent, word)
    assert (response.messages[0].status, "not that cat" in response.messages[0].tool_return) == ("error", True)
    assert "the cat is called Miso" not in [one.text for one in letta.agents.passages.list(agent.id)]


def test_older_clients_answer_with_one_word_for_a_message(letta, agent):
    request = asked(letta, agent)
    word = {"type": "approval", "approve": True, "approval_request_id": request.id}
    assert types(letta.agents.messages.create(agent.id, messages=[word]))[0] == "tool_return_message"


def test_calls_of_one_reply_are_asked_about_together(letta, agent):
    text = "".join(f'[[par:{INSERT} {{"content": "fact {n}"}}]]' for n in "12")
    first, second = asked(letta, agent, text).tool_calls
    response = answered(
        letta,
        agent,
        {"type": "approval", "tool_call_id": first.tool_call_id, "approve": True},
        {"type": "approval", "tool_call_id": second.tool_call_id, "approve": False},
    )
    returns = [message for message in response.messages if message.message_type == "tool_return_message"]
    assert [one.status for one in returns] == ["success", "error"]


def test_answers_to_other_calls_and_messages_meanwhile_are_refused_by_name(letta, agent, http):
    from letta_client import ConflictError, UnprocessableEntityError

    with pytest.raises(UnprocessableEntityError, match="no tool call of agent"):
        answered(letta, agent, {"type": "approval", "tool_call_id": "call-1", "approve": True})
    (call,) = asked(letta, agent).tool_calls
    with pytest.raises(UnprocessableEntityError, match="'call-1' does not wait") as refused:
        answered(letta, agent, {"type": "approval", "tool_call_id": "call-1", "approve": True})
    assert call.tool_call_id in str(refused.value)
    with pytest.raises(ConflictError, match="waits for an answer to a tool call"):
        letta.agents.messages.create(agent.id, messages=[{"role": "user", "content": "hello?"}])
    nobody = "agent-123e4567-e89b-42d3-8456-426614174000"
    body = {"messages": [{"type": "approval", "approve": True}]}
    assert http.post(f"/v1/agents/{nobody}/messages", json=body).status_code in (404, 422)
    assert letta.agents.messages.cancel(agent.id) != {}
    assert letta.agents.retrieve(agent.id).pending_approval is None
    assert letta.agents.messages.create(agent.id, input="hello?").stop_reason.stop_reason == "end_turn"


def test_a_question_is_streamed_by_step_and_by_token(letta, agent):
    for tokens in (False, True):
        stream = letta.agents.messages.create(
            agent.id, messages=[{"role": "user", "content": GO}], streaming=True, stream_tokens=tokens
        )
        events = list(stream)
        assert events[-2].stop_reason == "requires_approval"
        (request,) = [one for one in events if one.message_type == "approval_request_message"]
        word = {"type": "approval", "tool_call_id": request.tool_calls[0].tool_call_id, "approve": False}
        kinds = [
            one.message_type
            for one in letta.agents.messages.create(
                agent.id, messages=[{"type": "approval", "approvals": [word]}], streaming=True
            )
        ]
        assert "tool_return_message" in kinds


def test_a_clients_tool_is_run_by_the_client(letta, agent):
    request = asked(letta, agent, "[[tool:open_editor {}]]", client_tools=[EDITOR])
    assert request.message_type == "approval_request_message"
    (call,) = request.tool_calls
    result = {"type": "tool", "tool_call_id": call.tool_call_id, "tool_return": "opened", "status": "success"}
    response = answered(letta, agent, result, client_tools=[EDITOR])
    assert response.messages[0].tool_return == "opened"
    (call,) = asked(letta, agent, "[[tool:open_editor {}]]", client_tools=[EDITOR]).tool_calls
    messages = [{"type": "tool_return", "tool_returns": [{**result, "tool_call_id": call.tool_call_id}]}]
    assert types(letta.agents.messages.create(agent.id, messages=messages))[0] == "tool_return_message"


def test_every_rule_is_kept_as_it_was_given(letta):
    made = letta.agents.create(model=MODEL, tools=[INSERT, "memory_insert"], tool_rules=RULES)
    shown = letta.agents.retrieve(made.id).to_dict()["tool_rules"]
    assert [{key: one[key] for key in rule} for one, rule in zip(shown, RULES, strict=True)] == RULES
    assert letta.agents.update(made.id, tool_rules=[]).tool_rules == []


@pytest.mark.parametrize(
    ("rule", "status", "said"),
    [
        ({"type": "sometimes", "tool_name": INSERT}, 422, "sometimes"),
        ({"type": "exit_loop"}, 422, "tool_name"),
        ({"type": "exit_loop", "tool_name": INSERT, "colour": "red"}, 422, "colour"),
        ({"type": "max_count_per_step", "tool_name": INSERT, "max_count_limit": 0}, 422, "max_count_limit"),
        ({"type": "exit_loop", "tool_name": "fly"}, 422, "don't exist: fly"),
    ],
)
def test_a_bad_rule_is_refused_by_name(http, rule, status, said):
    answer = http.post("/v1/agents/", json={"model": MODEL, "tool_rules": [rule]})
    assert (answer.status_code, said in answer.text) == (status, True), answer.text


@pytest.mark.parametrize(
    "bad",
    [
        {"messages": [{"type": "approval"}]},
        {"messages": [{"type": "approval", "approvals": [{"type": "approval", "approve": True}]}]},
        {"messages": [{"type": "tool_return", "tool_returns": []}]},
        {"messages": [{"role": "user", "content": "x"}, {"type": "approval", "approve": True}]},
        {"input": "x", "client_tools": [{"name": "no spaces"}]},
        {"input": "x", "client_tools": [EDITOR, EDITOR]},
        {"input": "x", "client_tools": [{"name": "x", "parameters": {"type": "array"}}]},
        {"input": "x", "client_tools": [{"name": "x", "parameters": {"properties": [1]}}]},
        {"input": "x", "client_tools": [{"name": "x", "parameters": {"required": 5}}]},
    ],
)
def test_bad_answers_and_client_tools_are_refused(live, agent, bad):
    assert live.http.post(f"/v1/agents/{agent.id}/messages", json=bad).status_code == 422


def test_whether_a_tool_needs_approval_is_changed_for_one_agent(letta, agent, http):
    def ask(needed, name=INSERT):
        return letta.agents.tools.update_approval(name, agent_id=agent.id, body_requires_approval=needed)

    assert ask(False) is None
    assert letta.agents.retrieve(agent.id).tool_rules == []
    assert letta.agents.messages.create(agent.id, input=GO).stop_reason.stop_reason == "end_turn"
    ask(True)
    assert [rule.type for rule in letta.agents.retrieve(agent.id).tool_rules] == ["requires_approval"]
    asked(letta, agent)
    path = f"/v1/agents/{agent.id}/tools/approval/{INSERT}"
    assert http.patch(f"{path}?requires_approval=false").json()["tool_rules"] == []
    assert http.patch(path).status_code == 422
    assert http.patch(f"/v1/agents/{agent.id}/tools/approval/fly?requires_approval=true").status_code == 404
    other = "agent-123e4567-e89b-42d3-8456-426614174000"
    answer = http.patch(f"/v1/agents/{other}/tools/approval/{INSERT}", json={"requires_approval": True})
    assert answer.status_code == 404


def test_a_tool_says_that_it_needs_approval(letta):
    source = 'def pay(to: str) -> str:\n    """Pay.\n\n    Args:\n        to: Whom.\n    """\n    return to\n'
    tool = letta.tools.upsert(source_code=source, default_requires_approval=True)
    assert tool.default_requires_approval
    payer = letta.agents.create(model=MODEL, tool_ids=[tool.id], include_base_tools=False)
    (call,) = asked(letta, payer, '[[tool:pay {"to": "Sam"}]]').tool_calls
    assert call.name == "pay"
    assert not letta.tools.update(tool.id, default_requires_approval=False).default_requires_approval
