"""Runs in the background under a server that is killed and started again: each reaches its end, and each reader, who
takes up its stream where it was cut, has heard every event once."""

import json
import random
import socket
import threading
import time

import httpx2
import pytest
from tests.kelpie.server.test_running import Process

from kelpie.api import limits

MODEL = "openai/gpt-4o-mini"
SEED = 7
# Agents, runs and kills: in every run of the tests, and in `make letta`.
FEW, MANY = (20, 40, 4), (60, 200, 16)
TEXTS = (
    "[[pace_ms:{pace}]] [[n:{words}]]",
    "[[pace_ms:{pace}]] [[think:let me see]] [[n:{words}]]",
    '[[pace_ms:{pace}]] [[tool:memory_insert {{"label": "human", "new_string": "one two three"}}]] [[n:{words}]]',
)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Reader(threading.Thread):
    """Sends one message and reads to the end of its run, however often the server goes away meanwhile."""

    def __init__(self, url, agent_id, text, number, *, stream_tokens):
        super().__init__(daemon=True)
        self.url, self.run_id, self.after = url, None, 0
        self.heard, self.taken_up, self.end = [], 0, []
        message = {"role": "user", "content": text, "otid": f"message-{number}"}
        body = {"messages": [message], "streaming": True, "background": True, "stream_tokens": stream_tokens}
        self._first = f"/v1/agents/{agent_id}/messages", body
        self.failure = None
        self.start()

    def run(self):
        try:
            with httpx2.Client(base_url=self.url, timeout=30, trust_env=False) as http:
                while "[DONE]" not in self.end:
                    try:
                        self._read(http)
                    except httpx2.TransportError:
                        time.sleep(0.25)  # it is being started again
        except Exception as error:  # noqa: BLE001 - shown by the test
            self.failure = error

    def _read(self, http):
        path, body = self._first
        if self.run_id is not None:
            path, body = f"/v1/runs/{self.run_id}/stream", {"starting_after": self.after}
        self.end = []
        with http.stream("POST", path, json=body) as answer:
            assert answer.status_code == 200, answer.read()
            self.taken_up += self.run_id is not None
            self.run_id = answer.headers["x-kelpie-run-id"]
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    self._hear(line[6:])

    def _hear(self, data):
        one = data if data == "[DONE]" else json.loads(data)
        if one == "[DONE]" or one["message_type"] in ("stop_reason", "usage_statistics", "error_message"):
            self.end.append(one if one == "[DONE]" else one["message_type"])
        elif one["message_type"] != "ping":
            self.heard.append(one)
            self.after = one["seq_id"]


def said(event):
    """What an event says, without when it was told."""
    return {key: value for key, value in event.items() if key != "date"}


@pytest.fixture
def restarted(scripted, tmp_path):
    """`restarted()` kills the server, if there is one, and starts it on the same port and folder; its URL."""
    port, running = free_port(), []

    def restart():
        if running:
            running[-1].popen.kill()
            running[-1].popen.wait()
        log = tmp_path / f"{len(running)}.log"
        settings = {"KELPIE_PORT": str(port), "OPENAI_BASE_URL": scripted}
        running.append(Process(tmp_path / "data", log, 'exec "$@"', **settings))
        return running[-1].listening()

    yield restart
    for one in running:
        one.popen.kill()
        one.popen.wait()


@pytest.mark.parametrize(("agents_count", "runs", "kills"), [FEW, pytest.param(*MANY, marks=pytest.mark.letta)])
def test_every_run_ends_and_every_stream_is_taken_up_without_gap_or_repeat(restarted, agents_count, runs, kills):
    chance = random.Random(SEED)
    url = restarted()
    with httpx2.Client(base_url=url, timeout=30, trust_env=False) as http:
        blocks = {"memory_blocks": [{"label": "human", "value": ""}]}
        agents = [http.post("/v1/agents/", json={"model": MODEL, **blocks}).json()["id"] for _ in range(agents_count)]
    readers = []
    for number in range(runs):
        text = TEXTS[number % len(TEXTS)].format(pace=chance.randint(20, 120), words=chance.randint(5, 25))
        tokens = number % 4 != 3
        readers.append(Reader(url, agents[number % agents_count], text, number, stream_tokens=tokens))
    for _ in range(kills):
        time.sleep(chance.uniform(0.1, 1.2))
        restarted()
    for reader in readers:
        reader.join(120)
        assert reader.failure is None, reader.failure
        assert not reader.is_alive(), reader.run_id
    with httpx2.Client(base_url=url, timeout=30, trust_env=False) as http:
        for reader in readers:
            _is_whole(http, reader)
    assert sum(reader.taken_up for reader in readers) >= kills, "nobody was cut"
    cut = [reader for reader in readers if reader.after > limits.STREAM_EVENTS_PER_ATTEMPT]
    assert cut, "no reply was cut in the middle of its pieces"
    assert len({reader.run_id for reader in readers}) == runs


def _is_whole(http, reader):
    run = http.get(f"/v1/runs/{reader.run_id}").json()
    assert (run["status"], run["stop_reason"]) == ("completed", "end_turn")
    assert reader.end == ["stop_reason", "usage_statistics", "[DONE]"]
    numbers = [event["seq_id"] for event in reader.heard]
    assert numbers == sorted(set(numbers)), "an event was told twice, or out of order"
    text = http.post(f"/v1/runs/{reader.run_id}/stream", json={"include_pings": False}).text
    lines = [line[6:] for line in text.split("\n") if line.startswith("data: ")]
    committed = [json.loads(line) for line in lines[:-3]]
    assert lines[-1] == "[DONE]"
    # Nothing that was committed is missing, and nothing else was heard but pieces of replies that were cut.
    kept = {event["id"] for event in committed}
    assert [said(one) for one in reader.heard if one["id"] in kept] == [said(one) for one in committed]
    numbers = [event["seq_id"] for event in committed]
    for before, number in zip([0, *numbers], numbers, strict=False):
        assert number == before + 1 or number % limits.STREAM_EVENTS_PER_ATTEMPT == 1, (before, number)
    void = {event["seq_id"] for event in reader.heard if event["id"] not in kept}
    assert not void & set(numbers)
    stored = http.get(f"/v1/runs/{reader.run_id}/messages", params={"limit": 1000}).json()
    asked, answered = stored[0], [one for one in stored if one["message_type"] == "assistant_message"]
    assert asked["message_type"] == "user_message"
    assert "".join(one["content"] for one in committed if one["message_type"] == "assistant_message") == "".join(
        one["content"] for one in answered
    )


FAULTS = {
    "a gap": lambda heard: [*heard[:2], *heard[3:]],
    "the last event lost": lambda heard: heard[:-1],
    "an event told twice": lambda heard: [*heard[:2], heard[1], *heard[2:]],
    "two in the wrong order": lambda heard: [heard[1], heard[0], *heard[2:]],
    "other words": lambda heard: [{**heard[0], "content": "something else"}, *heard[1:]],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_check_sees_a_stream_that_is_not_whole(live, fault):
    """A stream that was heard to its end is whole; with one fault planted in what was heard, it isn't."""
    reader = Reader(live.url, live.agent()["id"], "[[n:6]]", fault, stream_tokens=True)
    reader.join(20)
    assert reader.failure is None, reader.failure
    _is_whole(live.http, reader)
    reader.heard = FAULTS[fault](reader.heard)
    with pytest.raises(AssertionError):
        _is_whole(live.http, reader)
