"""A provider's failure in common words: HTTP statuses, error objects and Retry-After to ModelError.

Providers agree on statuses more or less and on nothing else. An explicit code beats the status where the status is
known to be used for two things (429 for "slow down" and "pay first", 400 for "wrong" and "too long"); words in the
message decide only between a bad request, a full context and an empty account.
"""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from umi import limits
from umi.errors import ModelError, ModelErrorKind
from umi.wire.encoding import UNREADABLE

_KIND_OF_STATUS: dict[int, ModelErrorKind] = {
    401: "authentication",
    402: "insufficient_credits",
    403: "authentication",
    408: "timeout",
    413: "context_overflow",  # the body itself is too large: what helps is the same as for too many tokens
    429: "rate_limit",
    503: "overloaded",
    529: "overloaded",
}

_KIND_OF_CODE: dict[str, ModelErrorKind] = {
    "context_length_exceeded": "context_overflow",
    "exceed_context_size_error": "context_overflow",
    "request_too_large": "context_overflow",
    "insufficient_quota": "insufficient_credits",
    "billing_error": "insufficient_credits",
    "billing_hard_limit_reached": "insufficient_credits",
    "insufficient_balance": "insufficient_credits",
    "overloaded_error": "overloaded",
    "overloaded": "overloaded",
    "service_unavailable": "overloaded",
    "rate_limit_error": "rate_limit",
    "rate_limit_exceeded": "rate_limit",
    "too_many_requests": "rate_limit",
    "authentication_error": "authentication",
    "invalid_api_key": "authentication",
    "permission_error": "authentication",
    "timeout_error": "timeout",
    "invalid_request_error": "bad_request",
    "not_found_error": "bad_request",
    "badrequesterror": "bad_request",
}
# Anthropic names the status it would have sent, had the stream not begun with 200.
_STATUS_OF_CODE = {
    "overloaded_error": 529,
    "api_error": 500,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "authentication_error": 401,
    "permission_error": 403,
    "billing_error": 402,
    "invalid_request_error": 400,
}
# Codes that say more than the status they come with.
_TELLING: frozenset[ModelErrorKind] = frozenset({"context_overflow", "insufficient_credits", "overloaded"})

_OVERFLOW_WORDS = re.compile(
    r"maximum (context|prompt) length|context (length|window|size|limit)|prompt is too long|input is too long"
    r"|too many tokens|(exceeds?|exceeded) (the )?(model('s)? )?(token limit|maximum number of tokens)"
    r"|reduce the length of the (messages|prompt|input)|max_new_tokens` must be",
    re.IGNORECASE,
)
_CREDIT_WORDS = re.compile(r"credit balance is too low|insufficient (balance|credits|funds|quota)", re.IGNORECASE)

_SECRET_CHARS_MIN = 8


def fault_of_status(
    origin: str, status: int, headers: Mapping[str, str], body: bytes, *, key: str, now_ms: int
) -> ModelError:
    """For an answer that isn't a success. `now_ms` is wall time: Retry-After may be a date."""
    error = _error_in(body)
    message = _message_in(error) if error is not None else _plain(body.decode("utf-8", "replace"))
    if 300 <= status < 400:
        message = f"a redirect to {headers.get('location', 'nowhere')}; set the provider's base URL to where it leads"
    kind = _kind(status, _codes_in(error), message)
    text = _without(key, message)[: limits.WIRE_ERROR_MESSAGE_CHARS_MAX]
    return ModelError(
        kind,
        f"{origin} answered {status}: {text}" if text else f"{origin} answered {status} without saying why",
        provider_status=status,
        retry_after_ms=retry_after_ms(headers, now_ms),
        raw_response=without_key(key, body),
    )


def fault_of_error(origin: str, error: Any, raw: bytes, *, key: str) -> ModelError:
    """For an error object inside an answer that began as a success."""
    codes = _codes_in(error)
    numbers = [int(code) if code.isdecimal() and len(code) == 3 else _STATUS_OF_CODE.get(code, 0) for code in codes]
    status = next((number for number in numbers if 400 <= number <= 599), None)
    message = _message_in(error)
    text = _without(key, message)[: limits.WIRE_ERROR_MESSAGE_CHARS_MAX] or "no reason given"
    return ModelError(
        _kind(status, codes, message),
        f"{origin} failed while it answered: {text}",
        provider_status=status,
        raw_response=without_key(key, raw),
    )


def odd_answer(origin: str, what: str, raw: bytes, *, key: str) -> ModelError:
    """For an answer that isn't of the expected shape; its first characters say most about who really answered."""
    start = _without(key, raw[:1000].decode("utf-8", "replace"))[:100]
    return ModelError("invalid_response", f"{origin} sent {what}: {start!r}", raw_response=without_key(key, raw))


def retry_after_ms(headers: Mapping[str, str], now_ms: int) -> int | None:
    """Milliseconds the provider asks to wait, from `retry-after-ms`, or `retry-after` in seconds or as a date."""
    precise, plain = headers.get("retry-after-ms", ""), headers.get("retry-after", "")
    try:
        if precise:
            return max(0, round(float(precise)))
        if plain:
            return max(0, round(float(plain) * 1000))
    except (ValueError, OverflowError):
        pass  # a date, or nonsense
    try:
        return max(0, round(parsedate_to_datetime(plain).timestamp() * 1000) - now_ms)
    except (ValueError, TypeError, OverflowError):
        return None


def _kind(status: int | None, codes: list[str], message: str) -> ModelErrorKind:
    by_code: list[ModelErrorKind] = [_KIND_OF_CODE[code] for code in codes if code in _KIND_OF_CODE]
    telling = next((kind for kind in by_code if kind in _TELLING), None)
    if telling is not None:
        return telling
    kind: ModelErrorKind
    if status in _KIND_OF_STATUS:
        kind = _KIND_OF_STATUS[status]
    elif status is None:
        kind = by_code[0] if by_code else "server_error"
    elif status < 400:
        kind = "invalid_response"
    else:
        kind = "bad_request" if status < 500 else "server_error"
    # vLLM has answered 500, and streams no status at all, for a prompt that is too long.
    if kind in ("bad_request", "server_error"):
        if _OVERFLOW_WORDS.search(message):
            return "context_overflow"
        if _CREDIT_WORDS.search(message):
            return "insufficient_credits"
    return kind


def _error_in(body: bytes) -> Any:
    """The error object of a JSON body in any of the common shapes, or None if the body isn't JSON."""
    try:
        answer = msgspec.json.decode(body)
    except UNREADABLE:
        return None
    if isinstance(answer, list) and answer:  # Google wraps the object into a list
        answer = answer[0]
    if isinstance(answer, dict) and answer.get("error"):
        return answer["error"]
    return answer


def _message_in(error: Any) -> str:
    if isinstance(error, dict):
        for field in ("message", "detail", "error", "msg"):
            if error.get(field):
                return _message_in(error[field])
        return ""
    if isinstance(error, list):
        return "; ".join(_message_in(item) for item in error[:5])
    return _plain(str(error)) if error is not None else ""


def _codes_in(error: Any) -> list[str]:
    if not isinstance(error, dict):
        return []
    return [str(error[field]).lower() for field in ("code", "type", "status") if error.get(field) is not None]


def _plain(text: str) -> str:
    if "<html" in text[:1000].lower():
        text = re.sub(r"(?is)<(script|style).*?</\1>|<[^>]*>", " ", text[:5_000])
    return " ".join(text.split())


def _without(key: str, text: str) -> str:
    """A provider may echo what it was sent. Nothing we raise, log or store carries a key.

    Local servers are given keys like "x" and "none"; replacing those would only garble the text.
    """
    return text.replace(key, "[key]") if len(key) >= _SECRET_CHARS_MIN else text


def without_key(key: str, raw: bytes) -> bytes:
    return raw.replace(key.encode(), b"[key]") if len(key) >= _SECRET_CHARS_MIN else raw
