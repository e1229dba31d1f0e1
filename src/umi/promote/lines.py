"""The lines of a scope's blocks: which are promotion's to change, and which are a person's."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from umi import core, limits
from umi.core import ledger
from umi.core.ledger import Ledger, Line
from umi.dst import Host
from umi.entity import Block
from umi.promote.choose import Item, Taken
from umi.storage import Changes, View

_DELETE = "DELETE FROM block WHERE tenant = ? AND id = ? AND version = ?"
_DESCRIPTIONS = {
    "persona": "Who you are, kept up to date from memory.",
    "human": "Whom you talk with, kept up to date from memory.",
    "facts": "What you know, kept up to date from memory.",
    "goals": "What is being worked on, kept up to date from memory.",
    "scratch": "Notes, kept up to date from memory.",
}


class Wanted(msgspec.Struct, frozen=True):
    """A line that shall stand: the item, and the facts it says."""

    item: Item
    facts: Sequence[str]


class Shelved(msgspec.Struct, frozen=True):
    """A block that promotion made, its ledger, and for each of its lines the entity it is promoted for, or None."""

    block: Block
    book: Ledger
    owners: list[str | None]

    def own_lines(self) -> list[str]:
        """Those of people's."""
        lines = ledger.lines_of(self.block)
        return [line for line, owner in zip(lines, self.owners, strict=True) if owner is None]


class Shelf:
    """The blocks of a scope as they were read: those that promotion made for it, by type, and all the others."""

    def __init__(self, blocks: Iterable[Block], scope: str) -> None:
        self.promoted: dict[str, Shelved] = {}
        self.others: list[Block] = []
        for block in blocks:
            book = ledger.read(block)
            kind = block.type or ""
            if book is None or book.scope != scope or kind not in core.TYPES or kind in self.promoted:
                self.others.append(block)
            else:
                owners = ledger.owners(ledger.lines_of(block), book)
                self.promoted[kind] = Shelved(block, _settled(book, owners), owners)

    def lines(self) -> dict[str, Line]:
        """The promoted lines, by entity."""
        return {entity_id: line for one in self.promoted.values() for entity_id, line in one.book.lines.items()}

    def incumbents(self) -> dict[str, str]:
        """The type of the block that each entity in core memory has its line in."""
        return {entity_id: kind for kind, one in self.promoted.items() for entity_id in one.book.lines}

    def released(self) -> dict[str, str]:
        """The digest of the line that a person took over, by entity."""
        return {entity_id: digest for one in self.promoted.values() for entity_id, digest in one.book.released.items()}

    def taken(self, *, typed_only: bool) -> Taken:
        counted = [block for block in self.others if block.type is not None or not typed_only]
        own = {kind: one.own_lines() for kind, one in self.promoted.items()}
        return Taken(
            core_bytes=sum(len(block.value.encode()) for block in counted),
            blocks=len(counted),
            own={kind: len("\n".join(lines).encode()) for kind, lines in own.items() if lines},
            standing=frozenset(kind for kind, one in self.promoted.items() if one.book.released),
            bounds={kind: one.block.limit_chars for kind, one in self.promoted.items()},  # a byte or more a character
        )

    def free_label(self, kind: str) -> str:
        """The type's own word, unless a block of somebody's has it."""
        used = {block.label for block in self.others} | {one.block.label for one in self.promoted.values()}
        names = [kind, f"{kind}-promoted", *(f"{kind}-promoted-{n}" for n in range(2, len(used) + 3))]
        return next(name for name in names if name not in used)


def _settled(book: Ledger, owners: Iterable[str | None]) -> Ledger:
    """The ledger without the lines that aren't found any more: whoever changed or removed them has them now."""
    found = set(owners)
    gone = {entity_id: line.digest for entity_id, line in book.lines.items() if entity_id not in found}
    if not gone:
        return book
    released = list((book.released | gone).items())[-limits.PROMOTION_RELEASED_COUNT_MAX :]
    lines = {entity_id: line for entity_id, line in book.lines.items() if entity_id in found}
    return msgspec.structs.replace(book, lines=lines, released=dict(released))


def rewritten(shelved: Shelved, wanted: Mapping[str, Wanted | None]) -> Block:
    """The block with exactly these promoted lines, by entity: None leaves a line as it is. Each stays where it stands,
    a new one follows the last, and what a person wrote isn't touched."""
    block, book = shelved.block, shelved.book
    left = dict(wanted)
    by_line = {new.item.line: entity_id for entity_id, new in wanted.items() if new is not None}
    kept: list[str] = []
    book_lines: dict[str, Line] = {}
    for text, owner in zip(ledger.lines_of(block), shelved.owners, strict=True):
        if owner is None:
            kept.append(text)
            continue
        # What is said of another entity now, in the same words, stays where it stands.
        heir = owner if owner in wanted else by_line.get(text)
        if heir is not None and heir in left:
            new = left.pop(heir)
            kept.append(text if new is None else new.item.line)
            book_lines[heir] = book.lines[heir] if new is None else _line(new)
    for entity_id, new in left.items():
        if new is not None:
            kept.append(new.item.line)
            book_lines[entity_id] = _line(new)
    most = max((line.importance for line in book_lines.values()), default=book.importance)
    is_ours = block.importance == book.importance
    new_book = Ledger(
        scope=book.scope,
        importance=most if is_ours else book.importance,
        lines=book_lines,
        released={entity_id: digest for entity_id, digest in book.released.items() if entity_id not in book_lines},
    )
    value, importance = "\n".join(kept), most if is_ours else block.importance
    if (value, importance, new_book) == (block.value, block.importance, ledger.read(block)):
        return block
    return msgspec.structs.replace(block, value=value, importance=importance, metadata=ledger.written(block, new_book))


def _line(wanted: Wanted) -> Line:
    item = wanted.item
    return Line(
        digest=ledger.digest(item.line), importance=item.importance, is_self=item.is_self, facts=list(wanted.facts)
    )


def blank(shelf: Shelf, tenant: str, scope: str, kind: str, host: Host) -> Shelved:
    """A new block for promoted lines, with its empty ledger."""
    now_ms = host.clock.now_ms()
    importance = limits.CORE_MEMORY_BLOCK_IMPORTANCE_DEFAULT
    block = Block(
        tenant=tenant,
        id=host.ids.new("block"),
        label=shelf.free_label(kind),
        value="",
        limit_chars=limits.CORE_MEMORY_BLOCK_SIZE_BYTES_MAX,
        description=_DESCRIPTIONS.get(kind),
        type=kind,
        importance=importance,
        created_at_ms=now_ms,
        updated_at_ms=now_ms,
    )
    return Shelved(block, Ledger(scope=scope, importance=importance), [])


async def plan_replace(view: View, scope: str, old: Block, new: Block, now_ms: int) -> Changes:
    """Write the block as rewritten, if nobody changed it (guard "block"). One without a line, that holds no memory of
    lines a person took over either, goes away, unless another scope has it too."""
    if new == old:
        return Changes()
    book = ledger.read(new)
    is_empty = not new.value and book is not None and not book.released
    if is_empty and await core.scopes_of(view, old.tenant, old.id) == [scope]:
        return Changes().guard("block", _DELETE, old.tenant, old.id, old.version)
    return core.plan_update(old, new, now_ms)
