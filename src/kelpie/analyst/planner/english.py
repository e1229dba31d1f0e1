"""The question grammar: the words of English by which people ask. No word about any data belongs here."""

# Words that join a question together and ask for nothing by themselves.
FUNCTION_WORDS = frozenset(
    """
    a about across against all also altogether am among an analyse analysis analyze and answer any anybody anyone are
    around as ask at be became become been being between both break breakdown broken but by came can come comes
    compare compared comparison could data did display do does doing down during each either end ever every explain
    figure figures find for from get give given go going got group grouped had happen happened happens has have having
    he hello her here hey hi high him his hold how however i if in interested into is it its itself just kind know
    learn let like list look looked low made make many matter may me mean meant measured might moreover much my
    need now number numbers of off ok okay on once one ones only or our out over overall overview own per perform
    performed performing please put question quick quickly report reported respect result results said same say see
    seem separately shall she should show shows simply since so some something sort sorted split start still such
    summarise summarize summary sure take tell term terms thank thanks that the their them then there these they
    thing things this those through time times to too try understand until up us use value values versus very
    view vs want wanted was way we well went were what when where which while who whose will with within wonder worth
    would yet you your
    """.split()
)

WORST = frozenset({"worst"})
BEST = frozenset({"best"})
HIGHEST = frozenset({"highest", "most", "largest", "biggest", "greatest", "longest", "maximum", "max", "top"})
LOWEST = frozenset({"lowest", "least", "fewest", "smallest", "shortest", "minimum", "min", "bottom"})
RANKED = frozenset({"rank", "ranked", "ranking", "rankings"})
SUPERLATIVES = WORST | BEST | HIGHEST | LOWEST | RANKED
# Extremes of single rows, which a metric over many rows is not.
SINGLE_EXTREMES = frozenset({"maximum", "max", "minimum", "min", "longest", "shortest"})
COMPARATIVES = frozenset(
    {"than", "more", "worse", "better", "higher", "lower", "larger", "smaller", "longer", "shorter", "fewer", "less"}
)

TREND = frozenset(
    """
    develop developed developing development developments trend trends evolve evolved evolution change changed changes
    progress progressed progression history timeline course grow grew growth rise rose fall fell
    """.split()
)
GRAIN_ADVERBS = {
    "daily": "day",
    "weekly": "week",
    "monthly": "month",
    "quarterly": "quarter",
    "yearly": "year",
    "annually": "year",
    "annual": "year",
}
GRAIN_NOUNS = {
    "day": "day", "days": "day", "week": "week", "weeks": "week", "month": "month", "months": "month",
    "quarter": "quarter", "quarters": "quarter", "year": "year", "years": "year",
}  # fmt: skip
BEFORE_GRAIN = frozenset({"by", "per", "each", "every", "which", "what", "across", "over", "the", "in"})

EXCEPT = frozenset({"except", "excluding", "exclude", "without", "besides"})
EXCEPT_PAIRS = frozenset({("other", "than"), ("apart", "from"), ("but", "not"), ("aside", "from")})

AGGREGATIONS = {
    "average": frozenset({"average", "averaged", "averages", "mean", "typical", "typically", "avg"}),
    "sum": frozenset({"total", "totals", "sum", "sums", "overall", "combined"}),
    "count": frozenset({"count", "counts", "number", "numbers", "total", "totals", "amount"}),
    "share": frozenset({"share", "shares", "percentage", "percent", "proportion", "fraction", "rate", "ratio"}),
}
# Words that ask for an aggregation. One that does not fit the metric is a different question.
AGGREGATION_WORDS = frozenset(
    """
    average averaged averages mean typical typically avg total totals sum sums combined count counts share shares
    percentage percent proportion fraction ratio median percentile quantile deviation variance distribution
    """.split()
)

TABLE_WORDS = frozenset({"table", "tables", "tabular"})
CHART_WORDS = frozenset(
    "chart charts graph graphs plot plots plotted diagram diagrams visual visuals visualise visualize picture".split()
)
SHOW_WORDS = TABLE_WORDS | CHART_WORDS | {"draw", "drawn", "present", "presented", "form", "format"}
NEGATIONS = frozenset({"no", "not", "never", "don't", "dont", "without", "instead", "rather", "stop", "avoid"})
# What makes a sentence one about all answers to come.
LASTING = (
    "from now on",
    "in future",
    "in the future",
    "remember that",
    "remember to",
    "remember:",
    "i prefer",
    "i'd prefer",
    "i would prefer",
    "i would rather",
    "i'd rather",
    "i'd like you to",
    "my preference",
    "going forward",
)

# The same, if the sentence begins with it or speaks of tables and charts; elsewhere it may belong to a question.
PERHAPS_LASTING = ("always", "never", "by default", "every time")

WHY = frozenset({"why"})
FUTURE = frozenset(
    {"forecast", "forecasts", "predict", "prediction", "predicted", "expect", "expected", "tomorrow", "next"}
)
TODAY = frozenset({"today", "yesterday", "tonight", "currently", "nowadays"})
PRONOUNS = frozenset({"it", "that", "this", "these", "those", "they", "them", "their", "its", "same"})
OPENERS = ("and", "what about", "how about", "also", "same", "now")
HELP = frozenset({"help", "metrics", "capabilities"})
GREETINGS = frozenset(
    "hi hello hey thanks thank good morning afternoon evening bye goodbye ok okay great perfect nice cheers".split()
)

LAST = frozenset({"last", "past", "previous", "latest", "recent"})
THIS = frozenset({"this", "current"})
WHOLE = frozenset({"whole", "entire", "full", "complete", "all"})
ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "1st": 1, "2nd": 2, "3rd": 3, "4th": 4}
NUMBER_WORDS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11, "twelve": 12, "fifteen": 15, "twenty": 20,
}  # fmt: skip
MONTHS = {
    "january": 1, "february": 2, "march": 3, "april": 4, "may": 5, "june": 6, "july": 7, "august": 8,
    "september": 9, "october": 10, "november": 11, "december": 12, "jan": 1, "feb": 2, "mar": 3, "apr": 4, "jun": 6,
    "jul": 7, "aug": 8, "sep": 9, "sept": 9, "oct": 10, "nov": 11, "dec": 12,
}  # fmt: skip
# "may", "march" and "mar" are other words too: they are months with a capital or after one of these.
DOUBTFUL_MONTHS = frozenset({"may", "march", "mar"})
BEFORE_MONTH = frozenset(
    {"in", "of", "since", "until", "till", "to", "from", "and", "between", "during", "for", "through"}
)
