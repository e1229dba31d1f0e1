"""Pages of lists: which part of a list a request asks for, and in which order."""

from collections.abc import Sequence
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field
from starlette.requests import Request

from kelpie.api import limits
from kelpie.errors import NotServed
from umi.storage import Page

T = TypeVar("T")


class PageQuery(BaseModel):
    """The parameters every list takes. `after` and `before` are ids of the list's items."""

    before: str | None = None
    after: str | None = None
    limit: int | None = Field(default=None, ge=1, le=limits.PAGE_ITEMS_MAX)
    order: Literal["asc", "desc"] | None = None
    ascending: bool | None = None  # the older way to say order


class Window:
    """One page of a list.

    With `before` alone a page holds the items right before it, not the first ones of the list: so paging backwards
    meets every item. Such a page is read in the opposite order and turned around.
    """

    def __init__(self, query: PageQuery, *, ascending: bool = False, limit: int = limits.PAGE_ITEMS_DEFAULT) -> None:
        if query.order is not None:
            ascending = query.order == "asc"
        elif query.ascending is not None:
            ascending = query.ascending
        self._backwards = query.before is not None and query.after is None
        self.limit = query.limit or limit
        if self._backwards:
            self.page = Page(limit=self.limit, after=query.before, ascending=not ascending)
        else:
            self.page = Page(limit=self.limit, after=query.after, before=query.before, ascending=ascending)

    def ordered(self, items: list[T]) -> list[T]:
        """What a read of `page` found, in the order that was asked for."""
        return items[::-1] if self._backwards else items

    def cut(self, items: Sequence[T], ids: Sequence[str], *, ascending: bool) -> list[T]:
        """The same for a short list that is held in memory; `ascending` is the order it is in."""
        pairs = list(zip(ids, items, strict=True))
        if ascending != self.page.ascending:
            pairs.reverse()
        order = [one for one, _ in pairs]
        start = order.index(self.page.after) + 1 if self.page.after in order else 0
        end = order.index(self.page.before) if self.page.before in order else len(pairs)
        if any(cursor is not None and cursor not in order for cursor in (self.page.after, self.page.before)):
            return []
        return self.ordered([item for _, item in pairs[start:end]][: self.limit])


def refuse_filters(request: Request, *names: str) -> None:
    """Raise NotServed for a filter we don't have: leaving it out would answer with the wrong items."""
    given: dict[str, Any] = {name: request.query_params.get(name) for name in names}
    for name, value in given.items():
        if value not in (None, "", "false", "False"):
            raise NotServed(f"the filter '{name}' is not served yet; leave it out")


def refuse_orders(request: Request) -> None:
    """Raise NotServed for an order other than by age, which every list is in."""
    for name in ("order_by", "sort_by"):
        if request.query_params.get(name) not in (None, "created_at"):
            refuse_filters(request, name)
