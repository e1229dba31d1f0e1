"""Working memory: a durable store of small values by key, per scope, each with a time to live.

It is the scratch pad of a session: bounded, shared by whoever shares the scope, gone by itself. What has expired is
never seen and never counts, whether or not it was cleaned up. Every bound is decided inside the commit (the writers of
one scope take turns on its row of `working_scope`), so that no number of writers at once gets past it.

The original's errors and ours: EntryTooLarge, MemoryFull, TooManyEntries, KeyTooLong and TtlTooLong are LimitExceeded,
whose `what` says which; KeyNotFound is NotFound; TypeMismatch and Overflow are themselves.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from umi import limits
from umi.dst import Host
from umi.entity import check_text
from umi.errors import Conflict, GuardFailed, InvalidInput, LimitExceeded, NotFound, Overflow, TypeMismatch, UmiError
from umi.storage import Changes, Database, Migration, Row, View

MIGRATIONS = [
    Migration(
        "umi.working",
        1,
        # `value` is the text itself, or the bytes in hex: only text can be appended to in every engine's SQL.
        """
        CREATE TABLE working_scope (
            tenant TEXT NOT NULL, scope TEXT NOT NULL, revision INTEGER NOT NULL,
            PRIMARY KEY (tenant, scope)
        ) STRICT;
        CREATE TABLE working (
            tenant TEXT NOT NULL, scope TEXT NOT NULL, key TEXT NOT NULL,
            kind TEXT NOT NULL, value TEXT NOT NULL, number INTEGER,
            size_bytes INTEGER NOT NULL, expires_ms INTEGER NOT NULL,
            PRIMARY KEY (tenant, scope, key)
        ) STRICT;
        CREATE INDEX working_live ON working (tenant, scope, expires_ms, size_bytes);
        CREATE INDEX working_expiry ON working (expires_ms);
        """,
    )
]

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
_TAKE_TURN = (
    "INSERT INTO working_scope (tenant, scope, revision) VALUES (?, ?, 1)"
    " ON CONFLICT (tenant, scope) DO UPDATE SET revision = working_scope.revision + 1"
)
_EXPIRE = "DELETE FROM working WHERE tenant = ? AND scope = ? AND expires_ms <= ?"
_INSERT = (
    "INSERT INTO working (tenant, scope, key, kind, value, number, size_bytes, expires_ms)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, scope, key) DO "
)
_SET = (
    f"{_INSERT}UPDATE SET kind = excluded.kind, value = excluded.value, number = excluded.number,"
    " size_bytes = excluded.size_bytes, expires_ms = excluded.expires_ms"
)
_ADD = f"{_INSERT}NOTHING"
_INCR = (
    f"{_INSERT}UPDATE SET number = working.number + excluded.number,"
    " value = CAST(working.number + excluded.number AS TEXT), expires_ms = excluded.expires_ms,"
    " size_bytes = working.size_bytes - length(working.value) + length(CAST(working.number + excluded.number AS TEXT))"
    " WHERE working.number IS NOT NULL AND CASE WHEN excluded.number >= 0"
    f" THEN working.number <= {_INT64_MAX} - excluded.number"
    f" ELSE working.number >= -{_INT64_MAX} - 1 - excluded.number END"
    " RETURNING number"
)
# What was appended to is no number any more, whatever it looks like: no engine's SQL could tell without failing.
_APPEND = (
    f"{_INSERT}UPDATE SET value = working.value || excluded.value, number = NULL,"
    " size_bytes = working.size_bytes + CAST(? AS BIGINT), expires_ms = excluded.expires_ms"
    " WHERE working.kind = excluded.kind AND working.size_bytes + CAST(? AS BIGINT) <= CAST(? AS BIGINT)"
)
_REPLACE = (
    "UPDATE working SET kind = ?, value = ?, number = ?, size_bytes = ?, expires_ms = ?"
    " WHERE tenant = ? AND scope = ? AND key = ? AND kind = ? AND value = ?"
)
_TOUCH = "UPDATE working SET expires_ms = ? WHERE tenant = ? AND scope = ? AND key = ?"
_OF_SCOPE = "FROM working WHERE tenant = ? AND scope = ? AND expires_ms > ?"
_USED = f"SELECT CAST(coalesce(sum(size_bytes), 0) AS BIGINT), count(*) {_OF_SCOPE}"
_FITS = f"SELECT 1 WHERE (SELECT CAST(coalesce(sum(size_bytes), 0) AS BIGINT) {_OF_SCOPE}) <= CAST(? AS BIGINT)"
_HAS_ROOM = f"SELECT 1 WHERE (SELECT count(*) {_OF_SCOPE}) <= CAST(? AS BIGINT)"
_ENTRY = f"SELECT kind, value, number, size_bytes {_OF_SCOPE} AND key = ?"


class _Stored(NamedTuple):
    """A value as a row holds it. `number` is there for a text that is the plain decimal form of a 64-bit integer."""

    kind: str
    value: str
    number: int | None
    size_bytes: int  # of the key and the value


class Working:
    """The working memory of one scope.

    Writers come in two forms: `plan_x(…)` returns Changes for the caller's own commit, whose guards ("working_…") undo
    that commit if a bound would be passed; `x(…)` commits at once and says in words what was wrong.

    bytes_max, entries_max, ttl_default_ms  may be lower than the limits of the same purpose, never higher
    Times to live are in milliseconds. A value is bytes or text and is read as what it was written.
    """

    def __init__(
        self,
        database: Database,
        host: Host,
        tenant: str,
        scope: str,
        *,
        bytes_max: int = limits.WORKING_MEMORY_SIZE_BYTES_MAX,
        entries_max: int = limits.WORKING_MEMORY_ENTRIES_COUNT_MAX,
        ttl_default_ms: int = limits.WORKING_MEMORY_TTL_SECS_DEFAULT * 1000,
    ) -> None:
        for what, text in (("the tenant", tenant), ("the scope", scope)):
            check_text(what, text)
            if not text or len(text.encode()) > limits.SCOPE_BYTES_MAX:
                raise InvalidInput(f"{what} is 1 to {limits.SCOPE_BYTES_MAX} bytes long, not {len(text.encode())}")
        for what, asked, maximum, unit in (
            ("the size of working memory", bytes_max, limits.WORKING_MEMORY_SIZE_BYTES_MAX, "bytes"),
            ("the room of working memory", entries_max, limits.WORKING_MEMORY_ENTRIES_COUNT_MAX, "entries"),
        ):
            if asked < 1:
                raise InvalidInput(f"{what} must be at least 1, not {asked}")
            if asked > maximum:
                raise LimitExceeded(what, asked, maximum, unit)
        self.tenant = tenant
        self.scope = scope
        self.bytes_max = bytes_max
        self.entries_max = entries_max
        self._database = database
        self._view = View(database)
        self._clock = host.clock
        self._ttl_default_ms = ttl_default_ms
        self._ttl_ms(None)  # a default that is out of range is refused here, not at the first write

    async def get(self, key: str) -> bytes | str | None:
        """What was last written under `key`, or None. Raises InvalidInput, LimitExceeded for what can't be a key."""
        entry = await self._entry(key)
        if entry is None:
            return None
        return _value(entry.kind, entry.value)

    async def exists(self, key: str) -> bool:
        return await self._entry(key) is not None

    async def keys(self) -> list[str]:
        """Every key, sorted by code points."""
        return sorted(row[0] for row in await self._view.fetch(f"SELECT key {_OF_SCOPE}", *self._live()))

    async def entries(self) -> list[tuple[str, bytes | str, int]]:
        """Every key with its value and the moment (ms since 1970) at which it expires, sorted as `keys` is."""
        rows = await self._view.fetch(f"SELECT key, kind, value, expires_ms {_OF_SCOPE}", *self._live())
        return sorted((key, _value(kind, value), expires_ms) for key, kind, value, expires_ms in rows)

    async def used_bytes(self) -> int:
        """UTF-8 bytes of all keys and values together."""
        return (await self._used())[0]

    async def available_bytes(self) -> int:
        """Bytes left of `bytes_max`; 0 where somebody else was allowed more than this."""
        return max(0, self.bytes_max - await self.used_bytes())

    async def entry_count(self) -> int:
        return (await self._used())[1]

    async def is_empty(self) -> bool:
        return await self.entry_count() == 0

    async def set(self, key: str, value: bytes | str, ttl_ms: int | None = None) -> None:
        """Write `value` under `key`, over whatever was there; its time to live begins anew.

        Raises LimitExceeded (key, value, TTL, working memory in bytes or entries) and InvalidInput.
        """
        size_bytes = _stored(key, value).size_bytes
        await self._write(lambda: self.plan_set(key, value, ttl_ms), key, size_bytes, replaces=True)

    async def delete(self, key: str) -> bool:
        """Whether there was such an entry; one that has expired counts as gone already."""
        return bool(await self._database.commit(self.plan_delete(key)))

    async def incr(self, key: str, delta: int = 1, ttl_ms: int | None = None) -> int:
        """Add `delta` to the number under `key` (0 if absent) and return the sum; its time to live begins anew.

        Raises TypeMismatch unless the value is the plain decimal form of a number, Overflow beyond 64 bits signed,
        LimitExceeded and InvalidInput as `set`.
        """
        _check_key(key)
        size_bytes = len(key.encode()) + len(str(_INT64_MIN))
        rows = await self._write(lambda: self.plan_incr(key, delta, ttl_ms), key, size_bytes, delta=delta)
        number: int = rows[0][0]
        return number

    async def append(self, key: str, value: bytes | str, ttl_ms: int | None = None) -> None:
        """Add `value` to the end of the one under `key`, or begin it; its time to live begins anew.

        Raises TypeMismatch for text to bytes or bytes to text, LimitExceeded and InvalidInput as `set`.
        """
        size_bytes = _stored(key, value).size_bytes
        await self._write(lambda: self.plan_append(key, value, ttl_ms), key, size_bytes)

    async def touch(self, key: str, ttl_ms: int | None = None) -> None:
        """Begin the time to live of `key` anew. Raises NotFound if it is absent or has expired."""
        await self._write(lambda: self.plan_touch(key, ttl_ms), key, 0)

    async def compare_and_set(
        self, key: str, expected: bytes | str | None, value: bytes | str, ttl_ms: int | None = None
    ) -> bool:
        """Write `value` if what is there equals `expected` (None: if nothing is there); whether it was written.

        Text never equals bytes. Raises LimitExceeded and InvalidInput as `set`.
        """
        size_bytes = _stored(key, value).size_bytes
        try:
            await self._write(
                lambda: self.plan_compare_and_set(key, expected, value, ttl_ms), key, size_bytes, replaces=True
            )
        except GuardFailed:
            return False
        return True

    async def clear(self) -> int:
        """Remove every entry; how many there were."""
        await self._database.commit(self.plan_cleanup_expired())  # so that what has expired isn't counted
        return len(await self._database.commit(self.plan_clear()))

    async def cleanup_expired(self) -> int:
        """Remove this scope's expired entries, which no call shows; how many there were. Writers do it on their way."""
        return len(await self._database.commit(self.plan_cleanup_expired(returning=True)))

    def plan_set(self, key: str, value: bytes | str, ttl_ms: int | None = None) -> Changes:
        """As `set`. Guards "working_bytes", "working_entries"."""
        stored = _stored(key, value)
        return self._bounded(self._begun().write(_SET, *self._row(key, stored, ttl_ms)))

    def plan_delete(self, key: str) -> Changes:
        """As `delete`; the commit returns one row if there was such an entry."""
        _check_key(key)
        return self._begun().write(
            "DELETE FROM working WHERE tenant = ? AND scope = ? AND key = ? RETURNING key", self.tenant, self.scope, key
        )

    def plan_incr(self, key: str, delta: int = 1, ttl_ms: int | None = None) -> Changes:
        """As `incr`; the commit returns the sum. Guards "working_number", "working_bytes", "working_entries"."""
        if type(delta) is not int:
            raise InvalidInput(f"what is added must be a whole number, not {delta!r}")
        if not _INT64_MIN <= delta <= _INT64_MAX:
            raise Overflow(f"{delta} doesn't fit into 64 bits; nothing was added to '{key}'")
        stored = _stored(key, str(delta))
        return self._bounded(self._begun().guard("working_number", _INCR, *self._row(key, stored, ttl_ms)))

    def plan_append(self, key: str, value: bytes | str, ttl_ms: int | None = None) -> Changes:
        """As `append`. Guards "working_value", "working_bytes", "working_entries"."""
        stored = _stored(key, value)
        key_bytes = len(key.encode())
        added_bytes = stored.size_bytes - key_bytes
        most = limits.WORKING_MEMORY_ENTRY_SIZE_BYTES_MAX + key_bytes
        row = self._row(key, stored, ttl_ms)
        return self._bounded(self._begun().guard("working_value", _APPEND, *row, added_bytes, added_bytes, most))

    def plan_touch(self, key: str, ttl_ms: int | None = None) -> Changes:
        """As `touch`. Guard "working_key"."""
        _check_key(key)
        expires_ms = self._clock.now_ms() + self._ttl_ms(ttl_ms)
        return self._begun().guard("working_key", _TOUCH, expires_ms, self.tenant, self.scope, key)

    def plan_compare_and_set(
        self, key: str, expected: bytes | str | None, value: bytes | str, ttl_ms: int | None = None
    ) -> Changes:
        """As `compare_and_set`. Guards "working_expected", "working_bytes", "working_entries"."""
        stored = _stored(key, value)
        row = self._row(key, stored, ttl_ms)
        if expected is None:
            return self._bounded(self._begun().guard("working_expected", _ADD, *row))
        old = _stored(key, expected)
        return self._bounded(self._begun().guard("working_expected", _REPLACE, *row[3:], *row[:3], old.kind, old.value))

    def plan_clear(self) -> Changes:
        """Remove everything of this scope, expired or not; the commit returns a row for each."""
        return self._turn().write(
            "DELETE FROM working WHERE tenant = ? AND scope = ? RETURNING key", self.tenant, self.scope
        )

    def plan_restore(self, entries: Iterable[tuple[str, bytes | str, int]]) -> Changes:
        """Write what `entries` gave, each to end when it says, but for keys that are taken; the commit returns the keys
        written. Guards "working_bytes", "working_entries"."""
        changes = self._begun()
        now_ms = self._clock.now_ms()
        latest_ms = now_ms + limits.WORKING_MEMORY_TTL_SECS_MAX * 1000
        for key, value, expires_ms in entries:
            if expires_ms > now_ms:
                row = (self.tenant, self.scope, key, *_stored(key, value))
                changes.write(f"{_ADD} RETURNING key", *row, min(expires_ms, latest_ms))
        return self._bounded(changes)

    def plan_cleanup_expired(self, *, returning: bool = False) -> Changes:
        """As `cleanup_expired`; with `returning` the commit returns a row for each."""
        return self._turn().write(f"{_EXPIRE} RETURNING key" if returning else _EXPIRE, *self._live())

    def _turn(self) -> Changes:
        return Changes().write(_TAKE_TURN, self.tenant, self.scope)

    def _begun(self) -> Changes:
        """What every write begins with. After it each row of the scope is live, so that no statement need ask."""
        return self._turn().write(_EXPIRE, *self._live())

    def _bounded(self, changes: Changes) -> Changes:
        """What every write that may grow the scope ends with."""
        return changes.guard("working_bytes", _FITS, *self._live(), self.bytes_max).guard(
            "working_entries", _HAS_ROOM, *self._live(), self.entries_max
        )

    def _live(self) -> tuple[str, str, int]:
        return self.tenant, self.scope, self._clock.now_ms()

    def _row(self, key: str, stored: _Stored, ttl_ms: int | None) -> tuple[str | int | None, ...]:
        expires_ms = self._clock.now_ms() + self._ttl_ms(ttl_ms)
        return self.tenant, self.scope, key, *stored, expires_ms

    def _ttl_ms(self, asked: int | None) -> int:
        ttl_ms = self._ttl_default_ms if asked is None else asked
        if type(ttl_ms) is not int or ttl_ms < 1:
            raise InvalidInput(f"a time to live is a whole number of milliseconds from 1, not {ttl_ms!r}")
        if ttl_ms > limits.WORKING_MEMORY_TTL_SECS_MAX * 1000:
            raise LimitExceeded("the time to live", ttl_ms, limits.WORKING_MEMORY_TTL_SECS_MAX * 1000, "ms")
        return ttl_ms

    async def _entry(self, key: str) -> _Stored | None:
        _check_key(key)
        row = await self._view.one(_ENTRY, *self._live(), key)
        return _Stored(*row) if row else None

    async def _used(self) -> tuple[int, int]:
        """Bytes and entries, from one state."""
        used_bytes, entries = (await self._view.fetch(_USED, *self._live()))[0]
        return used_bytes, entries

    async def _write(
        self, plan: Callable[[], Changes], key: str, size_bytes: int, *, replaces: bool = False, delta: int = 0
    ) -> list[Row]:
        """Commit a plan, or raise what kept it from being committed in the caller's words.

        Between a refusal and the look at why, another writer may have made room: then the plan is tried again.
        """
        for _ in range(limits.WORKING_MEMORY_ATTEMPTS_MAX):
            try:
                return await self._database.commit(plan())
            except GuardFailed as failed:
                if failed.guard == "working_expected":  # no error: compare_and_set answers with it
                    raise
                refusal = await self._refusal(failed.guard, key, size_bytes, replaces=replaces, delta=delta)
                if refusal is not None:
                    raise refusal from None
        raise Conflict(f"working memory of '{self.scope}' changed while '{key}' was written; try again")

    async def _refusal(self, guard: str, key: str, size_bytes: int, *, replaces: bool, delta: int) -> UmiError | None:
        """Why a guard refused, judged by what is there now; None if it no longer would."""
        entry = await self._entry(key)
        used_bytes, entries = await self._used()
        if guard == "working_key":
            return NotFound(f"working memory has no '{key}'; it may have expired") if entry is None else None
        if guard == "working_number":
            return None if entry is None else _no_sum(key, entry, delta)
        if guard == "working_value":
            return None if entry is None else _no_append(key, entry, size_bytes)
        if guard == "working_entries":
            over = entries + 1 > self.entries_max and entry is None
            return LimitExceeded("working memory", entries + 1, self.entries_max, "entries") if over else None
        known_bytes = 0 if entry is None else entry.size_bytes if replaces else len(key.encode())
        wanted_bytes = used_bytes - known_bytes + size_bytes
        if wanted_bytes <= self.bytes_max:
            return None
        return LimitExceeded("working memory", wanted_bytes, self.bytes_max, "bytes")


def plan_cleanup(now_ms: int) -> Changes:
    """Remove what has expired in every scope of every tenant: housekeeping, when it suits."""
    return Changes().write("DELETE FROM working WHERE expires_ms <= ?", now_ms)


def plan_forget_scope(tenant: str, scope: str) -> Changes:
    """Remove every trace of a scope's working memory for good: its owner is gone."""
    return (
        Changes()
        .write("DELETE FROM working WHERE tenant = ? AND scope = ?", tenant, scope)
        .write("DELETE FROM working_scope WHERE tenant = ? AND scope = ?", tenant, scope)
    )


def _check_key(key: str) -> None:
    if not isinstance(key, str) or not key:
        raise InvalidInput(f"a key of working memory is a text that is not empty, not {key!r}")
    check_text("the key", key)
    if len(key.encode()) > limits.WORKING_MEMORY_KEY_BYTES_MAX:
        raise LimitExceeded("the key", len(key.encode()), limits.WORKING_MEMORY_KEY_BYTES_MAX, "bytes")


def _stored(key: str, value: bytes | str) -> _Stored:
    """Raises InvalidInput, LimitExceeded for a key or a value that can't be kept."""
    _check_key(key)
    if isinstance(value, str):
        what = f"the value of '{key}'"
        check_text(what, value)
        size_bytes = len(value.encode())
    elif isinstance(value, bytes | bytearray | memoryview):
        value = bytes(value)
        size_bytes = len(value)
    else:
        raise InvalidInput(f"the value of '{key}' must be bytes or text, not {type(value).__name__}")
    if size_bytes > limits.WORKING_MEMORY_ENTRY_SIZE_BYTES_MAX:
        raise LimitExceeded(f"the value of '{key}'", size_bytes, limits.WORKING_MEMORY_ENTRY_SIZE_BYTES_MAX, "bytes")
    size_bytes += len(key.encode())
    if isinstance(value, bytes):
        return _Stored("bytes", value.hex(), None, size_bytes)
    return _Stored("text", value, _number(value), size_bytes)


def _value(kind: str, stored: str) -> bytes | str:
    return bytes.fromhex(stored) if kind == "bytes" else stored


def _number(text: str) -> int | None:
    """The number whose plain decimal form `text` is, else None: "007", "+1" and "٣" stay texts."""
    if not 0 < len(text) <= len(str(_INT64_MIN)) or not text.isascii() or not text.removeprefix("-").isdecimal():
        return None
    number = int(text)
    return number if str(number) == text and _INT64_MIN <= number <= _INT64_MAX else None


def _no_sum(key: str, entry: _Stored, delta: int) -> UmiError | None:
    if entry.number is None:
        return TypeMismatch(f"'{key}' holds {entry.kind}, which is no whole number of 64 bits; set it to one first")
    if _INT64_MIN <= entry.number + delta <= _INT64_MAX:
        return None
    return Overflow(f"{entry.number} + {delta} doesn't fit into 64 bits; '{key}' stays as it is")


def _no_append(key: str, entry: _Stored, size_bytes: int) -> UmiError:
    value_bytes = entry.size_bytes + size_bytes - 2 * len(key.encode())
    if value_bytes > limits.WORKING_MEMORY_ENTRY_SIZE_BYTES_MAX:
        return LimitExceeded(f"the value of '{key}'", value_bytes, limits.WORKING_MEMORY_ENTRY_SIZE_BYTES_MAX, "bytes")
    return TypeMismatch(f"'{key}' holds {entry.kind}; append the same, or set it anew")
