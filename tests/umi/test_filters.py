"""Filters: what is written, what it means for every fact, and what is refused with its place.

The meaning is checked against `reference`, an interpreter written from the docstring of umi.filters and sharing no code
with it.
"""

import math
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from umi import filters, limits
from umi.entity import Fact
from umi.errors import InvalidInput, LimitExceeded
from umi.filters import EVERYTHING, AllOf, AnyOf, Field, NoneOf, Test, matches, parse

Test.__test__ = False  # no test of pytest's


def fact(**fields):
    return Fact(**{"tenant": "t", "id": "fact-1", "scope": "ada", "text": "Ada likes tea."} | fields)


def passes(written, **fields):
    return matches(parse(written), fact(**fields))


MARCH_MS = 1_740_787_200_000  # 2025-03-01T00:00:00Z

WORK = {
    "metadata": {
        "category": "work",
        "size": 3,
        "ok": True,
        "none": None,
        "deep": {"er": {"est": 1.5}},
        "list": [1, "a"],
    },
    "source": {"message": {"id": "m-1"}},
    "tags": ["pets", "Home"],
    "importance": 0.5,
    "speaker": "Ada",
    "session": "s-1",
    "event_time_ms": MARCH_MS,
    "valid_from_ms": 1,
    "created_at_ms": 2,
}

HOLDS = [
    {},
    {"category": "work"},
    {"metadata.category": {"eq": "work"}},
    {"category": {"ne": "home"}},
    {"category": ["home", "work"]},
    {"category": "*"},
    {"category": {"in": ["work"], "ne": "home"}},
    {"missing": {"ne": 1}},
    {"missing": {"nin": ["x"]}},
    {"missing": {"eq": None}},
    {"missing": None},
    {"none": None},
    {"none": {"exists": False}},
    {"none": {"in": ["x", None]}},
    {"size": {"gt": 2, "lte": 3}},
    {"size": 3.0},
    {"size": {"lt": 3.5}},
    {"ok": True},
    {"ok": {"ne": 1}},
    {"size": {"ne": True}},
    {"deep.er.est": {"gte": 1.5}},
    {"deep": {"exists": True}},
    {"deep": {"ne": "x"}},
    {"list": 1},
    {"list": {"contains": "a"}},
    {"list": {"gt": 0}},
    {"category": {"gt": "wor", "lt": "works"}},
    {"category": {"contains": "or"}},
    {"category": {"icontains": "WOR"}},
    {"source.message.id": "m-1"},
    {"tags": "pets"},
    {"tags": {"contains": "pets"}},
    {"tags": {"icontains": "home"}},
    {"importance": {"gte": 0.5}},
    {"speaker": "Ada", "session": {"in": ["s-1", "s-2"]}},
    {"event_time": MARCH_MS},
    {"event_time": "2025-03-01"},
    {"event_time": {"gte": "2025-03-01T01:00:00+01:00", "lt": "2025-03-01T00:00:00.001"}},
    {"document_time": None},
    {"valid_from": {"lte": 1}, "created": {"gt": 1}},
    {"AND": []},
    {"AND": [{"category": "work"}, {"tags": "pets"}]},
    {"OR": [{"category": "home"}, {"tags": "pets"}]},
    {"NOT": {"category": "home"}},
    {"NOT": [{"category": "home"}, {"tags": "cars"}]},
    {"NOT": {"OR": []}},
    {"OR": [{"AND": [{"NOT": {"NOT": {"category": "work"}}}]}]},
    {"category": "work", "OR": [{"size": 4}, {"size": 3}]},
]
FAILS = [
    {"OR": []},
    {"category": "Work"},
    {"category": {"contains": "OR"}},
    {"category": {"gt": 1}},
    {"category": {"contains": 1}},
    {"size": "3"},
    {"size": {"contains": "3"}},
    {"size": True},
    {"ok": 1},
    {"missing": "x"},
    {"missing": {"gt": 0}},
    {"missing": {"lt": 0}},
    {"missing": "*"},
    {"missing": {"contains": ""}},
    {"none": "*"},
    {"deep": None},
    {"deep": {"contains": "er"}},
    {"deep.er.est.x": {"exists": True}},
    {"list.0": 1},
    {"list": {"nin": ["a"]}},
    {"tags": {"contains": "pet"}},
    {"tags": {"icontains": "hom"}},
    {"tags": []},
    {"event_time": {"gt": "2025-03-01"}},
    {"document_time": {"lt": "2100-01-01"}},
    {"NOT": [{"category": "home"}, {"tags": "pets"}]},
    {"AND": [{"category": "work"}, {"tags": "cars"}]},
]


@pytest.mark.parametrize("written", HOLDS, ids=str)
def test_it_holds(written):
    assert passes(written, **WORK)


@pytest.mark.parametrize("written", FAILS, ids=str)
def test_it_does_not_hold(written):
    assert not passes(written, **WORK)


def test_an_empty_list_has_no_value():
    for written in ({"tags": None}, {"tags": {"exists": False}}, {"list": None}, {"list": {"ne": 1}}):
        assert passes(written, metadata={"list": []})


def test_a_list_of_null_exists_and_equals_nothing():
    assert passes({"list": {"exists": True, "ne": 1}}, metadata={"list": [None]})
    assert not passes({"list": None}, metadata={"list": [None]})


def test_nan_in_a_fact_equals_nothing_and_stands_nowhere():
    nan = {"x": math.nan}
    assert passes({"x": {"ne": 0, "exists": True}}, metadata=nan)
    for operator in ("eq", "gt", "gte", "lt", "lte"):
        assert not passes({"x": {operator: 0}}, metadata=nan)


def test_metadata_may_use_the_name_of_a_field():
    assert passes({"metadata.tags": "x"}, metadata={"tags": "x"})
    assert not passes({"tags": "x"}, metadata={"tags": "x"})


def test_a_key_with_a_dot_is_reached_by_the_typed_tree():
    dotted = Test(Field("metadata", ("a.b",)), "eq", 1)
    assert matches(parse(dotted), fact(metadata={"a.b": 1}))
    assert not passes({"a.b": 1}, metadata={"a.b": 1})


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (None, EVERYTHING),
        ({}, EVERYTHING),
        ({"category": "x"}, Test(Field("metadata", ("category",)), "eq", "x")),
        ({"category": "*"}, Test(Field("metadata", ("category",)), "exists", value=True)),
        ({"category": {"eq": "*"}}, Test(Field("metadata", ("category",)), "eq", "*")),
        ({"category": ["x"]}, Test(Field("metadata", ("category",)), "in", ("x",))),
        ({"NOT": {"tags": "x"}}, NoneOf((Test(Field("tags"), "eq", "x"),))),
        (
            {"AND": [{"source.a.b": {"gt": 1}}, {"OR": []}]},
            AllOf((Test(Field("source", ("a", "b")), "gt", 1), AnyOf())),
        ),
        ({"created": "1970-01-01T00:00:01Z"}, Test(Field("created"), "eq", 1000)),
        ({"created": "1969-12-31T23:59:59.999Z"}, Test(Field("created"), "eq", -1)),
    ],
)
def test_what_is_written_is_read_as_a_typed_tree(written, read):
    assert parse(written) == read
    assert parse(read) == read


REFUSED = [
    ("text", "filter must be an object"),
    ([], "filter must be an object"),
    (7, "filter must be an object"),
    ({1: 2}, "filter has the key 1"),
    ({"category": {}}, "filter.category has no operator"),
    ({"category": {"like": "x"}}, "filter.category has the unknown operator 'like'"),
    ({"category": {"EQ": "x"}}, "filter.category has the unknown operator 'EQ'"),
    ({"AND": {"category": "x"}}, "filter.AND must be a list"),
    ({"AND": [{}, {"category": {"gte": None}}]}, r"filter.AND\[1\].category.gte"),
    ({"OR": ["x"]}, r"filter.OR\[0\] must be an object"),
    ({"NOT": "x"}, "filter.NOT must be a list of filters"),
    ({"category": {"in": "x"}}, "filter.category.in must be a list"),
    ({"category": {"in": [[1]]}}, r"filter.category.in\[0\] must be a text"),
    ({"category": {"eq": [1]}}, "filter.category.eq must be a text"),
    ({"category": {"exists": 1}}, "filter.category.exists must be true or false"),
    ({"category": {"gt": True}}, "has no order"),
    ({"category": {"contains": None}}, "exists: false"),
    ({"category": {"icontains": 1}}, "filter.category.icontains must be a text"),
    ({"category": math.nan}, "filter.category must be a finite number"),
    ({"category": {"in": [math.inf]}}, r"filter.category.in\[0\] must be a finite number"),
    ({"category": 10**5000}, "filter.category is a number that doesn't fit into 64 bits"),
    ({"category": "null\0"}, "filter.category holds a NUL"),
    ({"category": "half \ud800"}, "filter.category holds"),
    ({"category": b"x"}, "filter.category must be a text"),
    ({"category": object()}, "filter.category must be a text"),
    ({"metadata": "x"}, "filter.metadata needs a path"),
    ({"source.": "x"}, "filter.source. needs a path"),
    ({"a..b": "x"}, "empty step"),
    ({"": "x"}, "empty step"),
    ({"metadata.x\0": "x"}, "NUL"),
    ({"tags": 1}, "filter.tags must be a text"),
    ({"speaker": {"in": ["Ada", True]}}, r"filter.speaker.in\[1\] must be a text"),
    ({"importance": "high"}, "filter.importance must be a number"),
    ({"importance": {"gt": True}}, "filter.importance.gt"),
    ({"event_time": "soon"}, "filter.event_time must be a time in milliseconds or ISO 8601"),
    ({"event_time": True}, "filter.event_time must be a time"),
    (Test(Field("nowhere"), "eq", 1), "isn't a field"),
    (Test(Field("tags", ("x",)), "eq", "x"), "isn't a field"),
    (Test(Field("metadata"), "eq", "x"), "isn't a field"),
    (Test(Field("tags"), "like", "x"), "unknown operator"),
    (AllOf((Test(Field("importance"), "eq", math.nan),)), r"filter\[0\] must be a finite number"),
]


@pytest.mark.parametrize(("written", "says"), REFUSED, ids=[case[1] for case in REFUSED])
def test_what_is_no_filter_is_refused_with_its_place(written, says):
    with pytest.raises(InvalidInput, match=says):
        parse(written)


def nested(depth):
    written = {"x": 1}
    for _ in range(depth - 1):
        written = {"NOT": written}
    return written


BOUNDS = {
    "depth": (limits.FILTER_DEPTH_MAX, nested),
    "tests": (limits.FILTER_TESTS_MAX, lambda n: {"x": {"in": ["v"] * (n - 1)}}),
    "joined": (limits.FILTER_TESTS_MAX, lambda n: {"OR": [{}] * n}),
    "value": (limits.FILTER_VALUE_BYTES_MAX, lambda n: {"x": "é" * (n // 2) + "x" * (n % 2)}),
    "field": (limits.FILTER_FIELD_BYTES_MAX, lambda n: {"é" * (n // 2) + "x" * (n % 2): 1}),
    "steps": (limits.FILTER_STEPS_MAX, lambda n: {".".join("a" * n): 1}),
}


@pytest.mark.parametrize(("maximum", "written"), BOUNDS.values(), ids=BOUNDS)
def test_bounds_are_inclusive(maximum, written):
    for size in (maximum - 1, maximum):
        parse(written(size))
    with pytest.raises(LimitExceeded, match=f"{maximum:,}"):
        parse(written(maximum + 1))


@pytest.mark.parametrize("depth", [limits.FILTER_DEPTH_MAX + 1, 100_000])
def test_a_filter_nested_deeper_than_the_stack_is_refused_too(depth):
    with pytest.raises(LimitExceeded, match="levels"):
        parse(nested(depth))
    tree = EVERYTHING
    for _ in range(depth):
        tree = NoneOf((tree,))
    with pytest.raises(LimitExceeded, match="levels"):
        parse(tree)


# The reference: what was written, interpreted anew, word for word after the docstring

MISSING = object()


def reference(written, one):
    for key, value in written.items():
        if key == "AND":
            good = all(reference(part, one) for part in value)
        elif key == "OR":
            good = any(reference(part, one) for part in value)
        elif key == "NOT":
            good = not any(reference(part, one) for part in ([value] if isinstance(value, dict) else value))
        else:
            good = field_holds(lookup(key, one), key, value)
        if not good:
            return False
    return True


def lookup(name, one):
    plain = {
        "tags": one.tags,
        "importance": one.importance,
        "speaker": one.speaker,
        "session": one.session,
        "event_time": one.event_time_ms,
        "document_time": one.document_time_ms,
        "valid_from": one.valid_from_ms,
        "created": one.created_at_ms,
    }
    if name in plain:
        value = plain[name]
    else:
        steps = name.split(".")
        value = one.source if steps[0] == "source" else one.metadata
        for step in steps[1:] if steps[0] in ("source", "metadata") else steps:
            value = value[step] if isinstance(value, dict) and step in value else MISSING
    return MISSING if value is None or value == [] else value


def field_holds(found, name, asked):
    if isinstance(asked, list):
        asked = {"in": asked}
    elif asked == "*":
        asked = {"exists": True}
    elif not isinstance(asked, dict):
        asked = {"eq": asked}
    return all(operator_holds(found, name, operator, x) for operator, x in asked.items())


def type_of(value):
    if value is True or value is False:
        return "boolean"
    if isinstance(value, str):
        return "text"
    return "number" if isinstance(value, (int, float)) else "other"


def operator_holds(found, name, operator, x):  # noqa: C901 - one case for each operator, as the docstring has them
    if name in ("event_time", "document_time", "valid_from", "created") and isinstance(x, str):
        x = round(datetime.fromisoformat(f"{x}T00:00:00+00:00").timestamp()) * 1000
    elements = [] if found is MISSING else found if isinstance(found, list) else [found]
    alike = [one for one in elements if type_of(one) == type_of(x) and type_of(one) != "other"]
    if operator == "exists":
        return (found is not MISSING) == x
    if operator == "eq":
        return found is MISSING if x is None else x in alike
    if operator == "ne":
        return not operator_holds(found, name, "eq", x)
    if operator == "in":
        return any(operator_holds(found, name, "eq", one) for one in x)
    if operator == "nin":
        return not any(operator_holds(found, name, "eq", one) for one in x)
    if operator == "contains":
        if isinstance(found, str):
            return isinstance(x, str) and found.find(x) >= 0
        return isinstance(found, list) and x in alike
    if operator == "icontains":
        if isinstance(found, str):
            return found.casefold().find(x.casefold()) >= 0
        return isinstance(found, list) and x.casefold() in [one.casefold() for one in alike]
    ordered = [one for one in alike if type_of(one) in ("number", "text")]
    signs = {"gt": {1}, "gte": {0, 1}, "lt": {-1}, "lte": {-1, 0}}[operator]
    return any((one > x) - (one < x) in signs for one in ordered)


TEXTS = st.sampled_from(["", "a", "A", "ab", "ß", "SS", "*x"])
SCALARS = st.one_of(TEXTS, st.integers(-2, 2), st.sampled_from([0.5, 1.0, -2.0]), st.booleans(), st.none())
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abc"), inner)),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), JSON, max_size=3)
TIMES = st.sampled_from([0, 86_400_000, 1, None])
FACTS = st.builds(
    fact,
    metadata=OBJECTS,
    source=OBJECTS,
    tags=st.lists(TEXTS, max_size=2),
    importance=st.sampled_from([0.0, 0.5, 1.0]),
    speaker=st.one_of(st.none(), TEXTS),
    session=st.one_of(st.none(), TEXTS),
    event_time_ms=TIMES,
    document_time_ms=TIMES,
    valid_from_ms=st.sampled_from([0, 1]),
    created_at_ms=st.sampled_from([0, 86_400_000]),
)


def operators(values, ordered, contained):
    one = {
        "eq": values,
        "ne": values,
        "in": st.lists(values, max_size=3),
        "nin": st.lists(values, max_size=3),
        "exists": st.booleans(),
    }
    one |= dict.fromkeys(("gt", "gte", "lt", "lte"), ordered) | {"contains": contained}
    if values in (SCALARS, TEXTS):
        one["icontains"] = TEXTS
    several = st.fixed_dictionaries({}, optional=one).filter(bool)
    return st.one_of(several, values, st.lists(values, max_size=3), st.just("*"))


PATHS = st.sampled_from(["a", "b", "a.b", "c.a.b", "metadata.a", "metadata.b.c", "source.a", "source.c.b"])
ORDERED = st.one_of(TEXTS, st.integers(-2, 2), st.sampled_from([0.5, 1.0]))
NUMBERS = st.sampled_from([0, 0.5, 1, 0.7])
MOMENTS = st.sampled_from([0, 1, 86_400_000, "1970-01-02", "1970-01-01"])
NOT_NULL = SCALARS.filter(lambda value: value is not None)
TESTS = st.one_of(
    st.dictionaries(PATHS, operators(SCALARS, ORDERED, NOT_NULL), max_size=2),
    st.dictionaries(st.sampled_from(["tags", "speaker", "session"]), operators(TEXTS, TEXTS, TEXTS), max_size=2),
    st.fixed_dictionaries({"importance": operators(NUMBERS, NUMBERS, NUMBERS).filter(lambda x: x != "*")}),
    st.dictionaries(
        st.sampled_from(["event_time", "document_time", "valid_from", "created"]),
        operators(MOMENTS, MOMENTS, MOMENTS),
        max_size=2,
    ),
)


def joined(inner):
    return st.one_of(
        st.fixed_dictionaries({"AND": st.lists(inner, max_size=3)}),
        st.fixed_dictionaries({"OR": st.lists(inner, max_size=3)}),
        st.fixed_dictionaries({"NOT": st.one_of(inner, st.lists(inner, max_size=2))}),
        st.tuples(inner, inner).map(lambda two: {**two[0], **two[1]}),
    )


FILTERS = st.recursive(TESTS, joined, max_leaves=5)


@given(written=FILTERS, one=FACTS)
@settings(max_examples=400, deadline=None)
def test_every_filter_means_what_the_reference_says(written, one):
    assert matches(parse(written), one) is reference(written, one)


@given(written=FILTERS)
@settings(max_examples=200, deadline=None)
def test_reading_a_tree_again_changes_nothing(written):
    tree = parse(written)
    assert parse(tree) == tree


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(["AND", "OR", "NOT", "tags", "eq", "gt", "in"]), st.text()), inner),
    ),
    max_leaves=8,
)


@given(written=ANYTHING)
@settings(max_examples=500, deadline=None)
def test_whatever_is_written_is_read_or_refused(written):
    try:
        tree = filters.parse(written)
    except (InvalidInput, LimitExceeded):
        return
    assert matches(tree, fact(**WORK)) in (True, False)
