"""Memory for code without an event loop: the same methods, and each returns when it is done.

    with umi.sync.Memory("memory.db", scope="ada") as memory:
        memory.remember("Ada's cat is called Miso.")
        found = memory.recall("cat")

Any number of threads may use one Memory. Its loop runs on a thread of its own.

memory    Memory, made from umi.Memory by tests/tidy/faces.py
core      its core memory, made likewise
working   its working memory, made likewise
loop      the loop on its thread
"""

from umi.sync.core import Core
from umi.sync.memory import Memory
from umi.sync.working import Working

__all__ = ["Core", "Memory", "Working"]
