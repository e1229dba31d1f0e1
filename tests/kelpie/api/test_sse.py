"""Streams as bytes: pings, pieces, errors, and readers that leave."""

import asyncio
import json

from kelpie.agents.turn.stream import Committed, Ended, RunStream
from kelpie.api import limits, sse
from kelpie.trajectories.records import Run, RunOptions
from umi.dst import Host, SystemClock


def events_of(answer):
    """(event, data) of each event."""
    found = []
    for block in answer.read().decode().split("\n\n")[:-1]:
        lines = dict(line.split(": ", 1) for line in block.split("\n"))
        found.append((lines.get("event"), lines["data"]))
    return found


def stream(live, agent_id, text, **options):
    body = {"input": text, "streaming": True, **options}
    with live.http.stream("POST", f"/v1/agents/{agent_id}/messages", json=body) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        return events_of(answer)


def test_a_stream_begins_with_a_ping_that_names_the_run_and_ends_with_done(live):
    agent = live.agent()
    events = stream(live, agent["id"], "[[say:hi]]")
    first, last = json.loads(events[0][1]), events[-1][1]
    assert first["message_type"] == "ping"
    assert live.http.get(f"/v1/runs/{first['run_id']}").json()["agent_id"] == agent["id"]
    assert last == "[DONE]"
    assert [json.loads(data)["message_type"] for _, data in events[-3:-1]] == ["stop_reason", "usage_statistics"]
    assert all(event is None for event, _ in events)


def test_without_pings_there_is_none(live):
    events = stream(live, live.agent()["id"], "[[say:hi]]", include_pings=False)
    assert json.loads(events[0][1])["message_type"] == "assistant_message"


def test_a_call_arrives_in_pieces_and_its_return_whole_and_nothing_twice(live):
    agent = live.agent(memory_blocks=[{"label": "human", "value": ""}])
    call = '[[tool:memory_insert {"label": "human", "new_string": "likes tea and cake"}]] [[say:well noted]]'
    events = [json.loads(data) for _, data in stream(live, agent["id"], call, stream_tokens=True)[1:-3]]
    calls = [event for event in events if event["message_type"] == "tool_call_message"]
    assert calls[0]["tool_call"]["name"] == "memory_insert"
    assert "arguments" not in calls[0]["tool_call"]
    assert all("name" not in piece["tool_call"] for piece in calls[1:])
    assert len({(piece["id"], piece["otid"], piece["tool_call"]["tool_call_id"]) for piece in calls}) == 1
    arguments = "".join(piece["tool_call"].get("arguments", "") for piece in calls)
    assert json.loads(arguments) == {"label": "human", "new_string": "likes tea and cake"}
    returns = [event for event in events if event["message_type"] == "tool_return_message"]
    assert [one["status"] for one in returns] == ["success"]
    said = [event["content"] for event in events if event["message_type"] == "assistant_message"]
    assert said == ["well ", "noted"]
    order = [event["message_type"] for event in events]
    assert order.index("tool_return_message") == len(calls)


def test_parallel_calls_are_told_apart_by_their_ids(live):
    agent = live.agent()
    call = '[[par:conversation_search {"query": "a"}]] [[par:conversation_search {"query": "b"}]]'
    events = [json.loads(data) for _, data in stream(live, agent["id"], call, stream_tokens=True)[1:-3]]
    arguments = {}
    for event in events:
        if event["message_type"] == "tool_call_message":
            piece = event["tool_call"]
            arguments[piece["tool_call_id"]] = arguments.get(piece["tool_call_id"], "") + piece.get("arguments", "")
    assert sorted(json.loads(text)["query"] for text in arguments.values()) == ["a", "b"]
    stored = live.http.get(f"/v1/agents/{agent['id']}/messages", params={"order": "asc"}).json()
    whole = next(message for message in stored if message["message_type"] == "tool_call_message")
    assert {call["tool_call_id"] for call in whole["tool_calls"]} == set(arguments)


def test_a_failed_run_ends_in_stop_reason_error_and_done(live):
    agent = live.agent()
    events = stream(live, agent["id"], "[[err:400]]")
    assert [event for event, _ in events] == [None, None, "error", None]
    assert json.loads(events[1][1]) == {"message_type": "stop_reason", "stop_reason": "llm_api_error"}
    error = json.loads(events[2][1])
    assert (error["message_type"], error["error_type"]) == ("error_message", "llm_bad_request")
    assert error["run_id"] == json.loads(events[0][1])["run_id"]
    assert events[3][1] == "[DONE]"


def test_a_reader_that_leaves_does_not_stop_the_run(live):
    agent = live.agent()
    body = {"input": "[[delay_ms:300]] [[say:to nobody]]", "streaming": True, "stream_tokens": True}
    with live.http.stream("POST", f"/v1/agents/{agent['id']}/messages", json=body) as answer:
        run_id = json.loads(next(line for line in answer.iter_lines() if line)[6:])["run_id"]
    running = live.server.app.state.house.inbox.stream_of(run_id)
    assert running is not None, "the reader should have left before the end"
    ended, _ = live.run(running.wait())
    assert ended.run.status == "completed"
    said = live.http.get(f"/v1/runs/{run_id}/messages").json()[-1]
    assert said["content"] == "to nobody"


class Impatient(SystemClock):
    """Every deadline passes at once; how long each would have been is noted."""

    def __init__(self):
        self.asked = []

    def timeout(self, duration_ms):
        self.asked.append(duration_ms)
        return asyncio.timeout(0.01)


class Shop:
    def __init__(self, host):
        self.host = host


class House:
    redact = staticmethod(str)

    def __init__(self, host):
        self.workshop = Shop(host)


async def test_a_quiet_stream_is_kept_open_with_pings():
    clock = Impatient()
    host = Host(clock=clock)
    run = Run(tenant="t", id=host.ids.new("run"), agent_id="agent-1", status="created", input=[], options=RunOptions())
    running = RunStream(run)

    async def calls_of(_):
        return {}

    kinds = []
    async for block in sse.events(running, House(host), calls_of):
        kinds.append(json.loads(block.split(b"data: ")[1].split(b"\n")[0])["message_type"])
        if len(kinds) == 3:
            running.publish(Ended(run, []))
    assert kinds == ["ping", "ping", "ping", "stop_reason"]
    assert clock.asked
    assert set(clock.asked) == {limits.PING_INTERVAL_MS}
    assert not running.is_watched
    await host.close()


async def test_a_reader_that_lags_is_told_and_let_go(monkeypatch):
    monkeypatch.setattr("kelpie.agents.limits.STREAM_EVENTS_WAITING_MAX", 0)
    host = Host()
    run = Run(tenant="t", id=host.ids.new("run"), agent_id="agent-1", status="created", input=[], options=RunOptions())
    running = RunStream(run)

    async def calls_of(_):
        return {}

    reader = sse.events(running, House(host), calls_of)
    assert b"ping" in await anext(reader)
    for _ in range(10):  # the watcher begins in a task of its own
        await asyncio.sleep(0)
    assert running.is_watched
    running.publish(Ended(run, []))
    last = await anext(reader)
    assert b"stream_incomplete" in last
    assert last.endswith(b"data: [DONE]\n\n")
    await host.close()


async def test_a_reader_that_stops_reading_holds_no_more_than_the_bound_and_is_let_go(monkeypatch):
    monkeypatch.setattr("kelpie.agents.limits.STREAM_EVENTS_WAITING_MAX", 3)
    host = Host()
    run = Run(tenant="t", id=host.ids.new("run"), agent_id="agent-1", status="created", input=[], options=RunOptions())
    running = RunStream(run)
    watch = sse.Watch(running, host)
    await asyncio.sleep(0)
    for _ in range(10):  # one at a time: each reaches the watch before the next
        running.publish(Committed(1, []))
        for _ in range(5):
            await asyncio.sleep(0)
    assert not running.is_watched, "it still takes events for a reader that takes none"
    told = await watch.next(1_000)
    assert [type(one) for one in told] == [Committed, Committed, Committed, sse.Lagged]
    await host.close()
