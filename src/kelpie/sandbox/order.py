"""A call as it travels into a sandbox, and the report that comes out: what every level checks in the same way.

The report is written by the process that ran the tool. Nothing in it is believed that was not checked here.
"""

import base64
import binascii
import os
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from kelpie.errors import InvalidInput, LimitExceeded
from kelpie.sandbox import languages, limits
from kelpie.sandbox.inside import files
from kelpie.sandbox.sandbox import SandboxCall, SandboxLimits

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CAPABILITIES = ("client", "agent_state")
NODE_LANGUAGES = ("javascript", "typescript")
# JSON writes a control character in six bytes, base64 three bytes in four; the rest of a report is small.
_REPORT_BYTES_PER_CHAR = 6
_REPORT_BYTES_MORE = 256 << 10
_FILES_BYTES = limits.SANDBOX_FILES_BYTES_MAX * 4 // 3 + limits.SANDBOX_FILES_MAX * 1024


class Report(msgspec.Struct, frozen=True):
    """What the runner says about a call (see inside/runner.py)."""

    value: Any
    error: str | None
    out_of_memory: bool
    files: dict[str, str] = {}


_decode = msgspec.json.Decoder(Report).decode


def built(call: SandboxCall, wanted: SandboxLimits) -> dict[str, Any]:
    """The call as the runner reads it. Raises InvalidInput, LimitExceeded, and for JavaScript InvalidSource,
    MissingExtra, and ToolUnavailable without node."""
    _check(call)
    return {
        "source": _source(call),
        "function": call.function,
        "arguments": call.arguments,
        "environment": checked_environment(call.environment),
        "language": call.language,
        "files": _files(call.files),
        "keeps_files": call.keeps_files,
        "layer": bool(call.layer),
        "capabilities": list(call.capabilities),
        "node": _node(call, wanted),
        "limits": bounds(wanted),
    }


def encode(call: SandboxCall, wanted: SandboxLimits) -> bytes:
    """`built`, as JSON, of bounded length. Raises InvalidInput too for what JSON can't say."""
    try:
        order = msgspec.json.encode(built(call, wanted))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"the arguments of a tool must be JSON: {error}") from None
    most = limits.SANDBOX_ORDER_BYTES_MAX + sum(len(content) * 4 // 3 + 1024 for content in call.files.values())
    if len(order) > most:
        raise LimitExceeded("a tool's source with its arguments", len(order), most, "bytes")
    return order


def bounds(wanted: SandboxLimits) -> dict[str, int]:
    """What the runner, and whoever locks it up, must know of the limits."""
    return {
        "cpu_ms": wanted.cpu_ms,
        "memory_bytes": wanted.memory_bytes,
        "memory_reserve_bytes": limits.SANDBOX_MEMORY_RESERVE_BYTES,
        "processes": wanted.processes,
        "open_files": wanted.open_files,
        "file_bytes": wanted.file_bytes,
        "result_chars": wanted.result_chars,
        "error_chars": limits.SANDBOX_ERROR_CHARS_MAX,
        "files": limits.SANDBOX_FILES_MAX,
        "files_bytes": limits.SANDBOX_FILES_BYTES_MAX,
    }


def _check(call: SandboxCall) -> None:
    if call.function and call.language == "shell":
        raise InvalidInput("a shell script has no functions: leave `function` empty to run it")
    if not call.function and set(call.arguments) - set(call.capabilities):
        raise InvalidInput("a program takes no arguments: name a function, or hand over files or environment variables")
    for name in call.capabilities:
        if name not in _CAPABILITIES:
            raise InvalidInput(f"'{name}' is nothing that a tool can be given; there are {', '.join(_CAPABILITIES)}")


def checked_environment(given: Mapping[str, str]) -> dict[str, str]:
    """Raises InvalidInput, LimitExceeded."""
    if len(given) > limits.SANDBOX_ENVIRONMENT_NAMES_MAX:
        most = limits.SANDBOX_ENVIRONMENT_NAMES_MAX
        raise LimitExceeded("the environment of a tool", len(given), most, "variables")
    for name, value in given.items():
        if not _VARIABLE.fullmatch(name) or "\0" in value:  # the value may be a secret: it is not shown
            raise InvalidInput(f"'{name}' can't be handed to a tool as an environment variable; use letters, digits, _")
    return dict(given)


def _files(given: Mapping[str, bytes]) -> dict[str, str]:
    if len(given) > limits.SANDBOX_FILES_MAX:
        raise LimitExceeded("the working folder of a tool", len(given), limits.SANDBOX_FILES_MAX, "files")
    size = sum(len(content) for content in given.values())
    if size > limits.SANDBOX_FILES_BYTES_MAX:
        raise LimitExceeded("the working folder of a tool", size, limits.SANDBOX_FILES_BYTES_MAX, "bytes")
    try:
        checked_paths(given)
    except ValueError as error:
        raise InvalidInput(str(error)) from None
    return {path: base64.b64encode(content).decode() for path, content in given.items()}


def checked_paths(paths: Mapping[str, Any]) -> None:
    """Raises ValueError unless each leads to a file of its own inside the folder."""
    for path in paths:
        files.checked(path)
        parent = os.path.dirname(path)
        while parent:
            if parent in paths:
                raise ValueError(f"'{parent[:80]}' can't be a file and the folder of '{path[:80]}'")
            parent = os.path.dirname(parent)


def _source(call: SandboxCall) -> str:
    """Raises InvalidSource for JavaScript that can't be read."""
    if call.language in ("javascript", "typescript"):
        return languages.runnable(call.source, call.function, call.language)
    return call.source


def _node(call: SandboxCall, wanted: SandboxLimits) -> dict[str, Any] | None:
    """What runs JavaScript inside, or None for other languages. Raises ToolUnavailable where it is missing."""
    if call.language not in NODE_LANGUAGES:
        return None
    found = languages.node_program()
    return {
        "command": found.command(wanted.memory_bytes),
        "address_space_bytes": found.address_space_bytes(wanted.memory_bytes),
        "driver": found.driver,
        "name": found.name,
    }


def report_bytes(call: SandboxCall, wanted: SandboxLimits) -> int:
    """How long the frame with the report of this call may be."""
    rest = wanted.result_chars * _REPORT_BYTES_PER_CHAR + _REPORT_BYTES_MORE
    return rest + (_FILES_BYTES if call.keeps_files else 0)


def read_report(written: bytes) -> Report | None:
    """None for anything that is not a report: the tool can write to the same channel."""
    try:
        return _decode(written)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None


def files_of(report: Report) -> dict[str, bytes]:
    """The files that came back, each a path that stays in its folder. Raises ValueError for anything else."""
    if len(report.files) > limits.SANDBOX_FILES_MAX:
        raise ValueError(f"{len(report.files):,} files came back; at most {limits.SANDBOX_FILES_MAX:,} may")
    checked_paths(report.files)
    try:
        found = {path: base64.b64decode(content, validate=True) for path, content in report.files.items()}
    except (binascii.Error, ValueError):
        raise ValueError("a file came back that is not base64") from None
    if sum(map(len, found.values())) > limits.SANDBOX_FILES_BYTES_MAX:
        raise ValueError(f"more than {limits.SANDBOX_FILES_BYTES_MAX:,} bytes of files came back")
    return found
