"""Letta's own client, with every answer checked against its types: what its users' programs will meet."""

import importlib.util

import pytest

from kelpie.agents.kinds import KINDS

MODEL = "openai/gpt-4o-mini"
SOURCE = '''
def shout(text: str, times: int = 1) -> str:
    """Say something loudly.

    Args:
        text: What to say.
        times: How often.
    """
    return " ".join([text.upper()] * times)
'''


@pytest.fixture(scope="module")
def letta(live, needs):
    needs("letta-client", importlib.util.find_spec("letta_client") is not None, "pip install letta-client")
    from letta_client import Letta

    with Letta(base_url=live.url, _strict_response_validation=True, max_retries=0) as client:
        yield client


@pytest.fixture
def agent(letta):
    made = letta.agents.create(
        model=MODEL,
        embedding="openai/text-embedding-3-small",
        memory_blocks=[{"label": "human", "value": "Name: Sam"}, {"label": "persona", "value": "I am kind."}],
        tags=["acceptance"],
    )
    yield made
    letta.agents.delete(made.id)


def test_health_says_its_version(letta):
    assert letta.health().status == "ok"
    assert letta.health().version


def test_models_are_listed_with_their_handles(letta):
    models = letta.models.list()
    assert MODEL in [model.handle for model in models]
    assert all(model.max_context_window > 0 for model in models)
    own = [model.provider_name for model in letta.models.embeddings.list()]
    assert own in ([], ["kelpie"])  # where this server's embedder is installed


def test_an_agent_is_created_with_blocks_base_tools_and_defaults(letta, agent):
    assert agent.agent_type == "letta_v1_agent"
    assert agent.name
    assert agent.system == KINDS["letta_v1_agent"].prompt
    assert agent.model == MODEL
    assert agent.embedding == "openai/text-embedding-3-small"
    assert [block.label for block in agent.blocks] == ["human", "persona"]
    assert [block.label for block in agent.memory.blocks] == ["human", "persona"]
    assert [tool.name for tool in agent.tools] == ["memory_insert", "memory_replace", "conversation_search"]
    assert agent.tags == ["acceptance"]


def test_listing_retrieving_and_naming_give_the_same_agent(letta, agent, http):
    assert letta.agents.retrieve(agent.id) == agent
    wanted = ["agent.blocks", "agent.tools", "agent.tags"]
    listed = letta.agents.list(name=agent.name, include=wanted).items[0]
    assert [listed.id, listed.tags] == [agent.id, agent.tags]
    assert [tool.id for tool in listed.tools] == [tool.id for tool in agent.tools]
    assert http.get("/v1/agents/", params={"name": agent.name}).json() == [http.get(f"/v1/agents/{agent.id}").json()]
    assert agent.id in [one.id for one in letta.agents.list(tags=["acceptance"], limit=5)]
    bare = letta.agents.list(name=agent.name).items[0]
    assert (bare.id, bare.blocks, bare.tools, bare.tags) == (agent.id, [], [], [])


def test_an_agent_is_updated(letta, agent):
    updated = letta.agents.update(agent.id, name="Renamed", description="now with words", metadata={"a": 1}, tags=["b"])
    assert (updated.name, updated.description, updated.metadata, updated.tags) == (
        "Renamed",
        "now with words",
        {"a": 1},
        ["b"],
    )
    assert letta.agents.retrieve(agent.id) == updated


def test_a_deleted_agent_is_gone(letta):
    from letta_client import NotFoundError

    made = letta.agents.create(model=MODEL)
    letta.agents.delete(made.id)
    with pytest.raises(NotFoundError, match="no agent has the id"):
        letta.agents.retrieve(made.id)


def test_blocks_are_changed_by_label_and_by_id(letta, agent):
    changed = letta.agents.blocks.update("human", agent_id=agent.id, value="Name: Ada")
    assert letta.blocks.retrieve(changed.id).value == "Name: Ada"
    letta.blocks.update(changed.id, value="Name: Eve", limit=500)
    seen = letta.agents.blocks.retrieve("human", agent_id=agent.id)
    assert (seen.value, seen.limit) == ("Name: Eve", 500)
    assert {block.label for block in letta.agents.blocks.list(agent.id)} == {"human", "persona"}


def test_a_block_is_created_attached_shared_detached_and_deleted(letta, agent):
    from letta_client import NotFoundError

    block = letta.blocks.create(label="project", value="Kelpie", description="What we build.", tags=["t"])
    state = letta.agents.blocks.attach(block.id, agent_id=agent.id)
    assert [one.label for one in state.blocks] == ["human", "persona", "project"]
    assert [one.id for one in letta.blocks.agents.list(block.id)] == [agent.id]
    assert block.id in [one.id for one in letta.blocks.list(label="project")]
    state = letta.agents.blocks.detach(block.id, agent_id=agent.id)
    assert [one.label for one in state.blocks] == ["human", "persona"]
    letta.blocks.delete(block.id)
    with pytest.raises(NotFoundError):
        letta.blocks.retrieve(block.id)


def test_a_tool_is_upserted_attached_called_detached_and_deleted(letta, agent, live):
    tool = letta.tools.upsert(source_code=SOURCE)
    assert (tool.name, tool.tool_type, tool.description) == ("shout", "custom", "Say something loudly.")
    again = letta.tools.upsert(source_code=SOURCE.replace("loudly", "very loudly"))
    assert (again.id, again.description) == (tool.id, "Say something very loudly.")
    assert letta.agents.tools.attach(tool.id, agent_id=agent.id) is None
    assert "shout" in [one.name for one in letta.agents.tools.list(agent.id)]
    answer = letta.agents.messages.create(
        agent.id, messages=[{"role": "user", "content": '[[tool:shout {"text": "ahoy", "times": 2}]] [[say:done]]'}]
    )
    kinds = [message.message_type for message in answer.messages]
    assert kinds == ["tool_call_message", "tool_return_message", "assistant_message"]
    if live.run(live.server.sandbox.reports())[0].exists:
        assert answer.messages[1].tool_return == "AHOY AHOY"
        assert answer.messages[1].status == "success"
    else:
        assert answer.messages[1].status == "error"
    assert letta.agents.tools.detach(tool.id, agent_id=agent.id) is None
    assert "shout" not in [one.name for one in letta.agents.tools.list(agent.id)]
    assert [one.id for one in letta.tools.list(name="shout")] == [tool.id]
    letta.tools.delete(tool.id)
    assert letta.tools.list(name="shout").items == []


def test_built_in_tools_are_listed_with_stable_ids(letta):
    ours = letta.tools.list(return_only_letta_tools=True, limit=100).items
    names = {tool.name for tool in ours}
    assert {"send_message", "memory_insert", "archival_memory_search", "query_metric"} <= names
    search = next(tool for tool in ours if tool.name == "conversation_search")
    assert search.tool_type == "letta_core"
    assert letta.tools.retrieve(search.id).json_schema == search.json_schema


def test_a_message_is_answered(letta, agent):
    answer = letta.agents.messages.create(agent.id, messages=[{"role": "user", "content": "hi [[say:hello Sam]]"}])
    assert [(m.message_type, m.content) for m in answer.messages] == [("assistant_message", "hello Sam")]
    assert answer.stop_reason.stop_reason == "end_turn"
    assert (answer.usage.step_count, answer.usage.completion_tokens) == (1, 2)
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 2


def test_input_is_short_for_one_message(letta, agent):
    answer = letta.agents.messages.create(agent.id, input="[[say:short]]")
    assert answer.messages[0].content == "short"
    parts = [{"type": "text", "text": "[[say:parts]]"}]
    assert letta.agents.messages.create(agent.id, input=parts).messages[0].content == "parts"


def test_a_memory_tool_is_called_and_changes_the_block(letta, agent):
    call = '[[tool:memory_insert {"label": "human", "new_string": "Likes tea"}]] [[say:noted]]'
    answer = letta.agents.messages.create(agent.id, input=call)
    called, returned, said = answer.messages
    assert (called.tool_call.name, called.tool_calls[0].name) == ("memory_insert", "memory_insert")
    assert (returned.status, returned.tool_call_id) == ("success", called.tool_call.tool_call_id)
    assert returned.tool_returns[0].tool_return == returned.tool_return
    assert said.content == "noted"
    assert letta.agents.blocks.retrieve("human", agent_id=agent.id).value == "Name: Sam\nLikes tea"


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # by its client; older programs use it
def test_steps_are_streamed(letta, agent):
    call = '[[tool:memory_insert {"label": "human", "new_string": "Likes tea"}]] [[say:noted]]'
    with letta.agents.messages.stream(agent.id, messages=[{"role": "user", "content": call}]) as stream:
        events = list(stream)
    assert [event.message_type for event in events] == [
        "ping",
        "tool_call_message",
        "tool_return_message",
        "assistant_message",
        "stop_reason",
        "usage_statistics",
    ]
    run = letta.runs.retrieve(events[0].run_id)
    assert (run.status, run.agent_id) == ("completed", agent.id)


def test_tokens_are_streamed(letta, agent):
    said = "[[think:let me see]] [[say:one two three]]"
    with letta.agents.messages.create(agent.id, input=said, streaming=True, stream_tokens=True) as stream:
        events = list(stream)
    words = [event for event in events if event.message_type == "assistant_message"]
    thoughts = [event for event in events if event.message_type == "reasoning_message"]
    assert [word.content for word in words] == ["one ", "two ", "three"]
    assert "".join(thought.reasoning for thought in thoughts) == "let me see"
    assert len({word.id for word in words}) == len({word.otid for word in words}) == 1
    stored = letta.agents.messages.list(agent.id, limit=1).items
    assert [(m.id, m.otid) for m in stored] == [(thoughts[0].id, thoughts[0].otid), (words[0].id, words[0].otid)]


def test_messages_are_paged_newest_first_and_backwards(letta, agent):
    for number in range(4):
        letta.agents.messages.create(agent.id, input=f"[[say:answer {number}]]")
    pages = [message.id for message in letta.agents.messages.list(agent.id, limit=2)]
    assert len(pages) == len(set(pages)) == 1 + 4 * 2
    forward = [message.id for message in letta.agents.messages.list(agent.id, limit=3, order="asc")]
    assert forward == pages[::-1]
    newest = letta.agents.messages.list(agent.id, limit=3, order="asc", before=forward[-1]).items
    assert [message.id for message in newest] == forward[-4:-1]
    kinds = [message.message_type for message in letta.agents.messages.list(agent.id, order="asc")]
    assert kinds[:3] == ["system_message", "user_message", "assistant_message"]


def test_archival_memory_is_written_found_listed_and_forgotten(letta, agent):
    kept = letta.agents.passages.create(agent.id, text="Sam's cat is called Miso.", tags=["pets"])
    letta.agents.passages.create(agent.id, text="Sam works in Berlin.")
    found = letta.agents.passages.search(agent.id, query="cat")
    assert (found.count, found.results[0].id, found.results[0].tags) == (1, kept[0].id, ["pets"])
    assert letta.agents.passages.search(agent.id, query="Sam", tags=["pets"]).count == 1
    listed = letta.agents.passages.list(agent.id)
    assert [passage.text for passage in listed] == ["Sam's cat is called Miso.", "Sam works in Berlin."]
    letta.agents.passages.delete(kept[0].id, agent_id=agent.id)
    assert letta.agents.passages.search(agent.id, query="cat").count == 0
    assert [passage.text for passage in letta.agents.passages.list(agent.id)] == ["Sam works in Berlin."]


def test_runs_and_steps_tell_what_happened(letta, agent):
    letta.agents.messages.create(agent.id, input="[[say:one]]")
    call = '[[tool:conversation_search {"query": "one"}]] [[say:two]]'
    answer = letta.agents.messages.create(agent.id, input=call)
    run_id = answer.messages[0].run_id
    runs = letta.runs.list(agent_id=agent.id).items
    assert [(run.status, run.stop_reason) for run in runs] == [("completed", "end_turn")] * 2
    assert runs[0].id == run_id
    assert letta.runs.retrieve(run_id) == runs[0]
    kinds = [message.message_type for message in letta.runs.messages.list(run_id)]
    assert kinds == ["user_message", "tool_call_message", "tool_return_message", "assistant_message"]
    steps = letta.runs.steps.list(run_id).items
    assert [(step.status, step.stop_reason) for step in steps] == [("success", "end_turn"), ("success", None)]
    assert letta.steps.retrieve(steps[0].id).total_tokens == steps[0].total_tokens
    assert {step.id for step in steps} <= {step.id for step in letta.steps.list(agent_id=agent.id)}
    usage = letta.runs.usage.retrieve(run_id)
    assert usage.total_tokens == sum(step.total_tokens for step in steps) > 0


def test_a_message_sent_asynchronously_is_answered_in_its_run(letta, agent, live):
    run = letta.agents.messages.create_async(agent.id, input="[[say:later]]")
    assert run.background is True
    stream = live.server.app.state.house.inbox.stream_of(run.id)
    if stream is not None:
        live.run(stream.wait())
    assert letta.runs.retrieve(run.id).status == "completed"
    assert [m.content for m in letta.runs.messages.list(run.id)] == ["[[say:later]]", "later"]


def test_send_message_reads_as_the_agents_own_words(letta):
    agent = letta.agents.create(model=MODEL, agent_type="memgpt_agent")
    call = '[[tool:send_message {"message": "hello there"}]]'
    answer = letta.agents.messages.create(agent.id, input=call)
    assert [(m.message_type, m.content) for m in answer.messages] == [("assistant_message", "hello there")]
    plain = letta.agents.messages.create(agent.id, input=call, use_assistant_message=False)
    assert [m.message_type for m in plain.messages] == ["tool_call_message", "tool_return_message"]
    with letta.agents.messages.create(agent.id, input=call, streaming=True, stream_tokens=True) as stream:
        words = [event for event in stream if event.message_type == "assistant_message"]
    assert "".join(word.content for word in words) == "hello there"
    assert len(words) > 1
    letta.agents.delete(agent.id)


def test_only_the_wanted_message_types_come_back(letta, agent):
    call = '[[tool:conversation_search {"query": "x"}]] [[say:found]]'
    answer = letta.agents.messages.create(agent.id, input=call, include_return_message_types=["assistant_message"])
    assert [message.message_type for message in answer.messages] == ["assistant_message"]


def test_what_lists_hold_fits_its_types(letta, agent, http):
    """The client takes lists as they come; so their items are checked here, one by one."""
    from letta_client import types
    from letta_client.types.agents import Message, Run
    from pydantic import TypeAdapter

    letta.agents.messages.create(agent.id, input='[[tool:conversation_search {"query": "x"}]] [[think:hm]]')
    letta.agents.messages.create(agent.id, input=[{"type": "text", "text": "parts"}])
    letta.agents.passages.create(agent.id, text="a fact")
    for path, kind in (
        ("/v1/agents/", types.AgentState),
        ("/v1/blocks/", types.BlockResponse),
        ("/v1/tools/", types.Tool),
        ("/v1/models/", types.Model),
        (f"/v1/agents/{agent.id}/messages", Message),
        (f"/v1/agents/{agent.id}/tools", types.Tool),
        (f"/v1/agents/{agent.id}/archival-memory", types.Passage),
        (f"/v1/agents/{agent.id}/core-memory/blocks", types.BlockResponse),
        ("/v1/runs/", Run),
        ("/v1/steps/", types.Step),
    ):
        items = http.get(path).json()
        assert len(TypeAdapter(list[kind]).validate_python(items)) == len(items) > 0, path


def test_an_unknown_id_is_404_and_an_ill_formed_one_422(letta):
    from letta_client import NotFoundError, UnprocessableEntityError

    with pytest.raises(NotFoundError):
        letta.agents.retrieve("agent-123e4567-e89b-42d3-8456-426614174000")
    with pytest.raises(UnprocessableEntityError):
        letta.agents.retrieve("agent-1")


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
def test_a_failed_stream_raises_in_the_client(letta, agent):
    from letta_client import APIStatusError

    with (
        pytest.raises(APIStatusError, match="llm_rate_limit"),
        letta.agents.messages.stream(agent.id, messages=[{"role": "user", "content": "[[err:429]]"}]) as stream,
    ):
        list(stream)
