"""Which functions a guarded query may call. What is on neither list is refused, known or not.

sqlglot gives the functions it knows a class of their own; the others are known by name alone. A test holds both lists
against the engine's own catalogue: nothing on them reads files, makes tables, has side effects or gives another
answer the next time, because a number has to come out the same when somebody checks it.
"""

# Classes of sqlglot.
TYPED_ALLOWED = frozenset(
    """
    Abs Acos Acosh And AnyValue ApproxDistinct ApproxQuantile ApproxTopK ArgMax ArgMin Array ArrayAgg ArrayAppend
    ArrayContains ArrayContainsAll ArrayDistinct ArrayFilter ArrayIntersect ArrayMax ArrayMin ArrayOverlaps
    ArrayPosition ArrayPrepend ArrayReverse ArraySize ArraySlice ArraySort ArrayToString Ascii Asin Asinh Atan Atan2
    Atanh Avg BitLength BitwiseAndAgg BitwiseOrAgg BitwiseXorAgg Case Cast Cbrt Ceil Chr Coalesce Collate Columns
    Concat ConcatWs Contains Corr Cos Cosh CosineDistance Cot Count CountIf CovarPop CovarSamp CumeDist Date DateAdd
    DateBin DateDiff DateFromParts Day DayOfMonth DayOfWeek DayOfWeekIso DayOfYear Dayname Decode Degrees DenseRank
    Encode EndsWith EuclideanDistance Exists Exp Extract Factorial First FirstValue Flatten Floor Format FromBase64
    FromJson Getbit Greatest GroupConcat Grouping Hex Hour If IsInf IsNan JSONArray JSONExtract JSONExtractScalar
    JSONKeys JSONObject JSONType JarowinklerSimilarity Kurtosis Lag Last LastDay LastValue Lead Least Left Length
    Levenshtein Ln Log LogicalAnd LogicalOr Lower MD5 Map MapFromEntries MapKeys Max Median Min Minute Mode Month
    Monthname NthValue Ntile Nullif Or Overlay Pad ParseJSON PercentRank PercentileCont PercentileDisc Pi Pow Quantile
    Quarter Radians Rank Reduce RegexpExtract RegexpExtractAll RegexpFullMatch RegexpLike RegexpReplace RegexpSplit
    RegrAvgx RegrAvgy RegrCount RegrIntercept RegrR2 RegrSlope RegrSxx RegrSxy RegrSyy Repeat Replace Reverse Right
    Round RowNumber SHA SHA2 Second Sign Sin Sinh Skewness Split SplitPart Sqrt StartsWith Stddev StddevPop StddevSamp
    StrPosition StrToTime Struct StructExtract Substring Sum Tan Tanh Time TimeFromParts TimeToStr TimeToUnix
    Timestamp TimestampFromParts TimestampTrunc ToBase64 ToBinary ToDays ToMap Transform Translate Trim Trunc Try
    TryCast Typeof Unhex Unicode UnixToTime Upper Variance VariancePop Week WeekOfYear Year
    """.split()
)

# Scalar and aggregate functions of DuckDB without side effects, beyond those with a class.
ANONYMOUS_ALLOWED = frozenset(
    """
    add age arbitrary arg_max_null arg_min_null array_aggregate array_apply array_extract array_has_any array_indexof
    array_reduce array_select array_transform array_unique array_where array_zip bar base64 bin bit_count cardinality
    century count_star damerau_levenshtein date_part date_sub datepart datesub days_in_month decade divide element_at
    entropy epoch_ns epoch_us equi_width_bins era even favg fdiv fmod format_bytes fsum gamma gcd geomean
    geometric_mean greatest_common_divisor hamming histogram histogram_exact isfinite isoyear jaccard jaro_similarity
    json_array_length json_contains json_exists json_structure json_valid json_value julian kahan_sum kurtosis_pop lcm
    least_common_multiple left_grapheme length_grapheme lgamma list_aggr list_aggregate list_any_value list_apply
    list_approx_count_distinct list_avg list_bool_and list_bool_or list_cat list_count list_element list_entropy
    list_extract list_first list_grade_up list_has_all list_histogram list_indexof list_intersect list_last list_mad
    list_median list_mode list_position list_product list_reduce list_reverse list_select list_sem list_skewness
    list_slice list_stddev_pop list_stddev_samp list_string_agg list_sum list_unique list_var_pop list_var_samp
    list_where list_zip lower mad make_timestamp_ms make_timestamp_ns map_concat map_contains map_entries map_extract
    map_values mean microsecond millennium millisecond mismatches multiply nanosecond nfc_normalize octet_length ord
    prefix printf product rank_dense regexp_escape regexp_split_to_array right_grapheme round_even roundbankers row
    sem signbit strip_accents strlen struct_concat struct_extract_at struct_insert substring_grapheme subtract suffix
    sum_no_overflow sumkahan timezone_hour timezone_minute to_base to_centuries to_decades to_hours to_json
    to_microseconds to_millennia to_milliseconds to_minutes to_months to_quarters to_seconds to_weeks to_years
    try_strptime upper url_decode url_encode wavg weekday weighted_avg yearweek
    """.split()
)
