"""PostgreSQL's types: what they mean, and as which values they arrive."""

from typing import TYPE_CHECKING, Any

from kelpie.analyst.table import Kind

if TYPE_CHECKING:
    from psycopg import AsyncCursor
    from psycopg.adapt import AdaptersMap

# Numbers of types that every server has, from pg_type.dat.
_KINDS: dict[int, Kind] = {
    **dict.fromkeys((20, 21, 23, 26, 700, 701, 1700), "number"),  # int8 int2 int4 oid float4 float8 numeric
    **dict.fromkeys((18, 19, 25, 1042, 1043, 2950), "text"),  # "char" name text char varchar uuid
    **dict.fromkeys((1114, 1184), "timestamp"),
    16: "boolean",
    1082: "date",
}
_FIRST_OF_USERS = 16_384  # types that somebody made: enumerations, extensions
_OTHERS = "SELECT oid, format_type(oid, NULL), typcategory FROM pg_type WHERE oid = ANY(%s)"
# PostgreSQL's own sorting of types.
_CATEGORIES: dict[str, Kind] = {"N": "number", "S": "text", "E": "text", "B": "boolean"}


def kind_of(oid: int, category: str) -> Kind:
    """`category` is pg_type.typcategory."""
    return _KINDS.get(oid, _CATEGORIES.get(category, "other") if oid >= _FIRST_OF_USERS else "other")


async def types_of(cursor: "AsyncCursor[Any]") -> tuple[list[str], list[Kind]]:
    """The words and kinds of the columns that the cursor has just described."""
    columns = cursor.description or []
    made = sorted({column.type_code for column in columns if column.type_code >= _FIRST_OF_USERS})
    words: dict[int, tuple[str, str]] = {}
    if made:
        asking = await cursor.connection.execute(_OTHERS, (made,))
        words = {oid: (word, category) for oid, word, category in await asking.fetchall()}
    types, kinds = [], []
    for column in columns:
        word, category = words.get(column.type_code, (column.type_display, ""))
        types.append(word)
        kinds.append(kind_of(column.type_code, category))
    return types, kinds


def adapters() -> "AdaptersMap":
    """An interval is shown as the server writes it: as a Python timedelta a month would become 30 days."""
    import psycopg
    from psycopg.adapt import AdaptersMap
    from psycopg.types.string import TextLoader

    map_ = AdaptersMap(psycopg.adapters)
    map_.register_loader("interval", TextLoader)
    return map_
