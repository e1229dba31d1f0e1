"""Errors as answers, and answers as errors: a client raises what the server's memory raised."""

from typing import Any

import msgspec

from umi import errors
from umi.errors import EnvironmentFault, LimitExceeded, ModelError, UmiError

_CLASSES = {
    one.__name__: one
    for one in vars(errors).values()
    if isinstance(one, type) and issubclass(one, UmiError) and not issubclass(one, ModelError)
}


class Failure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    error     the class of umi.errors
    detail    what was wrong and what to do about it
    what, size, maximum, unit  of a limit that was exceeded
    """

    detail: str
    error: str = "UmiError"
    retry_safe: bool = False
    what: str | None = None
    size: int | None = None
    maximum: int | None = None
    unit: str | None = None


def failure_of(error: UmiError) -> Failure:
    bounds: dict[str, Any] = {}
    if isinstance(error, LimitExceeded):
        bounds = {"what": error.what, "size": error.size, "maximum": error.maximum, "unit": error.unit}
    return Failure(error=type(error).__name__, detail=str(error), retry_safe=error.retry_safe, **bounds)


def status_of(error: UmiError) -> int:
    return error.status if isinstance(error, ModelError) else error.http_status


def error_of(status: int, body: bytes, where: str) -> UmiError:
    """The error that an answer tells of."""
    try:
        failure = msgspec.json.decode(body, type=Failure)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return EnvironmentFault(f"{where} answered {status} without saying why; is it `umi serve`?")
    if failure.what is not None and failure.size is not None and failure.maximum is not None:
        return LimitExceeded(failure.what, failure.size, failure.maximum, failure.unit or "")
    if failure.error == "ModelError":
        return ModelError("server_error", failure.detail, provider_status=status)
    kind = _CLASSES.get(failure.error, UmiError if status >= 500 else errors.CallerError)
    # Not by its constructor, which makes the text of what it is given: this text is made already.
    error = kind.__new__(kind, failure.detail)
    Exception.__init__(error, failure.detail)
    return error
