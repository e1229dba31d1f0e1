"""What an agent's model is shown, in numbers: parts whose tokens add up to those of the request."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from kelpie.agents.context.context import estimate_tokens, render_blocks, text_tokens, tools_tokens
from kelpie.agents.turn.scene import Scene
from kelpie.api.wire.messages import content
from kelpie.api.wire.times import iso
from kelpie.trajectories.records import StoredMessage
from umi.wire.types import Message, Request

_METADATA = "<memory_metadata>"


class ResetMessages(BaseModel):
    """`add_default_initial_messages`: begin as a new agent of this kind does, not with the system message alone."""

    add_default_initial_messages: bool = False


def overview(
    now: Scene, request: Request, *, archival: int, recall: int, summary: Sequence[Message] = ()
) -> dict[str, Any]:
    """Tokens as they are estimated to fit a request into the window.

    summary           what stands for messages that are out of view, as the model is shown it
    archival, recall  how many facts and messages there are in all
    """
    system, shown = request.messages[0], request.messages[1:]
    head = shown[: len(summary)] if shown[: len(summary)] == list(summary) else []
    shown = shown[len(head) :]
    core, directories = render_blocks(now.blocks), now.directories
    metadata = _METADATA + system.text.rpartition(_METADATA)[2]
    rest = system.text
    for part in (core, directories, metadata):
        rest = rest.replace(part, "", 1) if part else rest
    parts = {
        "num_tokens_core_memory": text_tokens(core),
        "num_tokens_directories": text_tokens(directories),
        "num_tokens_external_memory_summary": text_tokens(metadata),
        "num_tokens_memory_filesystem": 0,
        "num_tokens_tool_usage_rules": 0,
    }
    parts["num_tokens_system"] = estimate_tokens(system) - sum(parts.values())
    parts["num_tokens_summary_memory"] = sum(map(estimate_tokens, head))
    parts["num_tokens_functions_definitions"] = tools_tokens(request.tools)
    parts["num_tokens_messages"] = sum(map(estimate_tokens, shown))
    return {
        "context_window_size_max": now.agent.context_window_tokens or now.card.context_window_tokens,
        "context_window_size_current": sum(parts.values()),
        "num_messages": len(request.messages),
        "num_archival_memory": archival,
        "num_recall_memory": recall,
        **parts,
        "system_prompt": rest.strip(),
        "core_memory": core,
        "directories": directories or None,
        "external_memory_summary": metadata,
        "memory_filesystem": None,
        "tool_usage_rules": None,
        "summary_memory": head[0].text if head else None,
        "functions_definitions": [
            {
                "type": "function",
                "function": {"name": spec.name, "description": spec.description, "parameters": spec.parameters},
            }
            for spec in request.tools
        ],
        "messages": [whole_message(message) for message in request.messages],
    }


def whole_message(body: Message, stored: StoredMessage | None = None) -> dict[str, Any]:
    """A message as the model has it, not taken apart; with who and when, where it is a stored one."""
    given = content(body)
    shown: dict[str, Any] = {
        "role": body.role,
        "content": [{"type": "text", "text": given}] if isinstance(given, str) else given,
        "name": body.name,
        "tool_calls": [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in body.tool_calls
        ]
        or None,
        "tool_call_id": body.tool_call_id,
    }
    if stored is not None:
        shown |= {
            "id": stored.id,
            "agent_id": stored.agent_id,
            "conversation_id": stored.conversation_id or None,
            "run_id": stored.run_id,
            "step_id": stored.step_id,
            "otid": stored.otid,
            "created_at": iso(stored.created_at_ms),
        }
    return shown
