"""Memories of mem0, Graphiti and the first Umi: dates, scopes, history and what was superseded survive the move."""

import datetime as dt
import json

import pytest

from umi.archival import history
from umi.errors import ImportRefused


def ms(text):
    return round(dt.datetime.fromisoformat(text).timestamp() * 1000)


@pytest.fixture
def write(tmp_path):
    def write(value):
        path = tmp_path / "export.json"
        path.write_text(json.dumps(value, indent=1))
        return path

    return write


async def versions(scope, fact_id):
    return await history.of_fact(scope.view, scope.tenant, scope.name, fact_id)


async def believed(scope, valid, known):
    facts = await history.believed(scope.view, scope.tenant, scope.name, valid_ms=ms(valid), known_ms=ms(known))
    return [fact.text for fact in facts]


MEM0 = {
    "results": [
        {
            "id": "m1",
            "memory": "Likes espresso",
            "hash": "x",
            "metadata": {"mood": "calm"},
            "created_at": "2024-03-01T09:00:00.123456-08:00",
            "updated_at": "2024-05-01T09:00:00-07:00",
            "user_id": "ada",
            "score": None,
        },
        {
            "id": "m2",
            "memory": "Plays chess",
            "created_at": "2024-03-02T09:00:00+00:00",
            "updated_at": None,
            "user_id": "ada",
        },
        {
            "id": "m3",
            "memory": "Speaks Welsh",
            "created_at": "2024-03-03T09:00:00+00:00",
            "user_id": "bob",
            "agent_id": "tutor",
        },
    ],
    "relations": [],
    "history": [
        {
            "memory_id": "m1",
            "old_memory": None,
            "new_memory": "Likes filter coffee",
            "event": "ADD",
            "created_at": "2024-03-01T09:00:00.123456-08:00",
        },
        {
            "memory_id": "m1",
            "old_memory": "Likes filter coffee",
            "new_memory": "Likes espresso",
            "event": "UPDATE",
            "created_at": "2024-03-01T09:00:00.123456-08:00",
            "updated_at": "2024-05-01T09:00:00-07:00",
            "actor_id": "ada",
        },
    ],
}


async def test_mem0s_scopes_are_kept_apart(elsewhere, write):
    path = write(MEM0)
    with pytest.raises(ImportRefused, match=r"2 scopes .*user:ada.*each_scope"):
        await elsewhere.take_file(path)
    imported = await elsewhere.take_file(path, each_scope=True)
    assert (imported.facts, imported.scopes) == (3, ["user:ada", "user:bob/agent:tutor"])
    assert [row[3] for row in (await elsewhere.of("user:ada").rows())["facts"]] == ["Likes espresso", "Plays chess"]
    assert [row[3] for row in (await elsewhere.of("user:bob/agent:tutor").rows())["facts"]] == ["Speaks Welsh"]


async def test_mem0s_history_is_what_was_believed_then(elsewhere, write):
    await elsewhere.take_file(write(MEM0), each_scope=True)
    ada = elsewhere.of("user:ada")
    first, second = await versions(ada, "passage-m1")
    assert (first.why.action, first.fact.text, first.fact.known_from_ms) == (
        "add",
        "Likes filter coffee",
        ms("2024-03-01T17:00:00.123Z"),
    )
    assert (second.why.action, second.why.actor, second.fact.text) == ("update", "ada", "Likes espresso")
    assert second.fact.created_at_ms == first.fact.known_from_ms
    assert second.fact.metadata == {"mood": "calm"}
    assert second.fact.source == {"name": "mem0", "id": "m1"}
    assert await believed(ada, "2024-06-01", "2024-04-01") == ["Likes filter coffee", "Plays chess"]
    assert await believed(ada, "2024-06-01", "2024-06-01") == ["Likes espresso", "Plays chess"]


async def test_what_mem0_deleted_is_forgotten_and_still_known_to_have_been(elsewhere, write):
    value = {
        "results": [{"id": "m2", "memory": "Plays chess", "created_at": "2024-03-02", "user_id": "ada"}],
        "history": {
            "m9": [
                {"event": "ADD", "new_memory": "Smokes", "created_at": "2024-01-01"},
                {"event": "DELETE", "old_memory": "Smokes", "created_at": "2024-02-01"},
            ]
        },
    }
    await elsewhere.take_file(write(value))
    assert await believed(elsewhere, "2024-06-01", "2024-01-15") == ["Smokes"]
    assert await believed(elsewhere, "2024-06-01", "2024-06-01") == ["Plays chess"]
    assert [one.why.action for one in await versions(elsewhere, "passage-m9")] == ["add", "forget"]


async def test_a_list_of_mem0_without_history_is_known_from_its_last_change(elsewhere, write):
    await elsewhere.take_file(write(MEM0["results"][:1]))
    (only,) = await versions(elsewhere, "passage-m1")
    assert (only.fact.valid_from_ms, only.fact.known_from_ms) == (
        ms("2024-03-01T17:00:00.123Z"),
        ms("2024-05-01T16:00Z"),
    )


async def test_mem0s_graph_becomes_claims_between_entities(elsewhere, write):
    value = {"results": [], "relations": [{"source": "ada", "relationship": "LIKES", "target": "tea"}]}
    await elsewhere.take_file(write(value))
    rows = await elsewhere.rows()
    assert [row[:3] for row in rows["claims"]] == [("ada", "likes", "tea")]
    assert {row[0] for row in rows["mentions"]} == {"ada", "tea"}


GRAPHITI = {
    "nodes": [
        {
            "uuid": "n1",
            "name": "Bob",
            "group_id": "team",
            "labels": ["Entity", "Person"],
            "summary": "Bob is new.",
            "created_at": "2024-01-01T00:00:00Z",
        },
        {
            "uuid": "n2",
            "name": "Acme",
            "group_id": "team",
            "labels": ["Entity"],
            "attributes": {"city": "Oslo"},
            "created_at": "2024-01-01T00:00:00Z",
        },
        {
            "uuid": "n3",
            "name": "Globex",
            "group_id": "team",
            "labels": ["Entity", "Organization"],
            "created_at": "2024-03-01T00:00:00Z",
        },
    ],
    "edges": [
        {
            "uuid": "e1",
            "group_id": "team",
            "source_node_uuid": "n1",
            "target_node_uuid": "n2",
            "name": "WORKS_AT",
            "fact": "Bob works at Acme",
            "episodes": ["p1"],
            "created_at": "2024-01-02T00:00:00Z",
            "valid_at": "2020-06-01T00:00:00Z",
            "invalid_at": "2024-02-15T00:00:00Z",
            "expired_at": "2024-03-01T12:00:00Z",
        },
        {
            "uuid": "e2",
            "group_id": "team",
            "source_node_uuid": "n1",
            "target_node_uuid": "n3",
            "name": "WORKS_AT",
            "fact": "Bob works at Globex",
            "episodes": ["p2"],
            "created_at": "2024-03-01T12:00:00Z",
            "valid_at": "2024-02-15T00:00:00Z",
            "invalid_at": None,
            "expired_at": None,
        },
    ],
    "episodes": [
        {
            "uuid": "p1",
            "name": "chat 1",
            "group_id": "team",
            "source_description": "chat",
            "content": "Bob: I'm at Acme.",
            "created_at": "2024-01-02T00:00:00Z",
            "valid_at": "2024-01-01T08:00:00Z",
        },
        {
            "uuid": "p2",
            "name": "chat 2",
            "group_id": "team",
            "source_description": "chat",
            "content": "Bob: I moved.",
            "created_at": "2024-03-01T12:00:00Z",
            "valid_at": "2024-03-01T11:00:00Z",
        },
    ],
}


async def test_graphitis_two_time_axes_are_kept(elsewhere, write):
    await elsewhere.take_file(write(GRAPHITI))

    async def where(valid, known):
        return [text for text in await believed(elsewhere, valid, known) if "works" in text]

    assert await where("2024-04-01", "2024-02-20") == ["Bob works at Acme"], "nobody knew better then"
    assert await where("2024-04-01", "2024-04-01") == ["Bob works at Globex"]
    assert await where("2023-01-01", "2024-04-01") == ["Bob works at Acme"], "it was true, and is known to have been"
    assert await where("2019-01-01", "2024-04-01") == []
    first, second = await versions(elsewhere, "passage-e1")
    assert [first.why.action, second.why.action] == ["add", "supersede"]
    assert (first.fact.known_from_ms, first.fact.known_to_ms) == (ms("2024-01-02T00:00Z"), ms("2024-03-01T12:00Z"))
    assert second.fact.valid_to_ms == ms("2024-02-15T00:00Z")
    assert (first.fact.event_time_ms, first.fact.document_time_ms) == (ms("2020-06-01T00:00Z"), ms("2024-01-01T08:00Z"))


async def test_graphitis_nodes_episodes_and_groups_come_along(elsewhere, write):
    imported = await elsewhere.take_file(write(GRAPHITI), each_scope=True)
    assert imported.scopes == ["team"]
    rows = await elsewhere.of("team").rows()
    entities = {row[2]: row for row in rows["entities"]}
    assert (entities["Bob"][1], entities["Acme"][1], entities["Globex"][1]) == ("person", "topic", "organization")
    assert (entities["Bob"][6], entities["Bob"][9]) == ("Bob is new.", 2)
    assert json.loads(entities["Acme"][5]) == {"city": "Oslo"}
    facts = {row[3]: row for row in rows["facts"]}
    assert json.loads(facts["Bob: I moved."][4]) == ["episode"]
    assert facts["Bob: I moved."][9] == "chat", "episodes of one source are neighbours"
    assert json.loads(facts["Bob works at Globex"][7])["episodes"] == ["passage-p2"]
    assert ("bob", "works_at", "globex", "passage-e2") in rows["claims"]


async def test_an_edge_that_graphiti_knew_to_be_over_is_one_version(elsewhere, write):
    edge = {**GRAPHITI["edges"][0], "expired_at": None}
    await elsewhere.take_file(write({"nodes": GRAPHITI["nodes"], "edges": [edge]}))
    (only,) = await versions(elsewhere, "passage-e1")
    assert (only.fact.valid_to_ms, only.fact.known_to_ms) == (ms("2024-02-15T00:00Z"), None)


async def test_an_edge_without_its_node_is_refused(elsewhere, write):
    with pytest.raises(ImportRefused, match="node 'n3', which isn't there"):
        await elsewhere.take_file(write({"nodes": GRAPHITI["nodes"][:2], "edges": GRAPHITI["edges"]}))


UMI = {
    "entities": [
        {
            "id": "u1",
            "entity_type": "person",
            "name": "Bob",
            "content": "Bob works at Acme",
            "metadata": {"importance": "0.8"},
            "embedding": [0.1, 0.2],
            "created_at": "2024-01-01T00:00:00Z",
            "updated_at": "2024-01-01T00:00:00Z",
            "document_time": "2023-12-31T00:00:00Z",
            "event_time": "2020-01-01T00:00:00Z",
            "source_ref": {"uri": "file:///notes.txt", "mime_type": "text/plain"},
        },
        {
            "id": "u2",
            "entity_type": "person",
            "name": "Bob",
            "content": "Bob works at Globex",
            "created_at": 1709290800000,
            "event_time": "2024-02-01",
        },
        {
            "id": "u3",
            "entity_type": "org",
            "name": "Globex",
            "content": "Globex makes things",
            "created_at": "2024-03-02T00:00:00Z",
        },
    ],
    "evolutions": [
        {
            "id": "r1",
            "source_id": "u1",
            "target_id": "u2",
            "evolution_type": "Update",
            "reason": "changed jobs",
            "confidence": 0.9,
            "created_at": "2024-03-01T11:00:00Z",
        }
    ],
}


async def test_umis_entities_become_facts_with_their_dates_and_sources(elsewhere, write):
    await elsewhere.take_file(write(UMI))
    first = (await versions(elsewhere, "passage-u1"))[0].fact
    assert (first.importance, first.event_time_ms) == (0.8, ms("2020-01-01T00:00Z"))
    assert (first.document_time_ms, first.created_at_ms) == (ms("2023-12-31T00:00Z"), ms("2024-01-01T00:00Z"))
    assert first.source == {"uri": "file:///notes.txt", "mime_type": "text/plain"}
    rows = await elsewhere.rows()
    assert {row[2]: row[1] for row in rows["entities"]} == {"Bob": "person", "Globex": "organization"}


async def test_umis_evolutions_are_supersessions_that_history_shows(elsewhere, write):
    await elsewhere.take_file(write(UMI))
    _first, second = await versions(elsewhere, "passage-u1")
    assert (second.why.action, second.why.reason) == ("supersede", "changed jobs")
    assert second.fact.valid_to_ms == ms("2024-02-01T00:00Z")
    assert await believed(elsewhere, "2024-06-01", "2024-02-20") == ["Bob works at Acme"]
    assert await believed(elsewhere, "2024-02-20", "2024-06-01") == ["Bob works at Globex"]
    assert (await elsewhere.rows())["evolutions"] == [
        ("passage-u1", "passage-u2", "update", "changed jobs", 0.9, ms("2024-03-01T11:00Z"))
    ]


@pytest.mark.parametrize("value", [MEM0["results"][:2], GRAPHITI, UMI], ids=["mem0", "graphiti", "umi"])
async def test_importing_a_foreign_file_twice_adds_nothing(elsewhere, write, value):
    path = write(value)
    assert (await elsewhere.take_file(path)).facts > 0
    before = await elsewhere.rows()
    again = await elsewhere.take_file(path)
    assert (again.facts, again.past, again.entities) == (0, 0, 0)
    assert await elsewhere.rows() == before


BROKEN = [
    ({"results": [{"id": 1, "memory": "x"}]}, "shape"),
    ({"results": [{"id": "1", "memory": "x", "created_at": "yesterday"}]}, "created_at"),
    ({"results": [{"id": "1", "memory": "x", "created_at": 1e300}]}, "9999"),
    ({"results": [{"id": "1", "memory": ""}]}, "blank"),
    ({"results": [{"id": "1", "memory": "x" * 1_000_001}]}, "at most"),
    ({"results": "all"}, "no export that is known"),
    ({"nodes": [{}], "edges": []}, "shape"),
    ([{"id": "1", "entity_type": "note", "content": "x", "metadata": {"importance": "high"}}], "importance"),
    (
        {
            "entities": [{"id": "1", "entity_type": "note", "content": "x"}],
            "evolutions": [{"source_id": "1", "target_id": "2", "evolution_type": "update"}],
        },
        "isn't there",
    ),
    ({"entities": []}, "no export that is known"),
    (7, "no export that is known"),
]


@pytest.mark.parametrize(("value", "says"), BROKEN, ids=lambda value: str(value)[:40])
async def test_a_broken_foreign_file_is_refused_whole(elsewhere, write, value, says):
    with pytest.raises(ImportRefused, match=says):
        await elsewhere.take_file(write(value))
    assert not any((await elsewhere.rows()).values())


async def test_json_that_breaks_off_is_refused_by_its_line(elsewhere, tmp_path):
    path = tmp_path / "mem0.json"
    path.write_text('{"results": [\n{"id": "1",\n "memory": oops}]}')
    with pytest.raises(ImportRefused) as caught:
        await elsewhere.take_file(path)
    assert caught.value.line == 3
