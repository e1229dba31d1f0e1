"""Bounds of tools."""

TOOL_NAME_CHARS_MAX = 48
TOOL_SOURCE_BYTES_MAX = 1_000_000
TOOL_RETURN_CHARS_DEFAULT = 50_000  # Letta's return_char_limit
TOOL_RETURN_CHARS_MAX = 1_000_000
TOOL_ARGUMENTS_BYTES_MAX = 1_000_000
TOOLS_PER_AGENT_MAX = 200
TOOL_DESCRIPTION_CHARS_MAX = 50_000
TOOL_PARAMETERS_MAX = 100
TOOL_SCHEMA_PARTS_MAX = 2_000
TOOL_SCHEMA_BYTES_MAX = 200_000
TOOL_TAGS_MAX = 100
TOOL_TAG_CHARS_MAX = 256
TOOL_METADATA_BYTES_MAX = 100_000
TOOL_UPSERT_ATTEMPTS_MAX = 10
ARGUMENT_PROBLEMS_SHOWN_MAX = 5
TOOL_TIMEOUT_MS_MIN = 100
TOOL_TIMEOUT_MS_MAX = 300_000

CONVERSATION_PAGE_MESSAGES = 10  # of conversation_search_date
HEARTBEAT_PAUSE_MINUTES_DEFAULT = 2
HEARTBEAT_PAUSE_MINUTES_MAX = 60
MEMORY_BLOCKS_MAX = 200  # of an agent that makes another by itself
PATCH_SECTIONS_MAX = 50  # blocks that one call of memory_apply_patch changes

# Of calls from agent to agent.
CALL_TEXT_BYTES_MAX = 100_000  # of what is said
CALL_REPLY_BYTES_MAX = 1_000_000  # of what comes back, of all that were asked together
CALL_AROUND_BYTES = 1_000  # id, name and marks around one of several answers
CALL_DEADLINE_MS_DEFAULT = 30_000
CALL_DEADLINE_MS_MAX = 300_000
CALL_DEPTH_MAX = 5  # agents between a person and the one that is spoken to
CALLS_IN_FLIGHT_MAX = 10  # answers that one agent waits for at a time
CALL_AGENTS_MAX = 100  # that one message goes to

CODE_BYTES_MAX = 500_000  # of one call of run_code

SECRETS_PER_AGENT_MAX = 100
SECRET_NAME_CHARS_MAX = 128
SECRET_VALUE_BYTES_MAX = 32_000
SECRET_HIDDEN_CHARS_MIN = 6  # a shorter value is not looked for in what a tool says: it would hide ordinary words

# Files of one agent. All of them, in base64, fit into the order of one call beside its source and arguments.
WORKSPACE_FILES_MAX = 200
WORKSPACE_FILE_BYTES_MAX = 2 << 20
WORKSPACE_BYTES_MAX = 4 << 20
WORKSPACE_PATH_BYTES_MAX = 255
WORKSPACE_PATH_PARTS_MAX = 10
WORKSPACE_FILES_TOLD_MAX = 20  # named to the model after a call that changed them

COLLECTION_NAME_CHARS_MAX = 256
COLLECTION_DESCRIPTION_CHARS_MAX = 10_000
COLLECTION_WRITE_ATTEMPTS_MAX = 20  # times a change is planned anew because another writer was first
COLLECTIONS_PER_AGENT_MAX = 20

ASKS_PER_CALL_MAX = 100  # of the server, by one call of a tool
ASK_ANSWER_BYTES_MAX = 1_000_000

AUDIT_TOOL_CHARS_MAX = 200  # an MCP server's own names may be longer
AUDIT_REFUSAL_CHARS_MAX = 1_000
AUDIT_NETWORK_LINES_MAX = 20
AUDIT_NETWORK_LINE_CHARS_MAX = 300
