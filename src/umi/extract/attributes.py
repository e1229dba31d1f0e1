"""Which attributes may have several values at once, and which name the same relation read from either end.

Of what has one value at a time a later claim supersedes the earlier; of what has many each stands for itself.
"""

_ONE = frozenset(
    """works_at located_in name full_name age birthday role title job status email phone address employer
    home spouse married_to nationality height weight salary deadline due owner favourite favorite""".split()
)


def many_valued(attribute: str) -> bool:
    """Whether a subject may have several values of `attribute` at once. Unknown attributes may: nothing is then
    superseded without evidence."""
    return attribute not in _ONE


def symmetric(attribute: str) -> bool:
    """Whether "A attribute B" says the same as "B attribute A"."""
    return attribute == "knows"
