"""Scheduled messages over HTTP, as the published client asks for them."""

import importlib.util
import time
from datetime import UTC, datetime

import pytest

from kelpie.actors import limits

MODEL = "openai/gpt-4o-mini"
SOON_MS = 3_600_000


@pytest.fixture
def agent(live):
    return live.agent()


def at(offset_ms):
    return int(time.time() * 1000) + offset_ms


def create(http, agent_id, schedule, **more):
    body = {"messages": [{"role": "user", "content": "good morning"}], "schedule": schedule, **more}
    return http.post(f"/v1/agents/{agent_id}/schedule", json=body)


def test_the_published_client_makes_lists_reads_and_deletes(needs, live, agent):
    needs("letta-client", importlib.util.find_spec("letta_client") is not None, "letta-client is not installed")
    import letta_client

    client = letta_client.Letta(base_url=live.url, api_key="none", _strict_response_validation=True)
    with client:
        schedule, due = client.agents.schedule, at(SOON_MS)
        once = schedule.create(
            agent["id"],
            schedule={"type": "one-time", "scheduled_at": due},
            messages=[{"role": "user", "content": [{"type": "text", "text": "hi"}], "otid": "o"}],
            max_steps=3,
            include_return_message_types=["assistant_message"],
        )
        assert datetime.fromisoformat(once.next_scheduled_at) == datetime.fromtimestamp(due // 1000, UTC)
        daily = schedule.create(
            agent["id"],
            schedule={"type": "recurring", "cron_expression": "0 9 * * *"},
            messages=[{"role": "user", "content": "good morning"}],
        )
        listed = schedule.list(agent["id"])
        assert [one.id for one in listed.scheduled_messages] == [once.id, daily.id]
        assert not listed.has_next_page
        page = schedule.list(agent["id"], limit="1")
        assert ([one.id for one in page.scheduled_messages], page.has_next_page) == ([once.id], True)
        assert [one.id for one in schedule.list(agent["id"], after=once.id).scheduled_messages] == [daily.id]
        read = schedule.retrieve(once.id, agent_id=agent["id"])
        assert (read.agent_id, read.schedule.scheduled_at, read.message.max_steps) == (agent["id"], due, 3)
        assert read.message.messages[0].content[0].text == "hi"
        assert read.message.include_return_message_types == ["assistant_message"]
        assert schedule.delete(once.id, agent_id=agent["id"]).success
        with pytest.raises(letta_client.NotFoundError):
            schedule.retrieve(once.id, agent_id=agent["id"])
        with pytest.raises(letta_client.NotFoundError):
            schedule.delete(once.id, agent_id=agent["id"])


def test_what_is_due_is_sent_and_answered(live, agent):
    made = create(live.http, agent["id"], {"scheduled_at": at(0)}, max_steps=2)
    assert made.status_code == 201
    found = []
    while not found or found[0]["status"] in ("created", "running"):
        found = live.http.get("/v1/runs/", params={"agent_id": agent["id"]}).json()
    assert [(run["status"], run["background"]) for run in found] == [("completed", True)]
    listed = live.http.get(f"/v1/agents/{agent['id']}/messages").json()
    assert "good morning" in [one.get("content") for one in listed]
    assert live.http.get(f"/v1/agents/{agent['id']}/schedule").json()["scheduled_messages"] == []


def test_schedules_outlive_a_restart_and_what_came_due_meanwhile_is_sent_once(start):
    live = start()
    agent = live.agent()["id"]
    create(live.http, agent, {"scheduled_at": at(SOON_MS)})
    live.run(_make_due(live))
    live.stop()
    live.start()
    found = []
    while not found:
        found = live.http.get("/v1/runs/", params={"agent_id": agent}).json()
    live.stop()
    live.start()
    assert len(live.http.get("/v1/runs/", params={"agent_id": agent}).json()) == 1


async def _make_due(live):
    """As if the hour had passed while the server was down."""
    from umi.storage import Changes

    await live.server._database.commit(Changes().write("UPDATE reminder SET due_at_ms = due_at_ms - ?", SOON_MS))


def test_a_time_zone_and_an_interval_are_ours(live, start, agent):
    zone = {"type": "recurring", "cron_expression": "30 9 * * *", "timezone": "Europe/Berlin"}
    hourly = {"type": "interval", "interval_s": 3600}
    for schedule in (zone, hourly):
        made = create(live.http, agent["id"], schedule)
        assert made.status_code == 201, made.text
        path = f"/v1/agents/{agent['id']}/schedule/{made.json()['id']}"
        assert live.http.get(path).json()["schedule"] == schedule
    strict = start(strict_letta=True)
    other = strict.agent()["id"]
    assert [create(strict.http, other, schedule).status_code for schedule in (zone, hourly)] == [501, 501]
    plain = {"type": "recurring", "cron_expression": "30 9 * * *"}
    made = create(strict.http, other, plain).json()
    assert strict.http.get(f"/v1/agents/{other}/schedule/{made['id']}").json()["schedule"] == plain


@pytest.mark.parametrize(
    ("schedule", "more", "status", "says"),
    [
        ({"scheduled_at": 1_700_000_000}, {}, 422, "in the past"),
        ({"scheduled_at": 1e300}, {}, 422, "the time until a reminder"),
        ({"scheduled_at": "soon"}, {}, 422, "valid number"),
        ({"type": "recurring", "cron_expression": "every day"}, {}, 422, "five fields"),
        ({"type": "recurring", "cron_expression": "99 * * * *"}, {}, 422, "Bad minute"),
        ({"type": "recurring", "cron_expression": "0 0 31 2 *"}, {}, 422, "Bad day"),
        ({"type": "recurring", "cron_expression": "0 9 * * *", "timezone": "Mars/North"}, {}, 422, "no time zone"),
        ({"type": "recurring", "cron_expression": "0 " * 200}, {}, 422, "at most 256"),
        ({"type": "interval", "interval_s": 0}, {}, 422, "greater than or equal to 1"),
        ({}, {}, 422, "Field required"),
        ({"scheduled_at": 4e12}, {"messages": []}, 422, "at least 1 item"),
        ({"scheduled_at": 4e12}, {"messages": [{"role": "user", "content": ""}]}, 422, "must not be empty"),
        ({"scheduled_at": 4e12}, {"max_steps": 1.5}, 422, "whole number"),
        ({"scheduled_at": 4e12}, {"max_steps": 0}, 422, "whole number"),
        ({"scheduled_at": 4e12}, {"callback_url": "http://localhost/x"}, 501, "not served yet"),
    ],
)
def test_what_can_not_be_scheduled_is_refused_by_name(live, agent, schedule, more, status, says):
    refused = create(live.http, agent["id"], schedule, **more)
    assert refused.status_code == status, refused.text
    assert says in refused.text
    assert live.http.get(f"/v1/agents/{agent['id']}/schedule").json()["scheduled_messages"] == []


def test_an_agent_has_no_more_schedules_than_it_may(live, agent, monkeypatch):
    monkeypatch.setattr(limits, "REMINDERS_PER_ACTOR_MAX", 2)
    statuses = [create(live.http, agent["id"], {"scheduled_at": at(SOON_MS)}).status_code for _ in range(3)]
    assert statuses == [201, 201, 422]


def test_foreign_ids_are_404_and_malformed_ones_422(start):
    live = start(keys={"a-0123456789abcdef": "a", "b-0123456789abcdef": "b"})
    other, agent = live.client("b-0123456789abcdef"), live.agent()["id"]
    made = create(live.http, agent, {"scheduled_at": at(SOON_MS)}).json()["id"]
    path, second = f"/v1/agents/{agent}/schedule", live.agent()["id"]
    assert create(other, agent, {"scheduled_at": at(SOON_MS)}).status_code == 404
    assert [other.request(m, p).status_code for m, p in (("GET", path), ("GET", f"{path}/{made}"))] == [404, 404]
    assert other.delete(f"{path}/{made}").status_code == 404
    assert live.http.delete(f"/v1/agents/{second}/schedule/{made}").status_code == 404
    assert live.http.get(f"{path}/reminder-1").status_code == 422
    assert live.http.get(f"{path}/{made}").status_code == 200


def test_a_schedule_that_is_asked_for_twice_with_a_key_is_made_once(live, agent):
    body = {"messages": [{"role": "user", "content": "x"}], "schedule": {"scheduled_at": at(SOON_MS)}}
    headers = {"idempotency-key": "schedule-once"}
    made = [live.http.post(f"/v1/agents/{agent['id']}/schedule", json=body, headers=headers) for _ in range(2)]
    assert [one.status_code for one in made] == [201, 201]
    assert made[0].content == made[1].content
