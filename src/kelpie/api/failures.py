"""Errors as HTTP answers: `{"detail": …}`, and for a model provider's failure `{"error": {…}}`."""

from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from kelpie.api import limits, unserved
from kelpie.api.answer import answer
from kelpie.api.house import House
from kelpie.errors import ModelError, QuotaExceeded, RateExceeded, SandboxBusy, UmiError
from kelpie.groups import GroupRun
from kelpie.trajectories.records import Run

# The SDK repeats 408, 409, 429 and 5xx by itself. A message that was accepted must not be sent again by a machine.
_DO_NOT_REPEAT = {"x-should-retry": "false"}
_INSTEAD = {404: "there is nothing at {path}", 405: "{path} does not take {method}"}


async def on_umi_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, UmiError)
    house: House = request.app.state.house
    if isinstance(error, ModelError):
        text = house.redact(str(error))
        if error.model_error_kind == "unknown_model":
            return answer({"detail": text}, error.status)
        return answer(model_failure(error.model_error_kind, text), error.status)
    headers = None if error.retry_safe else dict(_DO_NOT_REPEAT)
    if error.http_status == 429:
        headers = {"retry-after": str(error.retry_after_s if isinstance(error, SandboxBusy | RateExceeded) else 1)}
    if isinstance(error, QuotaExceeded):
        return answer({"detail": str(error), "quota": error.quota}, error.http_status, headers)
    return answer({"detail": house.redact(str(error))}, error.http_status, headers)


async def on_unwritable(_request: Request, error: Exception) -> Response:
    """JSON can say what nothing that we write takes. It is refused wherever that is noticed first."""
    if isinstance(error, UnicodeEncodeError):
        if error.encoding != "utf-8":
            raise error  # ours
        return answer({"detail": "a text of the request holds half of a surrogate pair, which is no character"}, 422)
    if isinstance(error, OverflowError):
        return answer({"detail": "a number of the request has more than 64 bits"}, 422)
    return answer({"detail": "the request is nested too deep"}, 422)


async def on_invalid_request(request: Request, error: Exception) -> Response:
    """422, saying where and why. What was sent is repeated only if it is short and not of the body."""
    assert isinstance(error, RequestValidationError)
    problems = error.errors()
    if any(problem["loc"][:1] == ("path",) for problem in problems):
        sentence = unserved.sentence(request)
        if sentence is not None:
            return answer({"detail": sentence}, 501)
    return answer({"detail": [_problem(problem) for problem in problems]}, 422)


def _problem(problem: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"type": problem["type"], "loc": list(problem["loc"]), "msg": problem["msg"]}
    if problem["type"] == "json_invalid":
        shown["msg"] = f"the body is not JSON: {problem.get('ctx', {}).get('error', '')}"
    given = problem.get("input")
    if problem["loc"][:1] in (("path",), ("query",)) and isinstance(given, str):
        shown["input"] = given[: limits.ERROR_INPUT_CHARS_MAX]
    return shown


async def on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    if error.status_code in _INSTEAD:
        sentence = unserved.sentence(request)
        if sentence is not None:
            return answer({"detail": sentence}, 501)
        text = _INSTEAD[error.status_code].format(path=path[:200], method=request.method)
        return answer({"detail": text}, error.status_code, dict(error.headers or {}))
    return answer({"detail": error.detail}, error.status_code, dict(error.headers or {}))


def model_failure(kind: str, text: str) -> dict[str, Any]:
    return {"error": {"type": f"llm_{kind}", "message": text, "detail": text}}


def of_failed_run(run: Run, house: House) -> Response:
    """The answer to a message whose run failed. The message itself is kept: sending it again would add it twice."""
    kind, text = run_error(run, house)
    headers = {**_DO_NOT_REPEAT, "x-kelpie-run-id": run.id}
    if run.stop_reason in ("llm_api_error", "invalid_llm_response"):
        failed = ModelError(kind, text)  # type: ignore[arg-type]  # the kind was taken from a ModelError
        return answer(model_failure(kind, text), failed.status, headers)
    status = 404 if kind == "not_found" else 500
    return answer({"detail": text}, status, headers)


def of_failed_group(run: GroupRun, house: House) -> Response:
    """The answer to a message to a group whose run failed though every turn of its was taken."""
    error = run.error or {"kind": "internal_error", "message": "the group's run failed without saying why"}
    status = 404 if error["kind"] == "not_found" else 422
    # The run's name says that the message was taken: a refusal has none.
    headers = {**_DO_NOT_REPEAT, "x-kelpie-run-id": run.id}
    return answer({"detail": house.redact(str(error["message"]))}, status, headers)


def run_error(run: Run | GroupRun, house: House) -> tuple[str, str]:
    """The kind and text of a failed run's error."""
    error = run.error or {"kind": "internal_error", "message": "the run failed without saying why"}
    return str(error["kind"]), house.redact(str(error["message"]))
