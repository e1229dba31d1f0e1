"""Which tables and columns of Letta 0.16.7 are read, and what becomes of the others.

Taken by inspection of its object-relational mapping: a fact about another program, and the only place that knows it.
"""

from typing import NamedTuple


class Taken(NamedTuple):
    """A table that is read.

    key     names one of its rows
    orders  its order of age
    owned   holds for the rows of one organisation
    """

    columns: tuple[str, ...]
    key: str = "id"
    orders: str = "created_at NULLS FIRST, id"
    owned: str = "organization_id = %s"


class Left(NamedTuple):
    """A table that is not taken, and why. `listed`: the report names each row, by `key`; else it counts them."""

    why: str
    key: str = "id"
    listed: bool = True


_OF_BLOCK = "block_id IN (SELECT id FROM block WHERE organization_id = %s)"
_OF_AGENT = "agent_id IN (SELECT id FROM agents WHERE organization_id = %s)"
_OF_IDENTITY = "identity_id IN (SELECT id FROM identities WHERE organization_id = %s)"
_OF_FILE = "file_id IN (SELECT id FROM files WHERE organization_id = %s)"
_OF_CONVERSATION = "conversation_id IN (SELECT id FROM conversations WHERE organization_id = %s)"
_OF_GROUP = "group_id IN (SELECT id FROM groups WHERE organization_id = %s)"
TAKEN: dict[str, Taken] = {
    "agents": Taken(
        tuple(
            """id organization_id agent_type name description system response_format metadata_ llm_config
            embedding_config compaction_settings tool_rules message_buffer_autoclear enable_sleeptime timezone
            max_files_open per_file_view_window_char_limit hidden project_id template_id base_template_id created_at
            is_deleted""".split()
        )
    ),
    "agents_tags": Taken(("agent_id", "tag"), "agent_id || '/' || tag", "tag", _OF_AGENT),
    "agent_environment_variables": Taken(("id", "agent_id", "key", "value", "value_enc", "is_deleted"), orders="key"),
    "block": Taken(
        tuple(
            """id organization_id label value limit description metadata_ read_only hidden is_template created_at
            is_deleted""".split()
        )
    ),
    "blocks_agents": Taken(
        ("agent_id", "block_id", "block_label"), "agent_id || '/' || block_id", "block_label", _OF_AGENT
    ),
    "blocks_tags": Taken(
        ("block_id", "tag", "is_deleted"),
        "block_id || '/' || tag",
        "tag",
        "block_id IN (SELECT id FROM block WHERE organization_id = %s)",
    ),
    "tools": Taken(
        tuple(
            """id organization_id name tool_type description tags source_type source_code json_schema args_json_schema
            return_char_limit pip_requirements npm_requirements default_requires_approval metadata_ created_at
            is_deleted""".split()
        )
    ),
    "tools_agents": Taken(("agent_id", "tool_id"), "agent_id || '/' || tool_id", "tool_id", _OF_AGENT),
    "messages": Taken(
        tuple(
            """id organization_id agent_id conversation_id role text content name tool_calls tool_call_id tool_returns
            otid approve approval_request_id denial_reason approvals created_at sequence_id is_deleted""".split()
        ),
        orders="sequence_id",
    ),
    "archives": Taken(tuple("id organization_id name description created_at is_deleted".split())),
    "archives_agents": Taken(("agent_id", "archive_id"), "agent_id || '/' || archive_id", "archive_id", _OF_AGENT),
    "archival_passages": Taken(
        tuple("id organization_id archive_id text tags metadata_ embedding_config created_at is_deleted".split())
    ),
    "identities": Taken(
        tuple("id organization_id identifier_key name identity_type properties created_at is_deleted".split())
    ),
    "identities_agents": Taken(("identity_id", "agent_id"), "identity_id || '/' || agent_id", "agent_id", _OF_IDENTITY),
    "identities_blocks": Taken(("identity_id", "block_id"), "identity_id || '/' || block_id", "block_id", _OF_IDENTITY),
    "groups": Taken(
        tuple(
            """id organization_id description manager_type manager_agent_id termination_token max_turns
            sleeptime_agent_frequency turns_counter last_processed_message_id hidden agent_ids project_id created_at
            is_deleted""".split()
        )
    ),
    "groups_agents": Taken(("group_id", "agent_id"), "group_id || '/' || agent_id", "agent_id", _OF_GROUP),
    "groups_blocks": Taken(("group_id", "block_id"), "group_id || '/' || block_id", "block_id", _OF_GROUP),
    "sources": Taken(
        tuple(
            "id organization_id name description instructions embedding_config metadata_ created_at is_deleted".split()
        )
    ),
    "files": Taken(
        tuple(
            """id organization_id source_id file_name original_file_name file_type file_size processing_status
            error_message created_at is_deleted""".split()
        )
    ),
    "file_contents": Taken(("id", "file_id", "text"), orders="id", owned=_OF_FILE),
    "sources_agents": Taken(("agent_id", "source_id"), "agent_id || '/' || source_id", "source_id", _OF_AGENT),
    "files_agents": Taken(
        tuple(
            """id organization_id agent_id source_id file_id is_open start_line end_line last_accessed_at
            is_deleted""".split()
        ),
        orders="last_accessed_at NULLS FIRST, id",
    ),
    "conversations": Taken(
        tuple("id organization_id agent_id summary model model_settings last_message_at created_at is_deleted".split())
    ),
    "conversation_messages": Taken(
        ("id", "organization_id", "conversation_id", "agent_id", "message_id", "position"), orders="position, id"
    ),
    "blocks_conversations": Taken(
        ("conversation_id", "block_id", "block_label"),
        "conversation_id || '/' || block_id",
        "block_label",
        _OF_CONVERSATION,
    ),
}

_RECORDS = "a record of work that is done: what was said is in the messages"
_MCP = "MCP servers are not brought over: add them again, with their keys"
_PROVIDERS = "providers are settings of the server here"

LEFT: dict[str, Left] = {
    "source_passages": Left("pieces of files: what the files say is cut into pieces and embedded anew", listed=False),
    "mcp_server": Left(_MCP),
    "mcp_tools": Left(_MCP),
    "mcp_oauth": Left(_MCP),
    "providers": Left(_PROVIDERS),
    "provider_models": Left(_PROVIDERS),
    "sandbox_configs": Left("how tools run is a matter of this server and of each tool"),
    "sandbox_environment_variables": Left("variables of all tools at once: give them to the agents that need them"),
    "prompts": Left("prompts of its development environment"),
    "organizations": Left("a tenant here is what an organisation is there: see --organization", listed=False),
    "users": Left("everybody of a tenant sees its agents", listed=False),
    "block_history": Left("earlier versions of blocks", listed=False),
    "passage_tags": Left("the same tags are in the passages", listed=False),
    "runs": Left(_RECORDS, listed=False),
    "run_metrics": Left(_RECORDS, listed=False),
    "steps": Left(_RECORDS, listed=False),
    "step_metrics": Left(_RECORDS, listed=False),
    "jobs": Left(_RECORDS, listed=False),
    "job_messages": Left(_RECORDS, listed=False),
    "provider_traces": Left(_RECORDS, listed=False),
    "provider_trace_metadata": Left(_RECORDS, listed=False),
    "llm_batch_job": Left(_RECORDS, listed=False),
    "llm_batch_items": Left(_RECORDS, listed=False),
}
# Of the server's own housekeeping: no rows of anybody's.
IGNORED = frozenset(("alembic_version",))
