"""What a number stands on: the cell it comes from, the query behind the cell, the data behind the query.

numbers    the cell of every number in a text, or the text is refused
basis      what a query stands on when it is asked: definitions, connection, the model's version, for whom
records    a record for each number of an answer
queries    all that the numbers of one query stand on
executing  asking the source again: the same, stale, or a bug
crossing   the same question asked of a second source
checking   a number re-derived another way: verified, derived or unverified; deriving says how, arithmetic is exact
comparing  whether two results are the same
"""

from kelpie.analyst.provenance.numbers import NumberLink, Numbers, hold, link_numbers, read_numbers
from kelpie.analyst.provenance.queries import Provenance, provenance
from kelpie.analyst.provenance.records import NumberRecord, records_of

__all__ = [
    "NumberLink",
    "NumberRecord",
    "Numbers",
    "Provenance",
    "hold",
    "link_numbers",
    "provenance",
    "read_numbers",
    "records_of",
]
