"""Bounds of what comes and goes."""

PARCEL_AGENTS_MAX = 50
PARCEL_BLOCKS_MAX = 1_000
PARCEL_TOOLS_MAX = 500
PARCEL_GROUPS_MAX = 100
PARCEL_FOLDERS_MAX = 100
PARCEL_FILES_MAX = 1_000
PARCEL_MESSAGES_MAX = 20_000  # of all agents together
PARCEL_FACTS_MAX = 10_000  # of all agents together
PARCEL_SCHEDULES_MAX = 100  # of one agent
PARCEL_NOTES_MAX = 200
PARCEL_ATTEMPTS_MAX = 10  # times a parcel is planned anew because a tool of it was changed meanwhile

PACKED_BYTES_MAX = 25_000_000  # of facts, messages and what files say, in one file: an import takes 32 MB
PACKED_PAGE_ITEMS = 500

REPORT_KINDS_MAX = 200  # reasons that are counted apart
REPORT_SHOWN_MAX = 5  # ids shown for each
DATABASE_BATCH_ROWS = 500  # read, and written in one commit
DATABASE_CONNECT_TIMEOUT_S = 30
