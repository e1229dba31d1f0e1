"""Bounds of the analyst. Bytes are UTF-8 bytes of the JSON text."""

# A query
SQL_CHARS_MAX = 20_000
QUERY_TIMEOUT_MS_DEFAULT = 30_000
QUERY_ROWS_MAX = 1_000  # what a query may return and a stored result may hold
QUERY_RESULT_BYTES_MAX = 1_000_000
CELL_CHARS_MAX = 2_000  # a longer text is cut, with a mark
METRICS_PER_QUERY_MAX = 8
DIMENSIONS_PER_QUERY_MAX = 4
FILTERS_PER_QUERY_MAX = 20
FILTER_VALUES_MAX = 200
CONDITIONS_PER_QUERY_MAX = 8
YEAR_MIN = 1000  # of a day that somebody asks for: days are compared as texts in some engines
YEAR_MAX = 9000
SPINE_PERIODS_MAX = 200  # moments at which one query looks at stocks; each is written out in its SQL

# What a model reads of a result
MODEL_ROWS_MAX = 200
MODEL_RESULT_CHARS_MAX = 30_000

# A data source
SOURCES_OPEN_MAX = 8
CATALOGS_MAX = 32  # one for each semantic model and each set of access rules over it
CATALOG_AGE_MS_MAX = 60_000  # of a server's catalog: every write there, to any table, makes another snapshot
SOURCE_THREADS = 1  # one thread adds floats in one order: the same query gives the same bits again
SOURCE_MEMORY_MB_MAX = 512
WORKER_THREADS_MAX = 2  # queries and chart renderings at once in this process
CONNECTION_NAME_CHARS_MAX = 100
CONNECTION_VALUE_CHARS_MAX = 1_000  # a host, a path
SOURCE_COLUMNS_MAX = 20_000  # of all tables together
SOURCE_VALUE_BYTES_MAX = 10_000_000  # of one value that SQLite makes on the way to a result
SOURCE_CONNECT_TIMEOUT_MS = 10_000
SOURCE_CANCEL_TIMEOUT_MS = 2_000  # how long a server may take to hear that a query is off
SOURCE_CONNECTIONS_MAX = 4  # queries at once on one server
SOURCE_FILES_MAX = 100
SOURCE_HEADER_CHARS_MAX = 100_000  # of a text file: within these its first line ends
SOURCE_LOAD_TIMEOUT_MS = 60_000
SOURCE_FILES_BYTES_MAX = 200_000_000  # of all files of a connection, as they are unpacked

# A semantic model
SEMANTIC_YAML_BYTES_MAX = 200_000
SEMANTIC_MODEL_NAME_CHARS_MAX = 100
FORMULA_CHARS_MAX = 500
VERIFIED_NAME_CHARS_MAX = 200
INFER_TABLES_MAX = 60  # what a draft looks at
INFER_COLUMNS_MAX = 200
INFER_NOTE_CHARS_MAX = 300
INFER_TRIES_MAX = 20
FORMULA_TERMS_MAX = 40  # metrics in a formula, once the formulas inside it are written out
DIMENSION_VALUES_MAX = 300  # values of one dimension that list_metrics shows

# Access rules
ACCESS_RULES_MAX = 500  # of one semantic model
ACCESS_NAME_CHARS_MAX = 100
ACCESS_LIST_MAX = 100  # masked columns or exceptions of one rule
ACCESS_CONDITION_CHARS_MAX = 2_000
ACCESS_YAML_BYTES_MAX = 200_000

# A chart
CHART_TITLE_CHARS_MAX = 200
CHART_BARS_MAX = 30
CHART_SERIES_MAX = 8

# A check of a query's numbers
CHECK_QUERY_MS_MAX = 50  # a slower query is checked on request alone: a check costs a few of it

# A question in words
QUESTION_CHARS_MAX = 4_000
QUESTION_OPTIONS_MAX = 8
FEEDBACK_CHARS_MAX = 2_000  # why an answer is wrong
SESSION_CHARS_MAX = 100

# Somebody leaves
LEAVING_ATTEMPTS_MAX = 20  # times they are looked at anew because they still ask, or others change people
SESSIONS_FORGOTTEN_AT_ONCE = 100  # conversations whose ids are read together; each goes in a commit of its own

# Conventions
CONVENTION_TOPIC_BYTES_MAX = 200
CONVENTION_VALUE_BYTES_MAX = 500
CONVENTIONS_PER_SCOPE_MAX = 500  # topics that one person, team or organisation holds to
CONVENTION_MESSAGES_MAX = 60  # of a conversation that are looked through for the question a person answers
CONVENTION_FORGET_PATIENCE_MS_MAX = 2_000  # for what is being remembered of the message that a convention was said in

# The planner
PLANNER_CATALOGS_MAX = 16  # catalogs kept read in a process, for different people's and models' questions
