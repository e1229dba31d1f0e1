"""Requests that carry a key, as rows: which were begun, which did something, what was answered.

A key is claimed by a commit of its own before any work. The first commit of the work then says so in the same
transaction (guard "key"), which `ClaimingDatabase` sees to for whatever room commits. So after a crash the row tells
exactly: begun, and nothing was done; or worked, and it must not be done again.
"""

import logging
from collections.abc import Coroutine, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple

import msgspec

from kelpie.api import limits
from kelpie.errors import CommitUnknown, Conflict, GuardFailed, InvalidInput, KeyTakenOver, StoreClosed
from umi.dst import Host
from umi.storage import Changes, Database, Migration, Row, View

log = logging.getLogger(__name__)

MIGRATIONS = [
    Migration(
        "kelpie.api",
        1,
        """
        CREATE TABLE keyed_request (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, name BLOB NOT NULL, fingerprint BLOB NOT NULL, token TEXT NOT NULL,
            state TEXT NOT NULL, run_id TEXT, status INTEGER, headers BLOB, body BLOB, began_at_ms INTEGER NOT NULL,
            UNIQUE (tenant, name)
        ) STRICT;
        CREATE INDEX keyed_request_age ON keyed_request (began_at_ms);
        """,
    )
]
# The key is new, or so old that its request is forgotten.
_BEGIN = (
    "INSERT INTO keyed_request (tenant, name, fingerprint, token, state, began_at_ms) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (tenant, name) DO UPDATE SET fingerprint = excluded.fingerprint, token = excluded.token,"
    " state = excluded.state, began_at_ms = excluded.began_at_ms, run_id = NULL, status = NULL, headers = NULL,"
    " body = NULL WHERE keyed_request.began_at_ms < ?"
)
_FIND = (
    "SELECT fingerprint, token, state, run_id, status, headers, body FROM keyed_request WHERE tenant = ? AND name = ?"
)
_TAKE_OVER = "UPDATE keyed_request SET token = ? WHERE tenant = ? AND name = ? AND token = ? AND state = 'begun'"
_WORKED = (
    "UPDATE keyed_request SET state = CASE state WHEN 'begun' THEN 'worked' ELSE state END,"
    " run_id = coalesce(run_id, ?) WHERE tenant = ? AND name = ? AND token = ?"
)
_ANSWERED = (
    "UPDATE keyed_request SET state = 'answered', status = ?, headers = ?, body = ?"
    " WHERE tenant = ? AND name = ? AND token = ?"
)
_RELEASE = "DELETE FROM keyed_request WHERE tenant = ? AND name = ? AND token = ? AND state = ?"
_OLD = "SELECT seq FROM keyed_request WHERE began_at_ms < ? ORDER BY began_at_ms LIMIT ?"
_FORGET = f"DELETE FROM keyed_request WHERE seq IN ({_OLD}) RETURNING seq"

_GUARD = "key"

_CURRENT: ContextVar["Claim | None"] = ContextVar("claim", default=None)


class KeyedRequest(NamedTuple):
    """A request with a key. `name` is a digest of method, path and key, `fingerprint` one of all else that it says.

    acts_outside  it may do what no commit of ours undoes: run a tool, ask a model
    """

    tenant: str
    name: bytes
    fingerprint: bytes
    acts_outside: bool


class Kept(NamedTuple):
    """The answer that a request had. `body` is None if it was too long to be kept."""

    status: int
    headers: dict[str, str]
    body: bytes | None


class Claim:
    """One attempt at a keyed request, and what became of it.

    run_id   of the run that this request makes, noted before it commits it
    resumes  the run that an earlier attempt has made: this one makes none
    """

    def __init__(self, request: KeyedRequest, token: str, *, resumes: str | None = None) -> None:
        self.request, self.token = request, token
        self.run_id: str | None = None
        self.resumes = resumes
        self.is_spent = False  # a commit of the work is durable
        self._is_in_doubt = False
        self._is_closed = resumes is not None

    @property
    def joins(self) -> bool:
        """Whether the next commit has to say that the key has worked."""
        return not (self.is_spent or self._is_closed)

    def joined(self, changes: Changes) -> Changes:
        """`changes`, with the note that the key has worked. It stands last: what is committed a second time, because
        nobody knew of the first, then meets what it made itself, and not this."""
        who = self.request
        noted = Changes(list(changes.writes), [self._spend, *changes.after_commit], changes.scrub)
        return noted.guard(_GUARD, _WORKED, self.run_id, who.tenant, who.name, self.token)

    def _spend(self) -> None:
        self.is_spent = True

    def doubt(self) -> None:
        self._is_in_doubt = True

    def end_doubt(self) -> None:
        """What was committed a second time met what the first had made: that was durable, and its note with it."""
        self.is_spent = self.is_spent or self._is_in_doubt

    def close(self) -> None:
        """The request is over: what it has set going is not its work any more. A commit of unknown outcome is: whoever
        makes it again has to be stopped if the key was taken over meanwhile."""
        self._is_closed = not self._is_in_doubt


def current() -> Claim | None:
    """The claim of the request that is being answered; None without a key."""
    return _CURRENT.get()


class Attempt:
    """The scope in which commits belong to a claim."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim

    def __enter__(self) -> Claim:
        self._before = _CURRENT.set(self._claim)
        return self._claim

    def __exit__(self, *_error: object) -> None:
        _CURRENT.reset(self._before)
        self._claim.close()


class ClaimingDatabase:
    """A Database whose commits note for which key they work. Without a key it adds nothing to them."""

    def __init__(self, inner: Database) -> None:
        self._inner = inner

    def read(
        self, queries: Sequence[tuple[str, tuple[Any, ...]]], over: Changes | None = None
    ) -> Coroutine[Any, Any, list[list[Row]]]:
        return self._inner.read(queries, over)

    def commit(self, changes: Changes) -> Coroutine[Any, Any, list[Row]]:
        claim = _CURRENT.get()
        if claim is None or not claim.joins:
            return self._inner.commit(changes)
        return self._commit_for(claim, changes)

    async def _commit_for(self, claim: Claim, changes: Changes) -> list[Row]:
        try:
            return await self._inner.commit(claim.joined(changes))
        except GuardFailed as error:
            if error.guard == _GUARD:
                raise KeyTakenOver(error.guard, error.expected_rows, error.touched_rows) from error
            raise
        except Conflict:
            claim.end_doubt()
            raise
        except CommitUnknown:
            claim.doubt()
            raise

    async def close(self) -> None:
        await self._inner.close()


async def take(database: Database, host: Host, request: KeyedRequest) -> Claim | Kept:
    """Claim the request's key, or learn what the request with it came to.

    A claim whose process died before it did anything is taken over: whatever that process may still try to commit is
    refused from then on. So is one that is at work in another living process; one of this process is the caller's to
    look for.
    Raises InvalidInput (the key was used for another request), Conflict (it was carried out, and its answer is lost).
    """
    for _ in range(limits.KEY_CLAIM_ATTEMPTS_MAX):
        now_ms, token = host.clock.now_ms(), host.ids.uuid()
        state = "worked" if request.acts_outside else "begun"
        begun = (request.tenant, request.name, request.fingerprint, token, state, now_ms)
        try:
            await database.commit(Changes().guard(_GUARD, _BEGIN, *begun, now_ms - limits.KEY_KEPT_MS_MAX))
        except GuardFailed:
            found = await _earlier(database, request, token)
            if found is not None:
                return found
        else:
            return Claim(request, token)
    raise Conflict("too many requests carry this Idempotency-Key at once; try again")


async def _earlier(database: Database, request: KeyedRequest, token: str) -> Claim | Kept | None:
    """What there is to a key that was claimed before. None if that has changed meanwhile: look again."""
    row = await View(database).one(_FIND, request.tenant, request.name)
    if row is None:
        return None
    fingerprint, old_token, state, run_id, status, headers, body = row
    if bytes(fingerprint) != request.fingerprint:
        raise InvalidInput("this Idempotency-Key was used for another request; give each request its own")
    if state == "begun":
        who = request.tenant, request.name
        try:
            await database.commit(Changes().guard(_GUARD, _TAKE_OVER, token, *who, old_token))
        except GuardFailed:
            return None
        return Claim(request, token)
    if state == "answered" and body is not None:
        return Kept(status, msgspec.json.decode(headers), bytes(body))
    if run_id is not None:
        return Claim(request, old_token, resumes=run_id)
    if state == "answered":
        raise Conflict(
            f"this request was carried out and answered with {status}; its answer was a stream, a secret, or longer"
            f" than the {limits.KEY_ANSWER_BYTES_MAX:,} bytes that are kept with a key: read what it made"
        )
    raise Conflict(
        "this request was begun, perhaps carried out, and not answered: the server stopped meanwhile. It is not run"
        " again; look for what it made"
    )


async def keep(database: Database, claim: Claim, kept: Kept) -> None:
    """Keep the answer. A refusal to a request that did nothing is not kept: the key is free again."""
    who = claim.request.tenant, claim.request.name, claim.token
    if kept.status >= 400 and await release(database, claim, kept.status):
        return
    headers = msgspec.json.encode(kept.headers)
    await _commit(database, Changes().write(_ANSWERED, kept.status, headers, kept.body, *who))


async def release(database: Database, claim: Claim, status: int = 500) -> bool:
    """Free the key of a request that did nothing; whether that is so. What acts outside did nothing if it was refused
    for want of room, and only then can we tell."""
    state = "begun"
    if claim.request.acts_outside and status == 429 and not claim.is_spent:
        state = "worked"
    who = claim.request.tenant, claim.request.name, claim.token
    try:
        await _commit(database, Changes().guard(_GUARD, _RELEASE, *who, state))
    except GuardFailed:
        return False
    return True


async def _commit(database: Database, changes: Changes) -> None:
    """A commit about a claim, which is no work for it."""
    before = _CURRENT.set(None)
    try:
        await database.commit(changes)
    finally:
        _CURRENT.reset(before)


async def sweep(database: Database, host: Host) -> None:
    """Forget keys that are older than they are kept, some at a time, for as long as the process lives."""
    while True:
        try:
            while await forget_old(database, host.clock.now_ms()) == limits.KEYS_SWEPT_MAX:
                pass
        except StoreClosed:
            return
        except Exception as error:
            log.warning("old keys can't be forgotten; tried again later", exc_info=error)
        await host.clock.sleep(limits.KEYS_SWEEP_MS)


async def forget_old(database: Database, now_ms: int) -> int:
    """One sweep. Returns how many it forgot."""
    until_ms = now_ms - limits.KEY_KEPT_MS_MAX
    if await View(database).one(_OLD, until_ms, 1) is None:
        return 0
    return len(await database.commit(Changes().write(_FORGET, until_ms, limits.KEYS_SWEPT_MAX)))
