"""Bounds of what comes in and goes out over HTTP."""

REQUEST_BODY_BYTES_MAX = 32_000_000
PAGE_ITEMS_DEFAULT = 50
PAGE_MESSAGES_DEFAULT = 100
PAGE_ITEMS_MAX = 1_000
PING_INTERVAL_MS = 20_000
AGENT_EXTRAS_BYTES_MAX = 1_000_000  # what is kept of an agent for its clients alone: metadata and unknown settings
BLOCK_METADATA_BYTES_MAX = 100_000
ERROR_INPUT_CHARS_MAX = 100  # of a refused value, shown in the error
HANDLE_CHARS_MAX = 512
BLOCKS_PER_AGENT_MAX = 200
DESCRIPTION_CHARS_MAX = 100_000
TAG_CHARS_MAX = 256
PEOPLE_PLAN_ATTEMPTS_MAX = 20  # times a change of people is planned anew because another writer was first
SENDER_CHARS_MAX = 256  # the name, and the id, a client gives its message
