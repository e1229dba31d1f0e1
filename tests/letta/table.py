"""The operations as data: what to call with what, and what Letta would answer. One file of rows a resource, played in
the order of their names.

    op       method and path, as in tests/api/contract.json
    give     its parameters by name, wherever they stand: path, query, body. "$agent" is what a row before kept under
             that name; "$content" is a body that is no JSON, "$items" one that is a list; body_x is x of the body
             where the query has an x too; {"$file": name, "text": …} is an upload
    status   200, unless Letta answers otherwise
    want     what holds of the answer: {dotted place: value}. "*" in a place means of each item; a value may be
             {holds: x}, {lacks: x}, {begins: x}, or {some: true}
    until    the same, asked again until it holds: of runs in the background
    keep     {name: dotted place}, for the rows after
    bad      {give: {…}, status}: what to give instead, and what that is answered; made up where the row doesn't say
    key      "operator" where a tenant's own key is not enough
    foreign  what another tenant is answered for the same request: 404 if it names a thing that was kept, else as ours
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

FOLDER = Path(__file__).with_name("operations")


@dataclass(frozen=True)
class Row:
    op: str
    give: dict = field(default_factory=dict)
    status: int = 200
    want: dict = field(default_factory=dict)
    until: dict = field(default_factory=dict)
    keep: dict = field(default_factory=dict)
    bad: dict = field(default_factory=dict)
    foreign: int | None = None
    key: str = "ours"

    @property
    def method(self):
        return self.op.partition(" ")[0]

    @property
    def path(self):
        return self.op.partition(" ")[2]

    @property
    def places(self):
        """The names of the path's parameters, in their order."""
        return re.findall(r"\{(\w+)(?::path)?\}", self.path)

    @property
    def names_a_thing(self):
        return any(is_kept(value) for value in _leaves(self.give))


def load():
    return [Row(**row) for file in sorted(FOLDER.glob("*.yaml")) for row in yaml.safe_load(file.read_text("utf-8"))]


def is_kept(value):
    return isinstance(value, str) and re.fullmatch(r"\$[a-z_]+", value) is not None


def _leaves(value):
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _leaves(inner)
    else:
        yield value


def filled(value, kept):
    """With what was kept in the place of its names. Raises KeyError for a name that no row kept."""
    if isinstance(value, dict):
        return {name: filled(inner, kept) for name, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, kept) for inner in value]
    return kept[value[1:]] if is_kept(value) else value


def at(value, place):
    """What stands at a dotted place; a LookupError, TypeError or ValueError if nothing does."""
    if not place:
        return value
    first, _, rest = place.partition(".")
    if first == "*":
        return [at(inner, rest) for inner in value]
    return at(value[int(first)] if isinstance(value, list) else value[first], rest)


def faults(value, want):
    """What of `want` doesn't hold of an answer, a sentence each."""
    found = []
    for place, wanted in want.items():
        try:
            there = at(value, place)
        except (LookupError, TypeError, ValueError):
            found.append(f"{place or 'the answer'} is not there")
            continue
        if not _holds(there, wanted):
            found.append(f"{place or 'the answer'} is {_short(there)}, not {_short(wanted)}")
    return found


def _holds(there, wanted):
    match wanted:
        case {"holds": one}:
            return one in there
        case {"lacks": one}:
            return one not in there
        case {"begins": one}:
            return str(there).startswith(one)
        case {"some": _}:
            return bool(there)
    return there == wanted


def _short(value):
    text = repr(value)
    return text if len(text) < 100 else text[:100] + "…"
