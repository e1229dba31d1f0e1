"""Keys that the server issues, tenants and their quotas, and Letta's one password, over HTTP."""

import time

import pytest

OPERATOR, ADMIN, PEOPLE = "operator-0123456789abcdef", "acme-admin-0123456789", "acme-anna-0123456789abc"
KEYS = {OPERATOR: "*", ADMIN: "acme", PEOPLE: "acme:anna"}
MODEL = "openai/gpt-4o-mini"
ADMINS = {"name": "k", "scope": "admin"}


@pytest.fixture(scope="module")
def office(scripted, tmp_path_factory):
    from tests.kelpie.api.conftest import Live

    from kelpie.config import Config

    config = Config(data_folder=str(tmp_path_factory.mktemp("keys")), openai_base_url=scripted, keys=KEYS)
    live = Live(config, list(KEYS))
    live.operator, live.admin = live.http, live.client(ADMIN)
    yield live
    live.stop()


def make(http, name="ci", status=201, **more):
    made = http.post("/v1/keys", json={"name": name, **more})
    assert made.status_code == status, made.text
    return made.json()


def test_a_key_is_shown_once_and_opens_its_tenant(office):
    agent = office.admin.post("/v1/agents/", json={"model": MODEL}).json()
    made = make(office.admin, scope="write")
    mine = office.client(made["key"])
    assert mine.get(f"/v1/agents/{agent['id']}").json()["id"] == agent["id"]
    assert office.operator.get(f"/v1/agents/{agent['id']}").status_code == 404  # another tenant's, even so
    listed = office.admin.get("/v1/keys").json()
    assert made["key"] not in str(listed)
    assert {key: value for key, value in made.items() if key != "key"} in listed
    shown = office.admin.get(f"/v1/keys/{made['id']}").json()
    assert (shown["status"], shown["scope"], shown["tenant"], shown["hint"]) == (
        "active",
        "write",
        "acme",
        made["key"][-4:],
    )


def test_a_revoked_key_opens_nothing_from_the_answer_on(office):
    made = make(office.admin)
    mine = office.client(made["key"])
    assert mine.get("/v1/agents/").status_code == 200
    assert office.admin.delete(f"/v1/keys/{made['id']}").json()["status"] == "revoked"
    refused = mine.get("/v1/agents/")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert made["key"] not in refused.text
    assert office.admin.delete(f"/v1/keys/{made['id']}").status_code == 200


def test_a_key_that_expired_opens_nothing(office):
    made = make(office.admin, expires_in_s=1)
    mine = office.client(made["key"])
    assert mine.get("/v1/agents/").status_code == 200
    while mine.get("/v1/agents/").status_code == 200:
        time.sleep(0.05)
    assert office.admin.get(f"/v1/keys/{made['id']}").json()["status"] == "expired"


def test_keys_outlive_a_restart(start):
    live = start(keys={OPERATOR: "*"})
    made = make(live.http)
    live.stop()
    live.start()
    assert live.client(made["key"]).get("/v1/agents/").status_code == 200


@pytest.mark.parametrize(
    ("scope", "looks", "changes", "administers"),
    [("read", 200, 403, 403), ("write", 200, 200, 403), ("admin", 200, 200, 201)],
)
def test_a_key_may_do_what_its_scope_says(office, scope, looks, changes, administers):
    mine = office.client(make(office.admin, scope=scope)["key"])
    assert mine.get("/v1/agents/").status_code == looks
    assert mine.post("/v1/passages/search", json={"query": "x"}).status_code == looks
    assert mine.post("/v1/blocks/", json={"label": "a", "value": ""}).status_code == changes
    made = mine.post("/v1/keys", json={"name": "more"})
    assert made.status_code == administers
    if administers == 403:
        assert f"scope '{scope}'" in made.json()["detail"]
        assert mine.get("/v1/keys").status_code == mine.get("/v1/tenants/me").status_code == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/v1/agents/{agent}/workspace/search"),
        ("DELETE", "/v1/agents/{agent}/workspace/notes/search"),
        ("POST", "/v1/tools/mcp/servers/one/search"),
        ("DELETE", "/v1/people/search"),
        ("DELETE", "/v1/runs/stream"),
        ("POST", "/v1/agents/{agent}/messages/stream"),
        ("POST", "/v1/agents/{agent}/generate"),
        ("POST", "/mcp"),
        ("GET", "/v1/mcp-servers/connect/mcp_server-1"),
        ("GET", "/v1/mcp-servers/connect/mcp_server-1%0A2"),
    ],
)
def test_what_is_only_called_like_a_search_is_none(office, method, path):
    mine = office.client(make(office.admin, scope="read")["key"])
    agent = office.admin.post("/v1/agents/", json={"model": MODEL}).json()["id"]
    refused = mine.request(method, path.format(agent=agent))
    assert (refused.status_code, "needs 'write'" in refused.text) == (403, True)


@pytest.mark.parametrize("path", ["/v1/keys%0A", "/v1/providers%0A", "/v1/tenants%0A"])
def test_a_path_that_ends_in_a_line_break_is_nobodys(office, path):
    """The patterns of routes end in `$`, which passes one: the gate and the route must mean the same path."""
    mine = office.client(make(office.admin, scope="write")["key"])
    before = office.admin.get("/v1/keys").json()
    assert mine.post(path, json={"name": "more", "scope": "admin"}).status_code == 404
    assert mine.get(path).status_code == office.admin.get(path).status_code == 404
    assert office.admin.get("/v1/keys").json() == before


def test_a_key_for_some_people_asks_for_them_alone(office):
    assert office.admin.post("/v1/people", json={"handle": "anna"}).status_code == 200
    mine = office.client(make(office.admin, people=["anna"])["key"])
    assert mine.get("/v1/agents/").status_code == 403
    assert make(office.admin, people=["nobody"], status=404)["detail"].endswith("'nobody'")
    limited = office.client(PEOPLE)
    assert limited.get("/v1/keys").status_code == limited.post("/v1/keys", json={"name": "x"}).status_code == 403


def test_an_admin_sees_its_own_tenant_and_no_other(office):
    assert office.operator.post("/v1/tenants", json={"id": "beta"}).status_code == 201
    made = make(office.operator, name="theirs")
    for_beta = office.operator.post("/v1/keys", params={"tenant": "beta"}, json={"name": "b", "scope": "admin"}).json()
    beta = office.client(for_beta["key"])
    assert beta.get("/v1/tenants/me").json()["id"] == "beta"
    assert {tool["name"] for tool in beta.get("/v1/tools/").json()} >= {"memory_insert"}
    for other in ("acme", "default", "nowhere"):
        assert beta.get("/v1/keys", params={"tenant": other}).status_code == 404
        assert beta.get(f"/v1/tenants/{other}").status_code == 404
    for method in ("GET", "DELETE"):
        assert beta.request(method, f"/v1/keys/{made['id']}").status_code == 404
        assert beta.request(method, "/v1/keys/key-1").status_code == 422
    assert office.operator.get("/v1/keys", params={"tenant": "nowhere"}).status_code == 404
    assert [one["id"] for one in beta.get("/v1/keys").json()] == [for_beta["id"]]
    for method, path in (("POST", "/v1/tenants"), ("GET", "/v1/tenants"), ("PATCH", "/v1/tenants/beta")):
        body = {"id": "x", "quota": {}} if method == "POST" else {"quota": {}} if method == "PATCH" else None
        assert beta.request(method, path, json=body).status_code == 403


def test_lists_are_paged(office):
    assert office.operator.post("/v1/tenants", json={"id": "paged"}).status_code == 201
    query = {"tenant": "paged"}
    made = [office.operator.post("/v1/keys", params=query, json={"name": str(n)}).json()["id"] for n in range(3)]
    first = office.operator.get("/v1/keys", params={**query, "limit": 2}).json()
    assert [one["id"] for one in first] == [made[2], made[1]]
    then = office.operator.get("/v1/keys", params={**query, "limit": 2, "after": made[1]}).json()
    assert [one["id"] for one in then] == [made[0]]
    assert [one["id"] for one in office.operator.get("/v1/tenants", params={"limit": 1}).json()] == ["paged"]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({}, 422, "Field required"),
        ({"name": ""}, 422, "a key has a name"),
        ({"name": "x", "scope": "operator"}, 422, "'read', 'write' or 'admin'"),
        ({"name": "x", "expires_in_s": 0}, 422, "greater than or equal to 1"),
        ({"name": "x", "expires_at": "yesterday"}, 422, "ISO 8601"),
        ({"name": "x", "expires_at": "2001-01-01"}, 422, "in the future"),
        ({"name": "x", "expires_at": "2999-01-01", "expires_in_s": 5}, 422, "not both"),
        ({"name": "x", "scopes": ["read"]}, 422, "Extra inputs"),
    ],
)
def test_what_can_be_no_key_is_refused(office, body, status, says):
    refused = office.admin.post("/v1/keys", json=body)
    assert (refused.status_code, says in refused.text) == (status, True), refused.text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"id": "a b"}, 422),
        ({"id": "me"}, 422),
        ({"id": "q", "quota": {"agents": -1}}, 422),
        ({"id": "q", "quota": {"agent": 1}}, 422),
    ],
)
def test_what_can_be_no_tenant_is_refused(office, body, status):
    assert office.operator.post("/v1/tenants", json=body).status_code == status
    assert office.operator.get("/v1/tenants/q").status_code == 404
    assert office.operator.patch("/v1/tenants/q", json={"quota": {}}).status_code == 404


def test_a_key_that_is_asked_for_twice_is_made_once_and_kept_nowhere(office):
    headers = {"idempotency-key": "one-key"}
    first, again = (office.admin.post("/v1/keys", json={"name": "once"}, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 409)
    assert "a secret" in again.json()["detail"]
    key = first.json()["key"]
    with open(office.server.config.data_folder + "/kelpie.db-wal", "rb") as log:
        assert key.encode() not in log.read()
    assert [one["name"] for one in office.admin.get("/v1/keys").json()].count("once") == 1


def test_quotas_are_refused_by_name(office):
    made = office.operator.post("/v1/tenants", json={"id": "small", "quota": {"agents": 1}})
    assert made.json()["quota"]["agents"] == 1
    key = office.operator.post("/v1/keys", params={"tenant": "small"}, json={"name": "k", "scope": "admin"}).json()
    small = office.client(key["key"])
    agent = small.post("/v1/agents/", json={"model": MODEL}).json()["id"]
    refused = small.post("/v1/agents/", json={"model": MODEL})
    assert (refused.status_code, refused.json()["quota"]) == (402, "agents")
    file = small.get(f"/v1/agents/{agent}/export").content
    refused = small.post("/v1/agents/import", files={"file": ("a.af", file)})
    assert (refused.status_code, refused.json()["quota"]) == (402, "agents")

    def allow(**quota):
        given = office.operator.patch("/v1/tenants/small", json={"quota": quota})
        assert given.status_code == 200, given.text
        return given.json()

    allow(messages_per_minute=1)
    path = f"/v1/agents/{agent}/messages"
    assert small.post(path, json={"input": "[[say:hello]]"}).status_code == 200
    for route in (path, f"{path}/stream", f"{path}/async"):
        refused = small.post(route, json={"input": "[[say:hello]]"})
        assert (refused.status_code, refused.json()["quota"]) == (429, "messages_per_minute")
        assert 1 <= int(refused.headers["retry-after"]) <= 60
    allow(open_runs=0)
    refused = small.post(path, json={"input": "hello"})
    assert (refused.status_code, refused.json()["quota"], "retry-after" in refused.headers) == (429, "open_runs", True)
    used = allow(storage_bytes=10_000)["used"]
    assert used["agents"] == 1
    assert 0 < used["storage_bytes"] < 100_000
    refused = small.post("/v1/blocks/", json={"label": "big", "value": "x" * 90_000})
    assert (refused.status_code, refused.json()["quota"]) == (402, "storage_bytes")
    used = allow(storage_bytes=1_000_000)["used"]["storage_bytes"]
    pieces = (b" " * 100_000 for _ in range(11))
    assert small.post("/v1/blocks/", content=pieces, headers={"content-type": "application/json"}).status_code == 422
    refused = small.post("/v1/blocks/", json={"label": "small", "value": ""})  # what was not announced counts as well
    assert (refused.status_code, used < 100_000) == (402, True)
    allow(storage_bytes=1)
    pieces = (one for one in [b'{"label": "big", ', b'"value": ""}'])
    refused = small.post("/v1/blocks/", content=pieces, headers={"content-type": "application/json"})
    assert refused.status_code == 402
    tool = small.get(f"/v1/agents/{agent}/tools").json()[0]["id"]
    assert small.patch(f"/v1/agents/{agent}/tools/detach/{tool}").status_code == 200
    assert small.delete(f"/v1/agents/{agent}").status_code == 200  # what makes room is never refused
    shown = small.get("/v1/tenants/me").json()
    assert (shown["quota"]["storage_bytes"], shown["used"]["agents"]) == (1, 0)


def test_a_message_to_a_group_is_a_run_under_way(office):
    assert office.operator.post("/v1/tenants", json={"id": "crowd"}).status_code == 201
    crowd = office.client(office.operator.post("/v1/keys", params={"tenant": "crowd"}, json=ADMINS).json()["key"])
    agent = crowd.post("/v1/agents/", json={"model": MODEL}).json()["id"]
    group = crowd.post("/v1/groups/", json={"agent_ids": [agent], "description": "one"}).json()["id"]
    body = {"input": "[[delay_ms:20000]][[say:hi]]"}
    with crowd.stream("POST", f"/v1/groups/{group}/messages/stream", json=body) as stream:
        assert stream.status_code == 200
        while not crowd.get("/v1/runs/active").json():
            pass
        assert crowd.get("/v1/tenants/me").json()["used"]["open_runs"] == 2
        assert crowd.post(f"/v1/agents/{agent}/messages/cancel").status_code == 200
        stream.read()
    assert crowd.get("/v1/tenants/me").json()["used"]["open_runs"] == 0


def test_without_keys_whoever_is_here_is_the_operator(live):
    made = make(live.http, scope="read")
    mine = live.client(made["key"])
    assert mine.get("/v1/agents/").status_code == 200
    assert mine.post("/v1/blocks/", json={"label": "a", "value": ""}).status_code == 403
    live.http.delete(f"/v1/keys/{made['id']}")
    assert mine.get("/v1/agents/").status_code == 401  # who shows a key is asked for a good one
    assert live.client("any-other-text").get("/v1/agents/").status_code == 200  # as Letta's clients send


def test_lettas_one_password(start):
    live = start(secure=True, password="open-sesame")  # no key
    http = live.client()
    assert http.get("/v1/health/").status_code == 200
    for headers in (
        {"authorization": "Bearer open-sesame"},
        {"x-bare-password": "password open-sesame"},
        {"x-bare-password": "open-sesame"},
    ):
        assert http.get("/v1/agents/", headers=headers).status_code == 200
        assert http.get("/v1/keys", headers=headers).status_code == 200
    for headers in (
        {},
        {"authorization": "Bearer open"},
        {"x-bare-password": "password"},
        {"x-bare-password": "password x"},
    ):
        refused = http.get("/v1/agents/", headers=headers)
        assert (refused.status_code, "sesame" in refused.text) == (401, False)
    assert http.get("/v1/tenants", headers={"authorization": "Bearer open-sesame"}).status_code == 403


def test_a_password_that_secure_does_not_ask_for_is_none(start):
    live = start(password="open-sesame")
    assert live.client().get("/v1/agents/").status_code == 200
