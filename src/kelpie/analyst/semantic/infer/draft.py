"""The YAML text of a draft: pieces in sections, each knowing its lines, so that a piece that fails can be taken out."""

import json
import re
from typing import Any

from kelpie.analyst import limits

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.()*/ ]*")
_WORDS = ("true", "false", "yes", "no", "on", "off", "null", "y", "n")
SECTIONS = ("entities", "joins", "dimensions", "times", "metrics")


class Piece:
    """One item of a section. `notes` are for the person who reads it; `left_out` is why it is not part of the model."""

    def __init__(self, section: str, name: str, fields: dict[str, Any], notes: list[str] | None = None) -> None:
        assert section in SECTIONS
        self.section, self.name, self.fields = section, name, fields
        self.notes = notes or []
        self.left_out = ""
        self.line = 0


class Draft:
    def __init__(self, name: str, label: str, notes: list[str], pieces: list[Piece]) -> None:
        self._name, self._label, self._notes, self.pieces = name, label, notes, pieces

    def text(self) -> str:
        """The YAML. Sets each piece's `line`."""
        lines = [f"# {one_line(note)}" for note in self._notes]
        lines += [f"name: {scalar(self._name)}", f"label: {scalar(self._label)}"]
        for section in SECTIONS:
            pieces = [piece for piece in self.pieces if piece.section == section]
            if not pieces:
                continue
            kept = any(not piece.left_out for piece in pieces)
            lines += ["", f"{section}:" if kept else f"# {section}:"]
            for piece in pieces:
                lines += self._piece(piece, len(lines))
        return "\n".join(lines) + "\n"

    def _piece(self, piece: Piece, before: int) -> list[str]:
        notes = [f"  # {one_line(note)}" for note in piece.notes]
        if piece.left_out:
            return [*notes, f"  # left out: {one_line(piece.name)}: {one_line(piece.left_out)}"]
        piece.line = before + len(notes) + 1
        return [*notes, f"  - {_flow(piece.fields)}"] if _is_short(piece.fields) else [*notes, *_block(piece.fields)]

    def leave_out(self, piece: Piece, reason: str) -> None:
        """Take it out, and what names it: a metric loses a time axis, and goes itself where it would mix currencies."""
        piece.left_out = reason
        for other in self.pieces:
            if piece.section == "times" and piece.name in other.fields.get("times", []):
                other.fields["times"] = [name for name in other.fields["times"] if name != piece.name]
                if not other.fields["times"]:
                    del other.fields["times"]
            named = other.fields.get("separate_by", []) if piece.section == "dimensions" else []
            uses = (
                [other.fields.get(field) for field in ("entity", "from", "to")] if piece.section == "entities" else []
            )
            if piece.name in (*named, *uses):
                other.left_out = other.left_out or f"it needs {piece.name}"

    def piece_at(self, line: int) -> Piece | None:
        return next((piece for piece in self.pieces if piece.line == line and not piece.left_out), None)


def _is_short(fields: dict[str, Any]) -> bool:
    return len(_flow(fields)) <= 112


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return scalar(value)


def _block(fields: dict[str, Any]) -> list[str]:
    lines = [f"    {key}: {_flow(value)}" for key, value in fields.items()]
    return ["  - " + lines[0].strip(), *lines[1:]]


def scalar(value: Any) -> str:
    """A text that YAML reads as this value and as nothing else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    text = str(value)
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS and text == text.strip():
        return text
    return json.dumps(text, ensure_ascii=False)


def one_line(text: str) -> str:
    """What a database says, as one line of a comment: nothing in it can begin another."""
    plain = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(plain.split())[: limits.INFER_NOTE_CHARS_MAX]
