"""MySQL's types: what they mean, and as which values they arrive."""

from collections.abc import Sequence
from typing import Any

from kelpie.analyst.table import Kind

# The protocol's numbers of types (pymysql.constants.FIELD_TYPE).
_TINY, _TIME, _BIT = 1, 11, 16
_TYPES: dict[int, tuple[str, Kind]] = {
    0: ("DECIMAL", "number"),
    1: ("TINYINT", "number"),
    2: ("SMALLINT", "number"),
    3: ("INT", "number"),
    4: ("FLOAT", "number"),
    5: ("DOUBLE", "number"),
    6: ("NULL", "other"),
    7: ("TIMESTAMP", "timestamp"),
    8: ("BIGINT", "number"),
    9: ("MEDIUMINT", "number"),
    10: ("DATE", "date"),
    11: ("TIME", "other"),
    12: ("DATETIME", "timestamp"),
    13: ("YEAR", "number"),
    14: ("DATE", "date"),
    15: ("VARCHAR", "text"),
    16: ("BIT", "other"),
    245: ("JSON", "other"),
    246: ("DECIMAL", "number"),
    247: ("ENUM", "text"),
    248: ("SET", "text"),
    249: ("TINYTEXT", "text"),
    250: ("MEDIUMTEXT", "text"),
    251: ("LONGTEXT", "text"),
    252: ("TEXT", "text"),
    253: ("VARCHAR", "text"),
    254: ("CHAR", "text"),
    255: ("GEOMETRY", "other"),
}
_WORDS: dict[str, Kind] = {
    **dict.fromkeys(
        ("tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double", "year"), "number"
    ),
    **dict.fromkeys(("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set", "uuid"), "text"),
    **dict.fromkeys(("datetime", "timestamp"), "timestamp"),
    "date": "date",
}


def type_of(described: Sequence[Any], *, is_binary: bool = False) -> tuple[str, Kind]:
    """The word and kind of a result's column. `described`: its name, type, …, and at 3 its width in characters.

    is_binary  it was seen to hold bytes: one number stands for texts and for those
    """
    word, kind = _TYPES.get(described[1], (str(described[1]), "other"))
    if described[1] in (_TINY, _BIT) and described[3] == 1:  # how BOOLEAN is kept
        return "BOOLEAN", "boolean"
    if is_binary:
        return word.replace("TEXT", "BLOB").replace("CHAR", "BINARY"), "other"
    return word, kind


def kind_of_column(data_type: str, column_type: str) -> Kind:
    """Of information_schema's words: "tinyint" and "tinyint(1)"."""
    return "boolean" if column_type in ("tinyint(1)", "bit(1)") else _WORDS.get(data_type, "other")


def shown(value: Any, word: str) -> Any:
    """A bit is a number, and 0 and 1 of a BOOLEAN are false and true; it can hold other numbers."""
    if word not in ("BOOLEAN", "BIT"):
        return value
    number = int.from_bytes(value) if isinstance(value, bytes) else value
    return bool(number) if word == "BOOLEAN" and number in (0, 1) else number


def decoders() -> dict[Any, Any]:
    """The driver's, but a TIME as the server writes it: as a timedelta -01:00:00 would be "-1 day, 23:00:00"."""
    from pymysql.converters import conversions

    return {key: decode for key, decode in conversions.items() if key != _TIME}
