"""Which lines of a block promotion wrote, so that it never takes a line of a person's for its own.

The ledger is kept in the block's metadata. It holds digests of lines and not the lines: what is forgotten for good then
stands in the block alone. A line that isn't found any more as it was written belongs to whoever changed it.
"""

import hashlib
from typing import Any

import msgspec

from umi.entity import Block

KEY = "promoted"


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line as promotion wrote it. `facts` are the ids of the facts it says."""

    digest: str
    importance: float
    is_self: bool = False
    facts: list[str] = []


class Ledger(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    scope       whose facts they are: the block may be attached to other scopes too
    importance  what promotion set the block's to; another number is a person's
    lines       by the id of the entity
    released    digests of lines that a person changed or removed, by the id of the entity
    """

    scope: str
    importance: float
    lines: dict[str, Line] = {}
    released: dict[str, str] = {}


def digest(line: str) -> str:
    return hashlib.blake2b(line.encode(), digest_size=8).hexdigest()


def read(block: Block) -> Ledger | None:
    """None for a block that promotion didn't make, or whose ledger somebody broke: it is a person's."""
    if KEY not in block.metadata:
        return None
    try:
        return msgspec.convert(block.metadata[KEY], Ledger)
    except msgspec.ValidationError:
        return None


def written(block: Block, ledger: Ledger | None) -> dict[str, Any]:
    """The metadata of the block with this ledger, or with none."""
    rest = {key: value for key, value in block.metadata.items() if key != KEY}
    return rest if ledger is None else rest | {KEY: msgspec.to_builtins(ledger)}


def owners(lines: list[str], ledger: Ledger) -> list[str | None]:
    """For each line the id of the entity it was promoted for, or None for a line of a person's."""
    waiting: dict[str, list[str]] = {}
    for entity_id, line in ledger.lines.items():
        waiting.setdefault(line.digest, []).append(entity_id)
    found: list[str | None] = []
    for text in lines:
        ids = waiting.get(digest(text))
        found.append(ids.pop(0) if ids else None)
    return found


def lines_of(block: Block) -> list[str]:
    return block.value.split("\n") if block.value else []
