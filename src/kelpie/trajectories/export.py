"""Runs as chat-format JSONL: one line per run, as fine-tuning services and TRL read it.

A line is {"messages": […], "tools": […], "metadata": {…}}: the messages are those of the run's last model call, read
back from the exact request that was sent, and the reply to it. Nothing is rebuilt from the history, so what is
exported is what the model saw.
"""

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from kelpie.trajectories import content, limits, messages, runs, steps
from kelpie.trajectories.records import Run, Step, StoredMessage
from umi.storage import Page, View
from umi.wire.types import Message


async def chat_lines(view: View, tenant: str, *, agent_ids: list[str] | None = None) -> AsyncIterator[bytes]:
    """A JSON line (with its newline) for every completed run that has a reply, oldest first."""
    after: str | None = None
    for _ in range(limits.EXPORT_RUNS_MAX // limits.EXPORT_PAGE_RUNS):
        page = Page(limit=limits.EXPORT_PAGE_RUNS, after=after)
        found = await runs.list_runs(view, tenant, page, agent_ids=agent_ids, statuses=["completed"])
        for run in found:
            line = await _line(view, run)
            if line is not None:
                yield msgspec.json.encode(line) + b"\n"
        if len(found) < limits.EXPORT_PAGE_RUNS:
            return
        after = found[-1].id


async def _line(view: View, run: Run) -> dict[str, Any] | None:
    made = await steps.of_run(view, run.tenant, run.id)
    done = [step for step in made if step.state == "done" and step.kind == "reply"]
    if not done:
        return None
    request = msgspec.json.decode(await content.get(view, run.tenant, done[-1].request))
    written = await messages.list_messages(
        view, run.tenant, Page(limit=limits.EXPORT_STEP_MESSAGES_MAX), step_id=done[-1].id
    )
    return {
        "messages": [*_sent(request), *(chat_message(one.body) for one in _replies(written, run))],
        "tools": _tools(request),
        "metadata": _metadata(run, made[0], done),
    }


def _replies(written: list[StoredMessage], run: Run) -> list[StoredMessage]:
    """What the last step added: its reply and its tools' results. The run's input was in the request already."""
    given = {one.id for one in run.input}
    return [message for message in written if message.id not in given]


def _sent(request: dict[str, Any]) -> list[dict[str, Any]]:
    """The request's messages in the chat format. Anthropic's wire keeps the system prompt apart and blocks within."""
    system = request.get("system")
    if system is None:
        return list(request["messages"])
    text = system if isinstance(system, str) else "\n\n".join(part.get("text", "") for part in system)
    return [{"role": "system", "content": text}, *(m for sent in request["messages"] for m in _from_blocks(sent))]


def _from_blocks(sent: dict[str, Any]) -> list[dict[str, Any]]:
    """One Anthropic message as the one or several chat messages that say the same."""
    if isinstance(sent["content"], str):
        return [sent]
    blocks = sent["content"]
    results = [
        {"role": "tool", "tool_call_id": block["tool_use_id"], "content": _block_text(block.get("content", ""))}
        for block in blocks
        if block["type"] == "tool_result"
    ]
    text = "\n".join(block["text"] for block in blocks if block["type"] == "text")
    uses = [
        {
            "id": block["id"],
            "type": "function",
            "function": {"name": block["name"], "arguments": msgspec.json.encode(block["input"]).decode()},
        }
        for block in blocks
        if block["type"] == "tool_use"
    ]
    if not text and not uses:
        return results
    said: dict[str, Any] = {"role": sent["role"], "content": text or None}
    if uses:
        said["tool_calls"] = uses
    return [*results, said]


def _block_text(given: Any) -> str:
    return given if isinstance(given, str) else "\n".join(part.get("text", "") for part in given)


def _tools(request: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        tool
        if "function" in tool
        else {
            "type": "function",
            "function": {
                "name": tool["name"],
                "description": tool.get("description", ""),
                "parameters": tool.get("input_schema") or tool.get("parameters") or {},
            },
        }
        for tool in request.get("tools") or []
    ]


def chat_message(body: Message) -> dict[str, Any]:
    """A stored message in the chat format."""
    said: dict[str, Any] = {"role": body.role, "content": body.text or None}
    if body.tool_calls:
        said["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in body.tool_calls
        ]
    if body.tool_call_id is not None:
        said["tool_call_id"] = body.tool_call_id
    if body.name is not None:
        said["name"] = body.name
    return said


def _metadata(run: Run, first: Step, done: list[Step]) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "agent_id": run.agent_id,
        "stop_reason": run.stop_reason,
        "model": done[-1].model,
        "model_name": done[-1].model_name,
        "model_version": done[-1].model_version,
        "steps": len(done),
        "prompt_tokens": sum(step.usage.prompt_tokens for step in done),
        "completion_tokens": sum(step.usage.completion_tokens for step in done),
        "created_at_ms": run.created_at_ms,
        **_memory(first),
        **_tokens(done[-1]),
    }


def _tokens(last: Step) -> dict[str, Any]:
    """What the backend said of the tokens of the last call, whose messages these are, where that was kept."""
    return {"tokens": last.tokens} if last.tokens is not None else {}


def _memory(first: Step) -> dict[str, Any]:
    """What memory gave to the run and kept of it, where it had a part."""
    return {name: record for name in ("recalled", "remembered") if (record := getattr(first, name)) is not None}
