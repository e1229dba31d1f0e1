"""Logs: lines for people or JSON for machines, of what happened in the house and of what went wrong."""

import datetime as dt
import logging
import sys
from typing import Any, TextIO

import msgspec

from kelpie.config import Config
from kelpie.events import ActivationChanged, CommitGroupEnded, Event, QueueChanged, RequestEnded, RunEnded
from kelpie.server.redact import RedactingFormatter, Redactor

log = logging.getLogger("kelpie.events")
# Events that come by the thousand are for those who look for something.
_QUIET = (ActivationChanged, CommitGroupEnded, QueueChanged)
_SLOW_MS = 1_000.0
_TEXT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class JsonLines(logging.Formatter):
    """One object per line: time, level, logger, message, and the fields of an event."""

    def format(self, record: logging.LogRecord) -> str:
        moment = dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": moment,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


def configure(config: Config, redact: Redactor, stream: TextIO | None = None) -> logging.Handler:
    """Send everything that is logged in this process to standard error, redacted. Returns the handler."""
    handler = logging.StreamHandler(stream or sys.stderr)
    plain = JsonLines() if config.log_format == "json" else logging.Formatter(_TEXT)
    handler.setFormatter(RedactingFormatter(plain, redact))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(config.log_level.upper())
    # These say the same as our own events, or what only their authors need.
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "httpx2", "httpcore2", "asyncio", "mcp"):
        other = logging.getLogger(name)
        other.handlers[:], other.propagate = [], True
        other.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[config.log_level.upper()]))
    # What MCP servers say is theirs, and so are their sessions' ids: the server's row has a report instead.
    for name in ("mcp.client", "client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return handler


def on_event(event: Event) -> None:
    """A listener for kelpie.events.Events: one line per event that is worth one at the configured level."""
    level = _level(event)
    if not log.isEnabledFor(level):
        return
    fields = {name: value for name in event.__struct_fields__ if (value := getattr(event, name)) not in ("", 0, 0.0)}
    if "duration_ms" in fields:
        fields["duration_ms"] = round(fields["duration_ms"], 1)
    kind = type(event).__name__
    words = " ".join(f"{name}={value}" for name, value in fields.items() if name != "outcome" or value != "ok")
    log.log(level, "%s %s", kind, words, extra={"fields": {"event": kind, **fields}})


def _level(event: Event) -> int:
    if isinstance(event, _QUIET):
        return logging.DEBUG
    if isinstance(event, RequestEnded):
        if event.status >= 500 and event.status != 501:  # 501 is an answer to a question we know
            return logging.WARNING
        return logging.INFO if event.duration_ms >= _SLOW_MS else logging.DEBUG
    if event.outcome == "error":
        return logging.WARNING
    return logging.INFO if isinstance(event, RunEnded) else logging.DEBUG
