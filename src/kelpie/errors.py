"""Every error kelpie adds to umi's tree (see umi.errors for the three roots: caller, environment, our bug).

CallerError
├── QueueFull            an actor's mailbox is full; nothing was stored
├── NotAuthenticated     no bearer key, or one we don't know
├── NotPermitted         this key may not speak for that person, or not do that
├── NotServed            a known operation, option or filter of the API that this server does not have yet
├── ToolFailed           a tool refuses its arguments or can't do what was asked; the text goes to the model
│   └── ToolUnavailable  the tool can't run on this machine; the text says what is missing
│       └── IsolationMissing  no level of isolation here is strong enough for how far the tool is trusted
├── QuotaExceeded        a tenant has as much of something as it may have; says of what
│   └── RateExceeded     the same of what comes back by itself; says after how many seconds to try again
├── SandboxBusy          every place for such calls is taken; says after how many seconds to try again
├── InvalidSource        a custom tool's source can't be used; says where and why
├── QueryRefused         the SQL guard refused a query; `rule` names the rule
├── QueryFailed          the source can't run the query (it is wrong, or took too long)
│   └── SourceUnavailable  the source can't be reached, or went away while it was asked
├── InvalidModel         a semantic model's YAML is wrong; says the line
├── FileTooLarge         an uploaded file has more bytes than are taken
├── UnknownFileKind      an uploaded file is nothing that can be read here
└── UnreadableFile       a stored file could not be read; the text stands in its row
EnvironmentFault
└── MissingExtra         an optional dependency isn't installed; says which extra
InternalError
├── NumberWithoutSource  an answer holds a number that no query gave; it is not shown
├── Fenced               another activation took the actor over; this one stops without answering
└── GuardFailed
    └── KeyTakenOver     another request with its Idempotency-Key took this one's place; nothing was written
"""

from umi.errors import (
    CallerError,
    CommitUnknown,
    Conflict,
    EnvironmentFault,
    GuardFailed,
    InternalError,
    InvalidInput,
    LimitExceeded,
    ModelError,
    NotFound,
    StoreClosed,
    StoreError,
    UmiError,
)

__all__ = [
    "CallerError",
    "CommitUnknown",
    "Conflict",
    "EnvironmentFault",
    "Fenced",
    "FileTooLarge",
    "GuardFailed",
    "InternalError",
    "InvalidInput",
    "InvalidModel",
    "InvalidSource",
    "IsolationMissing",
    "KeyTakenOver",
    "LimitExceeded",
    "MissingExtra",
    "ModelError",
    "NotAuthenticated",
    "NotFound",
    "NotPermitted",
    "NotServed",
    "NumberWithoutSource",
    "QueryFailed",
    "QueryRefused",
    "QueueFull",
    "QuotaExceeded",
    "RateExceeded",
    "SandboxBusy",
    "SourceUnavailable",
    "StoreClosed",
    "StoreError",
    "ToolFailed",
    "ToolUnavailable",
    "UmiError",
    "UnknownFileKind",
    "UnreadableFile",
]


class QueueFull(CallerError):
    http_status = 429
    retry_safe = True


class NotAuthenticated(CallerError):
    http_status = 401


class NotPermitted(CallerError):
    http_status = 403


class NotServed(CallerError):
    http_status = 501


class ToolFailed(CallerError):
    http_status = 400


class ToolUnavailable(ToolFailed):
    http_status = 501


class IsolationMissing(ToolUnavailable):
    """`trust` is the tool's, `needed` the level it asks for, `missing` why each level that would do isn't there."""

    def __init__(self, trust: str, needed: str, missing: list[str]) -> None:
        why = "; ".join(missing) or "this server was built without such a level"
        super().__init__(f"a tool of trust '{trust}' runs at level '{needed}' or stronger, so it was not run: {why}")
        self.trust = trust
        self.needed = needed
        self.missing = missing


class QuotaExceeded(CallerError):
    """`quota` names what there is no more of."""

    http_status = 402
    retry_after_s = 0

    def __init__(self, quota: str, most: int, unit: str) -> None:
        super().__init__(f"the tenant's quota '{quota}' of {most:,} {unit} is used up: {self._again()}")
        self.quota = quota

    def _again(self) -> str:
        return "delete something, or ask whoever runs this server for more"


class RateExceeded(QuotaExceeded):
    http_status = 429
    retry_safe = True

    def __init__(self, quota: str, most: int, unit: str, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(quota, most, unit)

    def _again(self) -> str:
        return f"try again in {self.retry_after_s} s"


class SandboxBusy(CallerError):
    http_status = 429
    retry_safe = True

    def __init__(self, level: str, retry_after_s: int) -> None:
        super().__init__(f"every place at level '{level}' is taken: try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class InvalidSource(CallerError):
    http_status = 400


class QueryRefused(CallerError):
    """`rule` is the guard's; `access_rules` are ids of those that keep something back, if it was access rules."""

    http_status = 422

    def __init__(self, rule: str, reason: str, access_rules: list[str] | None = None) -> None:
        super().__init__(f"{reason} (rule: {rule})")
        self.rule = rule
        self.reason = reason
        self.access_rules = access_rules or []


class QueryFailed(CallerError):
    http_status = 422


class SourceUnavailable(QueryFailed):
    http_status = 503
    retry_safe = True


class InvalidModel(CallerError):
    http_status = 422


class FileTooLarge(CallerError):
    http_status = 413


class UnknownFileKind(CallerError):
    http_status = 415


class UnreadableFile(CallerError):
    http_status = 422


class MissingExtra(EnvironmentFault):
    http_status = 501

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs the extra '{extra}': pip install 'kelpie[{extra}]'")
        self.extra = extra


class NumberWithoutSource(InternalError):
    """`number` is the text that stands in no result."""

    def __init__(self, number: str, message: str) -> None:
        super().__init__(message)
        self.number = number


class KeyTakenOver(GuardFailed):
    retry_safe = True
    http_status = 503


class Fenced(InternalError):
    retry_safe = True
    http_status = 503
