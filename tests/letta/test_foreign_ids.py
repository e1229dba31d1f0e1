"""Every operation that the server describes, each of its ids in turn another tenant's, and every kind of key: nothing
of the other is told, changed, or even known to be there. The places where ids go are read from the description, what to
put beside them from the rows of the scenario; an operation or a name of an id that is in neither fails."""

import json
import re

import pytest
from tests.letta import clients, table
from tests.letta.house import FOREIGN, PERSON, keys_of
from tests.letta.scenario import ID, Scenario

from kelpie.api import reference, unserved

# What each name of an id is called among what the rows keep; and names that are nobody's ids here.
KEPT = {
    "agent_id": "agent",
    "agent_ids": "agent",
    "archive_id": "archive",
    "block_ids": "block",
    "connection_id": "connection",
    "conversation_id": "conversation",
    "folder_ids": "folder",
    "group_id": "group",
    "identity_id": "identity",
    "identity_ids": "identity",
    "message_id": "message",
    "query_id": "query",
    "run_id": "run",
    "run_ids": "run",
    "shared_block_ids": "block",
    "source_id": "folder",
    "source_ids": "folder",
    "tool_ids": "tool",
}
# Where another tenant's is answered as any that isn't among the few that are asked for.
REFUSED = {("POST /v1/analyst/answers/{run_id}/confirm", "query_id"): {422}}
NOBODYS = {"base_template_id", "id", "project_id", "return_token_ids", "template_id"}
# Health, and where a browser comes back from another site.
OPEN = {"GET /v1/health/", "GET /health", "GET /v1/ready/", "GET /v1/tools/mcp/oauth/callback"}
# Asked for themselves, not for a tenant: a key of a person may.
FOR_EVERYBODY = {"GET /metrics", "GET /docs", "GET /openapi.json", "POST /mcp", "GET /v1/models/embedding"}
OF_PERSONS = ["GET /v1/analyst/conventions", "GET /v1/audit/tools", "POST /v1/analyst/conventions"]


def described():
    """Each operation of the description, by method and path without names: its id parameters, and its body's."""
    description = json.loads(reference.shipped())
    schemas = description["components"]["schemas"]
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            named = {one["name"]: one["in"] for one in operation.get("parameters", [])}
            for content in operation.get("requestBody", {}).get("content", {}).values():
                named |= dict.fromkeys(_fields(content["schema"], schemas), "body")
            yield (
                (method.upper(), unserved.nameless(path)),
                {name: where for name, where in named.items() if re.search(r"(^|_)ids?$", name)},
            )


def _fields(schema, schemas):
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    for option in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from _fields(option, schemas)
    yield from schema.get("properties", {})


OPERATIONS = dict(described())


def place_of(row):
    return row.method, unserved.nameless(row.path)


class Pair:
    """Two tenants for whom the same rows are played, side by side."""

    def __init__(self, http, house, name=FOREIGN):
        self.http, self.keys = http, keys_of(FOREIGN)
        self.kept = [house.given(f"{name} {one}") for one in "ab"]
        self.tried, self.leaks = 0, []

    def play(self, rows, before):
        """`before(row, ours, theirs)` is called with what each would give, while everything is still there."""
        for row in rows:
            gives = [table.filled(row.give, kept) for kept in self.kept]
            before(row, *gives)
            for key, give, kept in zip(self.keys, gives, self.kept, strict=True):
                scenario = Scenario(self.http, key, None)
                scenario.kept = kept
                scenario.success(row, give)

    def ask(self, row, give, allowed, foreign):
        """One request of ours: answered as allowed, and with no id but those that it named itself."""
        answer = self.http.call(self.keys[0], row, give)
        self.tried += 1
        told = set(ID.findall(answer.text)) & foreign - set(ID.findall(json.dumps(give)))
        if answer.status not in allowed or told:
            self.leaks.append((row.op, give, answer.status, answer.text[:200]))


def ids_of(kept):
    return set(ID.findall(json.dumps(kept)))


def with_foreign_ids(pair):
    """Each id of an operation in turn another tenant's, all else valid."""

    def before(row, ours, theirs):
        foreign = ids_of(pair.kept[1]) - ids_of(pair.kept[0])
        named = OPERATIONS.get(place_of(row), {})
        for name in row.places:
            if ours[name] != theirs[name]:
                allowed = {404} if row.key == "ours" else {403, 404}
                pair.ask(row, {**ours, name: theirs[name]}, allowed, foreign)
        for name, where in named.items():
            kept = KEPT.get(name)
            if where == "path" or name in NOBODYS or kept not in pair.kept[1]:
                continue
            wanted = pair.kept[1][kept]
            wanted = [wanted] if name.endswith("s") else wanted
            # A filter for what isn't there finds nothing, as for an id that nobody has.
            allowed = REFUSED.get((row.op, name)) or ({404, 501} if where == "body" else {200, 404, 501})
            pair.ask(row, {**ours, name: wanted}, allowed, foreign)

    return before


@pytest.fixture(scope="module")
def http(house):
    one = clients.Http(house.url)
    yield one
    one.close()


def test_every_id_that_an_operation_takes_is_known_here():
    unknown = {
        (place, name)
        for place, named in OPERATIONS.items()
        for name, where in named.items()
        if where != "path" and name not in KEPT and name not in NOBODYS
    }
    assert unknown == set()


def test_an_id_of_another_tenant_is_404_wherever_it_stands(house, http):
    rows = table.load()
    assert {place_of(row) for row in rows} >= set(OPERATIONS), "an operation has no row in tests/letta/operations"
    pair = Pair(http, house)
    pair.play(rows, with_foreign_ids(pair))
    assert not pair.leaks, "\n".join(map(str, pair.leaks))
    assert pair.tried > 150


def test_without_a_known_key_every_operation_answers_401(http):
    wrong = []
    for row in _one_each(table.load()):
        give = dict.fromkeys(row.places, "x")
        for key in (None, "unknown-key-0123456789", keys_of(FOREIGN)[0][:-1]):
            answer = http.call(key, row, give)
            if answer.status != 401 and row.op not in OPEN:
                wrong.append((row.op, key, answer.status, answer.text[:100]))
    assert wrong == []


def test_a_key_of_one_person_reads_and_changes_nothing_of_the_tenants(house, http):
    """Its own questions and conventions are what it may; all else is 403, whatever it asks for."""
    allowed, wrong = [], []
    http.call(keys_of(FOREIGN)[0], table.Row("POST /v1/people"), {"handle": "anna"})
    for row in _one_each(table.load()):
        give = {name: f"{name.partition('_')[0]}-123e4567-e89b-42d3-8456-426614174000" for name in row.places}
        answer = http.call(PERSON, row, {**give, **_without_kept(row, give)})
        if answer.status == 200 and row.op not in OPEN | FOR_EVERYBODY:
            allowed.append(row.op)
        elif answer.status >= 500 and answer.status != 501:
            wrong.append((row.op, answer.status, answer.text[:100]))
    assert wrong == []
    assert sorted(allowed) == OF_PERSONS


def _without_kept(row, give):
    return {name: value for name, value in row.give.items() if name not in give and "$" not in json.dumps(value)}


def _one_each(rows):
    return {row.op: row for row in rows}.values()


def test_the_walk_finds_an_operation_that_tells_of_another_tenant(house, http):
    """With the other tenant's own key in our hand each request is answered: all of them are leaks."""
    pair = Pair(http, house, "same")
    pair.keys = (pair.keys[1], pair.keys[1])
    rows = [row for row in table.load() if row.path.startswith("/v1/blocks/") and "/agents" not in row.path]
    rows = [row for row in rows if "identities" not in row.path]
    pair.play(rows, with_foreign_ids(pair))
    assert {leak[0] for leak in pair.leaks} >= {"GET /v1/blocks/{block_id}", "PATCH /v1/blocks/{block_id}"}
