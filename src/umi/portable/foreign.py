"""Exports of other memories, told apart by their shape."""

import re
from typing import IO, Any

import msgspec

from umi.errors import ImportRefused, InvalidInput
from umi.portable import graphiti, mem0, original
from umi.portable.gathered import Gathered, Source

_OWN = re.compile(rb'\s*\{\s*"kind"\s*:\s*"umi"')
_BYTE = re.compile(r"\(byte (\d+)\)")
_KINDS = (graphiti, mem0, original)


def is_own(file: IO[bytes]) -> bool:
    """Whether an open file begins as an export of umi does."""
    beginning = file.read(200)
    file.seek(0)
    return _OWN.match(beginning) is not None


def read(text: bytes, now_ms: int) -> dict[str, Source]:
    """What a foreign export holds, by scope. Raises ImportRefused for what is none of those that are known.

    now_ms  when things became known that the file gives no date
    """
    try:
        value = msgspec.json.decode(text)
    except msgspec.MsgspecError as error:
        found = _BYTE.search(str(error))
        line = text.count(b"\n", 0, int(found[1])) + 1 if found else 1
        raise ImportRefused(f"this is neither an export of umi nor JSON: {error}", line=line) from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise ImportRefused(f"this is neither an export of umi nor JSON: {error}", line=1) from None
    for kind in _KINDS:
        if kind.recognises(value):
            return _gathered(kind.read, value, now_ms).sources()
    raise ImportRefused(
        "this JSON is no export that is known: neither of mem0 ('results' with 'memory'), nor of Graphiti ('nodes' and"
        " 'edges'), nor of the first Umi (entities with 'entity_type' and 'content')"
    )


def _gathered(reads: Any, value: Any, now_ms: int) -> Gathered:
    try:
        gathered: Gathered = reads(value, now_ms)
    except InvalidInput as error:
        raise ImportRefused(str(error)) from None
    except (msgspec.ValidationError, KeyError, TypeError, AttributeError) as error:
        raise ImportRefused(f"the export is not of the shape it seems to have: {error}") from None
    return gathered
