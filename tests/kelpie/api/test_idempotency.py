"""Requests with an Idempotency-Key: sent again they are answered again, not done again, whatever stopped a server."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading

import httpx2
import pytest

from kelpie.api import claims, idempotency, limits
from kelpie.config import Config
from kelpie.server import build
from umi.dst import Host
from umi.storage import View

MODEL = "openai/gpt-4o-mini"
KEY = {"idempotency-key": "k-1"}


def sse(text):
    """The events of a stream without its pings: (message type, id, content)."""
    said = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    return [(e["message_type"], e.get("id"), e.get("content")) for e in said if e["message_type"] != "ping"]


def user_texts(http, agent_id):
    listed = http.get(f"/v1/agents/{agent_id}/messages").json()
    return [one["content"] for one in listed if one["message_type"] == "user_message"]


@pytest.fixture
def named(live, request):
    """A key of this test's own."""
    return {"idempotency-key": request.node.name[:200].translate({ord(c): "-" for c in " []"})}


# ---- the same request again


def test_the_same_request_is_answered_again_and_done_once(http, named):
    body = {"label": "once", "value": "x"}
    first = http.post("/v1/blocks/", json=body, headers=named)
    again = http.post("/v1/blocks/", json=body, headers=named)
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert first.headers["content-type"] == again.headers["content-type"]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert len(http.get("/v1/blocks/?label=once").json()) == 1


def test_what_was_deleted_once_stays_deleted_and_the_answer_is_the_first(http, named):
    block = http.post("/v1/blocks/", json={"label": "gone", "value": "x"}).json()
    answers = [http.delete(f"/v1/blocks/{block['id']}", headers=named).status_code for _ in range(2)]
    assert answers == [200, 200]
    assert http.delete(f"/v1/blocks/{block['id']}").status_code == 404


@pytest.mark.parametrize(
    "other", [{"json": {"label": "b", "value": "y"}}, {"params": {"x": "1"}}], ids=["body", "query"]
)
def test_another_request_with_the_key_is_refused(http, named, other):
    same = {"json": {"label": "b", "value": "x"}, "headers": named}
    assert http.post("/v1/blocks/", **same).status_code == 200
    refused = http.post("/v1/blocks/", **{**same, **other})
    assert refused.status_code == 422
    assert "used for another request" in refused.json()["detail"]


def test_a_key_is_of_one_method_path_and_tenant(start):
    live = start(keys={"a-0123456789abcdef": "a", "b-0123456789abcdef": "b"})
    other = live.client("b-0123456789abcdef")
    body = {"label": "b", "value": "x"}
    made = [client.post("/v1/blocks/", json=body, headers=KEY).json()["id"] for client in (live.http, other)]
    assert made[0] != made[1]
    assert live.http.patch(f"/v1/blocks/{made[0]}", json=body, headers=KEY).status_code == 200
    assert live.http.post("/v1/tools/", json=body, headers=KEY).status_code == 422  # its own refusal: no source
    assert other.patch(f"/v1/blocks/{made[0]}", json=body, headers=KEY).status_code == 404


def test_a_key_of_somebody_limited_to_people_sees_no_answer_of_others(shared_house):
    """Both keys are the tenant's, and the path is the same: what one was answered is not for the other."""
    path, body = "/v1/analyst/conventions", {"kind": "preference", "topic": "show", "value": "table"}
    kept = shared_house.anna.post(path, json=body, headers=KEY)
    assert kept.status_code == 200
    assert shared_house.anna.post(path, json=body, headers=KEY).content == kept.content
    assert shared_house.finance.post(path, json=body, headers=KEY).status_code == 422
    shared_house.anna.delete(f"{path}/{kept.json()['convention']['id']}", params={"hard": True})


def test_reading_takes_no_notice_of_a_key(http):
    bad = {"idempotency-key": "not a key"}
    assert http.get("/v1/blocks/", headers=bad).status_code == 200


def test_who_needs_no_key_of_a_tenant_leaves_no_row(start):
    """The health route is open to everybody; nobody writes through it."""
    live = start(keys={"a-0123456789abcdef": "a"})
    assert live.client().post("/v1/health/", headers=KEY).status_code == 405
    assert live.run(View(live.server._database).fetch("SELECT * FROM keyed_request")) == []


@pytest.mark.parametrize("key", ["", "two words", "x" * (limits.KEY_CHARS_MAX + 1), "é"])
def test_what_is_no_key_is_refused(live, key):
    refused = live.http.post("/v1/blocks/", json={}, headers={"idempotency-key": key.encode()})
    assert refused.status_code == 422
    assert "visible ASCII" in refused.json()["detail"]


def test_a_body_that_is_too_large_is_refused_with_a_key_as_without(http, named):
    def chunks():
        for _ in range(33):
            yield b"x" * 1_000_000

    assert http.post("/v1/blocks/", content=chunks(), headers=named).status_code == 413


# ---- what is kept


def test_a_refusal_of_what_did_nothing_is_not_kept(http, named):
    source = 'def later_made(a: int) -> int:\n    """Keep.\n\n    Args:\n        a: A number.\n    """\n    return a\n'
    body = {"model": MODEL, "tools": ["later_made"]}
    assert http.post("/v1/agents/", json=body, headers=named).status_code == 404
    assert http.put("/v1/tools/", json={"source_code": source}).status_code == 200
    made = http.post("/v1/agents/", json=body, headers=named)
    assert made.status_code == 200
    assert http.post("/v1/agents/", json=body, headers=named).json()["id"] == made.json()["id"]


def test_a_failure_of_what_was_accepted_is_kept(live, named):
    agent = live.agent()
    answers = [
        live.http.post(f"/v1/agents/{agent['id']}/messages", json={"input": "[[err:400]]"}, headers=named)
        for _ in range(2)
    ]
    assert {one.status_code for one in answers} == {400}
    assert answers[0].content == answers[1].content
    assert answers[0].headers["x-should-retry"] == answers[1].headers["x-should-retry"] == "false"
    assert answers[0].headers["x-kelpie-run-id"] == answers[1].headers["x-kelpie-run-id"]
    assert user_texts(live.http, agent["id"]) == ["[[err:400]]"]


def test_an_answer_that_is_too_long_is_given_from_the_run_or_refused(live, named, monkeypatch):
    monkeypatch.setattr(limits, "KEY_ANSWER_BYTES_MAX", 200)
    agent = live.agent()
    said = [
        live.http.post(f"/v1/agents/{agent['id']}/messages", json={"input": "[[n:100]]"}, headers=named)
        for _ in range(2)
    ]
    assert said[0].json() == said[1].json()
    assert len(said[0].content) > 200
    assert user_texts(live.http, agent["id"]) == ["[[n:100]]"]
    body = {"label": "long", "value": "x" * 300}
    assert live.http.post("/v1/blocks/", json=body, headers=named).status_code == 200
    refused = live.http.post("/v1/blocks/", json=body, headers=named)
    assert refused.status_code == 409
    assert refused.headers["x-should-retry"] == "false"
    assert "carried out and answered with 200" in refused.json()["detail"]
    assert len(live.http.get("/v1/blocks/?label=long").json()) == 1


def test_what_is_kept_outlives_a_restart_and_is_forgotten_after_a_day(start):
    live = start()
    body = {"label": "kept", "value": "x"}
    first = live.http.post("/v1/blocks/", json=body, headers=KEY)
    live.stop()
    live.start()
    assert live.http.post("/v1/blocks/", json=body, headers=KEY).content == first.content
    database, host = live.server._database, live.server.host
    day_ms = limits.KEY_KEPT_MS_MAX
    assert live.run(claims.forget_old(database, host.clock.now_ms())) == 0
    assert live.run(claims.forget_old(database, host.clock.now_ms() + day_ms + 1)) == 1
    assert live.http.post("/v1/blocks/", json=body, headers=KEY).json()["id"] != first.json()["id"]


def test_a_request_without_a_key_leaves_no_row_and_makes_no_commit_more(start):
    live = start()
    database, commits = live.server._database, []
    commit = database.commit

    def counted(changes):
        commits.append(changes)
        return commit(changes)

    database.commit = counted
    live.http.post("/v1/blocks/", json={"label": "plain", "value": "x"})
    assert len(commits) == 1
    assert not any("keyed_request" in write.sql for write in commits[0].writes)
    live.http.post("/v1/blocks/", json={"label": "keyed", "value": "x"}, headers=KEY)
    assert len(commits) == 4  # the claim, the work with its note, the answer


def test_a_sent_again_upload_is_the_same_whatever_boundary_was_drawn():
    def sent(boundary, text):
        head = [(b"content-type", b"multipart/form-data; boundary=" + boundary)]
        scope = {"method": "POST", "path": "/v1/x", "query_string": b"", "headers": head}
        scope |= {"kelpie.tenant": "t", "kelpie.people": ()}
        return idempotency._keyed(scope, b"k", b"--" + boundary + b"\r\n\r\n" + text + b"\r\n--" + boundary + b"--")

    assert sent(b"aa11", b"text") == sent(b"bb22", b"text")
    assert sent(b"aa11", b"text") != sent(b"aa11", b"other")


# ---- while it is at work


def test_a_request_in_progress_is_neither_done_again_nor_waited_for(live, named):
    agent, path = live.agent(), f"/v1/agents/{live.agent()['id']}/messages"
    body, answers = {"input": "[[delay_ms:1500]] [[say:slow]]"}, []
    sender = threading.Thread(target=lambda: answers.append(live.client().post(path, json=body, headers=named)))
    sender.start()
    while not live.server.app.state.house.inbox.open:
        pass
    meanwhile = live.http.post(path, json=body, headers=named)
    other = live.http.post(path, json={"input": "other"}, headers=named)
    sender.join()
    assert (meanwhile.status_code, meanwhile.headers["retry-after"]) == (409, "1")
    assert "in progress" in meanwhile.json()["detail"]
    assert other.status_code == 422
    assert answers[0].status_code == 200
    assert live.http.post(path, json=body, headers=named).content == answers[0].content
    assert agent["id"] not in path


@pytest.mark.parametrize("tokens", [False, True])
def test_a_stream_that_is_asked_for_again_is_of_the_same_run(live, named, tokens):
    agent = live.agent()
    path = f"/v1/agents/{agent['id']}/messages/stream"
    body = {"input": "[[delay_ms:500]] [[say:in time]]", "stream_tokens": tokens}
    with live.http.stream("POST", path, json=body, headers=named) as first:
        run_id = first.headers["x-kelpie-run-id"]
        with live.client().stream("POST", path, json=body, headers=named) as second:
            assert second.headers["idempotent-replayed"] == "true"
            while_running = sse(second.read().decode())
        at_first = sse(first.read().decode())
    after = live.http.post(path, json=body, headers=named)
    assert {run_id} == {second.headers["x-kelpie-run-id"], after.headers["x-kelpie-run-id"]}
    assert at_first == while_running
    assert [(kind, one) for kind, one, _ in sse(after.text)][-3:] == [(kind, one) for kind, one, _ in at_first][-3:]
    assert "in time" in "".join(text or "" for kind, _, text in sse(after.text) if kind == "assistant_message")
    assert len(user_texts(live.http, agent["id"])) == 1


def test_a_receipt_is_given_again_and_no_second_run_made(live, named):
    agent = live.agent()
    path = f"/v1/agents/{agent['id']}/messages/async"
    receipts = [live.http.post(path, json={"input": "hi"}, headers=named).json() for _ in range(2)]
    assert receipts[0] == receipts[1]
    assert len(live.http.get("/v1/runs/", params={"agent_id": agent["id"]}).json()) == 1


# ---- a crash between any two commits


class InProcess:
    """A server without a socket, on the caller's loop. `kill` leaves of it what is on the disk, and nothing else."""

    def __init__(self, folder, scripted):
        self.host = Host()
        self.server = build(Config(data_folder=str(folder), openai_base_url=scripted), self.host)

    async def __aenter__(self):
        await self.server.start()
        self.database = self.server._database
        transport = httpx2.ASGITransport(app=self.server.app)
        self.http = httpx2.AsyncClient(transport=transport, base_url="http://localhost")
        return self

    async def __aexit__(self, *_):
        await self.http.aclose()
        if self.server.is_started:
            await self.server.stop()

    def stop_at(self, number, side):
        """The nth commit from now never returns: it does not happen, or it does and nobody hears of it."""
        self.reached, self.count = asyncio.Event(), 0
        commit = self.database.commit

        async def stopping(changes):
            self.count += 1
            mine = self.count == number
            if mine and side == "before":
                await self._hang()
            rows = await commit(changes)
            if mine:
                await self._hang()
            return rows

        self.database.commit = stopping

    async def _hang(self):
        self.reached.set()
        await asyncio.Event().wait()

    async def killed_during(self, work):
        """Kill the server once its commit is reached. Whether it was before `work` ended."""
        working = asyncio.ensure_future(work)
        watching = asyncio.ensure_future(self.reached.wait())
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        for task in (working, watching):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self.server.stop()
        return self.reached.is_set()

    async def count_of(self, table):
        return (await View(self.database).one(f"SELECT count(*) FROM {table}"))[0]


BLOCK = ("/v1/blocks/", {"label": "b", "value": "x"})
# What a kill leaves at each point of a request: the claim, the work, the answer. (commit, side) -> what the same
# request is answered after the restart.
POINTS = {
    (1, "before"): 200,
    (1, "after"): 200,
    (2, "before"): 200,
    (2, "after"): 409,
    (3, "before"): 409,
    (3, "after"): 200,
}


@pytest.mark.parametrize(("number", "side"), POINTS)
async def test_a_kill_anywhere_leaves_a_key_that_is_done_once(tmp_path, scripted, number, side):
    path, body = BLOCK
    async with InProcess(tmp_path, scripted) as first:
        before = await first.count_of("block")
        first.stop_at(number, side)
        assert await first.killed_during(first.http.post(path, json=body, headers=KEY))
    async with InProcess(tmp_path, scripted) as second:
        again = await second.http.post(path, json=body, headers=KEY)
        assert again.status_code == POINTS[number, side]
        if again.status_code == 409:
            assert "It is not run again" in again.json()["detail"]
            assert again.headers["x-should-retry"] == "false"
        assert await second.count_of("block") == before + 1
        assert (await second.http.post(path, json=body, headers=KEY)).status_code == again.status_code
        assert await second.count_of("block") == before + 1


@pytest.mark.parametrize("how", ["", "/stream", "/async"])
@pytest.mark.parametrize(("number", "side"), [(1, "after"), (2, "before"), (2, "after"), (3, "after"), (4, "after")])
async def test_a_kill_anywhere_leaves_a_message_that_runs_once(tmp_path, scripted, number, side, how):
    """What was accepted is finished after the restart, and the same request is answered from its run."""
    async with InProcess(tmp_path, scripted) as first:
        agent = (await first.http.post("/v1/agents/", json={"model": MODEL})).json()["id"]
        path, body = f"/v1/agents/{agent}/messages{how}", {"input": "[[say:well]]"}
        first.stop_at(number, side)
        assert await first.killed_during(first.http.post(path, json=body, headers=KEY))
    async with InProcess(tmp_path, scripted) as second:
        answers = [await second.http.post(path, json=body, headers=KEY) for _ in range(2)]
        assert [one.status_code for one in answers] == [200, 200]
        assert how == "/async" or all("well" in one.text for one in answers)
        assert await second.count_of("run") == 1


async def test_a_kill_during_what_acts_outside_leaves_a_key_that_is_not_done_again(tmp_path, scripted):
    """Nobody can tell how far a tool came."""
    source = 'def acts(a: int) -> int:\n    """Act.\n\n    Args:\n        a: A number.\n    """\n    return a\n'
    async with InProcess(tmp_path, scripted) as first:
        first.stop_at(1, "after")
        body = {"source_code": source, "args": {"a": 1}}
        assert await first.killed_during(first.http.post("/v1/tools/run", json=body, headers=KEY))
    async with InProcess(tmp_path, scripted) as second:
        again = await second.http.post("/v1/tools/run", json=body, headers=KEY)
        assert again.status_code == 409
        assert "It is not run again" in again.json()["detail"]


async def test_a_first_attempt_that_wakes_up_late_commits_nothing(tmp_path, scripted):
    """Two processes on one store, or one that was taken for dead: the key was taken over, so the work is refused."""
    path, body = BLOCK
    async with InProcess(tmp_path, scripted) as one:
        before, commit = await one.count_of("block"), one.database.commit
        sleeping, awake = asyncio.Event(), asyncio.Event()

        async def sleepy(changes):
            if any("INSERT INTO block" in write.sql for write in changes.writes) and not sleeping.is_set():
                sleeping.set()
                await awake.wait()
            return await commit(changes)

        one.database.commit = sleepy
        late = asyncio.ensure_future(one.http.post(path, json=body, headers=KEY))
        await sleeping.wait()
        layer = one.server.app.middleware_stack
        while not isinstance(layer, idempotency.Idempotency):
            layer = getattr(layer, "app", None) or layer._app
        layer._at_work.clear()  # another process has none of these
        first = await one.http.post(path, json=body, headers=KEY)
        awake.set()
        assert first.status_code == 200
        assert (await late).status_code == 503
        assert await one.count_of("block") == before + 1
        assert (await one.http.post(path, json=body, headers=KEY)).content == first.content


SERVE = "import sys; from kelpie import config; from kelpie.server import run; sys.exit(run(config.load()))"


@contextlib.contextmanager
def serving(folder, scripted):
    """A server in a process of its own: its URL, and how to kill it."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("KELPIE_", "OPENAI_"))}
    settings = {"KELPIE_DATA": str(folder), "KELPIE_PORT": "0", "OPENAI_BASE_URL": scripted}
    with subprocess.Popen([sys.executable, "-c", SERVE], stderr=subprocess.PIPE, env=plain | settings) as process:
        try:
            line = process.stderr.readline().decode()
            assert line.startswith("kelpie listening on "), line
            url = line.split()[-1]
            with httpx2.Client(base_url=url, trust_env=False, timeout=30) as http:
                yield http, lambda: process.send_signal(signal.SIGKILL)
        finally:
            process.kill()


@pytest.mark.slow
def test_a_real_kill_in_the_middle_of_a_stream_runs_the_message_once(tmp_path, scripted):
    with serving(tmp_path, scripted) as (http, kill):
        agent = http.post("/v1/agents/", json={"model": MODEL}).json()["id"]
        path, body = f"/v1/agents/{agent}/messages/stream", {"input": "[[delay_ms:700]] [[say:after all]]"}
        with http.stream("POST", path, json=body, headers=KEY) as stream:
            run_id = stream.headers["x-kelpie-run-id"]
            kill()
            with pytest.raises(httpx2.TransportError):
                stream.read()
    with serving(tmp_path, scripted) as (http, _):
        again = http.post(path, json=body, headers=KEY)
        assert again.headers["x-kelpie-run-id"] == run_id
        assert "after all" in again.text
        assert user_texts(http, agent) == [body["input"]]
