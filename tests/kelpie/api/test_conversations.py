"""Conversations over HTTP, and through Letta's client: made, forked, talked in, each with its own messages."""

import importlib.util
import json

import pytest
from tests.kelpie.api.test_contract import LETTA, Checker

MODEL = "openai/gpt-4o-mini"
NOBODY = "123e4567-e89b-42d3-8456-426614174000"
OPERATIONS = (
    ("GET", "", None),
    ("PATCH", "", {"summary": "x"}),
    ("DELETE", "", None),
    ("POST", "/fork", None),
    ("GET", "/messages", None),
    ("POST", "/messages", {"messages": [{"role": "user", "content": "hi"}]}),
    ("POST", "/messages/preview-raw-payload", {"messages": [{"role": "user", "content": "hi"}]}),
    ("POST", "/stream", {}),
    ("POST", "/cancel", None),
    ("POST", "/recompile", None),
)


@pytest.fixture
def agent(live):
    return live.agent(memory_blocks=[{"label": "human", "value": "Sam"}, {"label": "persona", "value": "me"}])["id"]


@pytest.fixture
def letta(live, needs):
    needs("letta-client", importlib.util.find_spec("letta_client") is not None, "pip install letta-client")
    from letta_client import Letta

    with Letta(base_url=live.url, _strict_response_validation=True, max_retries=0) as client:
        yield client


def begin(live, agent, **fields):
    made = live.http.post("/v1/conversations/", params={"agent_id": agent}, json=fields)
    assert made.status_code == 200, made.text
    return made.json()


def send(live, conversation, text, **options):
    body = {"messages": [{"role": "user", "content": text}], "streaming": False, **options}
    return live.http.post(f"/v1/conversations/{conversation}/messages", json=body)


def contents(live, conversation, **query):
    found = live.http.get(f"/v1/conversations/{conversation}/messages", params={"order": "asc", **query})
    assert found.status_code == 200, found.text
    return [one["content"] for one in found.json() if one["message_type"] != "system_message"]


def events(answer):
    assert answer.status_code == 200, answer.text
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]


def test_each_conversation_lists_its_own_messages_and_runs(live, agent):
    one, two = begin(live, agent)["id"], begin(live, agent)["id"]
    for name in (one, two):
        assert send(live, name, f"the tapir of {name} [[say:ok {name}]]").status_code == 200
    live.send(agent, "the tapir of main [[say:ok main]]")
    assert contents(live, one) == [f"the tapir of {one} [[say:ok {one}]]", f"ok {one}"]
    assert contents(live, agent) == contents(live, "default", agent_id=agent)
    assert contents(live, agent) == ["the tapir of main [[say:ok main]]", "ok main"]
    of_agent = live.http.get(f"/v1/agents/{agent}/messages", params={"conversation_id": two, "order": "asc"}).json()
    assert [part["content"] for part in of_agent] == contents(live, two)
    of_all = live.http.get("/v1/messages/", params={"conversation_id": two, "order": "asc"}).json()
    assert of_all == of_agent
    (run,) = live.http.get("/v1/runs/", params={"conversation_id": one}).json()
    assert (run["conversation_id"], run["agent_id"]) == (one, agent)
    (main,) = live.http.get("/v1/runs/", params={"conversation_id": "default", "agent_id": agent}).json()
    assert main["conversation_id"] is None
    first = live.http.get(f"/v1/conversations/{one}/messages", params={"limit": 1}).json()
    older = live.http.get(f"/v1/conversations/{one}/messages", params={"limit": 9, "after": first[0]["id"]}).json()
    assert [part["content"] for part in (*first, *older)] == contents(live, one)[::-1]


def test_the_filters_search_one_conversation(live, agent):
    one = begin(live, agent)["id"]
    send(live, one, "an okapi here [[say:seen]]")
    live.send(agent, "an okapi there [[say:seen]]")
    search = {"query": "okapi", "conversation_id": one}
    (found,) = live.http.post("/v1/messages/search", json=search).json()
    assert (found["content"], found["conversation_id"]) == ("an okapi here [[say:seen]]", one)
    (ranked,) = live.http.post("/v1/agents/messages/search", json=search).json()
    assert ranked["message"]["conversation_id"] == one
    newest = live.http.post("/v1/agents/messages/search", json={"conversation_id": one, "limit": 1}).json()
    assert newest[0]["embedded_text"] == "seen"
    main = {"query": "okapi", "conversation_id": "default", "agent_id": agent}
    (found,) = live.http.post("/v1/messages/search", json=main).json()
    assert (found["content"], found["conversation_id"]) == ("an okapi there [[say:seen]]", None)
    assert len(live.http.post("/v1/messages/search", json={"query": "okapi", "agent_id": agent}).json()) == 2
    window = live.http.get(f"/v1/agents/{agent}/context", params={"conversation_id": one}).json()
    assert "an okapi here" in str(window["messages"])
    assert "an okapi there" not in str(window["messages"])
    assert window["num_recall_memory"] == 2
    for file in (
        live.http.get(f"/v1/agents/{agent}/export", params={"conversation_id": one}),
        live.http.post(f"/v1/agents/{agent}/export", json={"conversation_id": one}),
    ):
        told = str(file.json()["agents"][0]["messages"])
        assert ("an okapi here" in told, "an okapi there" in told) == (True, False)


def test_a_fork_goes_on_by_itself(live, agent):
    live.send(agent, "first [[say:one]]")
    fork = live.http.post("/v1/conversations/default/fork", params={"agent_id": agent}).json()
    assert fork["agent_id"] == agent
    live.send(agent, "main [[say:main]]")
    send(live, fork["id"], "fork [[say:fork]]")
    again = live.http.post(f"/v1/conversations/{fork['id']}/fork").json()["id"]
    send(live, again, "again [[say:again]]")
    assert contents(live, fork["id"]) == ["first [[say:one]]", "one", "fork [[say:fork]]", "fork"]
    assert contents(live, again) == [*contents(live, fork["id"]), "again [[say:again]]", "again"]
    first = live.http.get(f"/v1/conversations/{fork['id']}/messages", params={"order": "asc"}).json()
    early = live.http.post(f"/v1/conversations/{again}/fork", params={"message_id": first[1]["id"]}).json()
    assert contents(live, early["id"]) == ["first [[say:one]]"]
    assert early["in_context_message_ids"] == [first[1]["id"]]
    assert live.http.delete(f"/v1/conversations/{fork['id']}").json() is None
    assert contents(live, again)[:2] == ["first [[say:one]]", "one"]
    live.http.patch(f"/v1/agents/{agent}/reset-messages")
    assert contents(live, agent) == []
    assert contents(live, again)[:2] == ["first [[say:one]]", "one"]


def test_blocks_a_model_and_settings_of_ones_own(live, agent):
    uses = '[[tool:memory_insert {"label": "human", "new_string": "likes tea"}]] [[say:noted]]'
    settings = {"provider_type": "openai", "temperature": 0.5}
    one = begin(live, agent, isolated_block_labels=["human"], model="openai/gpt-4o", model_settings=settings)
    (block,) = one["isolated_block_ids"]
    assert (one["model"], one["model_settings"]) == ("openai/gpt-4o", settings)
    send(live, one["id"], uses)
    assert "likes tea" in live.http.get(f"/v1/blocks/{block}").json()["value"]
    assert live.http.get(f"/v1/agents/{agent}/core-memory/blocks/human").json()["value"] == "Sam"
    body = {"messages": [{"role": "user", "content": "hi"}]}
    asked = live.http.post(f"/v1/conversations/{one['id']}/messages/preview-raw-payload", json=body).json()
    assert (asked["model"], asked["temperature"]) == ("gpt-4o", 0.5)
    assert "likes tea" in asked["messages"][0]["content"]
    assert live.http.post(f"/v1/conversations/{one['id']}/recompile").json() == asked["messages"][0]["content"]
    main = live.http.post(f"/v1/conversations/{agent}/messages/preview-raw-payload", json=body).json()
    assert "likes tea" not in main["messages"][0]["content"]
    changed = live.http.patch(f"/v1/conversations/{one['id']}", json={"model": MODEL, "summary": "on tea"}).json()
    assert (changed["model"], changed["summary"], changed["model_settings"]) == (MODEL, "on tea", settings)
    live.http.delete(f"/v1/conversations/{one['id']}")
    assert live.http.get(f"/v1/blocks/{block}").status_code == 404


def test_answers_are_streamed_unless_asked_otherwise_and_taken_up_again(live, agent):
    one = begin(live, agent)["id"]
    body = {"messages": [{"role": "user", "content": "[[say:hello]]", "otid": "otid-1"}]}
    sent = events(live.http.post(f"/v1/conversations/{one}/messages", json=body))
    assert [event["message_type"] for event in sent] == [
        "ping",
        "assistant_message",
        "stop_reason",
        "usage_statistics",
    ]
    run = sent[0]["run_id"]
    stream = f"/v1/conversations/{one}/stream"
    for asked in ({"run_id": run}, {"otid": "otid-1"}):
        again = events(live.http.post(stream, json={**asked, "include_pings": False}))
        assert again == sent[1:]
    assert events(live.http.post(f"/v1/conversations/{one}/messages", json=body))[1:] == sent[1:]
    assert len(contents(live, one)) == 2, "it was not run again"
    assert live.http.post(stream, json={}).status_code == 422  # nothing is under way
    assert live.http.post(stream, json={"otid": "other"}).status_code == 404
    elsewhere = live.http.post("/v1/conversations/default/stream", json={"agent_id": agent, "run_id": run})
    assert elsewhere.status_code == 404
    slow = {"messages": [{"role": "user", "content": "[[delay_ms:20000]]"}], "background": True}
    with live.http.stream("POST", f"/v1/conversations/{one}/messages", json=slow) as answer:
        head = next(line for line in answer.iter_lines() if line)
        ended = live.http.post(f"/v1/conversations/{one}/cancel").json()
    assert ended == {json.loads(head[6:])["run_id"]: "cancelled"}
    assert live.http.post(f"/v1/conversations/{one}/cancel").status_code == 409
    assert live.http.post(f"/v1/conversations/{agent}/cancel").status_code == 409


def test_conversations_are_listed_in_order_and_put_away(live, agent):
    names = [begin(live, agent, summary=f"on tapir {n}", description="d")["id"] for n in range(3)]
    begin(live, agent, hidden=True)
    begin(live, live.agent()["id"])

    def listed(**query):
        found = live.http.get("/v1/conversations/", params={"agent_id": agent, **query})
        assert found.status_code == 200, found.text
        return [names.index(one["id"]) for one in found.json()]

    send(live, names[1], "[[say:x]]")
    assert listed() == [2, 1, 0]
    assert listed(order="asc", limit=2) == [0, 1]
    assert listed(order="asc", after=names[1]) == [2]
    assert listed(order_by="last_message_at", limit=1) == listed(order_by="last_run_completion", limit=1) == [1]
    assert listed(summary_search="TAPIR 2") == [2]
    assert live.http.patch(f"/v1/conversations/{names[0]}", json={"archived": True}).json()["archived"] is True
    assert (listed(), listed(archive_status="archived"), listed(archive_status="all")) == ([2, 1], [0], [2, 1, 0])
    live.http.patch(f"/v1/conversations/{names[0]}", json={"archived": False, "last_message_at": "2030-01-01"})
    assert listed(order_by="last_message_at", limit=1) == [0]
    assert len(live.http.get("/v1/conversations/").json()) >= 4


@pytest.mark.parametrize(("method", "path", "body"), OPERATIONS)
def test_a_conversation_of_nobody_or_of_another_tenant_is_not_found(start_two, method, path, body):
    one, two, theirs = start_two
    for client, name in ((one, f"conv-{NOBODY}"), (two, theirs)):
        answer = client.request(method, f"/v1/conversations/{name}{path}", json=body)
        assert answer.status_code == 404, answer.text
    assert one.request(method, f"/v1/conversations/conv-1{path}", json=body).status_code == 422


@pytest.fixture(scope="module")
def start_two(scripted, tmp_path_factory):
    """Two tenants of one server, and a conversation of the first."""
    from tests.kelpie.api.conftest import Live

    from kelpie.config import Config

    keys = {f"{name}-key-0123456789abcdef": name for name in ("one", "two")}
    folder = str(tmp_path_factory.mktemp("two"))
    live = Live(Config(data_folder=folder, openai_base_url=scripted, keys=keys), list(keys))
    one, two = (live.client(key) for key in keys)
    agent = one.post("/v1/agents/", json={"model": MODEL}).json()["id"]
    yield one, two, one.post("/v1/conversations/", params={"agent_id": agent}).json()["id"]
    live.stop()


def test_what_names_another_tenants_conversation_finds_nothing(start_two):
    one, two, theirs = start_two
    own = two.post("/v1/agents/", json={"model": MODEL}).json()["id"]
    (agent,) = [one["id"] for one in one.get("/v1/agents/").json()]
    filtered = {"conversation_id": theirs}
    for answer in (
        two.get("/v1/messages/", params=filtered),
        two.get("/v1/runs/", params=filtered),
        two.get(f"/v1/agents/{own}/messages", params=filtered),
        two.get(f"/v1/agents/{own}/context", params=filtered),
        two.get(f"/v1/agents/{own}/export", params=filtered),
        two.post("/v1/messages/search", json={"query": "x", **filtered}),
        two.post("/v1/agents/messages/search", json={"query": "x", **filtered}),
        two.post("/v1/conversations/", params={"agent_id": agent}),
        two.post("/v1/conversations/default/fork", params={"agent_id": agent}),
        two.get(f"/v1/conversations/{agent}/messages"),
    ):
        assert answer.status_code == 404, answer.request.url
    assert two.get("/v1/conversations/", params={"agent_id": agent}).json() == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/conversations/", {}, 422),
        ("POST", "/v1/conversations/?agent_id=agent-1", {}, 422),
        ("POST", "/v1/conversations/?agent_id={agent}", {"isolated_block_labels": ["nobody"]}, 422),
        ("POST", "/v1/conversations/?agent_id={agent}", {"isolated_block_labels": ["x"] * 101}, 422),
        ("POST", "/v1/conversations/?agent_id={agent}", {"model": "nobody/serves"}, 400),
        ("POST", "/v1/conversations/?agent_id={agent}", {"model_settings": {"temperature": 9}}, 422),
        ("POST", "/v1/conversations/?agent_id={agent}", {"summary": "x" * 10_001}, 422),
        ("GET", "/v1/conversations/?order_by=name", None, 422),
        ("GET", "/v1/conversations/default/messages", None, 422),
        ("GET", "/v1/conversations/{agent}/messages?group_id=group-1", None, 404),
        ("POST", "/v1/conversations/{agent}/fork?message_id=message-" + NOBODY, None, 404),
        ("POST", "/v1/conversations/{agent}/messages", {}, 422),
        ("GET", "/v1/agents/{agent}/messages?conversation_id=x", None, 422),
        ("POST", "/v1/conversations/?agent_id={agent}", {"model_settings": {"note": 2**70}}, 422),
        ("POST", "/v1/conversations/?agent_id={agent}", {"isolated_block_labels": ["\ud800"]}, 422),
    ],
)
def test_bad_input_is_refused(live, agent, method, path, body, status):
    given = None if body is None else json.dumps(body)  # which can write what UTF-8 can't
    headers = {"content-type": "application/json"}
    answer = live.http.request(method, path.replace("{agent}", agent), content=given, headers=headers)
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_a_moment_beyond_all_years_is_refused_before_it_is_kept(live, agent, moment):
    made = live.http.post("/v1/conversations/", params={"agent_id": agent}).json()["id"]
    refused = live.http.patch(f"/v1/conversations/{made}", json={"last_message_at": moment})
    assert (refused.status_code, "last_message_at" in refused.text) == (422, True)
    assert live.http.get(f"/v1/conversations/{made}").json()["last_message_at"] is None
    assert live.http.get("/v1/conversations/", params={"agent_id": agent}).status_code == 200


def test_answers_are_what_the_contract_says(live, agent, needs):
    needs("letta-openapi", LETTA.exists(), "the OpenAPI file of Letta's server is not here")
    checker = Checker(json.loads(LETTA.read_text(encoding="utf-8"))["components"]["schemas"])
    one = begin(live, agent, isolated_block_labels=["human"], model_settings={"provider_type": "openai"})
    path, answered = f"/v1/conversations/{one['id']}", send(live, one["id"], "[[say:hi]]").json()
    shown = [
        one,
        live.http.get(path).json(),
        *live.http.get("/v1/conversations/", params={"agent_id": agent}).json(),
        live.http.patch(path, json={"summary": "s"}).json(),
        live.http.post(f"{path}/fork").json(),
    ]
    ours = ["description", "context_window_limit", "archived", "archived_at"]  # of a later client of theirs
    schema, faults = {"$ref": "#/components/schemas/Conversation"}, []
    for number, found in enumerate(shown):
        theirs = {name: value for name, value in found.items() if name not in ours}
        faults += checker.faults(theirs, schema, f"conversation {number}")
    faults += checker.faults(answered, {"$ref": "#/components/schemas/LettaResponse"}, "answer")
    for message in live.http.get(f"{path}/messages").json():
        faults += checker.faults(message, {"$ref": "#/components/schemas/LettaMessageUnion"}, "message")
    assert faults == []


def test_lettas_client_talks_in_conversations(live, agent, letta):
    one = letta.conversations.create(agent_id=agent, summary="of tea")
    said = [{"role": "user", "content": "[[say:hello]]"}]
    told = list(letta.conversations.messages.create(one.id, messages=said))
    assert [event.message_type for event in told][-2:] == ["stop_reason", "usage_statistics"]
    listed = letta.conversations.messages.list(one.id, order="asc").items
    assert [message.content for message in listed] == ["[[say:hello]]", "hello"]
    assert letta.conversations.retrieve(one.id).in_context_message_ids == [message.id for message in listed]
    assert [found.id for found in letta.conversations.list(agent_id=agent)] == [one.id]
    assert letta.conversations.update(one.id, summary="of more").summary == "of more"
    fork = letta.conversations.fork(one.id, message_id=listed[0].id)
    assert [message.content for message in letta.conversations.messages.list(fork.id).items] == ["[[say:hello]]"]
    again = letta.conversations.messages.stream(one.id, run_id=listed[0].run_id)
    assert [event.message_type for event in again][-2:] == ["stop_reason", "usage_statistics"]
    assert isinstance(letta.conversations.recompile(one.id), str)
    letta.conversations.delete(one.id)
    assert [found.id for found in letta.conversations.list(agent_id=agent)] == [fork.id]
