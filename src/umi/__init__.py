"""umi: a memory library to embed anywhere. One file, no server, no key.

    memory      Memory: remember, recall, forget; core blocks beside it
    archival    dated facts of a scope, found by full text
    core        blocks: the memory an agent always sees
    index       the full-text index both use
    entity      the words: Fact, Block, Recalled
    storage     the database file; wire: model providers; dst: clock, rng, ids; limits, errors

Imports point down this list.
"""

from typing import Any

__all__ = ["Memory"]


def __getattr__(name: str) -> Any:
    # Lazy, so that `import umi.errors` in a small tool does not open the storage layer.
    if name == "Memory":
        from umi.memory import Memory

        return Memory
    raise AttributeError(f"module 'umi' has no attribute {name!r}")
