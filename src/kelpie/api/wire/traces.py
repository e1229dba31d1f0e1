"""What runs and steps took, and what exactly went to the model: metrics and traces on the wire."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from kelpie.api.wire.times import iso
from kelpie.trajectories.records import Call, Run, Step

_NS_PER_MS = 1_000_000


def run_metrics(run: Run, steps: Sequence[Step], tool_ids: Sequence[str]) -> dict[str, Any]:
    ended_ms = run.completed_at_ms
    return {
        "id": run.id,
        "agent_id": run.agent_id,
        "project_id": None,
        "run_start_ns": run.created_at_ms * _NS_PER_MS,
        "run_ns": None if ended_ms is None else (ended_ms - run.created_at_ms) * _NS_PER_MS,
        "num_steps": len(steps),
        "tools_used": list(tool_ids),
        "template_id": None,
        "base_template_id": None,
    }


def step_metrics(step: Step, calls: Iterable[Call]) -> dict[str, Any]:
    ended_ms = step.completed_at_ms
    start_ns = step.started_at_ms * _NS_PER_MS
    return {
        "id": step.id,
        "provider_id": None,
        "run_id": step.run_id,
        "agent_id": step.agent_id,
        "step_start_ns": start_ns,
        "llm_request_start_ns": start_ns,
        "llm_request_ns": _ns(step.model_duration_ms),
        "tool_execution_ns": sum(_ns(call.duration_ms) for call in calls),
        "step_ns": None if ended_ms is None else (ended_ms - step.started_at_ms) * _NS_PER_MS,
        "base_template_id": None,
        "template_id": None,
        "project_id": None,
    }


def provider_trace(step: Step, request: bytes, response: bytes) -> dict[str, Any]:
    """The exact bodies that were sent and received, decoded. An answer that came as a stream is one text."""
    return {
        "id": f"provider_trace-{_uuid(step.id)}",
        "created_at": iso(step.completed_at_ms or step.started_at_ms),
        "request_json": _json_object(request),
        "response_json": _json_object(response),
        "step_id": step.id,
        "agent_id": step.agent_id,
        "run_id": step.run_id,
        "call_type": "agent_step",
        "source": "kelpie",
    }


def spans(run: Run, steps: Sequence[Step], calls: Sequence[Call]) -> list[dict[str, Any]]:
    """A run as spans: itself, its steps, and in each the model's call and those of tools, one after another."""
    trace_id = _uuid(run.id).replace("-", "")
    root = trace_id[:16]

    def span(name: str, span_id: str, parent: str | None, start_ms: float, duration_ms: float, **about: Any) -> Any:
        is_error = bool(about.pop("is_error"))
        return {
            "trace_id": trace_id,
            "span_id": span_id,
            "parent_span_id": parent,
            "span_name": name,
            "timestamp": iso(int(start_ms)),
            "start_time_ns": _ns(start_ms),
            "duration_ns": _ns(duration_ms),
            "status_code": "ERROR" if is_error else "OK",
            "span_attributes": about,
        }

    ended_ms = run.completed_at_ms or max((one.completed_at_ms or 0 for one in steps), default=run.created_at_ms)
    took_ms = max(0, ended_ms - run.created_at_ms)
    failed = run.status == "failed"
    about: dict[str, Any] = {"run_id": run.id, "agent_id": run.agent_id}
    if run.options.callers:
        about["called_by"] = run.options.callers[-1].run_id
    told = [span("run", root, None, run.created_at_ms, took_ms, is_error=failed, **about)]
    for step in steps:
        own = _uuid(step.id).replace("-", "")[:16]
        made = [call for call in calls if call.step_id == step.id]
        at_ms = step.started_at_ms + step.model_duration_ms
        took_ms = max((step.completed_at_ms or 0) - step.started_at_ms, 0)
        failed, start_ms = step.state == "failed", float(step.started_at_ms)
        told.append(
            span("agent_step", own, root, start_ms, took_ms, is_error=failed, step_id=step.id, model=step.model)
        )
        about = {"model": step.model_name, **msgspec.to_builtins(step.usage)}
        told.append(
            span("llm_request", f"{own[:12]}ffff", own, start_ms, step.model_duration_ms, is_error=failed, **about)
        )
        for call in made:
            about = {"tool": call.tool, "tool_call_id": call.tool_call_id, "level": call.level}
            number = f"{own[:12]}{call.number:04x}"
            told.append(span("tool_call", number, own, at_ms, call.duration_ms, is_error=call.is_error, **about))
            at_ms += call.duration_ms
    return told


def _ns(duration_ms: float) -> int:
    return round(duration_ms * _NS_PER_MS)


def _uuid(prefixed: str) -> str:
    return prefixed.partition("-")[2]


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        decoded = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return {"text": body.decode("utf-8", "replace")}
    return decoded if isinstance(decoded, dict) else {"body": decoded}
