"""Working memory: values by key that live as long as they were given, in bounds that no number of writers passes."""

import asyncio

import pytest

from umi import limits, working
from umi.errors import GuardFailed, InvalidInput, LimitExceeded, NotFound, Overflow, TypeMismatch
from umi.storage import SqliteDatabase, View
from umi.storage.postgres import PostgresDatabase
from umi.working import Working

SECOND = 1_000
HOUR = 3_600 * SECOND
WEEK = 7 * 24 * HOUR
INT64_MAX = 2**63 - 1


@pytest.fixture(params=["sqlite", "postgres"])
async def database(request, tmp_path, host):
    if request.param == "sqlite":
        database = await SqliteDatabase.open(str(tmp_path / "working.db"), working.MIGRATIONS, host=host)
    else:
        url = request.getfixturevalue("postgres_url")
        database = await PostgresDatabase.open(url, working.MIGRATIONS, host=host)
    yield database
    await database.close()


@pytest.fixture
def pad(database, host):
    return Working(database, host, "t", "ada")


def small(database, host, **bounds):
    return Working(database, host, "t", "ada", **bounds)


@pytest.mark.parametrize("value", ["", "tea", "Tee für zwei ☕", b"", b"\x00\xff\n", "007", "-5"])
async def test_what_is_read_is_what_was_written(pad, value):
    await pad.set("drink", value)
    assert await pad.get("drink") == value
    assert type(await pad.get("drink")) is type(value)
    assert await pad.exists("drink")


async def test_a_key_that_was_never_written_is_none(pad):
    assert await pad.get("drink") is None
    assert not await pad.exists("drink")
    assert await pad.delete("drink") is False
    assert await pad.is_empty()


async def test_keys_are_sorted_and_counted(pad):
    for key in ("b", "ä", "a", "Z"):
        await pad.set(key, "x")
    assert await pad.keys() == ["Z", "a", "b", "ä"]
    assert await pad.entry_count() == 4
    assert not await pad.is_empty()


async def test_entries_are_keys_values_and_when_they_end(pad, clock):
    await pad.set("b", b"\xff", 5)
    await pad.set("a", "tea", 7)
    await pad.set("gone", "x", 1)
    clock.advance(1)
    start_ms = clock.now_ms() - 1
    assert await pad.entries() == [("a", "tea", start_ms + 7), ("b", b"\xff", start_ms + 5)]


async def test_keys_and_values_count_in_bytes(pad):
    await pad.set("ü", "ß!")
    assert await pad.used_bytes() == 2 + 3
    assert await pad.available_bytes() == limits.WORKING_MEMORY_SIZE_BYTES_MAX - 5
    await pad.set("ü", b"12345")
    assert await pad.used_bytes() == 2 + 5
    await pad.delete("ü")
    assert await pad.used_bytes() == 0


async def test_it_survives_reopening(tmp_path, host):
    path = str(tmp_path / "again.db")
    for expected in (None, "tea"):
        database = await SqliteDatabase.open(path, working.MIGRATIONS, host=host)
        pad = Working(database, host, "t", "ada")
        assert await pad.get("drink") == expected
        await pad.set("drink", "tea")
        await database.close()


async def test_scopes_and_tenants_share_nothing(database, host, pad):
    await pad.set("drink", "tea")
    for tenant, scope in (("t", "bob"), ("other", "ada")):
        other = Working(database, host, tenant, scope)
        assert await other.get("drink") is None
        assert await other.keys() == []
        await other.set("drink", "coffee")
        await other.clear()
    assert await pad.get("drink") == "tea"


# Time to live


@pytest.mark.parametrize(("ttl_ms", "lives_ms"), [(None, HOUR), (1, 1), (90 * SECOND, 90 * SECOND), (WEEK, WEEK)])
async def test_an_entry_is_gone_when_its_time_is_over(pad, clock, ttl_ms, lives_ms):
    await pad.set("drink", "tea", ttl_ms)
    clock.advance(lives_ms - 1)
    assert await pad.get("drink") == "tea"
    clock.advance(1)
    assert await pad.get("drink") is None
    assert not await pad.exists("drink")
    assert await pad.keys() == []
    assert (await pad.used_bytes(), await pad.entry_count()) == (0, 0)
    assert await pad.delete("drink") is False


WRITES = {
    "set": lambda pad: pad.set("n", "2"),
    "incr": lambda pad: pad.incr("n"),
    "append": lambda pad: pad.append("n", "0"),
    "touch": lambda pad: pad.touch("n"),
    "compare_and_set": lambda pad: pad.compare_and_set("n", "1", "2"),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_every_write_begins_the_time_to_live_anew(pad, clock, write):
    await pad.set("n", "1", 10 * SECOND)
    clock.advance(9 * SECOND)
    await write(pad)
    clock.advance(HOUR - 1)
    assert await pad.exists("n")
    clock.advance(1)
    assert not await pad.exists("n")


async def test_what_expired_is_as_if_it_had_never_been(pad, clock):
    for key in ("n", "text", "cas"):
        await pad.set(key, "41", 1)
    clock.advance(1)
    assert await pad.incr("n") == 1
    await pad.append("text", "x")
    assert await pad.get("text") == "x"
    assert await pad.compare_and_set("cas", "41", "42") is False
    assert await pad.compare_and_set("cas", None, "42") is True
    with pytest.raises(NotFound, match="expired"):
        await pad.touch("gone")


async def test_what_expired_takes_no_room(database, host, clock):
    pad = small(database, host, bytes_max=10, entries_max=1)
    await pad.set("a", "123456789", 1)
    clock.advance(1)
    assert await pad.available_bytes() == 10
    await pad.set("b", "123456789")
    assert await pad.keys() == ["b"]


async def test_cleaning_up_removes_rows_and_says_how_many(database, pad, clock):
    await pad.set("a", "x", 1)
    await pad.set("b", "x", 2)
    await pad.set("c", "x", 3)
    clock.advance(2)
    assert await pad.cleanup_expired() == 2
    assert await pad.cleanup_expired() == 0
    rows = await View(database).fetch("SELECT key FROM working")
    assert rows == [("c",)]


async def test_housekeeping_cleans_every_scope(database, host, pad, clock):
    other = Working(database, host, "other", "bob")
    await pad.set("a", "x", 1)
    await other.set("a", "x", 1)
    await other.set("b", "x", 2)
    clock.advance(1)
    await database.commit(working.plan_cleanup(clock.now_ms()))
    assert await View(database).fetch("SELECT tenant, key FROM working") == [("other", "b")]


async def test_forgetting_a_scope_leaves_no_row_of_it(database, host, pad):
    other = Working(database, host, "t", "bob")
    await pad.set("a", "x")
    await other.set("a", "x")
    await database.commit(working.plan_forget_scope("t", "ada"))
    for table in ("working", "working_scope"):
        assert await View(database).fetch(f"SELECT scope FROM {table}") == [("bob",)]


async def test_clear_says_how_many_there_were(pad, clock):
    await pad.set("old", "x", 1)
    clock.advance(1)
    await pad.cleanup_expired()
    await pad.set("a", "x", 1)
    await pad.set("b", "x")
    clock.advance(1)
    assert await pad.clear() == 1
    assert await pad.is_empty()


# Bounds: the value, the key, the time, the whole, the number of entries


async def touched(pad, ttl_ms):
    await pad.set("k", "x")
    await pad.touch("k", ttl_ms)


FITS = {
    "value": (limits.WORKING_MEMORY_ENTRY_SIZE_BYTES_MAX, lambda pad, n: pad.set("k", text_of(n))),
    "value in bytes": (limits.WORKING_MEMORY_ENTRY_SIZE_BYTES_MAX, lambda pad, n: pad.set("k", b"\xff" * n)),
    "appended": (limits.WORKING_MEMORY_ENTRY_SIZE_BYTES_MAX, lambda pad, n: appended(pad, text_of(n))),
    "key": (limits.WORKING_MEMORY_KEY_BYTES_MAX, lambda pad, n: pad.set(text_of(n), "x")),
    "key that is read": (limits.WORKING_MEMORY_KEY_BYTES_MAX, lambda pad, n: pad.get(text_of(n))),
    "time to live": (limits.WORKING_MEMORY_TTL_SECS_MAX * 1000, lambda pad, n: pad.set("k", "x", n)),
    "time of touch": (limits.WORKING_MEMORY_TTL_SECS_MAX * 1000, touched),
}


def text_of(size_bytes):
    return "é" * (size_bytes // 2) + "x" * (size_bytes % 2)


async def appended(pad, text):
    await pad.clear()
    await pad.append("k", text[:30_000])
    await pad.append("k", text[30_000:])


@pytest.mark.parametrize(("maximum", "write"), FITS.values(), ids=FITS)
async def test_bounds_are_inclusive_and_in_bytes(pad, maximum, write):
    for size in (maximum - 1, maximum):
        await write(pad, size)
    with pytest.raises(LimitExceeded) as caught:
        await write(pad, maximum + 1)
    assert (caught.value.size, caught.value.maximum) == (maximum + 1, maximum)


async def test_the_whole_is_bounded_to_the_byte(pad):
    whole, value = limits.WORKING_MEMORY_SIZE_BYTES_MAX, limits.WORKING_MEMORY_ENTRY_SIZE_BYTES_MAX
    for number in range(15):
        await pad.set(f"{number:02}", text_of(value))
    rest = whole - 15 * (value + 2) - 2
    await pad.set("15", text_of(rest - 1))
    await pad.set("15", text_of(rest))
    assert await pad.available_bytes() == 0
    for write in (lambda: pad.append("15", "x"), lambda: pad.set("15", text_of(rest + 1))):
        with pytest.raises(LimitExceeded) as caught:
            await write()
        assert (caught.value.size, caught.value.maximum) == (whole + 1, whole)
    with pytest.raises(LimitExceeded, match="working memory"):
        await pad.set("n", "")
    assert await pad.get("15") == text_of(rest)
    await pad.set("15", "small again")
    await pad.set("n", "")


async def test_a_sum_that_grows_by_a_digit_counts_too(database, host):
    pad = small(database, host, bytes_max=2)
    await pad.set("n", "9")
    with pytest.raises(LimitExceeded, match="bytes"):
        await pad.incr("n")
    assert await pad.get("n") == "9"
    assert await pad.incr("n", -9) == 0
    assert await pad.used_bytes() == 2


async def test_the_number_of_entries_is_bounded(database, host):
    pad = small(database, host, entries_max=2)
    await pad.set("a", "x")
    await pad.set("b", "x")
    for write in (
        lambda: pad.set("c", "x"),
        lambda: pad.incr("c"),
        lambda: pad.append("c", "x"),
        lambda: pad.compare_and_set("c", None, "x"),
    ):
        with pytest.raises(LimitExceeded, match="3 entries; at most 2"):
            await write()
    await pad.set("b", "y")
    await pad.delete("a")
    await pad.set("c", "x")
    assert await pad.keys() == ["b", "c"]


async def test_ten_thousand_entries_fit_and_one_more_does_not(pad):
    changes = pad.plan_set("k0", "x")
    for number in range(1, limits.WORKING_MEMORY_ENTRIES_COUNT_MAX - 1):
        changes.writes.append(pad.plan_set(f"k{number}", "x").writes[2])
    await pad._database.commit(changes)
    await pad.set("the last", "x")
    assert await pad.entry_count() == limits.WORKING_MEMORY_ENTRIES_COUNT_MAX
    with pytest.raises(LimitExceeded, match="10,001 entries"):
        await pad.set("one too many", "x")


@pytest.mark.parametrize(
    "bounds",
    [
        {"bytes_max": limits.WORKING_MEMORY_SIZE_BYTES_MAX + 1},
        {"bytes_max": 0},
        {"entries_max": limits.WORKING_MEMORY_ENTRIES_COUNT_MAX + 1},
        {"entries_max": 0},
        {"ttl_default_ms": WEEK + 1},
        {"ttl_default_ms": 0},
    ],
)
async def test_a_configuration_beyond_the_limits_is_refused(database, host, bounds):
    with pytest.raises((InvalidInput, LimitExceeded)):
        small(database, host, **bounds)


@pytest.mark.parametrize("key", ["", "null\0", "half \ud800", None, 7])
async def test_what_is_no_key_is_refused_by_every_call(pad, key):
    for call in (
        lambda: pad.get(key),
        lambda: pad.set(key, "x"),
        lambda: pad.delete(key),
        lambda: pad.incr(key),
        lambda: pad.append(key, "x"),
        lambda: pad.touch(key),
        lambda: pad.compare_and_set(key, None, "x"),
    ):
        with pytest.raises(InvalidInput):
            await call()


@pytest.mark.parametrize("value", ["null\0", "half \ud800", 7, None, ["x"]])
async def test_what_is_no_value_is_refused(pad, value):
    for call in (
        lambda: pad.set("k", value),
        lambda: pad.append("k", value),
        lambda: pad.compare_and_set("k", None, value),
    ):
        with pytest.raises(InvalidInput):
            await call()
    assert await pad.is_empty()


@pytest.mark.parametrize("ttl_ms", [0, -1, 1.5, "60", True, float("nan")])
async def test_what_is_no_time_to_live_is_refused(pad, ttl_ms):
    with pytest.raises(InvalidInput, match="time to live"):
        await pad.set("k", "x", ttl_ms)


@pytest.mark.parametrize("scope", ["", "x" * (limits.SCOPE_BYTES_MAX + 1), "null\0"])
async def test_what_is_no_scope_is_refused(database, host, scope):
    with pytest.raises(InvalidInput):
        Working(database, host, "t", scope)


# Numbers


async def test_counting_begins_at_zero_and_is_read_as_text(pad):
    assert await pad.incr("n") == 1
    assert await pad.incr("n", -3) == -2
    assert await pad.get("n") == "-2"
    await pad.set("n", "40")
    assert await pad.incr("n", 2) == 42


@pytest.mark.parametrize(("start", "delta"), [(INT64_MAX, 1), (-INT64_MAX - 1, -1), (1, INT64_MAX), (-2, -INT64_MAX)])
async def test_a_sum_beyond_64_bits_is_an_overflow_and_changes_nothing(pad, start, delta):
    await pad.set("n", str(start))
    with pytest.raises(Overflow, match="64 bits"):
        await pad.incr("n", delta)
    assert await pad.get("n") == str(start)
    assert await pad.incr("n", 0) == start


@pytest.mark.parametrize("delta", [INT64_MAX + 1, -INT64_MAX - 2])
async def test_a_step_beyond_64_bits_is_an_overflow(pad, delta):
    with pytest.raises(Overflow):
        await pad.incr("n", delta)


@pytest.mark.parametrize(
    "value", ["tea", "", "1.5", "007", "+1", "-0", "٣", " 1", "1_000", str(INT64_MAX + 1), str(-INT64_MAX - 2), b"1"]
)
async def test_counting_what_is_no_number_is_a_mismatch(pad, value):
    await pad.set("n", value)
    with pytest.raises(TypeMismatch, match="'n' holds"):
        await pad.incr("n")
    assert await pad.get("n") == value


@pytest.mark.parametrize("delta", [1.0, "1", None, True])
async def test_a_step_that_is_no_whole_number_is_refused(pad, delta):
    with pytest.raises(InvalidInput):
        await pad.incr("n", delta)


async def test_what_was_appended_to_is_a_text(pad):
    await pad.incr("n")
    await pad.append("n", "2")
    assert await pad.get("n") == "12"
    with pytest.raises(TypeMismatch):
        await pad.incr("n")


# Appending and comparing


async def test_appending_joins_texts_and_joins_bytes(pad):
    await pad.append("text", "a")
    await pad.append("text", "é")
    await pad.append("bytes", b"\x00")
    await pad.append("bytes", b"\xff")
    assert (await pad.get("text"), await pad.get("bytes")) == ("aé", b"\x00\xff")
    assert await pad.used_bytes() == len(b"text") + 3 + len(b"bytes") + 2


@pytest.mark.parametrize(("first", "second"), [("a", b"a"), (b"a", "a")])
async def test_text_and_bytes_do_not_mix(pad, first, second):
    await pad.set("k", first)
    with pytest.raises(TypeMismatch, match="append the same"):
        await pad.append("k", second)
    assert await pad.compare_and_set("k", second, "new") is False
    assert await pad.get("k") == first


async def test_bytes_never_equal_the_text_they_are_kept_as(pad):
    await pad.set("k", b"a")
    assert await pad.compare_and_set("k", b"a".hex(), "new") is False
    await pad.set("k", b"a".hex())
    assert await pad.compare_and_set("k", b"a", "new") is False
    assert await pad.compare_and_set("k", "61", "new") is True


async def test_comparing_writes_only_over_what_was_expected(pad):
    assert await pad.compare_and_set("k", "old", "new") is False
    assert await pad.compare_and_set("k", None, "one") is True
    assert await pad.compare_and_set("k", None, "two") is False
    assert await pad.compare_and_set("k", "one", b"two") is True
    assert await pad.get("k") == b"two"


# Plans


async def test_plans_of_several_calls_make_one_commit(pad, database):
    changes = pad.plan_set("n", "1").extend(pad.plan_incr("n", 2)).extend(pad.plan_append("log", "x"))
    assert await pad.get("n") is None
    seen = await View(database, changes).fetch("SELECT key, value FROM working ORDER BY key")
    assert seen == [("log", "x"), ("n", "3")]
    await database.commit(changes)
    assert await pad.get("n") == "3"


@pytest.mark.parametrize(
    ("guard", "plan"),
    [
        ("working_number", lambda pad: pad.plan_incr("text")),
        ("working_value", lambda pad: pad.plan_append("text", b"x")),
        ("working_key", lambda pad: pad.plan_touch("absent")),
        ("working_expected", lambda pad: pad.plan_compare_and_set("text", "other", "x")),
        ("working_bytes", lambda pad: pad.plan_set("more", "x" * 100)),
        ("working_entries", lambda pad: pad.plan_set("a", "").extend(pad.plan_set("b", ""))),
    ],
)
async def test_a_refused_plan_names_its_guard_and_undoes_the_whole_commit(database, host, guard, plan):
    pad = small(database, host, bytes_max=100, entries_max=2)
    await pad.set("text", "tea")
    with pytest.raises(GuardFailed) as caught:
        await database.commit(pad.plan_set("other", "x").extend(plan(pad)))
    assert caught.value.guard == guard
    assert await pad.keys() == ["text"]


# Many writers at once


async def test_a_hundred_increments_at_once_add_up(pad):
    sums = await asyncio.gather(*(pad.incr("n") for _ in range(100)))
    assert sorted(sums) == list(range(1, 101))


async def test_a_hundred_appends_at_once_all_land(pad):
    await asyncio.gather(*(pad.append("log", f"{n};") for n in range(100)))
    assert sorted((await pad.get("log")).rstrip(";").split(";"), key=int) == [str(n) for n in range(100)]


async def test_of_many_comparers_one_wins(pad):
    await pad.set("turn", "free")
    won = await asyncio.gather(*(pad.compare_and_set("turn", "free", f"agent {n}") for n in range(50)))
    assert won.count(True) == 1
    assert await pad.get("turn") == f"agent {won.index(True)}"


async def test_writers_at_once_never_pass_a_bound(database, host):
    pad = small(database, host, bytes_max=100, entries_max=7)
    outcomes = await asyncio.gather(*(pad.set(f"k{n:02}", "1234567") for n in range(40)), return_exceptions=True)
    refused = [one for one in outcomes if one is not None]
    assert {type(one) for one in refused} == {LimitExceeded}
    assert (await pad.entry_count(), await pad.used_bytes()) == (7, 70)
    assert len(refused) == 33
    outcomes = await asyncio.gather(*(pad.append("k00", "x" * 7) for _ in range(40)), return_exceptions=True)
    assert [type(one) for one in outcomes if one is not None] == [LimitExceeded] * 39 or await pad.used_bytes() <= 100
    assert await pad.used_bytes() in range(94, 101)


async def test_writers_of_two_processes_never_pass_a_bound(postgres_url, host):
    databases = [await PostgresDatabase.open(postgres_url, working.MIGRATIONS, host=host) for _ in range(2)]
    pads = [small(database, host, bytes_max=100, entries_max=7) for database in databases]
    await asyncio.gather(*(pads[n % 2].incr("n") for n in range(40)))
    await asyncio.gather(*(pads[n % 2].set(f"k{n:02}", "1234567") for n in range(40)), return_exceptions=True)
    await asyncio.gather(*(pads[n % 2].append("k00", "x" * 7) for n in range(40)), return_exceptions=True)
    assert await pads[0].get("n") == "40"
    assert (await pads[0].entry_count(), await pads[0].used_bytes() <= 100) == (7, True)
    for database in databases:
        await database.close()
