"""Bounds of groups."""

GROUP_AGENTS_MAX = 50
GROUP_BLOCKS_MAX = 50
GROUP_DESCRIPTION_CHARS_MAX = 10_000
GROUP_EXTRAS_BYTES_MAX = 10_000  # of what clients say of it, kept for them
GROUP_TOKEN_CHARS_MAX = 256  # of the word that ends a talk
GROUP_TURNS_MAX = 100  # of one run
GROUP_TURNS_DEFAULT = 10  # of a dynamic group's speakers, as in Letta
GROUP_FREQUENCY_MAX = 10_000  # turns between two looks of a background agent
GROUP_FREQUENCY_DEFAULT = 5
GROUP_WRITE_ATTEMPTS_MAX = 20  # times a change is planned anew because another writer was first
GROUP_WAIT_MS = 1_000  # until a message looks again whether the one before it was answered
GROUP_RUNS_OPEN_MAX = 100  # of one group: acknowledged, and not ended
