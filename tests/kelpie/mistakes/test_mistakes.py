"""The mistakes of the runtime we follow, each with a test that fails on it, against a real server and both wires."""

import concurrent.futures
import json
import random

import pytest

pytestmark = pytest.mark.kelpie_mistakes


def texts(messages, kind):
    return [message["content"] for message in messages if message["message_type"] == kind]


def test_3_one_agents_slow_model_call_does_not_block_another_agent(place):
    slow, quick = place.agent(), place.agent()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(place.send, slow, "[[delay_ms:3000]] slow")
        answers = [place.send(quick, f"quick {number}") for number in range(5)]
        assert not waiting.done(), "the slow call ended before the quick ones: nothing was shown"
        assert all(texts(answer["messages"], "assistant_message") for answer in answers)
        assert texts(waiting.result()["messages"], "assistant_message") == ["ok"]


def test_4_the_model_is_sent_the_system_prompt_and_every_block(place, wire):
    blocks = [{"label": f"block{number}", "value": f"content number {number}"} for number in range(5)]
    agent = place.agent(wire, system="You are the ship's cook.", memory_blocks=blocks)
    place.send(agent, "hello")
    system = place.last_request(agent)[0]
    assert system["role"] == "system"
    expected = ["You are the ship's cook.", *(block["value"] for block in blocks)]
    places = [system["content"].find(text) for text in expected]
    assert -1 not in places
    assert places == sorted(places)


def test_5_tools_are_called_on_every_wire(place, wire):
    agent = place.agent(wire, tools=["core_memory_append"])
    call = '[[tool:core_memory_append {"label": "notes", "content": "likes tea"}]] [[say:noted]]'
    answer = place.send(agent, call)
    kinds = [message["message_type"] for message in answer["messages"]]
    assert kinds == ["tool_call_message", "tool_return_message", "assistant_message"]
    assert place.get(f"/v1/agents/{agent['id']}/core-memory/blocks/notes")["value"] == "likes tea"


def test_6_everything_about_an_agent_survives_a_kill(place):
    # What is remembered after an answer would come between the two looks.
    unremembering = {"memory": {"recall": False, "remember": False}}
    human = {"label": "human", "value": "Name: Ada"}
    agent = place.agent(memory_blocks=[human], tags=["kept"], metadata=unremembering)
    path = f"/v1/agents/{agent['id']}"
    place.send(agent, "remember me")
    place.post(f"{path}/archival-memory", {"text": "Ada's cat is called Miso."})

    def everything():
        found = place.get(f"{path}/archival-memory/search", query="cat")
        return (
            place.get(path),
            place.get(f"{path}/messages", limit=100),
            place.get(f"{path}/archival-memory"),
            place.get(f"{path}/core-memory/blocks"),
            found,
        )

    before = everything()
    assert all(before)
    place.restart()
    assert everything() == before
    place.send(agent, "and now?")
    said = [m["content"] for m in place.last_request(agent) if m["role"] == "user"]
    assert said == ["remember me", "and now?"]


def test_7_the_tenth_step_sees_what_the_first_one_found(place, wire):
    agent = place.agent(wire, tools=["core_memory_append"])
    chain = " ".join(
        f'[[tool:core_memory_append {{"label": "notes", "content": "finding {number}"}}]]' for number in range(9)
    )
    answer = place.send(agent, chain)
    assert answer["usage"]["step_count"] == 10
    sent = place.last_request(agent)
    calls = [call["function"]["arguments"] for m in sent for call in m.get("tool_calls") or []]
    assert [json.loads(arguments)["content"] for arguments in calls] == [f"finding {n}" for n in range(9)]
    assert sum(message["role"] == "tool" for message in sent) == 9


def test_8_a_custom_tool_gets_its_arguments_and_gives_its_result(place, wire, needs):
    level = place.get("/v1/health/")["isolation"][0]
    needs("sandbox", level["available"], level["reason"])
    source = '''
def join_words(words: list[str], separator: str = "-") -> str:
    """Join words.

    Args:
        words: What to join.
        separator: What to put between.
    """
    return separator.join(words)
'''
    tool = place.call("PUT", "/v1/tools/", {"source_code": source})
    agent = place.agent(wire, tool_ids=[tool["id"]])
    answer = place.send(agent, '[[tool:join_words {"words": ["a", "b", "c"], "separator": "+"}]]')
    (returned,) = [m for m in answer["messages"] if m["message_type"] == "tool_return_message"]
    assert (returned["status"], returned["tool_return"]) == ("success", "a+b+c")


def test_list_get_and_search_agree_after_any_sequence_of_changes_and_kills(place):
    rng = random.Random(7)
    alive = {}

    def create():
        agent = place.agent(name=f"agent {rng.randrange(10**9)}", tags=["agreement"])
        alive[agent["id"]] = agent["name"]

    def rename():
        if alive:
            agent_id = rng.choice(list(alive))
            alive[agent_id] = f"renamed {rng.randrange(10**9)}"
            place.call("PATCH", f"/v1/agents/{agent_id}", {"name": alive[agent_id]})

    def remember():
        if alive:
            place.post(f"/v1/agents/{rng.choice(list(alive))}/archival-memory", {"text": "a common fact"})

    def delete():
        if alive:
            agent_id = rng.choice(list(alive))
            del alive[agent_id]
            place.call("DELETE", f"/v1/agents/{agent_id}")

    for number in range(60):
        rng.choice([create, create, rename, remember, delete])()
        if number in (20, 45):
            place.restart()
    assert_agree(place, alive)


def assert_agree(place, alive):
    assert len(alive) > 5
    listed = {agent["id"]: agent["name"] for agent in place.get("/v1/agents/", tags="agreement", limit=100)}
    assert listed == alive
    for agent_id, name in alive.items():
        path = f"/v1/agents/{agent_id}"
        one = place.get(path)
        assert one["name"] == name
        assert one["tags"] == ["agreement"]
        facts = {fact["id"] for fact in place.get(f"{path}/archival-memory", limit=100)}
        found = place.get(f"{path}/archival-memory/search", query="common fact", top_k=100)
        assert len(found["results"]) == len(facts)
