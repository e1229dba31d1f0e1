"""Bounds of MCP servers and of what they say."""

MCP_SERVERS_PER_TENANT_MAX = 100
MCP_SERVER_NAME_CHARS_MAX = 64
MCP_VALUE_CHARS_MAX = 8_192  # a command, an argument, a URL, a header, a variable, a token
MCP_ARGUMENTS_MAX = 100  # of a command
MCP_HEADERS_MAX = 50
MCP_ENVIRONMENT_NAMES_MAX = 100
MCP_REPORT_CHARS_MAX = 1_000
MCP_HIDDEN_CHARS_MIN = 16  # a header or a variable that is shorter, and has no name, is not taken for a secret
MCP_PLAN_ATTEMPTS_MAX = 10  # times a change is planned anew because another writer was first

MCP_CALL_MS_DEFAULT = 60_000
MCP_CALL_MS_MAX = 600_000
MCP_CONNECT_MS_MAX = 60_000  # from nothing to an agreed version and a list of tools
MCP_IDLE_MS_DEFAULT = 300_000  # unused for so long, a connection is closed
MCP_BACKOFF_MS_MIN = 500  # after the first failure; doubled with each one more
MCP_BACKOFF_MS_MAX = 60_000
MCP_BACKOFF_DOUBLINGS_MAX = 10
MCP_CONNECTIONS_MAX = 64
MCP_CALLS_AT_ONCE_MAX = 16  # of one server; more wait for a place

MCP_MESSAGE_BYTES_MAX = 4 << 20  # one message of a server
MCP_UNASKED_BYTES_MAX = 32 << 20  # all it sends from one of our requests to the next
MCP_UNASKED_MESSAGES_MAX = 2_000
MCP_INVALID_MESSAGES_MAX = 20  # lines that are no JSON-RPC: some servers print greetings
MCP_STDERR_CHARS_MAX = 2_000  # kept of what a program complains of

MCP_LISTING_AGE_MS_MAX = 60_000  # a server that changes its tools need not say so: it is asked again
MCP_TOOLS_MAX = 200  # of one server
MCP_PAGES_MAX = 50
MCP_LISTING_BYTES_MAX = 2_000_000  # names, descriptions and schemas together
MCP_DESCRIPTION_CHARS_MAX = 4_000
MCP_SCHEMA_DEPTH_MAX = 32
MCP_LIST_ITEMS_MAX = 5_000  # of any other list in an answer
MCP_RESULT_PARTS_MAX = 1_000
MCP_RESOURCES_SHOWN_MAX = 200  # resources, or prompts, of one list a model reads

MCP_OAUTH_WAIT_MS_MAX = 300_000  # for a person to consent
MCP_OAUTH_PENDING_MAX = 50

# A program that lives on: the CPU time is for its whole life.
MCP_PROGRAM_CPU_MS_MAX = 3_600_000
MCP_PROGRAM_MEMORY_BYTES_MAX = 2 << 30
MCP_PROGRAM_PROCESSES_MAX = 64
MCP_PROGRAM_OPEN_FILES_MAX = 256
