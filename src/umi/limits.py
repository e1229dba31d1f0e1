"""Every bound of umi. Names go category first, then unit, then MAX, MIN or DEFAULT. Bytes are UTF-8 bytes."""

# Core memory
BLOCK_LABEL_CHARS_MAX = 64
BLOCK_VALUE_CHARS_DEFAULT = 100_000  # what a block may hold unless its own limit says otherwise
BLOCK_VALUE_CHARS_MAX = 1_000_000
BLOCK_DESCRIPTION_CHARS_MAX = 10_000
BLOCK_TAGS_MAX = 100
BLOCK_METADATA_BYTES_MAX = 100_000  # as JSON
BLOCK_EDIT_ATTEMPTS_MAX = 50  # times an edit is planned anew because another writer was first
CORE_MEMORY_SIZE_BYTES_MAX = 32_768  # the values of all blocks of a scope: what umi.core.Core and promotion keep to
CORE_MEMORY_SIZE_BYTES_MIN = 4_096  # the least that it may be configured to
CORE_MEMORY_BLOCK_SIZE_BYTES_MAX = 16_384
CORE_MEMORY_BLOCK_LABEL_BYTES_MAX = 64
CORE_MEMORY_BLOCKS_COUNT_MAX = 32
CORE_MEMORY_BLOCK_IMPORTANCE_DEFAULT = 0.5
CORE_MEMORY_BLOCK_IMPORTANCE_MIN = 0.0
CORE_MEMORY_BLOCK_IMPORTANCE_MAX = 1.0

# Archival memory
ENTITY_CONTENT_BYTES_MAX = 1_000_000  # a fact's text, however it came in
ENTITY_NAME_BYTES_MAX = 256
ENTITY_ID_BYTES_MAX = 256
ENTITY_TAGS_COUNT_MAX = 100
ENTITY_TAG_BYTES_MAX = 256
JSON_DEPTH_MAX = 64  # dicts and lists inside each other; whoever reads them back recurses
ENTITY_TYPES_COUNT_MAX = 100  # types that one call asks for
FACT_METADATA_BYTES_MAX = 100_000  # as JSON; the same for its source, and for what a caller states of an entity
CLAIM_VALUE_BYTES_MAX = 1_000
SCOPE_BYTES_MAX = 256

# Remembering and recalling
MEMORY_TEXT_BYTES_MAX = 100_000  # what one message may say
MEMORY_CHUNK_BYTES_MAX = 4_000  # a longer text becomes several facts
MEMORY_READ_BYTES_MAX = 20_000  # of one fact's text, for names and claims
MEMORY_MESSAGES_COUNT_MAX = 1_000  # in one call
MEMORY_FACTS_COUNT_MAX = 10_000  # in one call of add_facts
MEMORY_IMPORTANCE_MIN = 0.0
MEMORY_IMPORTANCE_MAX = 1.0
MEMORY_IMPORTANCE_DEFAULT = 0.5
MEMORY_RECALL_LIMIT_MAX = 100
MEMORY_RECALL_LIMIT_DEFAULT = 10
MEMORY_PLAN_ATTEMPTS_MAX = 100  # times a write is planned anew because another writer was first

# Evolution
EVOLUTION_REASON_BYTES_MAX = 1_024
EVOLUTION_EXISTING_ENTITIES_COUNT_MAX = 10  # what extraction is told of for coreference
EVOLUTION_CONFIDENCE_THRESHOLD_DEFAULT = 0.3  # a claim less sure than this ends no other

# Working memory (umi.working)
WORKING_MEMORY_SIZE_BYTES_MAX = 1_048_576  # keys and values of a scope together
WORKING_MEMORY_ENTRY_SIZE_BYTES_MAX = 65_536  # one value
WORKING_MEMORY_ENTRIES_COUNT_MAX = 10_000
WORKING_MEMORY_KEY_BYTES_MAX = 256
WORKING_MEMORY_TTL_SECS_DEFAULT = 3_600
WORKING_MEMORY_TTL_SECS_MAX = 604_800
WORKING_MEMORY_ATTEMPTS_MAX = 5  # times a refused write is planned anew because room was made meanwhile

# Filters (umi.filters)
FILTER_DEPTH_MAX = 16  # AND, OR and NOT inside each other
FILTER_TESTS_MAX = 1_000  # comparisons, and values of their lists, in one filter
FILTER_VALUE_BYTES_MAX = 10_000  # one text to compare with
FILTER_FIELD_BYTES_MAX = 256
FILTER_STEPS_MAX = 16  # of one path into metadata or source

# Hygiene (umi.hygiene)
NEAR_DUPLICATE_THRESHOLD = 0.8  # the share of words that two texts must share
NEAR_DUPLICATE_CANDIDATES_MAX = 16  # earlier texts of one bucket that each text is compared with
NEAR_DUPLICATE_STEMS_CACHED_MAX = 50_000
ECHOES_DIGESTS_MAX = 2_048  # what recall returned, kept of each scope: 0.3 MB
ECHOES_SCOPES_MAX = 256
ECHOES_WAITING_MAX = 100  # texts of a scope that recall returned and nobody needed to compare yet
ECHOES_STATEMENTS_MAX = 500  # pieces of one text that are looked up among the stored facts
AUDIT_PAGE_FACTS = 2_000  # facts that an audit reads at a time
AUDIT_EXAMPLES_MAX = 5  # facts that a report shows of each kind
AUDIT_EXCERPT_CHARS_MAX = 80
AUDIT_STALE_DAYS_DEFAULT = 180
AUDIT_STALE_IMPORTANCE_MAX = 0.5  # a fact at least as important as this never gets stale

# Storage
PAGE_LIMIT_MAX = 1_000  # rows of one page
PATH_BYTES_MAX = 4_096  # of a file; Linux takes no longer one
COMMIT_GROUP_MAX = 512  # commits that share one fsync
WAL_PAGES_BEFORE_CHECKPOINT = 2_000  # 8 MB at 4 KiB pages
STORE_SHARED_WAIT_MS_MAX = 60_000  # what a transaction on a shared file waits for other processes

# Model wires
WIRE_RESPONSE_BYTES_MAX = 64_000_000
WIRE_EVENT_BYTES_MAX = 16_000_000
WIRE_CONNECT_TIMEOUT_MS = 10_000
WIRE_READ_TIMEOUT_MS = 300_000  # between two bytes: a slow model thinks long before its first token
WIRE_RETRIES_MAX = 2
WIRE_RETRY_DELAY_MS_DEFAULT = 500  # before the first retry; doubles with each
WIRE_RETRY_AFTER_MS_MAX = 30_000  # a provider that asks for longer is not waited for: the caller hears at once
WIRE_DRAIN_MS_MAX = 250  # what a finished stream's connection may take to end, so that it can be used again
WIRE_URLS_KEPT_MAX = 1_000  # parsed, by one transport
WIRE_IDLE_CONNECTIONS_MAX = 16  # each one costs a system call per request: with 1,000 idle a call takes 14 ms of CPU
WIRE_ERROR_MESSAGE_CHARS_MAX = 500
WIRE_OUTPUT_TOKENS_DEFAULT = 16_384  # where the wire demands a number and the request names none

# Extraction
EXTRACTION_TEXT_BYTES_MAX = 100_000
EXTRACTION_ENTITIES_COUNT_MAX = 50
EXTRACTION_RELATIONS_COUNT_MAX = 100
EXTRACTION_CONFIDENCE_MIN = 0.0
EXTRACTION_CONFIDENCE_MAX = 1.0
EXTRACTION_CONFIDENCE_DEFAULT = 0.5
EXTRACTION_ENTITY_NAME_BYTES_MAX = 256
EXTRACTION_ENTITY_CONTENT_BYTES_MAX = 1000
EXTRACTION_NOTE_NAME_CHARS_MAX = 50
EXTRACTION_MODEL_TOKENS_MAX = 4096  # what a model may answer to one batch
EXTRACTION_MODEL_TIMEOUT_MS = 60_000
LLM_PROMPT_BYTES_MAX = 100_000
LLM_RESPONSE_BYTES_MAX = 50_000

# Text index
INDEX_WORDS_CACHED_MAX = 200_000  # words whose hashes are kept; 30 MB when full
INDEX_CACHE_BYTES_DEFAULT = 256_000_000  # of one database; a scope of 10,000 facts with vectors takes 19 MB

# umi.storage on PostgreSQL
POSTGRES_READERS_MAX = 4  # connections that read, beside the one that writes
POSTGRES_GROUP_MAX = 64  # commits that share one transaction: the server keeps as many savepoints in memory
POSTGRES_ATTEMPTS_MAX = 5  # times a commit is tried when a deadlock or a lost snapshot undid it
POSTGRES_CONNECT_TIMEOUT_MS = 10_000
POSTGRES_LINK_TIMEOUT_MS = 30_000  # silence after which a connection is taken for cut
POSTGRES_LOCK_WAIT_MS_MAX = 20_000  # what a commit waits for other processes
POSTGRES_STUCK_MS = 10_000  # a process that stopped in the middle of a commit so long ago is ended by who waits for it

# Promotion
ACCESS_TRACKER_DECAY_HALFLIFE_MS = 604_800_000  # what was last seen this long ago is half as recent
PROMOTION_WEIGHT_IMPORTANCE = 0.4
PROMOTION_WEIGHT_RECENCY = 0.3
PROMOTION_WEIGHT_FREQUENCY = 0.2
PROMOTION_WEIGHT_TYPE_PRIORITY = 0.1
PROMOTION_IMPORTANCE_THRESHOLD_DEFAULT = 0.7
# The original's 0.75 let in nothing but Self and a project in the instant they were first seen.
PROMOTION_SCORE_THRESHOLD_DEFAULT = 0.65
PROMOTION_INCUMBENT_BONUS = 0.05  # by how much a newcomer must outdo what is in core memory already
PROMOTION_CORE_MEMORY_ENTITIES_MAX = 50
PROMOTION_LINE_BYTES_MAX = 1_000  # what is said of one entity, except of Self
PROMOTION_LINE_CLAIMS_MAX = 8
PROMOTION_LINE_FACTS_MAX = 8  # the newest facts about an entity that are looked at
PROMOTION_CLAIMS_CHARS_MAX = 20_000  # claims of a fact that take more, as JSON, are not looked at
PROMOTION_RELEASED_COUNT_MAX = 200  # lines that people took over, remembered for each block
PROMOTION_ATTEMPTS_MAX = 50  # times a promotion is planned anew because somebody edited first
ENTITY_TYPE_PRIORITY_SELF = 1.0
ENTITY_TYPE_PRIORITY_PROJECT = 0.9
ENTITY_TYPE_PRIORITY_TASK = 0.85
ENTITY_TYPE_PRIORITY_ORGANIZATION = 0.8
ENTITY_TYPE_PRIORITY_EVENT = 0.75
ENTITY_TYPE_PRIORITY_PREFERENCE = 0.72
ENTITY_TYPE_PRIORITY_PERSON = 0.7
ENTITY_TYPE_PRIORITY_LOCATION = 0.65
ENTITY_TYPE_PRIORITY_TOPIC = 0.6  # also of the types that users define
ENTITY_TYPE_PRIORITY_NOTE = 0.4
EVICTION_CORE_MEMORY_SIZE_BYTES_MAX = 32_768
EVICTION_BATCH_SIZE = 10  # what one call of `evict` takes out unless it is told otherwise
EVICTION_WEIGHT_IMPORTANCE = 0.6
EVICTION_WEIGHT_RECENCY = 0.4
EVICTION_SCORE_THRESHOLD = 0.4  # below it a fact leaves core memory: after 14 days at the default importance
EVICTION_IMPORTANCE_THRESHOLD_MIN = 0.5
EVICTION_LAST_ACCESS_THRESHOLD_MS = 2_592_000_000
UNIFIED_MEMORY_PROMOTION_INTERVAL_MS = 60_000
UNIFIED_MEMORY_PROMOTION_CANDIDATES_MAX = 100  # by each of importance, recency and frequency
UNIFIED_MEMORY_PROMOTION_MIN_IMPORTANCE = 0.5
CATEGORY_EVOLUTION_MIN_SAMPLES = 100  # uses of entities, before anything is suggested
CATEGORY_EVOLUTION_CO_OCCURRENCE_THRESHOLD = 0.7
CATEGORY_EVOLUTION_BLOCK_USAGE_THRESHOLD_MIN = 0.1
CATEGORY_EVOLUTION_BLOCK_USAGE_THRESHOLD_MAX = 0.5

# Embedding
EMBEDDER_NAME_BYTES_MAX = 128
EMBEDDER_DIMENSIONS_MAX = 8_192
EMBED_TIMEOUT_MS = 60_000  # for one batch
EMBED_QUERY_TIMEOUT_MS = 5_000  # a person waits: rather answer by words alone
EMBED_BATCH_TEXTS_MAX = 32  # facts whose vectors share a commit; a crash repeats at most these
EMBED_RETRY_DELAY_MS_MIN = 1_000  # after a failure; doubles with each
EMBED_RETRY_DELAY_MS_MAX = 600_000
EMBED_TEXT_CHARS_MAX = 8_192  # of a fact; an embedder reads a few hundred words
EMBEDDING_BATCH_SIZE_MAX = 100  # in one request to a provider
MINILM_TEXT_CHARS_MAX = 8_192  # the tokenizer would read all of a book to keep its first 256 tokens
MINILM_MANIFEST_BYTES_MAX = 10_000
MINILM_WEIGHTS_BYTES_MAX = 200_000_000
PACKAGE_DOWNLOAD_TIMEOUT_MS = 1_800_000

# Exports and imports (umi.portable)
PORTABLE_LINE_BYTES_MAX = 16_000_000  # a text of 1 MB may take six, escaped
PORTABLE_FOREIGN_BYTES_MAX = 512_000_000  # exports of other memories are one JSON value, read whole
PORTABLE_BATCH_LINES = 500  # facts whose import shares a commit
PORTABLE_BATCH_BYTES = 8_000_000

# Retrieval
RETRIEVAL_QUERY_BYTES_MAX = 10_000
RETRIEVAL_QUERY_REWRITE_COUNT_MAX = 3
RETRIEVAL_MODEL_TIMEOUT_MS = 15_000  # a person waits
RETRIEVAL_MODEL_TOKENS_MAX = 300
RETRIEVAL_MENTIONS_COUNT_MAX = 1_000  # an entity that more facts mention tells them apart no better than its name does
RETRIEVAL_PAGE_FACTS_MAX = 500  # read at once while a filter lets few pass
RETRIEVAL_HOPS_MAX = 5
RETRIEVAL_EDGES_MAX = 2_000  # looked at while paths are searched
RETRIEVAL_PATHS_MAX = 100

# Serving (umi.serve, umi.mcp)
SERVE_BODY_BYTES_MAX = 64_000_000  # 10,000 facts of six kilobytes
SERVE_IMPORT_BYTES_MAX = 4_000_000_000  # goes to disk as it arrives
SERVE_CONNECTIONS_MAX = 1_000  # answered at once; beyond it 503
SERVE_BACKLOG = 2_048
SERVE_STOP_SECS = 5  # for requests under way when it is told to stop
SERVE_KEY_CHARS_MIN = 16
SERVE_CLIENT_TIMEOUT_MS = 300_000  # a model may read what is remembered
SERVE_CLIENT_CONNECTIONS_MAX = 100
