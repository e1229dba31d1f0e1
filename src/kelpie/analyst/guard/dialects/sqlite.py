"""SQLite: names are insensitive, quoted or not; `x IN name` reads a table; a date function may mean now."""

from sqlglot import exp
from sqlglot.dialects.sqlite import SQLite

from kelpie.analyst.guard.dialects.dialect import SYNTAX, Dialect, insensitive, verbatim

_SQLGLOT = verbatim(
    SQLite,
    ("CAST",),  # the only call that is more than one here
    {},
    # A cast to NUMERIC keeps whole numbers whole; sqlglot would write REAL, and 7 / 2 would be another number.
    TYPE_MAPPING={**SQLite.generator_class.TYPE_MAPPING, exp.DType.DECIMAL: "NUMERIC"},
)

_FUNCTIONS = frozenset(
    """
    abs acos acosh asin asinh atan atan2 atanh avg ceil ceiling char coalesce concat concat_ws cos cosh count
    cume_dist date datetime degrees dense_rank exp first_value floor format glob group_concat hex if ifnull iif instr
    json json_array json_array_length json_extract json_group_array json_group_object json_object json_patch
    json_quote json_type json_valid julianday lag last_value lead length like likelihood likely ln log log10 log2
    lower ltrim max median min mod nth_value ntile nullif octet_length percent_rank percentile percentile_cont
    percentile_disc pi pow power printf quote radians rank replace round row_number rtrim sign sin sinh sqrt strftime
    string_agg substr substring sum tan tanh time timediff total trim trunc typeof unhex unicode unixepoch unlikely
    upper
    """.split()
)

SQLITE = Dialect(
    name="sqlite",
    sqlglot=_SQLGLOT,
    fold=insensitive,
    fold_column=insensitive,
    schemas=frozenset({"", "main"}),
    functions=_FUNCTIONS,
    syntax=SYNTAX - {"Array", "Extract", "Overlay", "StrPosition", "Substring", "Trim", "TryCast", "Xor"},
    # Of a cast to DATE or the like SQLite keeps the year as a number.
    types=frozenset(
        "BIGINT BINARY BLOB CHAR DECIMAL DOUBLE FLOAT INT NCHAR NVARCHAR SMALLINT TEXT TINYINT VARBINARY"
        " VARCHAR".split()
    ),
    reads_clock={"date": 0, "time": 0, "datetime": 0, "julianday": 0, "unixepoch": 0, "strftime": 1},
    clock_words=frozenset({"now"}),
    # `a REGEXP b` and `a MATCH b` call functions that an application has to bring.
    refused=(exp.RegexpLike, exp.Match),
    in_reads_table=True,
)
