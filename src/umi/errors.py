"""Every error umi raises, in one tree. The first level says whose fault it is.

    UmiError
    ├── CallerError            your call was wrong; repeating it unchanged will not help
    │   ├── InvalidInput       a value is malformed or of the wrong type
    │   │   ├── TypeMismatch   what is stored is of another type than this operation needs
    │   │   ├── Overflow       the result would not fit into 64 bits
    │   │   └── ImportRefused  a file is no export that this version reads; its line is named
    │   ├── LimitExceeded      a value is larger than its bound
    │   ├── NotFound           no such thing in this tenant
    │   ├── NotAllowed         the key that was given, or none, doesn't open this
    │   ├── CalledInsideLoop   a blocking call where an event loop runs; the awaited one is named
    │   ├── CalledFromElsewhere  an awaited call from another event loop than the one it was first used in
    │   └── Conflict           it exists already, or somebody changed it meanwhile
    ├── EnvironmentFault       the machine, the disk or a service failed; the call may be fine
    │   ├── StoreError
    │   │   ├── StoreInUse     another process holds the file (its pid is named)
    │   │   ├── StoreNewer     the file was written by a newer version
    │   │   ├── StoreCorrupt   the file is damaged, no database, or another program's
    │   │   ├── StoreReadOnly  the file or its folder can't be written
    │   │   ├── StoreFull      the disk is full; nothing was written
    │   │   ├── StoreClosed    the database was closed
    │   │   └── CommitUnknown  COMMIT failed: the change may or may not be there; reload
    │   └── ModelError         a model provider failed; `kind` says how
    └── InternalError          our bug
        └── GuardFailed        a commit's guard touched another number of rows than it stated

Each class knows the HTTP status that says the same and whether repeating the call is safe.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal


class UmiError(Exception):
    http_status: ClassVar[int] = 500
    retry_safe: ClassVar[bool] = False

    @property
    def kind(self) -> str:
        """A stable snake_case word for the class, for clients and metrics."""
        name = type(self).__name__
        return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")


class CallerError(UmiError):
    http_status = 400


class InvalidInput(CallerError):
    http_status = 422


class TypeMismatch(InvalidInput):
    """What is stored is of another type than this operation needs; nothing was written."""


class Overflow(InvalidInput):
    """The result would not fit into 64 bits, signed; nothing was written."""


class ImportRefused(InvalidInput):
    """A file that is no export this version reads, or a damaged one; nothing of it was imported.

    line  where, from 1; None if it is the whole of it
    """

    def __init__(self, reason: str, *, line: int | None = None) -> None:
        super().__init__(f"line {line}: {reason}" if line else reason)
        self.reason, self.line = reason, line


class NotAllowed(CallerError):
    http_status = 401


class CalledInsideLoop(CallerError):
    """A blocking call from where an event loop runs would stop everything that runs on it."""


class CalledFromElsewhere(CallerError):
    """A Memory belongs to the event loop that first used it; umi.sync serves any number of threads."""


class LimitExceeded(CallerError):
    http_status = 422

    def __init__(self, what: str, size: int, maximum: int, unit: str) -> None:
        super().__init__(f"{what} is {size:,} {unit}; at most {maximum:,} are allowed")
        self.what, self.size, self.maximum, self.unit = what, size, maximum, unit


class NotFound(CallerError):
    http_status = 404


class Conflict(CallerError):
    http_status = 409


class EnvironmentFault(UmiError):
    http_status = 503
    retry_safe = True


class StoreError(EnvironmentFault):
    retry_safe = False


class StoreInUse(StoreError):
    def __init__(self, path: str, holder_pid: int | None) -> None:
        who = f"process {holder_pid}" if holder_pid else "another process"
        super().__init__(f"{path} is in use by {who}; stop it or choose another folder")
        self.path, self.holder_pid = path, holder_pid


class StoreNewer(StoreError):
    def __init__(self, path: str, room: str, found: int, known: int) -> None:
        super().__init__(
            f"{path} was written by a newer version ({room} schema {found}, this version knows {known}); upgrade first"
        )


class StoreCorrupt(StoreError):
    pass


class StoreReadOnly(StoreError):
    pass


class StoreFull(StoreError):
    http_status = 507


class StoreClosed(StoreError):
    pass


class CommitUnknown(StoreError):
    """COMMIT raised. SQLite may still have made it durable: treat the outcome as unknown and reload."""


ModelErrorKind = Literal[
    "timeout",  # no answer, or a stall in mid-stream
    "connection",  # could not connect, or the stream was cut
    "rate_limit",  # 429
    "authentication",  # 401, 403
    "insufficient_credits",  # 402
    "bad_request",  # any other 4xx
    "context_overflow",  # the prompt does not fit the model's window
    "overloaded",  # 503, 529
    "server_error",  # any other 5xx, or an error object in mid-stream
    "invalid_response",  # not JSON, or not of the expected shape
    "unknown_model",  # no provider is configured for the handle
]

_MODEL_ERROR_STATUS: dict[str, int] = {
    "timeout": 504,
    "rate_limit": 429,
    "authentication": 401,
    "insufficient_credits": 402,
    "bad_request": 400,
    "context_overflow": 400,
    "unknown_model": 400,
}
_MODEL_ERROR_RETRY_SAFE = frozenset({"timeout", "connection", "rate_limit", "overloaded", "server_error"})


class ModelError(EnvironmentFault):
    """A provider's failure in common words.

    provider_status  the HTTP status the provider answered with, or None if there was no answer
    retry_after_ms   what the provider asked for, or None
    raw_request      the body that was sent, in segments (see umi.wire.types.Reply)
    raw_response     the bytes that came back before it failed
    """

    def __init__(
        self,
        model_error_kind: ModelErrorKind,
        message: str,
        *,
        provider_status: int | None = None,
        retry_after_ms: int | None = None,
        raw_request: Sequence[bytes] = (),
        raw_response: bytes = b"",
    ) -> None:
        super().__init__(message)
        self.model_error_kind: ModelErrorKind = model_error_kind
        self.provider_status = provider_status
        self.retry_after_ms = retry_after_ms
        self.raw_request = list(raw_request)
        self.raw_response = raw_response

    @property
    def worth_retrying(self) -> bool:
        return self.model_error_kind in _MODEL_ERROR_RETRY_SAFE

    @property
    def status(self) -> int:
        """The HTTP status our own API answers with for this kind."""
        return _MODEL_ERROR_STATUS.get(self.model_error_kind, 502)


class InternalError(UmiError):
    pass


class GuardFailed(InternalError):
    """A guard in a commit touched another number of rows than it stated; nothing of that commit was written.

    Rooms catch it and translate by `guard`: the fence of an actor, the version of a block.
    """

    def __init__(self, guard: str, expected_rows: int, touched_rows: int) -> None:
        super().__init__(f"guard '{guard}' expected {expected_rows} rows and touched {touched_rows}")
        self.guard, self.expected_rows, self.touched_rows = guard, expected_rows, touched_rows
