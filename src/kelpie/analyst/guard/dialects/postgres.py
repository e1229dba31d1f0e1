"""PostgreSQL: an unquoted name is in lower case, a quoted one as it is; tables are found without a schema."""

from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.generator import Generator

from kelpie.analyst.guard.dialects.dialect import (
    CALLS_WITH_SYNTAX,
    SYNTAX,
    TYPES,
    Dialect,
    ascii_lower,
    operator,
    verbatim,
)

_SQLGLOT = verbatim(
    Postgres,
    (name for name in CALLS_WITH_SYNTAX if name != "TRY_CAST"),
    {
        exp.Pow: operator("^"),  # weaker than a minus before it: -2 ^ 2 is 4
        exp.Interval: Generator.interval_sql,
    },
    MULTI_ARG_DISTINCT=True,
    SINGLE_STRING_INTERVAL=False,
)


def _fold(identifier: exp.Identifier) -> str:
    return identifier.name if identifier.args.get("quoted") else ascii_lower(identifier.name)


_FUNCTIONS = frozenset(
    """
    abs acos acosd acosh age any_value array array_agg array_append array_cat array_dims array_length array_lower
    array_ndims array_position array_positions array_prepend array_remove array_replace array_to_json array_to_string
    array_upper ascii asin asind asinh atan atan2 atan2d atand atanh avg bit_and bit_count bit_length bit_or bit_xor
    bool_and bool_or btrim cardinality cbrt ceil ceiling char_length character_length chr coalesce concat concat_ws
    corr cos cosd cosh cot cotd count covar_pop covar_samp cume_dist date date_bin date_part date_trunc decode degrees
    dense_rank div encode erf erfc every exp factorial first_value floor format gcd get_bit get_byte greatest grouping
    initcap isfinite json_agg json_array_length json_build_array json_build_object json_extract_path
    json_extract_path_text json_object json_object_agg json_strip_nulls json_typeof jsonb_agg jsonb_array_length
    jsonb_build_array jsonb_build_object jsonb_exists jsonb_extract_path jsonb_extract_path_text jsonb_object
    jsonb_object_agg jsonb_path_exists jsonb_path_match jsonb_path_query_array jsonb_path_query_first jsonb_pretty
    jsonb_strip_nulls jsonb_typeof justify_days justify_hours justify_interval lag last_value lcm lead least left
    length ln log log10 lower lpad ltrim make_date make_interval make_time make_timestamp max md5 min min_scale mod
    mode nth_value ntile nullif num_nonnulls num_nulls octet_length percent_rank percentile_cont percentile_disc pi
    position pow power quote_literal quote_nullable radians rank regexp_count regexp_instr regexp_like regexp_match
    regexp_replace regexp_split_to_array regexp_substr regr_avgx regr_avgy regr_count regr_intercept regr_r2
    regr_slope regr_sxx regr_sxy regr_syy repeat replace reverse right round row row_number row_to_json rpad rtrim
    scale sha224 sha256 sha384 sha512 sign sin sind sinh split_part sqrt starts_with stddev stddev_pop stddev_samp
    string_agg string_to_array strpos substr substring sum tan tand tanh to_char to_date to_hex to_json to_jsonb
    to_number to_timestamp translate trim trim_array trim_scale trunc upper var_pop var_samp variance width_bucket
    """.split()
)

POSTGRES = Dialect(
    name="postgres",
    sqlglot=_SQLGLOT,
    fold=_fold,
    fold_column=_fold,
    functions=_FUNCTIONS,
    syntax=(SYNTAX - {"TryCast", "Xor"})
    | frozenset(
        "ArrayContainedBy ArrayContainsAll ArrayOverlaps Cbrt Concat JSONBContainsAllTopKeys JSONBContainsAnyTopKeys"
        " JSONBContainsTopKey JSONBDeleteAtPath JSONBExtract JSONBExtractScalar Pow RegexpILike RegexpLike Sqrt".split()
    ),
    rewrites=frozenset({"Cbrt", "Concat", "RawString", "Sqrt"}),
    types=TYPES | {"INET", "MONEY"},
    reads_clock={"age": 1, "date": 0},
    clock_words=frozenset({"now", "today", "tomorrow", "yesterday"}),
    keywords=frozenset(
        "cmax cmin ctid current_role current_schema current_catalog session_user system_user tableoid user xmax xmin"
        " localtime localtimestamp".split()
    ),
    # An operator may be anybody's function; the other three are read by rules that a setting changes.
    refused=(exp.Operator, exp.ByteString, exp.UnicodeString, exp.National),
)
