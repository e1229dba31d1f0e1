"""Files of a workspace on the wire."""

from typing import Any

from kelpie.api.wire.times import iso
from kelpie.tools.workspace import FileEntry


def entry(file: FileEntry) -> dict[str, Any]:
    return {"path": file.path, "bytes": file.bytes, "version": file.version, "updated_at": iso(file.updated_at_ms)}
