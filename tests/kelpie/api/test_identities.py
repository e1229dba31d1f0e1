"""Identities: whom a client says that its agents and blocks are for."""

import importlib.util

import pytest
from tests.kelpie.api.test_contract import LETTA, Checker, letta  # noqa: F401 - a fixture

from kelpie.api import limits as api_limits
from kelpie.identities import limits

NOBODY = "123e4567-e89b-42d3-8456-426614174000"
KEYS = {"one-key-0123456789abcdef": "one", "other-key-0123456789abcdef": "other"}


@pytest.fixture
def client(live, needs):
    needs("letta-client", importlib.util.find_spec("letta_client") is not None, "pip install letta-client")
    from letta_client import Letta

    with Letta(base_url=live.url, _strict_response_validation=True, max_retries=0) as made:
        yield made


@pytest.fixture(scope="module")
def keys():
    """Keys of identities, each of them once."""
    return (f"user-{number}" for number in range(1000))


@pytest.fixture
def make(http, keys):
    def made(**fields):
        body = {"identifier_key": next(keys), "name": "Ada", "identity_type": "user", **fields}
        answer = http.post("/v1/identities/", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return made


def block_of(http, **fields):
    return http.post("/v1/blocks/", json={"label": "human", "value": "x", **fields}).json()


def ids(answer):
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()]


def test_an_identity_is_made_changed_found_and_deleted(http, make):
    properties = [
        {"key": "age", "value": 7, "type": "number"},
        {"key": "vip", "value": True, "type": "boolean"},
        {"key": "home", "value": {"city": "Oslo"}, "type": "json"},
    ]
    before = http.get("/v1/identities/count").json()
    one = make(properties=properties)
    path = f"/v1/identities/{one['id']}"
    assert one["properties"] == properties
    assert http.get(path).json() == one
    assert http.get("/v1/identities/count").json() == before + 1
    changed = http.patch(path, json={"name": "Ada Berg", "identity_type": "org"}).json()
    assert (changed["name"], changed["identity_type"], changed["properties"]) == ("Ada Berg", "org", properties)
    assert http.put(f"{path}/properties", json=properties[:1]).json() is None
    assert http.get(path).json()["properties"] == properties[:1]
    assert ids(http.get("/v1/identities/", params={"identifier_key": one["identifier_key"]})) == [one["id"]]
    assert one["id"] in ids(http.get("/v1/identities/", params={"name": "berg", "identity_type": "org"}))
    assert http.get("/v1/identities/", params={"identifier_key": "nobody's"}).json() == []
    assert http.delete(path).status_code == 200
    assert http.get(path).status_code == 404
    assert http.delete(path).status_code == 404


def test_a_key_is_one_identity_s_and_an_upsert_changes_that_one(http, make):
    one, other = make(), make()
    body = {"identifier_key": one["identifier_key"], "name": "Bob", "identity_type": "other"}
    refused = http.post("/v1/identities/", json=body)
    assert refused.status_code == 409
    assert one["identifier_key"] in refused.json()["detail"]
    same = http.put("/v1/identities/", json=body).json()
    assert (same["id"], same["name"], same["identity_type"]) == (one["id"], "Bob", "other")
    new = http.put("/v1/identities/", json={**body, "identifier_key": f"{one['identifier_key']}-new"}).json()
    assert new["id"] != one["id"]
    taken = http.patch(f"/v1/identities/{other['id']}", json={"identifier_key": one["identifier_key"]})
    assert taken.status_code == 409
    again = http.patch(f"/v1/identities/{one['id']}", json={"identifier_key": one["identifier_key"], "name": "Cy"})
    assert again.json()["name"] == "Cy"


def test_agents_and_blocks_have_identities_and_are_found_by_them(live, http, make):
    one, two = make(), make()
    agent, block = live.agent(identity_ids=[one["id"]]), block_of(http)
    assert agent["identity_ids"] == [one["id"]]
    assert [part["identifier_key"] for part in agent["identities"]] == [one["identifier_key"]]
    path = f"/v1/agents/{agent['id']}"
    assert http.patch(f"{path}/identities/attach/{two['id']}").json()["identity_ids"] == [one["id"], two["id"]]
    assert http.patch(f"{path}/identities/attach/{two['id']}").status_code == 200
    assert http.patch(f"{path}/identities/detach/{one['id']}").json()["identity_ids"] == [two["id"]]
    assert http.patch(path, json={"identity_ids": [one["id"]]}).json()["identity_ids"] == [one["id"]]
    assert http.patch(path, json={"name": "Other"}).json()["identity_ids"] == [one["id"]]
    attached = http.patch(f"/v1/blocks/{block['id']}/identities/attach/{one['id']}")
    assert attached.json()["id"] == block["id"]
    there = http.get(f"/v1/identities/{one['id']}").json()
    assert (there["agent_ids"], there["block_ids"]) == ([agent["id"]], [block["id"]])
    for kind, found in (("agents", agent["id"]), ("blocks", block["id"])):
        assert ids(http.get(f"/v1/identities/{one['id']}/{kind}")) == [found]
        assert ids(http.get(f"/v1/{kind}/", params={"identity_id": one["id"]})) == [found]
        assert ids(http.get(f"/v1/{kind}/", params={"identifier_keys": [one["identifier_key"], "x"]})) == [found]
        both = {"identity_id": one["id"], "identifier_keys": [two["identifier_key"]]}
        assert ids(http.get(f"/v1/{kind}/", params=both)) == []
        assert http.get(f"/v1/{kind}/count", params={"identity_id": one["id"]}).json() == 1
    assert http.patch(f"/v1/blocks/{block['id']}/identities/detach/{one['id']}").status_code == 200
    assert ids(http.get(f"/v1/identities/{one['id']}/blocks")) == []
    assert http.delete(path).status_code == 200
    assert http.get(f"/v1/identities/{one['id']}").json()["agent_ids"] == []


def test_what_it_is_attached_to_may_be_said_at_once_and_goes_with_it(live, http, make):
    agent, block = live.agent(), block_of(http)
    one = make(agent_ids=[agent["id"]], block_ids=[block["id"]])
    assert (one["agent_ids"], one["block_ids"]) == ([agent["id"]], [block["id"]])
    assert http.delete(f"/v1/blocks/{block['id']}").status_code == 200
    assert http.get(f"/v1/identities/{one['id']}").json()["block_ids"] == []
    assert http.patch(f"/v1/identities/{one['id']}", json={"agent_ids": []}).json()["agent_ids"] == []
    other = make(agent_ids=[agent["id"]])
    http.delete(f"/v1/identities/{other['id']}")
    assert http.get(f"/v1/agents/{agent['id']}").json()["identities"] == []


@pytest.mark.parametrize(
    ("fields", "status", "why"),
    [
        ({"name": " "}, 422, "blank"),
        ({"name": "x" * (limits.IDENTITY_NAME_CHARS_MAX + 1)}, 422, "at most"),
        ({"identifier_key": "\x00"}, 422, "key"),
        ({"identity_type": "robot"}, 422, "identity_type"),
        ({"agent_ids": ["agent-1"]}, 422, "agent_ids"),
        ({"agent_ids": [f"agent-{NOBODY}"]}, 404, "no agent"),
        ({"block_ids": [f"block-{NOBODY}"]}, 404, "no block"),
        ({"properties": [{"key": "a", "value": "x", "type": "number"}]}, 422, "of type number"),
        ({"properties": [{"key": "a", "value": True, "type": "number"}]}, 422, "of type number"),
        ({"properties": [{"key": "a", "value": "x", "type": "string"}] * 2}, 422, "one property of a key"),
        ({"properties": [{"key": "a", "value": 10**40, "type": "number"}]}, 422, "a property's value"),
        ({"properties": [{"key": "a", "value": {"b": 10**40}, "type": "json"}]}, 422, "a property's value"),
        ({"properties": [{"key": "a", "value": "x" * 100_000, "type": "string"}]}, 422, "bytes"),
    ],
)
def test_what_can_t_be_an_identity_is_refused_by_name(http, keys, fields, status, why):
    body = {"identifier_key": next(keys), "name": "Ada", "identity_type": "user", **fields}
    answer = http.post("/v1/identities/", json=body)
    assert answer.status_code == status, answer.text
    assert why in answer.text
    assert http.get("/v1/identities/", params={"identifier_key": body["identifier_key"]}).json() == []


def test_what_nobody_has_is_not_found(live, http, make):
    one, agent, block = make(), live.agent(), block_of(http)
    nobody = f"identity-{NOBODY}"
    for method, path, body in (
        ("get", f"/v1/identities/{nobody}", None),
        ("patch", f"/v1/identities/{nobody}", {"name": "x"}),
        ("put", f"/v1/identities/{nobody}/properties", []),
        ("get", f"/v1/identities/{nobody}/agents", None),
        ("get", f"/v1/identities/{nobody}/blocks", None),
        ("patch", f"/v1/agents/{agent['id']}/identities/attach/{nobody}", None),
        ("patch", f"/v1/agents/{agent['id']}/identities/detach/{nobody}", None),
        ("patch", f"/v1/agents/agent-{NOBODY}/identities/attach/{one['id']}", None),
        ("patch", f"/v1/blocks/{block['id']}/identities/attach/{nobody}", None),
        ("patch", f"/v1/blocks/block-{NOBODY}/identities/detach/{one['id']}", None),
        ("patch", f"/v1/agents/{agent['id']}", {"identity_ids": [nobody]}),
        ("get", f"/v1/agents/?identity_id={nobody}", None),
        ("get", f"/v1/blocks/?identity_id={nobody}", None),
    ):
        assert http.request(method, path, json=body).status_code == 404, path
    made = http.post("/v1/agents/", json={"model": "openai/gpt-4o-mini", "identity_ids": [nobody]})
    assert made.status_code == 404
    for path in ("/v1/identities/identity-1", "/v1/identities/?limit=0", "/v1/identities/?identity_type=x"):
        assert http.get(path).status_code == 422, path
    for path in ("/v1/identities/?project_id=x", "/v1/identities/?order_by=name"):
        assert http.get(path).status_code == 501, path


def test_an_agent_has_so_many_identities_and_no_more(live, http, make, monkeypatch):
    too_many = {"identity_ids": [make()["id"]] * (limits.IDENTITIES_PER_OWNER_MAX + 1)}
    monkeypatch.setattr(limits, "IDENTITIES_PER_OWNER_MAX", 2)
    agent = live.agent(identity_ids=[make()["id"] for _ in range(2)])
    over = http.patch(f"/v1/agents/{agent['id']}/identities/attach/{make()['id']}")
    assert over.status_code == 409
    assert "has 2 identities" in over.json()["detail"]
    three = {"identity_ids": [make()["id"] for _ in range(3)]}
    assert http.patch(f"/v1/agents/{agent['id']}", json=three).status_code == 422
    assert http.patch(f"/v1/agents/{agent['id']}", json=too_many).status_code == 422
    keys = ["x"] * (api_limits.IDENTITY_KEYS_ASKED_MAX + 1)
    assert http.get("/v1/agents/", params={"identifier_keys": keys}).status_code == 422


def test_lists_are_read_in_pages(http, make):
    made = [make(name="in pages")["id"] for _ in range(3)]
    first = ids(http.get("/v1/identities/", params={"name": "in pages", "limit": 2}))
    assert first == [made[2], made[1]]
    rest = ids(http.get("/v1/identities/", params={"name": "in pages", "limit": 2, "after": first[-1]}))
    assert rest == [made[0]]


def test_another_tenant_sees_nothing_of_it(start):
    live = start(keys=KEYS)
    one, other = (live.client(key) for key in KEYS)
    body = {"identifier_key": "ada", "name": "Ada", "identity_type": "user"}
    mine = one.post("/v1/identities/", json=body).json()
    agent = one.post("/v1/agents/", json={"model": "openai/gpt-4o-mini"}).json()["id"]
    path = f"/v1/identities/{mine['id']}"
    for method, foreign in (
        ("get", path),
        ("delete", path),
        ("get", f"{path}/agents"),
        ("get", f"{path}/blocks"),
        ("patch", f"/v1/agents/{agent}/identities/attach/{mine['id']}"),
    ):
        assert other.request(method, foreign).status_code == 404, foreign
    assert other.patch(path, json={"name": "mine"}).status_code == 404
    assert other.put(f"{path}/properties", json=[]).status_code == 404
    assert other.get("/v1/identities/").json() == []
    theirs = other.post("/v1/identities/", json=body)
    assert theirs.status_code == 200, "a key is one of a kind in its tenant"
    assert other.post("/v1/identities/", json={**body, "identifier_key": "x", "agent_ids": [agent]}).status_code == 404
    assert one.get(path).json()["name"] == "Ada"


def test_answers_are_what_the_published_description_asks_for(live, http, make, letta):  # noqa: F811
    schemas = letta["components"]["schemas"]
    checker, one = Checker(schemas), make(properties=[{"key": "a", "value": 1, "type": "number"}])
    assert checker.faults(one, {"$ref": "#/components/schemas/Identity"}) == []
    agent = live.agent(identity_ids=[one["id"]])
    assert checker.faults(agent, {"$ref": "#/components/schemas/AgentState"}) == [".kelpie_memory is not known"]
    assert LETTA.exists()


def test_the_client_attaches_and_detaches(client, live, make):
    agent, one = live.agent(), make()
    client.agents.identities.attach(one["id"], agent_id=agent["id"])
    found = client.agents.list(identity_id=one["id"], include=["agent.identities"])
    assert [(each.id, [part.id for part in each.identities]) for each in found] == [(agent["id"], [one["id"]])]
    client.agents.identities.detach(one["id"], agent_id=agent["id"])
    assert client.agents.list(identifier_keys=[one["identifier_key"]]).items == []
