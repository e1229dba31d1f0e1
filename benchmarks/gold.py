"""Questions with gold SQL, and whether a result of the product equals gold. The files are in benchmarks/questions."""

import datetime as dt
import itertools
import math
import os
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import yaml

FOLDER = os.path.join(os.path.dirname(__file__), "questions")
TOLERANCE = 1e-9  # of a number's size

Compare = Literal["value", "rows", "ordered", "leading"]
Role = Literal["value", "before", "change", "growth", "share"]
Row = tuple[Any, ...]


class Gold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One form of the right answer; benchmarks/questions/README.md says what the fields mean."""

    gold_sql: str
    compare: Compare
    keys: int = 0
    measures: list[Role] = msgspec.field(default_factory=lambda: ["value"])
    least: int = 1


class Item(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question of a file."""

    id: str
    question: str
    kind: Literal["answerable", "ambiguous", "unanswerable"]
    gold_sql: str = ""
    compare: Compare = "value"
    keys: int = 0
    measures: list[Role] = msgspec.field(default_factory=lambda: ["value"])
    least: int = 1
    alternatives: list[Gold] = msgspec.field(default=[], name="or")
    asks: list[str] = []
    about: str = ""
    options: list[str] = []
    answer: str = ""
    note: str = ""

    @property
    def golds(self) -> list[Gold]:
        own = Gold(
            gold_sql=self.gold_sql, compare=self.compare, keys=self.keys, measures=self.measures, least=self.least
        )
        return [own, *self.alternatives]


class Result(msgspec.Struct, frozen=True):
    """A result of the product, split: each row's keys by column, and its measures by column with their roles.

    `optional` says of each measure whether it only stands beside what was asked, as a metric's support does.
    """

    keys: list[list[Any]]
    roles: list[Role]
    optional: list[bool]
    measures: list[list[Any]]

    @property
    def row_count(self) -> int:
        return len((self.keys or self.measures)[0]) if self.keys or self.measures else 0


def read_items(path: str) -> list[Item]:
    """The questions of a file. Raises ValueError where it is not as the README says."""
    with open(path, encoding="utf-8") as file:
        items = msgspec.convert(yaml.safe_load(file), list[Item])
    if len({item.id for item in items}) != len(items):
        raise ValueError(f"{path}: an id is used twice")
    for item in items:
        if (item.kind == "unanswerable") == bool(item.gold_sql):
            raise ValueError(f"{item.id}: gold SQL is for what can be answered, and only for that")
        if (item.kind == "ambiguous") != bool(item.answer and item.asks):
            raise ValueError(f"{item.id}: an ambiguous question, and no other, has `asks` and `answer`")
    return items


def split_result(query: dict[str, Any], support: dict[str, str]) -> Result:
    """A stored query of the API as a Result. `support` is each metric's, from its semantic model."""
    columns, rows = query["columns"], query["rows"]
    asked = (query.get("metric_query") or {}).get("metrics", [])
    beside = {support.get(name, "") for name in asked}
    values = [[row[place] for row in rows] for place in range(len(columns))]
    keys, roles, optional, measures = [], list[Role](), [], []
    for column, cells in zip(columns, values, strict=True):
        if column["kind"] == "metric" or (column["kind"] == "value" and all(map(_is_number, cells))):
            of = column.get("of") or ""
            role: Role = column["name"].removeprefix(f"{of}_") if of else "value"
            roles.append(role)
            optional.append((of or column["name"]) in beside)
            measures.append(cells)
        else:
            keys.append(cells)
    return Result(keys, roles, optional, measures)


def difference(gold: Gold, rows: Sequence[Row], result: Result) -> str:
    """Why `result` is not what `rows` of gold say, in words; empty where it is."""
    if gold.compare == "value" and result.row_count != 1:
        return f"{result.row_count} rows instead of one number"
    key_columns = _key_columns(gold, result)
    if key_columns is None:
        return f"{len(result.keys)} key columns instead of {gold.keys}"
    chosen = _measure_columns(gold, result)
    if not chosen:
        return f"the measures are {result.roles} instead of {gold.measures}"
    wanted = [(tuple(map(_key, row[: gold.keys])), row[gold.keys :]) for row in rows]
    said = ""
    for keys, measures in itertools.product(itertools.permutations(key_columns), chosen):
        found = [
            (tuple(_key(column[at]) for column in keys), tuple(column[at] for column in measures))
            for at in range(result.row_count)
        ]
        problem = _compared(gold, wanted, found)
        if not problem:
            return ""
        said = said or problem
    return said


def _key_columns(gold: Gold, result: Result) -> list[list[Any]] | None:
    """The result's columns that tell its rows apart; one with the same value in every row says only what was asked."""
    telling = list(result.keys)
    for column in result.keys:
        if len(telling) > gold.keys and len(set(map(_key, column))) == 1:
            telling.remove(column)
    return telling if len(telling) == gold.keys else None


def _measure_columns(gold: Gold, result: Result) -> list[list[list[Any]]]:
    """Every way to take gold's measures from the result that leaves over none of the kind asked for."""
    ways = []
    places = range(len(result.roles))
    for chosen in itertools.permutations(places, len(gold.measures)):
        if [result.roles[place] for place in chosen] != gold.measures:
            continue
        rest = [p for p in places if p not in chosen and not result.optional[p] and result.roles[p] in gold.measures]
        if not rest:
            ways.append([result.measures[place] for place in chosen])
    return ways


def _compared(gold: Gold, wanted: list[tuple[Row, Row]], found: list[tuple[Row, Row]]) -> str:
    if gold.compare in ("value", "rows"):
        missing = {key for key, _ in wanted} - {key for key, _ in found}
        extra = {key for key, _ in found} - {key for key, _ in wanted}
        if missing or extra or len(found) != len(wanted):
            return f"{len(found)} rows instead of {len(wanted)}; missing {_some(missing)}, extra {_some(extra)}"
        by_key = dict(found)
        wrong = [(key, row, by_key[key]) for key, row in wanted if not _same(row, by_key[key])]
        return "; ".join(f"{key}: {_shown(got)} instead of {_shown(row)}" for key, row, got in wrong[:3])
    if gold.compare == "leading":
        found = [(key, row) for key, row in found if row[0] is not None]
    least = len(wanted) if gold.compare == "ordered" else min(gold.least, len(wanted))
    if not least <= len(found) <= len(wanted):
        return f"{len(found)} rows instead of {least} to {len(wanted)}"
    for place, (key, row) in enumerate(found):
        # Rows of equal measures may stand in any order.
        equals = [other for other, measures in wanted if _same(measures, wanted[place][1])]
        if not _same(wanted[place][1], row) or key not in equals:
            return f"place {place + 1}: {key} {_shown(row)} instead of {wanted[place][0]} {_shown(wanted[place][1])}"
    if len({key for key, _ in found}) != len(found):
        return "a row stands there twice"
    return ""


def _same(wanted: Row, found: Row) -> bool:
    return all(
        (a is None and b is None)
        or (a is not None and b is not None and math.isclose(float(a), float(b), rel_tol=TOLERANCE, abs_tol=1e-12))
        for a, b in zip(wanted, found, strict=True)
    )


def _key(value: Any) -> str | None:
    """A key as text that both sides write alike: days without a time, whole numbers without a point."""
    if value is None:
        return None
    if isinstance(value, dt.date | dt.datetime):
        value = value.isoformat()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).removesuffix("T00:00:00").removesuffix(" 00:00:00")


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        # Money that a float would change comes as text.
        return value.removeprefix("-").replace(".", "", 1).isdigit()
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _some(keys: set[Row]) -> str:
    return ", ".join(sorted(map(str, keys))[:3]) or "none"


def _shown(row: Row) -> str:
    return ", ".join("null" if value is None else f"{float(value):,.6g}" for value in row)
