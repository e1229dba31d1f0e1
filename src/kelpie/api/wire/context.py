"""What an agent's model is shown, in numbers: parts whose tokens add up to those of the request."""

from typing import Any

from kelpie.agents.context import estimate_tokens, render_blocks, text_tokens, tools_tokens
from kelpie.agents.scene import Scene
from kelpie.api.wire.messages import content
from kelpie.api.wire.times import iso
from kelpie.trajectories.records import StoredMessage
from umi.wire.types import Message, Request

_METADATA = "<memory_metadata>"


def overview(now: Scene, request: Request, *, archival: int, recall: int) -> dict[str, Any]:
    """Tokens as they are estimated to fit a request into the window.

    archival, recall  how many facts and messages there are in all
    """
    system, shown = request.messages[0], request.messages[1:]
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
        "num_tokens_summary_memory": 0,
    }
    parts["num_tokens_system"] = estimate_tokens(system) - sum(parts.values())
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
        "summary_memory": None,
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
            "run_id": stored.run_id,
            "step_id": stored.step_id,
            "otid": stored.otid,
            "created_at": iso(stored.created_at_ms),
        }
    return shown
