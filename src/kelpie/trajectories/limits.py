"""Bounds of what a trajectory keeps."""

ERROR_TEXT_CHARS_MAX = 2_000
MESSAGE_SEARCH_RESULTS_MAX = 100
MESSAGE_SEARCH_QUERY_BYTES_MAX = 10_000
MESSAGE_SEARCH_CANDIDATES_MAX = 400  # what the text index proposes before role and date filter
MESSAGE_SEARCH_AGENTS_MAX = 10_000  # whose histories are searched at once
LATEST_BYTES_MAX = 64_000_000  # of messages read at once
RUN_INPUT_MESSAGES_MAX = 100
RUN_OTID_MS_MAX = 86_400_000  # for so long a message that is sent again, by its otid, is known to be the same
CONVERSATION_STEP_MESSAGES_MAX = 200  # messages looked through for a call that a fork would leave unanswered
CONVERSATION_STRETCHES_MAX = 100  # forks that a fork goes back to, one of the other
CONVERSATION_TEXT_CHARS_MAX = 10_000  # of its summary, and of its description
EXPORT_PAGE_RUNS = 50  # runs read at a time, so that an export never holds the store for long
EXPORT_RUNS_MAX = 100_000
EXPORT_STEP_MESSAGES_MAX = 1_000  # messages one step can have added
