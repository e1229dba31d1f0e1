"""Whatever is handed to a Memory from outside: refused with a typed and short error, and nothing is written."""

import datetime as dt
import math

import pytest

from umi import Memory, limits
from umi.errors import CallerError, InvalidInput, LimitExceeded, NotFound
from umi.memory.drafts import Draft
from umi.storage import Page

HALF = "a\udc80b"  # half of a surrogate pair: what invalid UTF-8 becomes
NUL = "a\x00b"
HUGE = "é" * 5_000_000
NO_TEXT = [5, None, True, b"bytes", ["a"], {"a": 1}, object()]
NO_NUMBER = ["0.5", True, math.nan, math.inf, -0.1, 1.1, 10**400, [], object()]


def nested(levels):
    found = {}
    for _ in range(levels - 1):
        found = {"in": found}
    return found


def cyclic():
    found = {"a": [1]}
    found["a"] += [found, found, found]
    return found


NO_JSON = {
    "a list": [1],
    "a text": "x",
    "NaN": {"a": math.nan},
    "infinity": {"a": [{"b": -math.inf}]},
    "bytes": {"a": b"x"},
    "a set": {"a": {1}},
    "a date": {"a": dt.date(2024, 5, 4)},
    "a tuple": {"a": (1, 2)},
    "a key that is a number": {1: 2},
    "a key that is None": {"a": {None: 2}},
    "half a character": {"a": [HALF]},
    "half a character in a key": {HALF: 1},
    "an endless integer": {"a": 2**64},
    "too deep": nested(2_000),
    "cyclic": cyclic(),
    "10 MB": {"a": HUGE},
    "a million entries": {"a": [None] * 1_000_000},
}


@pytest.fixture
async def memory(host):
    async with Memory(":memory:", host, scope="ada", embedder=None) as opened:
        await opened.add_facts(
            [{"text": "Ada works at Initech.", "subject": "Ada", "attribute": "works_at", "value": "Initech"}]
        )
        yield opened


async def stored(memory):
    """Every row of every table."""
    view = memory._archive.view
    tables = await view.fetch("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {name: await view.fetch(f"SELECT * FROM {name}") for (name,) in tables}


async def refused(memory, call, error=CallerError, match=None):
    before = await stored(memory)
    with pytest.raises(error, match=match) as raised:
        await call
    assert len(str(raised.value).encode()) < 2_000, "an error can be printed, and is short"
    assert await stored(memory) == before
    return raised.value


# One way to hand over each text, by the name that its error gives it.
TEXTS = {
    "remember": lambda memory, text: memory.remember(text),
    "message": lambda memory, text: memory.remember([{"role": "user", "content": text}]),
    "name": lambda memory, text: memory.remember([{"role": "user", "name": text, "content": "x"}]),
    "role": lambda memory, text: memory.remember([{"role": text, "content": "x"}]),
    "speaker": lambda memory, text: memory.remember("x", speaker=text),
    "session": lambda memory, text: memory.remember("x", session=text),
    "tag": lambda memory, text: memory.remember("x", tags=[text]),
    "actor": lambda memory, text: memory.remember("x", actor=text),
    "fact": lambda memory, text: memory.add_facts([{"text": text}]),
    "Draft": lambda memory, text: memory.add_facts([Draft(text=text)]),
    "Draft, read": lambda memory, text: memory.add_facts([Draft(text=text)], extract=True),
    "subject": lambda memory, text: memory.add_facts([Draft(subject=text, attribute="a", value="v")]),
    "attribute": lambda memory, text: memory.add_facts([Draft(subject="s", attribute=text, value="v")]),
    "value": lambda memory, text: memory.add_facts([Draft(subject="s", attribute="a", value=text)]),
    "fact's speaker": lambda memory, text: memory.add_facts([Draft(text="x", speaker=text)]),
    "fact's session": lambda memory, text: memory.add_facts([Draft(text="x", session=text)]),
    "fact's tag": lambda memory, text: memory.add_facts([Draft(text="x", tags=[text])]),
    "fact's actor": lambda memory, text: memory.add_facts(["x"], actor=text),
    "entity": lambda memory, text: memory.add_facts([Draft(text="x", entities=[{"name": text}])]),
    "entity's type": lambda memory, text: memory.add_facts([Draft(text="x", entities=[{"name": "x", "type": text}])]),
    "entity's content": lambda memory, text: memory.add_facts(
        [Draft(text="x", entities=[{"name": "x", "content": text}])]
    ),
    "query": lambda memory, text: memory.recall(text),
    "wanted tag": lambda memory, text: memory.recall("x", tags=[text]),
    "fact's id": lambda memory, text: memory.get(text),
    "history": lambda memory, text: memory.history(text),
    "undo": lambda memory, text: memory.undo(text),
    "forget": lambda memory, text: memory.forget(text),
    "why": lambda memory, text: memory.forget("fact-1", reason=text),
    "who": lambda memory, text: memory.forget("fact-1", actor=text),
    "forget_source": lambda memory, text: memory.forget_source(text),
    "update": lambda memory, text: changed(memory, text=text),
    "updated id": lambda memory, text: memory.update(text, text="x"),
    "why updated": lambda memory, text: changed(memory, text="x", reason=text),
    "updated tag": lambda memory, text: changed(memory, tags=[text]),
    "type": lambda memory, text: memory.entities(types=[text]),
    "entity's name": lambda memory, text: memory.entity(text),
    "neighbours": lambda memory, text: memory.neighbours(text),
    "relation": lambda memory, text: memory.neighbours("Ada", relation=text),
    "start": lambda memory, text: memory.paths(text, "x"),
    "end": lambda memory, text: memory.paths("x", text),
    "export": lambda memory, text: memory.export(text),
    "import": lambda memory, text: memory.import_(text),
}
MAY_BE_NONE = {"name", "speaker", "session", "actor", "subject", "attribute", "value", "fact's speaker"}
MAY_BE_NONE |= {"fact's session", "fact's actor", "history", "why", "who", "update", "why updated", "relation"}


async def changed(memory, **fields):
    (fact,) = await memory.list()
    return await memory.update(fact.id, **fields)


@pytest.mark.parametrize("way", TEXTS)
async def test_what_is_no_text_is_refused_by_every_way_in(memory, way):
    bad = [HALF, NUL, *(one for one in NO_TEXT if one is not None or way not in MAY_BE_NONE)]
    if way == "forget_source":
        bad.remove({"a": 1})  # a source
    for text in bad:
        await refused(memory, TEXTS[way](memory, text), InvalidInput)


@pytest.mark.parametrize("way", [way for way in TEXTS if way != "role"])
async def test_ten_megabytes_are_refused_by_every_way_in(memory, way):
    error = await refused(memory, TEXTS[way](memory, HUGE), LimitExceeded)
    assert (error.size, error.unit) == (10_000_000, "bytes")


SIZES = {
    "actor": (limits.ENTITY_NAME_BYTES_MAX, lambda memory, text: memory.add_facts(["x"], actor=text)),
    "speaker": (limits.ENTITY_NAME_BYTES_MAX, lambda memory, text: memory.add_facts([Draft(text="x", speaker=text)])),
    "session": (limits.SCOPE_BYTES_MAX, lambda memory, text: memory.remember("x", session=text)),
    "reason": (limits.EVOLUTION_REASON_BYTES_MAX, lambda memory, text: changed(memory, text="x", reason=text)),
    "id": (limits.ENTITY_ID_BYTES_MAX, lambda memory, text: memory.get(text)),
    "tag": (limits.ENTITY_TAG_BYTES_MAX, lambda memory, text: memory.add_facts([Draft(text="x", tags=[text])])),
    "source": (
        limits.FACT_METADATA_BYTES_MAX - len('{"name":""}'),
        lambda memory, text: memory.add_facts(["x"], source=text),
    ),
    "metadata": (
        limits.FACT_METADATA_BYTES_MAX - len('{"a":""}'),
        lambda memory, text: memory.add_facts([Draft(text="x", metadata={"a": text})]),
    ),
    "name": (limits.ENTITY_NAME_BYTES_MAX, lambda memory, text: memory.add_facts([Draft(text="x", entities=[text])])),
    "type": (
        limits.ENTITY_NAME_BYTES_MAX,
        lambda memory, text: memory.add_facts([Draft(text="x", entities=[{"name": "x", "type": text}])]),
    ),
    "content": (
        limits.EXTRACTION_ENTITY_CONTENT_BYTES_MAX,
        lambda memory, text: memory.add_facts([Draft(text="x", entities=[{"name": "x", "content": text}])]),
    ),
    "attributes": (
        limits.FACT_METADATA_BYTES_MAX - len('{"a":""}'),
        lambda memory, text: memory.add_facts([Draft(text="x", entities=[{"name": "x", "attributes": {"a": text}}])]),
    ),
    "types": (limits.ENTITY_NAME_BYTES_MAX, lambda memory, text: memory.entities(types=[text])),
}


def of_bytes(size):
    return "é" * (size // 2) + "x" * (size % 2)


@pytest.mark.parametrize("what", SIZES)
async def test_texts_are_bounded_in_bytes(memory, what):
    maximum, call = SIZES[what]
    for size in (maximum - 1, maximum):
        await call(memory, of_bytes(size))
    await refused(memory, call(memory, of_bytes(maximum + 1)), LimitExceeded)


COUNTS = {
    "tags": ("ENTITY_TAGS_COUNT_MAX", lambda memory, n: memory.remember("x", tags=[f"t{i}" for i in range(n)])),
    "wanted tags": ("ENTITY_TAGS_COUNT_MAX", lambda memory, n: memory.recall("x", tags=[f"t{i}" for i in range(n)])),
    "types": ("ENTITY_TYPES_COUNT_MAX", lambda memory, n: memory.entities(types=["t"] * n)),
    "entities": (
        "EXTRACTION_ENTITIES_COUNT_MAX",
        lambda memory, n: memory.add_facts([Draft(text="x", entities=[f"e{i}" for i in range(n)])]),
    ),
    "facts": ("MEMORY_FACTS_COUNT_MAX", lambda memory, n: memory.add_facts([f"fact {i}" for i in range(n)])),
    "messages": (
        "MEMORY_MESSAGES_COUNT_MAX",
        lambda memory, n: memory.remember([{"role": "user", "content": f"message {i}"} for i in range(n)]),
    ),
}


@pytest.mark.parametrize("what", COUNTS)
async def test_lists_are_bounded(memory, monkeypatch, what):
    bound, call = COUNTS[what]
    monkeypatch.setattr(limits, bound, 5)
    for count in (4, 5):
        await call(memory, count)
    error = await refused(memory, call(memory, 6), LimitExceeded)
    assert (error.size, error.maximum) == (6, 5)


JSON = {
    "remembered metadata": lambda memory, value: memory.remember("x", metadata=value),
    "metadata": lambda memory, value: memory.add_facts([{"text": "x", "metadata": value}]),
    "Draft's metadata": lambda memory, value: memory.add_facts([Draft(text="x", metadata=value)]),
    "updated metadata": lambda memory, value: changed(memory, metadata=value),
    "attributes": lambda memory, value: memory.add_facts(
        [Draft(text="x", entities=[{"name": "x", "attributes": value}])]
    ),
}
SOURCES = {
    "remembered source": lambda memory, value: memory.remember("x", source=value),
    "source": lambda memory, value: memory.add_facts([{"text": "x", "source": value}]),
    "source of all": lambda memory, value: memory.add_facts(["x"], source=value),
    "forgotten source": lambda memory, value: memory.forget_source(value),
}


@pytest.mark.parametrize("what", NO_JSON)
@pytest.mark.parametrize("way", [*JSON, *SOURCES])
async def test_metadata_and_sources_are_dicts_of_finite_json(memory, way, what):
    if (way in SOURCES, what) != (True, "a text"):  # which is a source
        await refused(memory, (JSON | SOURCES)[way](memory, NO_JSON[what]))


@pytest.mark.parametrize("way", [*JSON, *list(SOURCES)[:3]])
async def test_json_is_kept_as_it_was_to_the_depth_that_is_allowed(memory, way):
    value = {"a": [1, -0.5, True, None, "é\n", 2**63 - 1, -(2**63)], "b": nested(limits.JSON_DEPTH_MAX)}
    await refused(memory, (JSON | SOURCES)[way](memory, value | {"b": nested(limits.JSON_DEPTH_MAX + 1)}), match="deep")
    value["b"] = nested(limits.JSON_DEPTH_MAX - 1)
    done = await (JSON | SOURCES)[way](memory, value)
    if way == "attributes":
        assert (await memory.entity("x")).attributes == value
        return
    fact = await memory.get(done.id if way == "updated metadata" else done.fact.id)
    assert value in (fact.metadata, fact.source)


@pytest.mark.parametrize("source", [None, "", " ", {}, [], 5])
async def test_forgetting_what_is_no_source_is_refused(memory, source):
    await refused(memory, memory.forget_source(source), InvalidInput)
    await memory.add_facts(["A fact without a source."])
    assert await memory.count() == 2


@pytest.mark.parametrize("number", NO_NUMBER, ids=lambda one: repr(one)[:20])
async def test_importance_and_confidence_are_numbers_from_0_to_1(memory, number):
    await refused(memory, memory.remember("x", importance=number), InvalidInput, match="importance")
    await refused(memory, memory.add_facts([Draft(text="x", importance=number)]), InvalidInput, match="importance")
    await refused(memory, memory.add_facts([{"text": "x", "importance": number}]), InvalidInput)
    await refused(memory, memory.add_facts([Draft(text="x", confidence=number)]), InvalidInput, match="confidence")
    await refused(memory, changed(memory, importance=number), InvalidInput, match="importance")


@pytest.mark.parametrize("limit", [0, -1, 1_001, 10**9, 10**400, "5", 5.0, True, None, math.nan])
async def test_limits_of_pages_and_recalls_are_whole_numbers_in_bounds(memory, limit):
    with pytest.raises(InvalidInput, match="1 to 1000"):
        Page(limit=limit)
    if limit != 10**400:
        await refused(memory, memory.recall("x", limit=limit), InvalidInput)
        await refused(memory, memory.paths("Ada", "x", hops=limit), InvalidInput)


@pytest.mark.parametrize("cursor", [5, HALF, NUL, b"x", ["x"]])
def test_cursors_of_pages_are_texts(cursor):
    for side in ("after", "before"):
        with pytest.raises(InvalidInput, match=side):
            Page(**{side: cursor})


async def test_a_page_that_is_none_is_refused(memory):
    await refused(memory, memory.list("page"), InvalidInput)
    await refused(memory, memory.entities(5), InvalidInput)
    assert len(await memory.list(Page(limit=1_000))) == 1


NO_MOMENTS = [
    "yesterday",
    "",
    HALF,
    "2024-13-01",
    True,
    1.5,
    math.nan,
    b"2024",
    [1],
    nested(2_000),
    10**400,
    -(10**400),
]


@pytest.mark.parametrize("moment", NO_MOMENTS, ids=lambda one: repr(type(one)))
async def test_moments_that_are_none_are_refused_wherever_one_is_taken(memory, moment):
    for call in (
        memory.remember("x", document_time=moment),
        memory.remember("x", event_time=moment),
        memory.add_facts([Draft(text="x", document_time=moment)]),
        memory.add_facts([Draft(text="x", event_time=moment)]),
        memory.add_facts([Draft(text="x", valid_to=moment)]),
        memory.recall("x", time_range=(moment, None)),
        memory.recall("x", time_range=(None, moment)),
        memory.recall("x", as_of=(moment, None)),
        memory.neighbours("Ada", as_of=(None, moment)),
        memory.believed(valid=moment),
        memory.diff(moment),
        changed(memory, event_time=moment),
        changed(memory, valid_to=moment),
    ):
        await refused(memory, call, InvalidInput)


@pytest.mark.parametrize("pair", [5, "ab", (1,), (1, 2, 3), {}, nested(2_000), HALF])
async def test_spans_are_pairs_in_their_order(memory, pair):
    await refused(memory, memory.recall("x", time_range=pair), InvalidInput)
    await refused(memory, memory.recall("x", as_of=pair), InvalidInput)
    await refused(memory, memory.recall("x", time_range=(2, 1)), InvalidInput, match="ends before")
    await refused(
        memory, memory.recall("x", time_range=("2024-05-05", "2024-05-04")), InvalidInput, match="ends before"
    )
    await refused(memory, memory.add_facts([Draft(text="x", event_time=2, valid_to=1)]), InvalidInput)


DAYS = [dt.date(2024, 5, 4), "2024-05-04", "20240504"]


@pytest.mark.parametrize("day", DAYS)
async def test_a_day_as_the_end_of_a_range_is_all_of_that_day(memory, day):
    noon, last = dt.datetime(2024, 5, 4, 12, tzinfo=dt.UTC), dt.datetime(2024, 5, 4, 23, 59, 59, 999_000, tzinfo=dt.UTC)
    next_day = dt.datetime(2024, 5, 5, tzinfo=dt.UTC)
    await memory.add_facts(
        [{"text": f"The cellar flooded {n}.", "event_time": at} for n, at in enumerate((noon, last, next_day))]
    )
    found = await memory.recall("cellar", time_range=(day, day))
    assert sorted(one.fact.text for one in found) == ["The cellar flooded 0.", "The cellar flooded 1."]
    assert len(await memory.recall("cellar", time_range=(day, next_day))) == 3
    assert await memory.recall("cellar", time_range=(day, "2024-05-04T00:00")) == []


async def test_the_last_day_of_all_is_a_day(memory):
    await memory.remember("The cellar flooded.", event_time="9999-12-31T23:59:59.999")
    assert await memory.recall("cellar", time_range=(dt.date(9999, 12, 31), dt.date(9999, 12, 31)))


@pytest.mark.parametrize("filters", [5, "x", [], {"AND": 5}, {HALF: 1}, {"tags": HALF}, nested(2_000)])
async def test_filters_that_are_none_are_refused(memory, filters):
    await refused(memory, memory.recall("x", filters=filters), CallerError)
    await refused(memory, memory.list(filters=filters), CallerError)


@pytest.mark.parametrize(
    "said", [5, None, b"\xff", {}, {"content": "x"}, [5], ["x"], [{}], [{"content": 5}], "", " \n"]
)
async def test_what_is_nothing_to_remember_is_refused(memory, said):
    await refused(memory, memory.remember(said), InvalidInput)


@pytest.mark.parametrize(
    "facts",
    [
        5,
        "x",
        b"x",
        {},
        None,
        {"text": "x"},
        [5],
        [None],
        [""],
        [{}],
        [{"text": "x", "no such": 1}],
        [{"text": 5}],
        [{5: 5}],
    ]
    + [
        [{"text": "x", HALF: 1}],
        [{"text": "x", "tags": "ab"}],
        [{"text": "x", "tags": [1]}],
        [Draft(text="x", tags="ab")],
    ]
    + [
        [Draft(text="x", tags=5)],
        [Draft(text="x", tags=[[1]])],
        [Draft(text="x", negated="no")],
        [Draft(text="x", many=1)],
    ]
    + [[Draft(text="x", entities=one)] for one in (5, "ab", [5], [None], [""], [{}], [{"name": "x", "type": " "}])]
    + [[{"text": "x", "metadata": nested(2_000)}], [{"text": "x", "entities": [{"name": "x", HALF: 1}]}]],
)
async def test_facts_that_are_none_are_refused_with_all_that_came_with_them(memory, facts):
    if isinstance(facts, list):
        facts = ["A good fact.", *facts]
    await refused(memory, memory.add_facts(facts), InvalidInput)


@pytest.mark.parametrize("tags", [5, "ab", {"a": 1}, [1], [[1]], [None]])
async def test_tags_are_a_list_of_texts(memory, tags):
    await refused(memory, memory.remember("x", tags=tags), InvalidInput)
    await refused(memory, memory.recall("x", tags=tags), InvalidInput)
    await refused(memory, changed(memory, tags=tags), InvalidInput)
    await refused(memory, memory.entities(types=tags), InvalidInput)


async def test_a_blank_tenant_is_refused_and_none_is_the_same_tenant(memory):
    with pytest.raises(InvalidInput, match="tenant is blank"):
        memory.of("bob", tenant="")
    with pytest.raises(InvalidInput, match="scope is blank"):
        memory.of("")
    assert memory.of("bob").tenant == memory.tenant
    assert memory.of("bob", tenant="acme").of("eve").tenant == "acme"


async def test_an_empty_memory_answers_every_question(memory):
    empty = memory.of("nobody")
    answers = [empty.recall("x"), empty.recall(""), empty.list(), empty.entities(), empty.history(), empty.believed()]
    answers += [empty.diff(0), empty.neighbours("x"), empty.paths("x", "y")]
    assert [list(await answer) for answer in answers] == [[]] * len(answers)
    assert (await empty.count(), await empty.get("fact-1"), await empty.forget("fact-1")) == (0, None, False)
    for asked in (empty.entity("x"), empty.undo("fact-1"), empty.update("fact-1", text="x"), empty.history("fact-1")):
        await refused(memory, asked, NotFound)


async def test_a_file_of_another_program_is_not_imported(memory, tmp_path):
    for content in (b"", b"\xff\xfe\x00garbage", b"SQLite format 3\x00" + bytes(100), b"[" * 100_000, b'{"a": NaN}'):
        file = tmp_path / "foreign"
        file.write_bytes(content)
        await refused(memory, memory.import_(str(file)), InvalidInput)
        await refused(memory, memory.import_lines([content]), InvalidInput)


async def test_a_new_wording_may_be_as_long_as_a_fact_and_never_blank(memory):
    for size in (limits.MEMORY_CHUNK_BYTES_MAX + 1, limits.MEMORY_TEXT_BYTES_MAX):
        assert (await changed(memory, text=of_bytes(size))).text == of_bytes(size)
    await refused(memory, changed(memory, text=" " * 5_000), InvalidInput, match="blank")
    await refused(memory, changed(memory, text=of_bytes(limits.ENTITY_CONTENT_BYTES_MAX + 1)), LimitExceeded)
