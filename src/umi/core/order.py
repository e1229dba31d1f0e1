"""Types of blocks, and the order blocks are shown in."""

from collections.abc import Iterable

from umi.entity import Block
from umi.errors import InvalidInput

# In the order they are shown in; blocks without a type follow.
TYPES = ("system", "persona", "human", "facts", "goals", "scratch")
_PLACES = {word: place for place, word in enumerate(TYPES)}


def block_type(word: str) -> str:
    """The type as it is stored, for a word in any case. Raises InvalidInput, naming those there are."""
    lower = word.strip().lower()
    if lower not in _PLACES:
        raise InvalidInput(f"there is no block type '{word[:50]}'; there are {', '.join(TYPES)}")
    return lower


def ordered(blocks: Iterable[Block]) -> list[Block]:
    """By type; within a type the block that is labelled like its type first, then as they were attached."""
    return sorted(blocks, key=lambda block: (_PLACES.get(block.type or "", len(TYPES)), block.label != block.type))
