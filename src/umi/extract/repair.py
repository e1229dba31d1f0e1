"""JSON as language models write it: fenced, with trailing commas, cut off in the middle. What is whole is kept."""

import re
from typing import Any

import msgspec

_ATTEMPTS_MAX = 200  # places where a truncated answer may be closed, from its end
_DEPTH_MAX = 500  # of brackets within brackets: no decoder takes more, and each cut costs as much as it is deep


def repaired(answer: str) -> Any:
    """The first JSON object or array in `answer`, or None. Of one that breaks off, the values that were complete."""
    start = min((at for at in (answer.find("{"), answer.find("[")) if at >= 0), default=-1)
    if start < 0:
        return None
    text, cuts, closed = _scanned(answer, start)
    if closed:
        found = _decoded(text)
        if found is not None:
            return found
    for length, closing in reversed(cuts[-_ATTEMPTS_MAX:]):
        found = _decoded(text[:length] + closing)
        if found is not None:
            return found
    return None


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]|[^"{}\[\]]+|"', re.DOTALL)


def _scanned(answer: str, start: int) -> tuple[str, list[tuple[int, str]], bool]:
    """The value from `start` on without trailing commas; after which lengths of it something was complete, with the
    brackets that would close it there; and whether it ends by itself."""
    kept = ""
    pieces: list[str] = []
    length = 0
    stack: list[str] = []
    cuts: list[tuple[int, str]] = []
    for match in _TOKEN.finditer(answer, start):
        piece = match.group()
        if piece in _CLOSERS:
            stack.append(_CLOSERS[piece])
            if len(stack) > _DEPTH_MAX:
                break
        elif piece in "}]":
            if not stack or stack.pop() != piece:
                break
            if pieces and pieces[-1].rstrip().endswith(","):
                length -= len(pieces[-1])
                pieces[-1] = pieces[-1].rstrip()[:-1]
                length += len(pieces[-1])
        pieces.append(piece)
        length += len(piece)
        if piece in "}]":
            cuts.append((length, "".join(reversed(stack))))
            if not stack:
                return "".join(pieces), cuts, True
    kept = "".join(pieces)
    return kept, cuts, False


_CLOSERS = {"{": "}", "[": "]"}


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text.encode(errors="replace"))
    except (msgspec.DecodeError, RecursionError):
        return None
