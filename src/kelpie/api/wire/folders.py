"""Folders and files on the wire, where they are also called sources, and their chunks passages."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from kelpie.api.limits import HANDLE_CHARS_MAX
from kelpie.api.wire import archival
from kelpie.api.wire.times import iso, iso_or_none
from kelpie.files import limits
from kelpie.files.attached import AgentFile
from kelpie.files.files import File, Sizes
from kelpie.files.folders import Folder
from umi.entity import Fact

_STATES = {"waiting": "pending", "indexing": "embedding", "ready": "completed", "failed": "error"}
# Clients demand one. Chunks are found by their words, and by the server's own embedder where it has one.
_EMBEDDING = {
    "embedding_endpoint_type": "hugging-face",
    "embedding_endpoint": None,
    "embedding_model": "all-MiniLM-L6-v2",
    "embedding_dim": 384,
    "handle": None,
    "batch_size": 32,
    "azure_endpoint": None,
    "azure_version": None,
    "azure_deployment": None,
}
ENTRY_PREFIX, _FILE_PREFIX = "file_agent-", "file-"


class EmbeddingConfig(BaseModel):
    """How a client thinks that texts are embedded. Kept and given back; of it, the size of a chunk is heeded."""

    model_config = ConfigDict(extra="ignore")

    embedding_endpoint_type: Literal[
        "openai",
        "anthropic",
        "bedrock",
        "google_ai",
        "google_vertex",
        "azure",
        "groq",
        "ollama",
        "webui",
        "webui-legacy",
        "lmstudio",
        "lmstudio-legacy",
        "llamacpp",
        "koboldcpp",
        "vllm",
        "hugging-face",
        "mistral",
        "together",
        "pinecone",
    ]
    embedding_model: str = Field(max_length=HANDLE_CHARS_MAX)
    embedding_dim: int = Field(ge=0, le=1_000_000)
    embedding_endpoint: str | None = Field(default=None, max_length=HANDLE_CHARS_MAX)
    embedding_chunk_size: int | None = Field(default=None, ge=limits.CHUNK_TOKENS_MIN, le=limits.CHUNK_TOKENS_MAX)
    handle: str | None = Field(default=None, max_length=HANDLE_CHARS_MAX)


class _FolderFields(BaseModel):
    model_config = ConfigDict(extra="ignore")

    description: str | None = None
    instructions: str | None = None
    metadata: dict[str, Any] | None = None
    embedding_config: EmbeddingConfig | None = None


class CreateFolder(_FolderFields):
    name: str
    embedding: str | None = Field(default=None, max_length=HANDLE_CHARS_MAX)
    embedding_chunk_size: int | None = Field(default=None, ge=limits.CHUNK_TOKENS_MIN, le=limits.CHUNK_TOKENS_MAX)

    def folder(self, tenant: str, folder_id: str, now_ms: int) -> Folder:
        config = self.embedding_config
        chunk_tokens = self.embedding_chunk_size or (config.embedding_chunk_size if config else None)
        embedding = {} if config is None else config.model_dump(exclude_none=True)
        if self.embedding is not None:
            embedding["handle"] = self.embedding
        return Folder(
            tenant=tenant,
            id=folder_id,
            name=self.name,
            description=self.description,
            instructions=self.instructions,
            metadata=self.metadata,
            chunk_tokens=chunk_tokens or limits.CHUNK_TOKENS_DEFAULT,
            embedding=embedding,
            created_at_ms=now_ms,
            updated_at_ms=now_ms,
        )


class ModifyFolder(_FolderFields):
    name: str | None = None

    def fields(self) -> dict[str, Any]:
        """What to change. A field that is null is left as it is; how long chunks are stays, for ever."""
        given = self.model_dump(exclude_none=True)
        if "embedding_config" in given:
            given["embedding"] = given.pop("embedding_config")
        return given


def folder(one: Folder) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "description": one.description,
        "instructions": one.instructions,
        "metadata": one.metadata,
        "embedding_config": {**_EMBEDDING, **one.embedding, "embedding_chunk_size": one.chunk_tokens},
        "created_at": iso(one.created_at_ms),
        "updated_at": iso(one.updated_at_ms),
        "created_by_id": None,
        "last_updated_by_id": None,
    }


def file(one: File, content: str | None = None) -> dict[str, Any]:
    """`content` is its text, where it was asked for."""
    return {
        "id": one.id,
        "source_id": one.folder_id,
        "file_name": one.name,
        "original_file_name": one.original_name,
        "file_path": None,
        "file_type": one.media_type,
        "file_size": one.bytes,
        "file_creation_date": None,
        "file_last_modified_date": None,
        "processing_status": _STATES[one.state],
        "error_message": one.error,
        "total_chunks": one.chunks,
        "chunks_embedded": one.chunks_done,
        "content": content,
        "created_at": iso(one.created_at_ms),
        "updated_at": iso(one.updated_at_ms),
    }


def passage(fact: Fact, one: Folder) -> dict[str, Any]:
    """A chunk. Its metadata say where in the file's text it stands, in characters."""
    source = fact.source
    return {
        **archival.passage(fact),
        "source_id": one.id,
        "file_id": source.get("file_id"),
        "file_name": source.get("file_name"),
        "metadata": {"start": source.get("start"), "end": source.get("end")},
    }


def agent_file(one: AgentFile) -> dict[str, Any]:
    """A file as one agent has it. The entry's id names the file, so that a page can begin behind it."""
    return {
        "id": ENTRY_PREFIX + one.id.removeprefix(_FILE_PREFIX),
        "file_id": one.id,
        "file_name": one.name,
        "folder_id": one.folder_id,
        "folder_name": one.folder_name,
        "is_open": one.is_open,
        "last_accessed_at": iso_or_none(one.opened_at_ms),
        "visible_content": one.shown if one.is_open else None,
        "start_line": one.first_line,
        "end_line": one.last_line,
    }


def file_id_of(cursor: str | None) -> str | None:
    """The file that a place in a list of an agent's files stands for: by its own id, or its entry's."""
    if cursor is None or not cursor.startswith(ENTRY_PREFIX):
        return cursor
    return _FILE_PREFIX + cursor.removeprefix(ENTRY_PREFIX)


def totals(folders: Sequence[Folder], sizes: Sequence[Sizes], files: Mapping[str, Sequence[File]]) -> dict[str, Any]:
    """What a tenant has of folders and files; `files` are those of each folder, where they were asked for."""
    of = {one.folder_id: one for one in sizes}
    empty = Sizes("", 0, 0)
    return {
        "total_sources": len(folders),
        "total_files": sum(one.files for one in sizes),
        "total_size": sum(one.bytes for one in sizes),
        "sources": [
            {
                "source_id": one.id,
                "source_name": one.name,
                "file_count": of.get(one.id, empty).files,
                "total_size": of.get(one.id, empty).bytes,
                "files": [
                    {"file_id": each.id, "file_name": each.name, "file_size": each.bytes}
                    for each in files.get(one.id, ())
                ],
            }
            for one in folders
        ],
    }
