"""A scope's whole memory as a file, and back: lossless, versioned, a line of JSON for each thing.

lines     what the lines say, and what they may not
dumping   a scope as lines
restoring lines as a scope: checked whole, then written in batches
gathered  what those are made into
foreign   exports of other memories, told apart and made into the same lines
original  the Umi that came before
mem0      mem0's get_all, with history
graphiti  Graphiti's nodes, edges and episodes
times     the moments they write
"""

from umi.portable.dumping import dump, dump_to_file, open_file, pieces, write_file
from umi.portable.lines import VERSION, Exported
from umi.portable.restoring import Imported, restore, restore_lines

__all__ = [
    "VERSION",
    "Exported",
    "Imported",
    "dump",
    "dump_to_file",
    "open_file",
    "pieces",
    "restore",
    "restore_lines",
    "write_file",
]
