"""One way to page: by age, between two ids, oldest or newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from umi import limits
from umi.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Page:
    """`after` and `before` are ids of rows; the page follows the one and precedes the other in its own order.

    Raises InvalidInput for a limit that isn't from 1 to PAGE_LIMIT_MAX, or an id that is no text.
    """

    limit: int = 50
    after: str | None = None
    before: str | None = None
    ascending: bool = True

    def __post_init__(self) -> None:
        limit = self.limit
        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= limits.PAGE_LIMIT_MAX:
            raise InvalidInput(f"the limit of a page is a number from 1 to {limits.PAGE_LIMIT_MAX}")
        for side, text in (("after", self.after), ("before", self.before)):
            # An engine would end it at a NUL, or take no half of a surrogate pair.
            if text is not None and not (isinstance(text, str) and text.isprintable()):
                raise InvalidInput(f"'{side}' of a page is the id that a row has")


def paged(select: str, params: Sequence[Any], page: Page, *, table: str, tenant: str) -> tuple[str, tuple[Any, ...]]:
    """`select` (ending within its WHERE clause, with positional `?`) cut to one page of `table`.

    The table has the columns seq (the order of age), tenant and id. An id it doesn't have gives an empty page.
    """
    later, earlier = (">", "<") if page.ascending else ("<", ">")
    bound = list(params)
    for cursor, side in ((page.after, later), (page.before, earlier)):
        if cursor is not None:
            select += f" AND {table}.seq {side} (SELECT c.seq FROM {table} c WHERE c.tenant = ? AND c.id = ?)"
            bound += [tenant, cursor]
    select += f" ORDER BY {table}.seq {'ASC' if page.ascending else 'DESC'} LIMIT ?"
    return select, (*bound, page.limit)
