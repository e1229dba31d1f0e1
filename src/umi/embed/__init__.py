"""Vectors of texts: who makes them, where they lie, and how facts get theirs without making a writer wait.

    embedder      Embedder, what a maker of vectors is; embedded, the one way to ask it
    minilm        MiniLM, a small model in this process; minilm_get fetches it, minilm_graph builds its file
    wired         WireEmbedder: a provider's embeddings over umi.wire
    hashed        HashEmbedder: words alone, for tests
    vectors       the rows: which facts wait, which vectors they have
    behind        Behind: embeds what waits, behind the write
    simulated     FaultyEmbedder: one that fails and lies under a seed; imported by tests alone

numpy, onnxruntime and tokenizers are imported by the first vector.
"""

from umi.embed.behind import Behind, State
from umi.embed.embedder import Embedder, checked, default_folder, embedded
from umi.embed.hashed import HashEmbedder
from umi.embed.minilm import MiniLM, can_run, installed
from umi.embed.vectors import MIGRATIONS, plan_forget_scope, plan_forget_session, plan_forget_vectors
from umi.embed.wired import WireEmbedder

__all__ = [
    "MIGRATIONS",
    "Behind",
    "Embedder",
    "HashEmbedder",
    "MiniLM",
    "State",
    "WireEmbedder",
    "can_run",
    "checked",
    "default",
    "default_folder",
    "embedded",
    "installed",
    "plan_forget_scope",
    "plan_forget_session",
    "plan_forget_vectors",
]


def default() -> Embedder | None:
    """MiniLM, if this user has it and the extra `minilm` is installed; else None, and memory finds by words alone."""
    return MiniLM() if can_run() and installed() else None
