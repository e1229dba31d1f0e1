"""Server-sent events from bytes, however the network cuts them.

The parser follows the WHATWG rules: lines end in LF, CRLF or CR; a blank line ends an event; `data` lines are joined
with LF; lines that begin with a colon are comments. It works on bytes throughout, so that a character cut in two is
whole again before anybody decodes it.
"""

from typing import NamedTuple

from umi import limits
from umi.errors import ModelError

_BOM = b"\xef\xbb\xbf"


class SseEvent(NamedTuple):
    name: str  # of the `event` field, "message" where there is none
    data: bytes


class SseParser:
    """Feed chunks, get the events they complete. An event the stream ends in the middle of never comes out: whoever
    reads decides by its content whether the stream was complete."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._partial: list[bytes] = []  # pieces of a line that has not ended
        self._bytes_held = 0
        self._after_cr = False  # the last chunk ended in CR: a LF at the start of the next belongs to it
        self._at_start = True
        self._name = ""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """Raises ModelError("invalid_response") for an event larger than WIRE_EVENT_BYTES_MAX."""
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._after_cr = False
        if not chunk:
            return []
        self._bytes_held += len(chunk)
        if b"\n" not in chunk and b"\r" not in chunk:
            # Kept in pieces: joining at every chunk would make one long line quadratic.
            self._partial.append(chunk)
            self._after_cr = False
            self._check_size()
            return []
        self._after_cr = chunk.endswith(b"\r")
        lines = (b"".join(self._partial) + chunk).splitlines(keepends=True)
        rest = b"" if lines[-1].endswith((b"\n", b"\r")) else lines.pop()
        self._partial = [rest] if rest else []
        events = [event for line in lines if (event := self._line(line.rstrip(b"\r\n"))) is not None]
        self._bytes_held = len(rest) + sum(len(piece) for piece in self._data)
        self._check_size()
        return events

    def _line(self, line: bytes) -> SseEvent | None:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._name = value.decode("utf-8", "replace")
        # An empty name is a comment; `id` and `retry` concern reconnecting, which a model call never does.
        return None

    def _dispatch(self) -> SseEvent | None:
        name, data = self._name or "message", self._data
        self._name, self._data = "", []
        return SseEvent(name, b"\n".join(data)) if data else None

    def _check_size(self) -> None:
        if self._bytes_held > limits.WIRE_EVENT_BYTES_MAX:
            raise ModelError(
                "invalid_response",
                f"{self._origin} streamed an event of more than {limits.WIRE_EVENT_BYTES_MAX:,} bytes",
            )
