"""Memory: the library's front door, and the Archive behind it that all scopes of a database share.

memory       Memory: one scope's face
archive      Archive: every operation, for any scope; what an agent's turn plans with
reading      what texts name, claim and date
remembering  from what is said to one commit
undoing      taking changes back
drafts       what callers hand in, made into facts
moments      points in time as people write them
opening      the store, opened at its first use
"""

from umi.memory.archive import Archive
from umi.memory.drafts import Draft
from umi.memory.memory import DEFAULT_TENANT, Memory
from umi.memory.opening import MIGRATIONS
from umi.memory.reading import Prepared, Reading
from umi.memory.remembering import Remembered

__all__ = ["DEFAULT_TENANT", "MIGRATIONS", "Archive", "Draft", "Memory", "Prepared", "Reading", "Remembered"]
