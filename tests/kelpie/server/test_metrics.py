"""Metrics: counted from events, with few labels, whatever people name things."""

from prometheus_client.parser import text_string_to_metric_families

from kelpie.events import (
    ActivationChanged,
    CommitGroupEnded,
    QueueChanged,
    RequestEnded,
    RunEnded,
    StepEnded,
    ToolEnded,
)
from kelpie.server import limits
from kelpie.server.metrics import Metrics


def samples(metrics):
    body, media_type = metrics.text()
    assert media_type.startswith("text/plain")
    families = text_string_to_metric_families(body.decode())
    return {(one.name, *sorted(one.labels.values())): one.value for family in families for one in family.samples}


def test_every_kind_of_event_is_counted():
    metrics = Metrics({"memory_insert"})
    for event in (
        RequestEnded(method="GET", route="/v1/agents/{agent_id}", status=200, duration_ms=3),
        StepEnded(step_id="s", model="openai/x", prompt_tokens=100, completion_tokens=20, model_duration_ms=500),
        ToolEnded(step_id="s", tool="memory_insert", duration_ms=2),
        RunEnded(stop_reason="end_turn", duration_ms=700),
        CommitGroupEnded(commits=7, duration_ms=1),
        ActivationChanged(actor="a", change="activated", live=4),
        QueueChanged(waiting=9),
    ):
        metrics.on_event(event)
    seen = samples(metrics)
    assert seen["kelpie_http_request_seconds_count", "/v1/agents/{agent_id}", "200", "GET"] == 1
    assert seen["kelpie_tokens_total", "openai/x", "prompt"] == 100
    assert seen["kelpie_tokens_total", "completion", "openai/x"] == 20
    assert seen["kelpie_model_call_seconds_sum", "ok", "openai/x"] == 0.5
    assert seen["kelpie_tool_call_seconds_count", "memory_insert", "ok"] == 1
    assert seen["kelpie_run_seconds_sum", "end_turn"] == 0.7
    assert seen["kelpie_commit_group_size_sum",] == 7
    assert seen["kelpie_activations",] == 4
    assert seen["kelpie_messages_waiting",] == 9


def test_names_that_people_choose_make_no_new_labels():
    metrics = Metrics({"memory_insert"})
    for number in range(500):
        metrics.on_event(ToolEnded(step_id="s", tool=f"mine_{number}"))
        metrics.on_event(StepEnded(step_id="s", model=f"openai/{number}", prompt_tokens=1))
    seen = samples(metrics)
    tools = {key[1] for key in seen if key[0] == "kelpie_tool_call_seconds_count"}
    assert tools == {"custom"}
    models = {label for key in seen if key[0] == "kelpie_tokens_total" for label in key[1:]} - {"prompt", "completion"}
    assert len(models) == limits.METRIC_MODELS_MAX + 1
    assert seen["kelpie_tokens_total", "other", "prompt"] == 500 - limits.METRIC_MODELS_MAX


def test_two_servers_in_one_process_do_not_mix():
    first, second = Metrics(()), Metrics(())
    first.on_event(QueueChanged(waiting=3))
    assert samples(second)["kelpie_messages_waiting",] == 0
