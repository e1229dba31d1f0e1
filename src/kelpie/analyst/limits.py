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

# What a model reads of a result
MODEL_ROWS_MAX = 200
MODEL_RESULT_CHARS_MAX = 30_000

# A data source
SOURCES_OPEN_MAX = 8
SOURCE_THREADS = 1  # one thread adds floats in one order: the same query gives the same bits again
SOURCE_MEMORY_MB_MAX = 512
WORKER_THREADS_MAX = 2  # queries and chart renderings at once in this process
CONNECTION_NAME_CHARS_MAX = 100

# A semantic model
SEMANTIC_YAML_BYTES_MAX = 200_000
SEMANTIC_YAML_DEPTH_MAX = 10
SEMANTIC_MODEL_NAME_CHARS_MAX = 100
DIMENSION_VALUES_MAX = 300  # values of one dimension that list_metrics shows

# A chart
CHART_TITLE_CHARS_MAX = 200
CHART_BARS_MAX = 30
CHART_SERIES_MAX = 8

# A question in words
QUESTION_CHARS_MAX = 4_000
QUESTION_OPTIONS_MAX = 8
SESSION_CHARS_MAX = 100
