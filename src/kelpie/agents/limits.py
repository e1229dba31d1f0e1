"""Bounds of agents and their turns."""

AGENT_NAME_CHARS_MAX = 256
AGENT_SYSTEM_CHARS_MAX = 1_000_000
AGENT_TAGS_MAX = 100
RUNS_OPEN_MAX = 100_000  # acknowledged by one process and not ended: about 20 KB of memory each
TURN_STEPS_DEFAULT = 50
TURN_STEPS_MAX = 1_000
TURN_CALLS_PER_STEP_MAX = 128  # tool calls in one reply; a model that makes more is not making sense
HISTORY_CHARS_MAX = 8_000_000  # of the same messages: more than any model's window holds
HISTORY_MESSAGES_MAX = 2_000  # messages an activation keeps in memory; the context's token budget cuts further
CONTEXT_SHRINKS_MAX = 5  # times a step is asked again with half the history because the window was overestimated
OUTPUT_TOKENS_RESERVED_SHARE = 0.15  # of the context window, left for the reply
STORE_CALL_ATTEMPTS_MAX = 20  # times a step's store tools are planned anew because another writer was first
ACCEPT_DOUBT_MS_MAX = 10_000  # a sender waits that long for a store that does not say whether its message is there
RUN_RETRY_DELAY_MS = 1_000
RUN_RETRY_DELAY_MS_MAX = 60_000
RUN_FENCED_DELAY_MS_MAX = 600_000  # two processes that want one run: one of them has to wait for longer than it takes
RUN_BUG_ATTEMPTS_MAX = 3  # unexpected errors before a run is closed as failed
RUN_CLOSE_ATTEMPTS_MAX = 8  # unexpected errors while closing it, over five minutes: then its record alone is ended
STREAM_EVENTS_WAITING_MAX = 100_000  # a reader this far behind is disconnected; the run goes on without it
