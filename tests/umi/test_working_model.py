"""Working memory against a plain model of it: any sequence of calls does the same."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from umi import working
from umi.dst import Host, ManualClock, Rng
from umi.errors import LimitExceeded, NotFound, Overflow, TypeMismatch
from umi.storage import SqliteDatabase
from umi.working import Working

HOUR = 3_600_000
INT64_MAX = 2**63 - 1
KEYS = st.sampled_from(["a", "b", "ü"])
VALUES = st.one_of(st.sampled_from(["", "1", "-3", "x", "ü", "12345678"]), st.sampled_from([b"", b"1", b"\xff"]))
STEPS = st.one_of(
    st.tuples(st.just("set"), KEYS, VALUES, st.one_of(st.none(), st.integers(1, 30))),
    st.tuples(st.just("incr"), KEYS, st.sampled_from([1, -1, 9, INT64_MAX, -INT64_MAX])),
    st.tuples(st.just("append"), KEYS, VALUES),
    st.tuples(st.just("touch"), KEYS, st.integers(1, 30)),
    st.tuples(st.just("compare_and_set"), KEYS, st.one_of(st.none(), VALUES), VALUES),
    st.tuples(st.just("delete"), KEYS),
    st.tuples(st.just("advance"), st.integers(1, 20)),
)


class Model:
    """What working memory should do, over a dict."""

    def __init__(self, bytes_max, entries_max):
        self.entries, self.now, self.bytes_max, self.entries_max = {}, 0, bytes_max, entries_max

    def live(self):
        return {key: value for key, (value, until) in self.entries.items() if until > self.now}

    def used(self):
        return sum(len(k.encode()) + len(v if isinstance(v, bytes) else v.encode()) for k, v in self.live().items())

    def put(self, key, value, ttl_ms=None, *, plain=True):
        before = dict(self.entries)
        self.entries = {k: self.entries[k] for k in self.live()}
        self.entries[key] = (value, self.now + (ttl_ms or HOUR))
        if self.used() > self.bytes_max or len(self.entries) > self.entries_max:
            self.entries = before
            return LimitExceeded
        self.numbers = (getattr(self, "numbers", set()) | {key}) if plain else getattr(self, "numbers", set()) - {key}
        return None

    def set(self, key, value, ttl_ms):
        return self.put(key, value, ttl_ms)

    def incr(self, key, delta):
        old = self.live().get(key, "0")
        if isinstance(old, bytes) or old in ("", "x", "ü") or (key in self.live() and key not in self.numbers):
            return TypeMismatch
        try:
            total = int(old) + delta
        except ValueError:
            return TypeMismatch
        if not -INT64_MAX - 1 <= total <= INT64_MAX:
            return Overflow
        return self.put(key, str(total)) or total

    def append(self, key, value):
        old = self.live().get(key)
        if old is None:
            return self.put(key, value)
        return self.put(key, old + value, plain=False) if type(old) is type(value) else TypeMismatch

    def touch(self, key, ttl_ms):
        if key not in self.live():
            return NotFound
        self.entries[key] = (self.entries[key][0], self.now + ttl_ms)
        return None

    def compare_and_set(self, key, expected, value):
        old = self.live().get(key)
        if old != expected:
            return False
        return self.put(key, value) or True

    def delete(self, key):
        was = key in self.live()
        self.entries.pop(key, None)
        return was


@given(steps=st.lists(STEPS, max_size=25))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_sequence_of_calls_does_what_a_plain_model_does(steps):
    clock = ManualClock()
    host = Host(clock=clock, rng=Rng("test"))
    database = await SqliteDatabase.open(":memory:", working.MIGRATIONS, host=host)
    pad, model = Working(database, host, "t", "ada", bytes_max=24, entries_max=2), Model(24, 2)
    for name, *given_ in steps:
        if name == "advance":
            clock.advance(*given_)
            model.now += given_[0]
            continue
        try:
            did = await getattr(pad, name)(*given_)
        except (LimitExceeded, TypeMismatch, Overflow, NotFound) as error:
            did = type(error)
        assert did == getattr(model, name)(*given_), (name, given_)
        assert {key: await pad.get(key) for key in await pad.keys()} == model.live()
        assert (await pad.used_bytes(), await pad.entry_count()) == (model.used(), len(model.live()))
    await database.close()
