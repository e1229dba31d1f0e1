"""MySQL and MariaDB: names of tables are as they are spelled; some comments run; `@` and `@@` are variables."""

from typing import Any

from sqlglot import exp
from sqlglot.dialects.mysql import MySQL
from sqlglot.generators.mysql import MySQLGenerator

from kelpie.analyst.guard.dialects.dialect import CALLS_WITH_SYNTAX, SYNTAX, Dialect, insensitive, operator, verbatim


def _json(generator: Any, node: exp.JSONExtract) -> str:
    return str(generator.func("JSON_EXTRACT", node.this, node.expression))


# Written so that both servers understand it: MariaDB has neither REGEXP_LIKE nor the arrows of JSON.
_SQLGLOT = verbatim(
    MySQL,
    (*(name for name in CALLS_WITH_SYNTAX if name not in ("TRY_CAST", "OVERLAY")), "CONVERT", "GROUP_CONCAT"),
    {
        exp.RegexpLike: operator("RLIKE"),
        exp.JSONExtract: _json,
        exp.JSONExtractScalar: lambda generator, node: f"JSON_UNQUOTE({_json(generator, node)})",
    },
    TIMESTAMP_FUNC_TYPES=frozenset(),
    CAST_MAPPING={**MySQLGenerator.CAST_MAPPING, exp.DType.TIMESTAMPTZ: "DATETIME"},
)


def _fold(identifier: exp.Identifier) -> str:
    return identifier.name


_FUNCTIONS = frozenset(
    """
    abs acos adddate addtime any_value ascii asin atan atan2 avg bin bit_and bit_count bit_length bit_or bit_xor ceil
    ceiling char_length character_length coalesce concat concat_ws conv convert_tz cos cot count crc32 cume_dist date
    date_add date_format date_sub datediff day dayname dayofmonth dayofweek dayofyear degrees dense_rank elt exp field
    find_in_set first_value floor format from_days from_unixtime greatest group_concat grouping hex hour if ifnull
    insert instr isnull json_array json_arrayagg json_contains json_contains_path json_depth json_extract json_keys
    json_length json_merge_patch json_object json_objectagg json_quote json_search json_type json_unquote json_valid
    json_value lag last_day last_value lcase lead least left length ln locate log log10 log2 lower lpad ltrim makedate
    maketime max md5 microsecond mid min minute mod month monthname nth_value ntile nullif oct octet_length ord
    percent_rank period_add period_diff pi position pow power quarter quote radians rank regexp_instr regexp_like
    regexp_replace regexp_substr repeat replace reverse right round row row_number rpad rtrim sec_to_time second sha1
    sha2 sign sin soundex space sqrt std stddev stddev_pop stddev_samp str_to_date strcmp subdate substr substring
    substring_index subtime sum tan time time_format time_to_sec timediff timestamp timestampadd timestampdiff to_days
    to_seconds trim truncate ucase unhex unix_timestamp upper var_pop var_samp variance week weekday weekofyear year
    yearweek
    """.split()
)

MYSQL = Dialect(
    name="mysql",
    sqlglot=_SQLGLOT,
    fold=_fold,
    fold_column=insensitive,
    functions=_FUNCTIONS,
    syntax=(SYNTAX - {"Array", "Overlay", "TryCast"}) | {"Concat", "GroupConcat", "RegexpLike", "Soundex"},
    rewrites=frozenset({"Concat", "JSONExtract", "JSONExtractScalar", "Soundex", "StrPosition"}),
    reads_clock={"unix_timestamp": 0},
    # A text in hexadecimal is a number here and a text there, and a character set before a text changes what it says.
    refused=(exp.HexString, exp.Introducer, exp.National),
    comments_run=True,
)
