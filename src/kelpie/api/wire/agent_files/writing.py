"""An agent as an agent file. Secrets are names without values; ids are those of the file alone."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from kelpie.agents.agent import Agent
from kelpie.api.wire import agents, blocks, tools
from kelpie.api.wire.agent_files import extension, folders
from kelpie.api.wire.agent_files.extension import Extension, OfAgent, OfBlock
from kelpie.api.wire.agent_files.messages import precise, record
from kelpie.api.wire.agent_files.reading import AGENT_FIELDS
from kelpie.models.model import ModelCard
from kelpie.moving.packing import Packed
from kelpie.tools.custom import CUSTOM, ToolRecord

AGENT_REF = "agent-0"
# Fields of an agent's answer that a file takes as they are.
_SAME = (
    "name description metadata system agent_type tags tool_rules timezone hidden embedding llm_config project_id"
    " template_id base_template_id message_buffer_autoclear enable_sleeptime response_format compaction_settings"
    " max_files_open per_file_view_window_char_limit"
).split()
_FALSE = ("include_base_tools", "include_multi_agent_tools", "include_base_tool_rules", "include_default_source")
# The endpoint types and sizes that Letta's description of an embedder must have; who imports it embeds anew.
_EMBEDDING_DIM = 1536


def write(
    packed: Packed, card_of: Callable[[str], ModelCard], now_ms: int, skills: Sequence[dict[str, Any]], *, strict: bool
) -> dict[str, Any]:
    """The file as plain JSON values. `strict`: without what is ours."""
    found = packed.profile
    refs = {one.id: f"block-{number}" for number, one in enumerate(found.blocks)}
    refs |= {one.id: f"tool-{number}" for number, one in enumerate(found.tools)}
    refs |= {one.id: f"source-{number}" for number, one in enumerate(found.folders)}
    refs |= {one.file.id: f"file-{number}" for number, one in enumerate(packed.files)}
    count = len(packed.older)
    recent = [record(one, f"message-{count + number}", AGENT_REF) for number, one in enumerate(packed.recent)]
    history = [record(one, f"message-{number}", AGENT_REF) for number, one in enumerate(packed.older)]
    agent = _agent(packed, card_of) | {
        "tool_ids": [refs[one.id] for one in found.tools],
        "block_ids": [refs[one.id] for one in found.blocks],
        "in_context_message_ids": [one["id"] for one in recent],
        "messages": recent,
        "source_ids": [refs[one.id] for one in found.folders],
        "files_agents": [
            folders.entry(one.seen, f"file_agent-{number}", refs, AGENT_REF) for number, one in enumerate(packed.files)
        ],
    }
    file: dict[str, Any] = {
        "agents": [agent],
        "groups": [],
        "blocks": [blocks.block(one) | {"id": refs[one.id]} for one in found.blocks],
        "files": _files(packed, refs),
        "sources": [folders.source(one, refs[one.id]) for one in found.folders],
        "tools": [_tool(one) | {"id": refs[one.id]} for one in found.tools],
        "mcp_servers": [],
        "skills": list(skills),
        "metadata": {},
        "created_at": precise(now_ms),
    }
    if not strict:
        file[extension.KEY] = msgspec.to_builtins(_extension(packed, history, refs))
    return file


def _files(packed: Packed, refs: Mapping[str, str]) -> list[dict[str, Any]]:
    of = {one.id: one for one in packed.profile.folders}
    return [
        folders.file(one.file, one.text, refs[one.file.id], (of[one.file.folder_id], refs[one.file.folder_id]))
        for one in packed.files
    ]


def _agent(packed: Packed, card_of: Callable[[str], ModelCard]) -> dict[str, Any]:
    agent = packed.profile.agent
    state = msgspec.json.decode(msgspec.json.encode(agents.states([packed.profile], card_of, strict=True)[0]))
    secrets = {one.name: "" for one in packed.profile.secrets}
    return {
        **dict.fromkeys(sorted(AGENT_FIELDS)),
        **dict.fromkeys(_FALSE, False),
        **{name: state[name] for name in _SAME},
        "id": AGENT_REF,
        "memory_blocks": [],
        "tools": [],
        "folder_ids": [],
        "group_ids": [],
        "template": False,
        "model": agent.model,
        "model_settings": _model_settings(agent, state["model_settings"]["provider_type"]),
        "embedding_config": _embedding_config(agent.embedding),
        "context_window_limit": agent.context_window_tokens,
        "max_tokens": agent.output_tokens_max,
        "parallel_tool_calls": agent.parallel_tool_calls,
        "secrets": secrets,
        "tool_exec_environment_variables": secrets,
    }


def _model_settings(agent: Agent, provider_type: str) -> dict[str, Any]:
    """What was chosen, without what follows from the model."""
    shown: dict[str, Any] = {"provider_type": provider_type, "parallel_tool_calls": agent.parallel_tool_calls}
    chosen = {"max_output_tokens": agent.output_tokens_max, "temperature": agent.temperature}
    shown |= {name: value for name, value in chosen.items() if value is not None}
    return shown | dict(agent.extras.get("model_settings", {}))


def _embedding_config(handle: str | None) -> dict[str, Any] | None:
    if handle is None:
        return None
    return {
        "embedding_endpoint_type": "openai",
        "embedding_endpoint": None,
        "embedding_model": handle.partition("/")[2] or handle,
        "embedding_dim": _EMBEDDING_DIM,
        "embedding_chunk_size": 300,
        "handle": handle,
        "batch_size": 32,
    }


def _tool(one: ToolRecord) -> dict[str, Any]:
    """Without what is ours: Letta refuses a tool with a field that it doesn't know."""
    return tools.tool(one, strict=True)


def _extension(packed: Packed, history: list[dict[str, Any]], refs: dict[str, str]) -> Extension:
    extras = {refs[one.id]: extension.block_extra(one) for one in packed.profile.blocks}
    custom = [one for one in packed.profile.tools if one.tool_type == CUSTOM]
    return Extension(
        agents={
            AGENT_REF: OfAgent(
                memory=packed.profile.agent.memory,
                history=history,
                passages=extension.passages_of(packed.facts),
                schedules=[_schedule(one.mailing.wire) for one in packed.schedules],
                left_out=packed.left_out,
            )
        },
        blocks={ref: extra for ref, extra in extras.items() if extra != OfBlock()},
        tools={refs[one.id]: tools.tool(one, strict=False)[tools.FIELD] for one in custom},
    )


def _schedule(wire: dict[str, Any]) -> dict[str, Any]:
    """As the API takes it, from what it gives back."""
    return {**wire["message"], "schedule": wire["schedule"]}
