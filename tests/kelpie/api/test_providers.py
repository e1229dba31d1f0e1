"""A tenant's own model providers over HTTP, in front of the scripted model on real sockets."""

import json

import pytest
from tests.kelpie.api.test_contract import LETTA, Checker

from kelpie.config import Config

A, B = "a-key-0123456789abcdef", "b-key-0123456789abcdef"
SECRET = "sk-row-secret-0123456789"
ADDRESS = "KELPIE_PROVIDER_PRIVATE_HOSTS"
AWS = {"region": "eu-west-1", "access_key": "AKIA0123456789"}


@pytest.fixture(scope="module")
def office(scripted, tmp_path_factory):
    from tests.kelpie.api.conftest import Live

    folder = tmp_path_factory.mktemp("providers")
    config = Config(data_folder=str(folder), keys={A: "a", B: "b"}, provider_private_hosts=("127.0.0.1",))
    live = Live(config, [A])
    live.other = live.client(B)
    yield live
    live.stop()


def make(http, url, name, provider_type="openai", status=200, **more):
    body = {"name": name, "provider_type": provider_type, "api_key": SECRET, "base_url": url, **more}
    made = http.post("/v1/providers/", json=body)
    assert made.status_code == status, made.text
    assert SECRET not in made.text
    return made.json()


def say(http, model, text="[[say:hello]]"):
    agent = http.post("/v1/agents/", json={"model": model, "include_base_tools": False})
    assert agent.status_code == 200, agent.text
    return http.post(f"/v1/agents/{agent.json()['id']}/messages", json={"input": text})


@pytest.mark.parametrize(
    ("provider_type", "more"),
    [
        *((kind, {}) for kind in ("openai", "openrouter", "together", "groq", "mistral", "google_ai")),
        *((kind, {}) for kind in ("ollama", "vllm", "lmstudio_openai", "anthropic")),
        ("azure", {"api_version": "2024-10-21"}),
        ("azure", {}),
    ],
)
def test_an_agent_talks_through_each_kind(office, scripted, provider_type, more):
    name = f"mine-{provider_type}-{len(more)}"
    made = make(office.http, scripted, name, provider_type, **more)
    assert (made["name"], made["provider_type"], made["provider_category"]) == (name, provider_type, "byok")
    assert made["api_key"] is made["api_key_enc"] is None
    said = say(office.http, f"{name}/gpt-4o-mini").json()
    assert said["messages"][-1]["content"] == "hello"
    assert office.http.post(f"/v1/providers/{made['id']}/check").json() == {"message": "Valid"}
    listed = office.http.get("/v1/models/", params={"provider_name": name}).json()
    assert f"{name}/gpt-4o-mini" in [card["handle"] for card in listed]
    assert {(card["provider_category"], card["provider_type"]) for card in listed} == {("byok", provider_type)}
    assert office.http.delete(f"/v1/providers/{made['id']}").status_code == 200


def test_a_tenants_rows_are_its_own(office, scripted):
    made = make(office.http, scripted, "private")
    path = f"/v1/providers/{made['id']}"
    assert office.other.get("/v1/providers/").json() == []
    change = {"api_key": "x"}
    for method, at, body in (
        ("GET", path, None),
        ("PATCH", path, change),
        ("DELETE", path, None),
        ("POST", f"{path}/check", None),
        ("PATCH", f"{path}/refresh", None),
    ):
        assert office.other.request(method, at, json=body).status_code == 404
        assert office.http.request(method, at.replace(made["id"], "provider-1"), json=body).status_code == 422
    assert not [one for one in office.other.get("/v1/models/").json() if one["provider_name"] == "private"]
    refused = office.other.post("/v1/agents/", json={"model": "private/gpt-4o-mini"})
    assert (refused.status_code, "private," in refused.text) == (400, False)
    make(office.other, scripted, "private")  # the name is free there
    assert office.http.get(path).json() == made


def test_rows_outlive_a_restart_and_lie_sealed(start, scripted, tmp_path):
    live = start(openai_base_url=None)
    made = make(live.http, scripted, "kept")
    agent = live.agent(model="kept/gpt-4o-mini")
    live.stop()
    for name in ("kelpie.db", "kelpie.db-wal"):
        if (path := tmp_path / "data" / name).exists():
            assert SECRET.encode() not in path.read_bytes()
    live.start()
    assert live.send(agent["id"], "[[say:again]]").json()["messages"][-1]["content"] == "again"
    live.stop()
    (tmp_path / "data" / "encryption.key").write_bytes(b"another key, thirty-two bytes and more")
    live.start()  # the provider is left out; all else works
    assert live.http.get(f"/v1/providers/{made['id']}").json() == made
    assert live.send(agent["id"], "[[say:again]]").status_code == 400
    assert live.http.post(f"/v1/providers/{made['id']}/check").status_code == 503


def test_a_change_counts_from_the_next_message_on(office, scripted, serving):
    seen = []

    def answer(text):
        seen.append(text)
        return 401, '{"error": {"message": "bad key sk-new-secret-0123456789"}}'

    elsewhere = serving(answer)
    made = make(office.http, scripted, "moves")
    agent = office.http.post("/v1/agents/", json={"model": "moves/gpt-4o-mini"}).json()["id"]
    path = f"/v1/providers/{made['id']}"
    changed = office.http.patch(path, json={"api_key": "sk-new-secret-0123456789", "base_url": f"{elsewhere}/v1"})
    assert changed.json()["base_url"] == f"{elsewhere}/v1"
    refused = office.http.post(f"/v1/agents/{agent}/messages", json={"input": "hi"})
    assert (refused.status_code, refused.json()["error"]["type"]) == (401, "llm_authentication")
    assert "Bearer sk-new-secret-0123456789" in seen[0]
    assert "sk-new" not in refused.text
    checked = office.http.post(f"{path}/check")
    assert (checked.status_code, "sk-new" in checked.text) == (401, False)
    assert office.http.delete(path).status_code == 200
    gone = office.http.post(f"/v1/agents/{agent}/messages", json={"input": "hi"})
    assert (gone.status_code, "no provider serves" in gone.text) == (400, True)
    assert office.http.get(path).status_code == office.http.delete(path).status_code == 404


def test_a_key_is_never_sent_to_a_new_address_unasked(office, scripted):
    made = make(office.http, scripted, "stays")
    refused = office.http.patch(f"/v1/providers/{made['id']}", json={"base_url": "http://127.0.0.1:1/v1"})
    assert refused.status_code == 422
    assert office.http.get(f"/v1/providers/{made['id']}").json()["base_url"] == scripted


def test_a_check_before_anything_is_stored(office, scripted):
    body = {"provider_type": "openai", "api_key": SECRET, "base_url": scripted}
    assert office.http.post("/v1/providers/check", json=body).status_code == 200
    dead = office.http.post("/v1/providers/check", json={**body, "base_url": "http://127.0.0.1:9/v1"})
    assert (dead.status_code, SECRET in dead.text) == (502, False)
    assert not [one for one in office.http.get("/v1/providers").json() if one["name"] == "checked"]


def test_refresh_and_lists(office, scripted):
    made = [make(office.http, scripted, f"page-{number}", "groq") for number in range(3)]
    assert made[0]["last_synced"] is None
    assert office.http.patch(f"/v1/providers/{made[0]['id']}/refresh").json()["last_synced"] is not None
    newest = office.http.get("/v1/providers/", params={"provider_type": "groq", "limit": 2}).json()
    assert [one["id"] for one in newest] == [made[2]["id"], made[1]["id"]]
    assert [one["id"] for one in office.http.get("/v1/providers/", params={"name": "page-1"}).json()] == [made[1]["id"]]
    after = office.http.get("/v1/providers/", params={"provider_type": "groq", "after": made[1]["id"]}).json()
    assert [one["id"] for one in after] == [made[0]["id"]]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({}, 422, "Field required"),
        ({"provider_type": "llama"}, 422, "type is one of"),
        ({"provider_type": "google_vertex"}, 422, "use 'google_ai'"),
        ({"provider_type": "azure", "base_url": None}, 422, "needs its 'base_url'"),
        ({"provider_type": "groq", "api_key": ""}, 422, "needs its 'api_key'"),
        ({"name": "a/b"}, 422, "a provider is named"),
        ({"name": "kelpie"}, 422, "names models of this server"),
        ({"base_url": "http://me:pw@127.0.0.1/v1"}, 422, "holds credentials"),
        ({"base_url": "http://169.254.169.254/latest"}, 422, ADDRESS),
        ({"base_url": "https://10.0.0.1/v1"}, 422, "private"),
        ({"base_url": "https://localhost/v1"}, 422, "loopback"),
        ({"base_url": "ftp://example.org"}, 422, ADDRESS),
        ({"base_urll": "https://example.org"}, 422, "Extra inputs"),
        ({"api_key": f"{SECRET}\n"}, 422, "visible ASCII"),
        ({"base_url": "https://[::1"}, 422, "'base_url' is no address"),
        ({"base_url": "https://example.org:99999/v1"}, 422, "'base_url' is no address"),
        ({"provider_type": "bedrock", "base_url": "https://me:pw@10.0.0.1", **AWS}, 422, "holds credentials"),
    ],
)
def test_what_can_be_no_provider_is_refused_and_its_key_not_repeated(office, scripted, body, status, says):
    whole = {"name": "bad", "provider_type": "openai", "api_key": SECRET, "base_url": scripted} if body else {}
    refused = office.http.post("/v1/providers/", json={**whole, **body})
    assert (refused.status_code, says in refused.text, SECRET in refused.text) == (status, True, False), refused.text
    assert not office.http.get("/v1/providers/", params={"name": "bad"}).json()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({**AWS, "region": "example.org/?"}, "a region is written"),
        ({**AWS, "api_key": f"{SECRET}\r\nx: y"}, "visible ASCII"),
        ({**AWS, "access_key": "AKIA\r\nx: y"}, "visible ASCII"),
    ],
)
def test_what_can_be_no_provider_is_not_asked_either(office, body, says):
    refused = office.http.post("/v1/providers/check", json={"provider_type": "bedrock", "api_key": SECRET, **body})
    assert (refused.status_code, says in refused.text, SECRET in refused.text) == (422, True, False), refused.text


def test_a_provider_that_is_asked_for_twice_is_made_once(office, scripted):
    body = {"name": "once", "provider_type": "openai", "api_key": SECRET, "base_url": scripted}
    headers = {"idempotency-key": "one-provider"}
    first, again = (office.http.post("/v1/providers/", json=body, headers=headers) for _ in range(2))
    assert (first.status_code, again.content) == (200, first.content)
    assert office.http.post("/v1/providers/", json=body).status_code == 409


def test_embedding_models_are_those_that_we_know_the_vectors_of(start, serving):
    listing = '{"data": [{"id": "text-embedding-3-small"}, {"id": "odd-embedder"}, {"id": "gpt-4o"}]}'
    live = start(openai_base_url=None)
    make(live.http, serving(lambda _: (200, listing)), "vec")
    found = live.http.get("/v1/models/embedding").json()
    assert [(one["handle"], one["embedding_dim"]) for one in found] == [("vec/text-embedding-3-small", 1_536)]


def test_answers_follow_lettas_schemas(office, scripted, needs):
    needs("letta-openapi", LETTA.exists(), f"{LETTA} is not there")
    checker = Checker(json.loads(LETTA.read_text(encoding="utf-8"))["components"]["schemas"])
    made = make(office.http, scripted, "schema", "openrouter")
    cards = office.http.get("/v1/models/", params={"provider_name": "schema"}).json()
    assert cards
    faults = checker.faults(made, {"$ref": "#/components/schemas/Provider"})
    for card in cards:
        faults += checker.faults(card, {"$ref": "#/components/schemas/Model"})
    assert faults == []
