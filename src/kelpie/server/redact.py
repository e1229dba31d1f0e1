"""Secrets out of texts: the configured ones wherever they stand, and whatever looks like a key."""

import logging
import re
from collections.abc import Iterable

HIDDEN = "[hidden]"
# Shapes of keys. Each keeps what says which kind of secret it was, and hides the rest.
_SHAPES = re.compile(
    r"\b(sk|pk|rk)-[A-Za-z0-9_\-]{8,}"
    r"|\b(Bearer|Basic)\s+[A-Za-z0-9+/_\-.=~]{6,}"
    r"|\b(gh[pousr]|github_pat|xox[abprs]|glpat|hf)[_\-][A-Za-z0-9_\-]{10,}"
    r"|\b(kelpie)_[A-Za-z0-9_\-]{40,}"  # issued by this server
    r"|\b(AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\b(AIza)[A-Za-z0-9_\-]{30,}"
    r"|\b(eyJ)[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*"
    r"|(://[^\s:/@]{1,100}:)[^\s/@]{1,200}(?=@)"
    r"|\b((?:api[_\-]?key|apikey|x-api-key|authorization|password|passwd|secret|access[_\-]?token)[\"']?\s*[:=]\s*"
    r"[\"']?)(?!Bearer\b|Basic\b|\[hidden\])[^\s\"',;&)}\]]{4,}",
    re.IGNORECASE,
)
_SECRET_CHARS_MIN = 6  # a shorter one would hide ordinary words


class Redactor:
    """Callable: a text without secrets. Redacting twice changes nothing more."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # The longest first, so that a secret that holds another one is hidden whole.
        known = sorted({secret for secret in secrets if len(secret) >= _SECRET_CHARS_MIN}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        return _SHAPES.sub(_keep_kind, text)


def _keep_kind(match: re.Match[str]) -> str:
    kind = next((group for group in match.groups() if group), "")
    gap = " " if kind.lower() in ("bearer", "basic") else ""
    return f"{kind}{gap}{HIDDEN}"


class RedactingFormatter(logging.Formatter):
    """Another formatter, whose every line, tracebacks and stack included, passes the redactor."""

    def __init__(self, inner: logging.Formatter, redact: Redactor) -> None:
        super().__init__()
        self._inner, self._redact = inner, redact

    def format(self, record: logging.LogRecord) -> str:
        return self._redact(self._inner.format(record))
