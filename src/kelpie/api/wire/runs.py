"""Runs, steps, usage and stop reasons on the wire."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, Field

from kelpie.api import limits
from kelpie.api.bounds import Tag
from kelpie.api.ids import pattern
from kelpie.api.wire import memory, models
from kelpie.api.wire.times import iso, iso_or_none
from kelpie.trajectories.records import Feedback, Run, Step
from umi.wire.types import Usage

_STEP_STATUS = {"intent": "pending", "done": "success", "failed": "failed"}


class CancelRuns(BaseModel):
    """Which runs of an agent to cancel; all that are under way if none is named."""

    run_ids: list[Annotated[str, Field(pattern=pattern("run"))]] | None = Field(
        default=None, max_length=limits.CANCEL_RUNS_MAX
    )


class WatchRun(BaseModel):
    """From where on a run is told again. How often to look, and how much at once, is taken and needed by nobody here:
    events are told as they come."""

    starting_after: int = Field(default=0, ge=0, le=limits.STREAM_NUMBER_MAX)
    include_pings: bool | None = True
    poll_interval: float | None = Field(default=None, gt=0, le=limits.STREAM_POLL_S_MAX)
    batch_size: int | None = Field(default=None, ge=1, le=limits.STREAM_BATCH_MAX)


class JudgeStep(BaseModel):
    feedback: Feedback | None = None
    tags: list[Tag] | None = Field(default=None, max_length=limits.STEP_TAGS_MAX)


def run(one: Run) -> dict[str, Any]:
    ended_ms = one.completed_at_ms
    return {
        "id": one.id,
        "agent_id": one.agent_id,
        "status": one.status,
        "stop_reason": one.stop_reason,
        "background": one.options.background,
        "created_at": iso(one.created_at_ms),
        "completed_at": iso_or_none(ended_ms),
        "metadata": _metadata(one) or None,
        "request_config": None,
        "conversation_id": one.conversation_id or None,
        "base_template_id": None,
        "callback_url": None,
        "callback_sent_at": None,
        "callback_status_code": None,
        "callback_error": None,
        "ttft_ns": None,
        "total_duration_ns": None if ended_ms is None else (ended_ms - one.created_at_ms) * 1_000_000,
    }


def _metadata(one: Run) -> dict[str, Any]:
    """Why it failed, which agent's run began it, and the group whose turn it was."""
    found: dict[str, Any] = {"error": one.error} if one.error else {}
    if one.options.callers:
        by = one.options.callers[-1]
        found["called_by"] = {"agent_id": by.agent_id, "run_id": by.run_id, "tool_call_id": by.tool_call_id or None}
    return found | ({"group_id": one.options.group_id} if one.options.group_id else {})


KIND_FIELD = "kelpie_kind"  # ours: of a step that is no reply


def step(one: Step, *, strict: bool) -> dict[str, Any]:
    """`strict`: without the field that is ours."""
    tokens, remembered = one.usage, None if strict else memory.of_step(one)
    return {
        **({memory.FIELD: remembered} if remembered else {}),
        **({models.FIELD: models.fallback(one.instead_of, one.model)} if one.instead_of and not strict else {}),
        **({KIND_FIELD: one.kind} if one.kind != "reply" and not strict else {}),
        "id": one.id,
        "origin": None,
        "provider_id": None,
        "run_id": one.run_id,
        "agent_id": one.agent_id,
        "provider_name": one.provider or None,
        "provider_category": "base",
        "model": one.model_name or None,
        "model_handle": one.model or None,
        "model_endpoint": None,
        "context_window_limit": one.context_window_tokens,
        "completion_tokens": tokens.completion_tokens,
        "prompt_tokens": tokens.prompt_tokens,
        "total_tokens": tokens.prompt_tokens + tokens.completion_tokens,
        "cached_input_tokens": tokens.cached_prompt_tokens,
        "cache_write_tokens": tokens.cache_write_tokens,
        "reasoning_tokens": tokens.reasoning_tokens,
        "completion_tokens_details": None,
        "prompt_tokens_details": None,
        "stop_reason": one.stop_reason,
        "tags": one.tags,
        "tid": None,
        "trace_id": None,
        "request_id": one.provider_request_id,
        "messages": [],
        "feedback": one.feedback,
        "project_id": None,
        "error_type": one.error["kind"] if one.error else None,
        "error_data": one.error,
        "status": _STEP_STATUS[one.state],
    }


def stop_reason(reason: str | None) -> dict[str, Any]:
    return {"message_type": "stop_reason", "stop_reason": reason or "error"}


def _total(steps: Sequence[Step], field: str) -> int | None:
    """The sum over all steps, or None if no provider said anything about it."""
    said = [value for step in steps if (value := getattr(step.usage, field)) is not None]
    return sum(said) if said else None


def usage_statistics(steps: Sequence[Step]) -> dict[str, Any]:
    prompt = sum(step.usage.prompt_tokens for step in steps)
    completion = sum(step.usage.completion_tokens for step in steps)
    last = steps[-1].usage if steps else Usage()
    return {
        "message_type": "usage_statistics",
        "completion_tokens": completion,
        "prompt_tokens": prompt,
        "total_tokens": prompt + completion,
        "step_count": len(steps),
        "run_ids": None,
        "cached_input_tokens": _total(steps, "cached_prompt_tokens"),
        "cache_write_tokens": _total(steps, "cache_write_tokens"),
        "reasoning_tokens": _total(steps, "reasoning_tokens"),
        "context_tokens": last.prompt_tokens + last.completion_tokens if steps else None,
    }


def run_usage(steps: Sequence[Step]) -> dict[str, Any]:
    """The usage of one run as its own resource, in the shape of OpenAI's."""
    prompt = sum(step.usage.prompt_tokens for step in steps)
    completion = sum(step.usage.completion_tokens for step in steps)
    cached = _total(steps, "cached_prompt_tokens")
    written = _total(steps, "cache_write_tokens")
    reasoning = _total(steps, "reasoning_tokens")
    return {
        "completion_tokens": completion,
        "prompt_tokens": prompt,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": None
        if cached is None and written is None
        else {"cached_tokens": cached, "cache_read_tokens": cached, "cache_creation_tokens": written},
        "completion_tokens_details": None if reasoning is None else {"reasoning_tokens": reasoning},
    }
