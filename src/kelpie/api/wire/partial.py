"""The text of one argument of a tool call, while the call's JSON is still arriving."""

import json

_BEFORE, _KEY, _COLON, _VALUE, _STRING, _AFTER = range(6)
_HIGH_SURROGATES = ("d8", "d9", "da", "db")


class StringValue:
    """Reads a JSON object piece by piece and gives out what is new of the string at the top-level key `key`."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._state = _BEFORE
        self._depth = 0
        self._quoted = False  # within a string that isn't ours
        self._escaped = False
        self._seen_key = ""
        self._pending = ""  # an escape sequence that isn't complete

    def feed(self, piece: str) -> str:
        """The characters of the value that `piece` completes. Malformed JSON gives nothing more, and no error."""
        found = []
        for character in piece:
            if self._state == _STRING:
                found.append(self._of_value(character))
            elif self._state != _AFTER:
                self._search(character)
        return "".join(found)

    def _search(self, character: str) -> None:
        """Look for the key at depth 1, skipping other values."""
        if self._quoted:
            self._skip_string(character)
        elif character == '"':
            self._open_string()
        elif character in "{[":
            self._depth += 1
        elif character in "}]":
            self._depth -= 1
        elif self._depth == 1 and character == ":" and self._state == _COLON:
            self._state = _VALUE
        elif self._depth == 1 and character == ",":
            self._state = _BEFORE

    def _open_string(self) -> None:
        if self._state == _VALUE and self._depth == 1 and self._seen_key == self._key:
            self._state = _STRING
            return
        self._quoted = True
        if self._state in (_BEFORE, _KEY) and self._depth == 1:
            self._state, self._seen_key = _KEY, ""

    def _skip_string(self, character: str) -> None:
        if self._escaped:
            self._escaped = False
        elif character == "\\":
            self._escaped = True
        elif character == '"':
            self._quoted = False
            if self._state == _KEY:
                self._state = _COLON
            return
        if self._state == _KEY:
            self._seen_key += character

    def _of_value(self, character: str) -> str:
        if self._pending:
            return self._of_escape(character)
        if character == "\\":
            self._pending = character
            return ""
        if character == '"':
            self._state = _AFTER
            return ""
        return character

    def _of_escape(self, character: str) -> str:
        """One more character of an escape sequence; half a surrogate pair waits for the other half."""
        if len(self._pending) == 6 and character != "\\":
            self._pending = ""
            return "\ufffd" + self._of_value(character)
        self._pending += character
        wanted = 2 if self._pending[1] != "u" else 12 if self._pending[2:4].lower() in _HIGH_SURROGATES else 6
        if len(self._pending) < wanted:
            return ""
        sequence, self._pending = self._pending, ""
        try:
            text: str = json.loads(f'"{sequence}"')
        except ValueError:
            self._state = _AFTER
            return ""
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
