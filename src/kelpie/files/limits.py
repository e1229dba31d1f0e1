"""Bounds of folders and files."""

FOLDER_NAME_CHARS_MAX = 255
FOLDER_TEXT_CHARS_MAX = 10_000  # its description, and its instructions: they stand in the context of every agent
FOLDER_EXTRAS_BYTES_MAX = 100_000  # metadata and what a client says of embeddings
FOLDER_FILES_MAX = 10_000
FOLDER_WRITE_ATTEMPTS_MAX = 20

FILE_BYTES_MAX = 30_000_000  # uploaded; the whole request may have a little more
FILE_NAME_CHARS_MAX = 255
FILE_TEXT_CHARS_MAX = 5_000_000  # read out of it
FILE_PAGES_MAX = 3_000  # of a PDF
FILE_ERROR_CHARS_MAX = 1_000
FILE_UPLOADS_AT_ONCE_MAX = 2  # whole in memory, on their way to the store
FILE_LINE_CHARS_MAX = 1_000  # a longer line counts as several
FILE_TEXTS_CHARS_MAX = 20_000_000  # of a list of files with what they say

# One document that is being read, in a process of its own.
READING_AT_ONCE_MAX = 2  # and as many texts, which don't wait for documents
READING_MEMORY_BYTES_MAX = 1 << 30
READING_CPU_S_MAX = 60
READING_WALL_MS_MAX = 300_000  # of a machine that is busy with something else
READING_EXPANDED_BYTES_MAX = 100_000_000  # what is packed in a docx, unpacked
READING_PARTS_MAX = 5_000  # files in a docx
READING_ANSWER_BYTES_MAX = 4 * FILE_TEXT_CHARS_MAX + 1_000  # UTF-8 takes four a character at most

CHUNK_TOKENS_DEFAULT = 300  # Letta's embedding_chunk_size
CHUNK_TOKENS_MIN = 50
CHUNK_TOKENS_MAX = 8_192
CHUNK_BYTES_PER_TOKEN = 4
CHUNKS_PER_COMMIT = 50

AGENT_FOLDERS_MAX = 50
AGENT_FILES_OPEN_MAX = 100  # whatever an agent is allowed
AGENT_VIEW_CHARS_MAX = 200_000
AGENT_FILES_SHOWN_MAX = 500  # closed files that are named in an agent's context

GREP_PATTERN_CHARS_MAX = 1_000
GREP_CHARS_MAX = 50_000_000  # searched by one call
GREP_FILES_MAX = 20_000
GREP_MATCHES_MAX = 1_000  # counted by one call
GREP_PAGE_MATCHES = 20
GREP_CONTEXT_LINES_MAX = 10
SEARCH_RESULTS_MAX = 50
