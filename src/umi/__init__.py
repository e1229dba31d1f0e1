"""umi: a memory library to embed anywhere. One file, no server, no key.

    cli         the umi command; mcp: the same operations as an MCP server
    serve       HTTP for several processes, and its client; sync: the same without async
    memory      Memory: one scope's face; Archive: every operation, for any scope
    retrieve    which facts answer a query; promote: which of them core memory shows; portable: export and import
    extract     what a text names and claims; evolve: what ends what; embed: vectors; hygiene: what is kept out
    archival    facts with every version, claims, entities
    core        blocks, always in view; working: values with an end; index: a scope's words; filters: one language
    entity      the words: Fact, Claim, Entity, Block, Recalled
    storage     the database; wire: model providers; dst: clock, rng, ids; limits, errors

Imports point down this list.
"""

from typing import Any

__all__ = ["Memory"]


def __getattr__(name: str) -> Any:
    # Lazy, so that `import umi.errors` in a small tool does not open the storage layer.
    if name == "Memory":
        from umi.memory import Memory

        return Memory
    if name == "sync":
        import umi.sync

        return umi.sync
    raise AttributeError(f"module 'umi' has no attribute {name!r}")
