"""Logs: what happened, at the level it deserves, for people or for machines."""

import io
import json
import logging

import pytest

from kelpie.config import Config
from kelpie.events import ActivationChanged, QueueChanged, RequestEnded, RunEnded, StepEnded, ToolEnded
from kelpie.server import logs
from kelpie.server.redact import Redactor


@pytest.fixture
def logged():
    root, before, level = logging.getLogger(), logging.getLogger().handlers[:], logging.getLogger().level
    stream = io.StringIO()

    def configure(**settings):
        logs.configure(Config(**settings), Redactor(), stream)
        return stream

    yield configure
    root.handlers[:] = before
    root.setLevel(level)


RUN = RunEnded(tenant="t", agent_id="agent-1", run_id="run-1", stop_reason="end_turn", duration_ms=12.34567)


def test_an_event_is_one_json_line_with_its_fields(logged):
    stream = logged(log_format="json")
    logs.on_event(RUN)
    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("+00:00")
    assert line.pop("message").startswith("RunEnded ")
    assert line == {
        "level": "info",
        "logger": "kelpie.events",
        "event": "RunEnded",
        "tenant": "t",
        "agent_id": "agent-1",
        "run_id": "run-1",
        "duration_ms": 12.3,
        "outcome": "ok",
        "stop_reason": "end_turn",
    }


def test_people_get_a_line_of_words(logged):
    stream = logged()
    logs.on_event(RUN)
    assert "INFO    kelpie.events: RunEnded tenant=t agent_id=agent-1" in stream.getvalue()
    assert stream.getvalue().count("\n") == 1


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (RUN, "INFO"),
        (RunEnded(stop_reason="llm_api_error", outcome="error"), "WARNING"),
        (StepEnded(step_id="s", model="m"), "DEBUG"),
        (StepEnded(step_id="s", model="m", outcome="error"), "WARNING"),
        (ToolEnded(step_id="s", tool="x", outcome="error"), "WARNING"),
        (RequestEnded(method="GET", route="/x", status=200), "DEBUG"),
        (RequestEnded(method="GET", route="/x", status=404), "DEBUG"),
        (RequestEnded(method="GET", route="/x", status=501), "DEBUG"),
        (RequestEnded(method="GET", route="/x", status=500, outcome="error"), "WARNING"),
        (RequestEnded(method="GET", route="/x", status=200, duration_ms=5_000), "INFO"),
        (QueueChanged(waiting=3), "DEBUG"),
        (ActivationChanged(actor="a", change="activated", live=1), "DEBUG"),
    ],
)
def test_each_event_has_its_level(logged, event, level):
    stream = logged(log_level="debug")
    logs.on_event(event)
    assert f" {level}" in stream.getvalue()


def test_what_is_below_the_level_is_not_written(logged):
    stream = logged(log_level="warning")
    logs.on_event(RUN)
    logging.getLogger("uvicorn.error").info("Started server process")
    assert stream.getvalue() == ""


def test_what_mcp_servers_say_stands_in_no_log(logged):
    """The SDK's client writes down sessions' ids, and whole messages at the level debug."""
    stream = logged(log_level="debug")
    logging.getLogger("mcp.client.streamable_http").info("Received session ID: secret")
    logging.getLogger("client").error("a server said this")
    logging.getLogger("mcp.server.runner").error("a bug of ours")
    assert "secret" not in stream.getvalue()
    assert "said this" not in stream.getvalue()
    assert "a bug of ours" in stream.getvalue()
