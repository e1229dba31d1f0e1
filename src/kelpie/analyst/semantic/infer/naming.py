"""Names and words out of the names of tables and columns, as people in English-speaking databases give them.

These words only decide what a draft proposes. What a model means is in its YAML, which a person reads and corrects.
"""

import re

_BREAK = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")
_NAME_CHARS_MAX = 40  # leaves room for "average_" before it

MONEY = {
    "amount", "amounts", "balance", "charge", "cost", "costs", "discount", "expense", "fare", "fee", "fees", "mrr",
    "paid", "payment", "payout", "price", "profit", "revenue", "salary", "sales", "spend", "subtotal", "tax", "total",
    "turnover", "value", "wage",
}  # fmt: skip
_COUNTED = {"count", "cups", "hits", "items", "number", "num", "pieces", "qty", "quantity", "seats", "units", "users"}
# Of which only an average says something.
_MEASURED = {
    "age", "delay", "duration", "height", "humidity", "length", "pct", "percent", "percentage", "pressure", "price",
    "rate", "rating", "ratio", "score", "speed", "temp", "temperature", "weight", "width",
}  # fmt: skip
# Numbers that name something.
_CODES = {
    "code", "class", "day", "grade", "hour", "id", "key", "lat", "latitude", "level", "lng", "lon", "longitude",
    "minute", "month", "no", "nr", "phone", "postcode", "quarter", "rank", "second", "sort", "status", "type",
    "version", "week", "weekday", "year", "zip",
}  # fmt: skip
_NO_IDS = ("aid", "bid", "grid", "invalid", "paid", "prepaid", "unpaid", "valid", "void")
_BEGINS = {"start", "started", "begin", "begins", "began", "from", "since", "opened", "valid"}
_ENDS = {"end", "ended", "ends", "until", "to", "closed", "expired", "cancelled", "canceled"}


def words(name: str) -> list[str]:
    """ "orderDate", "order_date", "Order Date" -> ["order", "date"]."""
    return [word.lower() for word in _BREAK.split(name) if word]


def name_of(text: str) -> str:
    """A name for the model: lower case, digits and underscores, beginning with a letter."""
    name = "_".join(words(text))[:_NAME_CHARS_MAX].strip("_") or "x"
    return name if name[0].isalpha() else f"x_{name}"


def label_of(text: str) -> str:
    return " ".join(words(text)) or text


def singular(word: str) -> str:
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("shes", "sh"), ("ches", "ch"), ("xes", "x")):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return word.removesuffix(ending) + instead
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 2:
        return word[:-1]
    return word


def plural(word: str) -> str:
    if word != singular(word):
        return word
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("s", "x", "sh", "ch")) else f"{word}s"


def singular_name(table: str) -> str:
    """ "daily_orders" -> "daily_order"."""
    *first, last = words(table) or ["x"]
    return name_of(" ".join([*first, singular(last)]))


def is_money(column: str) -> bool:
    return bool(MONEY & set(words(column)))


def is_code(column: str) -> bool:
    """Whether its numbers tell things apart rather than measure them: never to be summed."""
    last = (words(column) or [""])[-1]
    return last in _CODES or (last.endswith("id") and last not in _NO_IDS)


def is_measured(column: str) -> bool:
    return bool(_MEASURED & set(words(column)))


def adds_up(column: str) -> bool:
    return bool((MONEY | _COUNTED) & set(words(column))) and not is_measured(column)


def role_of(column: str) -> str:
    """What a foreign key says of the other row: "manager_id" -> "manager"."""
    found = words(column)
    return name_of(" ".join(found[:-1] if len(found) > 1 and found[-1] in _CODES else found))


def span_of(column: str) -> tuple[str, str] | None:
    """("begin", rest of the name) or ("end", …) where a date says from or until when something held."""
    found = words(column)
    for side, those in (("begin", _BEGINS), ("end", _ENDS)):
        if those & set(found):
            rest = [word for word in found if word not in those and word not in ("on", "at", "date", "time", "day")]
            return side, " ".join(rest)
    return None
