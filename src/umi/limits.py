"""Every bound of umi. Names go category first, then unit, then MAX, MIN or DEFAULT. Bytes are UTF-8 bytes."""

# Core memory
BLOCK_LABEL_CHARS_MAX = 64
BLOCK_VALUE_CHARS_DEFAULT = 100_000  # what a block may hold unless its own limit says otherwise
BLOCK_VALUE_CHARS_MAX = 1_000_000
BLOCK_DESCRIPTION_CHARS_MAX = 10_000
BLOCK_TAGS_MAX = 100
BLOCK_METADATA_BYTES_MAX = 100_000  # as JSON
BLOCK_EDIT_ATTEMPTS_MAX = 50  # times an edit is planned anew because another writer was first

# Archival memory
FACT_TEXT_BYTES_MAX = 100_000
FACT_TAGS_MAX = 100
FACT_TAG_BYTES_MAX = 256
FACT_METADATA_BYTES_MAX = 100_000  # as JSON; the same for its source
SCOPE_BYTES_MAX = 256
RECALL_QUERY_BYTES_MAX = 10_000
RECALL_RESULTS_DEFAULT = 10
RECALL_RESULTS_MAX = 100
RECALL_CANDIDATES_MAX = 400  # rows the text index proposes before our own scoring ranks them

# Storage
COMMIT_GROUP_MAX = 512  # commits that share one fsync
WAL_PAGES_BEFORE_CHECKPOINT = 2_000  # 8 MB at 4 KiB pages

# Model wires
WIRE_RESPONSE_BYTES_MAX = 64_000_000
WIRE_EVENT_BYTES_MAX = 16_000_000
WIRE_CONNECT_TIMEOUT_MS = 10_000
WIRE_READ_TIMEOUT_MS = 300_000  # between two bytes: a slow model thinks long before its first token
WIRE_RETRIES_MAX = 2
WIRE_RETRY_DELAY_MS_DEFAULT = 500  # before the first retry; doubles with each
WIRE_RETRY_AFTER_MS_MAX = 30_000  # a provider that asks for longer is not waited for: the caller hears at once
WIRE_DRAIN_MS_MAX = 250  # what a finished stream's connection may take to end, so that it can be used again
WIRE_IDLE_CONNECTIONS_MAX = 16  # each one costs a system call per request: with 1,000 idle a call takes 14 ms of CPU
WIRE_ERROR_MESSAGE_CHARS_MAX = 500
WIRE_OUTPUT_TOKENS_DEFAULT = 16_384  # where the wire demands a number and the request names none
